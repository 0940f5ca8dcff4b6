"""A field dispatch for tests: it checks signatures, and answers as it is told to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

SECRET = "a secret of the field"


@dataclass
class FieldDispatch:
    """What it was told: each thing once, however often it came."""

    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    came: Counter[str] = field(default_factory=Counter)
    """How often each key came, taken or not."""
    forged: int = 0
    answer: int = 200
    """The status of its answers."""
    takes_first: bool = False
    """It takes what comes before it answers badly: its answer was lost, then."""
    hangs: bool = False
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        key, timestamp = request.headers["Idempotency-Key"], request.headers["PLN-Timestamp"]
        message = f"{timestamp}.".encode() + body
        right = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
        if request.headers["PLN-Signature"] != f"v1={right}":
            self.forged += 1
            return web.Response(status=401)
        self.came[key] += 1
        if self.hangs:
            await asyncio.sleep(60)
        if self.answer == 200 or self.takes_first:
            self.told.setdefault(key, json.loads(body))
        return web.Response(status=self.answer)


@asynccontextmanager
async def field_dispatch() -> AsyncIterator[FieldDispatch]:
    """One that listens."""
    made = FieldDispatch()
    app = web.Application()
    app.router.add_post("/reports", made.take)
    server = TestServer(app)
    await server.start_server()
    made.url = str(server.make_url("/reports"))
    try:
        yield made
    finally:
        await server.close()
