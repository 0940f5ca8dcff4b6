"""A reference for the keeper of bills: what docs/operations.md asks of it, and its faults."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "a token of the house"

Answer = dict[str, Any] | bytes | int
"""A bill, something else, or a status."""


@dataclass
class BillServer:
    """Bills by customer number; who is not there is not known."""

    bills: dict[str, Answer] = field(default_factory=dict)
    stalls: bool = False
    asked: int = 0
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                return web.Response(status=401)
            await asyncio.sleep(60 if self.stalls else 0.001)
            return self._answer(self.bills.get(request.match_info["customer"], 404))
        finally:
            self.at_once -= 1

    @staticmethod
    def _answer(answer: Answer) -> web.Response:
        if isinstance(answer, int):
            return web.Response(status=answer)
        if isinstance(answer, bytes):
            return web.Response(body=answer)
        return web.json_response(answer)


@asynccontextmanager
async def bill_server() -> AsyncIterator[BillServer]:
    """One that listens."""
    made = BillServer()
    app = web.Application()
    app.router.add_get("/customers/{customer}/bill", made.answer)
    server = TestServer(app, shutdown_timeout=0.1)
    await server.start_server()
    made.url = str(server.make_url("/customers/")) + "{customer}/bill"
    try:
        yield made
    finally:
        await server.close()


@contextmanager
def served_bills() -> Iterator[BillServer]:
    """The same beside a test that is no coroutine."""
    made: list[BillServer] = []
    up, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with bill_server() as server:
            made.append(server)
            up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert up.wait(10)
        yield made[0]
    finally:
        over.set()
        thread.join()
