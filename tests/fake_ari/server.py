"""A small fake ARI on a real socket: events, REST over WebSocket and HTTP, and faults on demand.

It knows just enough of channels, bridges and prompts to take a call through. What a real
Asterisk will not do on command is a `Fault` here: an error, silence, a cut connection. The
real one is the judge of everything else, in tests/asterisk.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fake_ari.pbx import APP, Asked, FakeChannel, FakePbx, Json

USER, PASSWORD = "pln_ivr", "fake-password"

__all__ = [
    "APP",
    "PASSWORD",
    "USER",
    "Asked",
    "FakeAri",
    "FakeChannel",
    "Fault",
    "Json",
    "fake_ari",
]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request: at most one of these.

    `status`: refused with it, nothing done. `silent`: no answer ever; `done` says whether
    it was carried out all the same. `cut`: the connection breaks; `reset` by RST.
    """

    status: int = 0
    message: str = "Channel not found"
    silent: bool = False
    done: bool = False
    cut: bool = False
    reset: bool = False
    body: str | None = None
    """Answered 200 with this text."""


class FakeAri(FakePbx):
    """The fake. Made by `fake_ari`; everything is for tests to read and to set."""

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.fault: Callable[[Asked], Fault | None] = lambda _: None
        self.before: Callable[[Asked], None] = lambda _: None
        """Called before a request is carried out."""
        self.carried_out: Callable[[Asked], None] = lambda _: None
        """Called after it was carried out and before its answer is sent."""
        self.answered: Callable[[Asked], None] = lambda _: None
        """Called after its answer was sent."""
        self.on_event: Callable[[int, Json], None] = lambda *_: None
        """Called after each event was queued for sending."""
        self.refuses_websocket = False
        self.requests: list[Asked] = []
        self.events: list[Json] = []
        self.connections = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.mute_events = False
        self._first_request = 0
        self._first_event = 0
        self._outbox: asyncio.Queue[tuple[web.WebSocketResponse, str]] = asyncio.Queue()
        self._lost: asyncio.Event = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count_from_here(self) -> None:
        """Requests and events get numbers from 0 again."""
        self._first_request, self._first_event = len(self.requests), len(self.events)

    def cut(self) -> None:
        """Break every WebSocket, as a crash would."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    def transport(self) -> asyncio.Transport:
        """Of the latest WebSocket."""
        request = self.sockets[-1]._req
        assert request is not None
        assert isinstance(request.transport, asyncio.Transport)
        return request.transport

    def close_sockets(self) -> asyncio.Future[Any]:
        """Close every WebSocket politely."""
        return asyncio.gather(*(socket.close() for socket in self.sockets))

    def send(self, type_: str, **fields: Any) -> None:
        """Send an event to the application, if it wants this type."""
        event = {
            "type": type_,
            "application": APP,
            "timestamp": "2026-11-23T12:00:00.000+0700",
            "asterisk_id": "00:00:00:00:00:00",
            **fields,
        }
        if self.filter is not None and type_ not in self.filter:
            return
        self.events.append(event)
        self.send_raw(json.dumps(event))
        self.on_event(len(self.events) - 1 - self._first_event, event)

    def send_raw(self, text: str) -> None:
        """Send any text at all."""
        if self.sockets and not self.mute_events:
            self._outbox.put_nowait((self.sockets[-1], text))

    async def write(self) -> None:
        """The one writer: events and answers leave in the order in which they were made."""
        while True:
            socket, text = await self._outbox.get()
            try:
                await socket.send_str(text)
            except (ConnectionError, RuntimeError):
                continue

    async def http(self, request: web.Request) -> web.StreamResponse:
        """One HTTP request."""
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {credentials}":
            return web.json_response({"message": "Authentication required"}, status=401)
        path = request.raw_path.partition("?")[0].removeprefix("/ari/")
        if path == "events" and "upgrade" in request.headers.get("Connection", "").lower():
            return await self._websocket(request)
        text = await request.text()
        asked = self._note("http", request.method, path, dict(request.query), text)
        fault = self.fault(asked)
        if fault and fault.cut and request.transport:
            if fault.reset:
                request.transport.abort()
            else:
                request.transport.close()
            return web.Response()
        answer = self._carry_out(asked, fault)
        if answer is None:
            await self._lost.wait()
            return web.Response()
        status, body = answer
        response = web.Response(status=status, text=body or None, content_type="application/json")
        await response.prepare(request)
        await response.write_eof()
        self.answered(asked)
        return response

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_websocket:
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        self.filter = None
        async for message in socket:
            if isinstance(message.data, str):
                self._rest_over_websocket(socket, json.loads(message.data))
        self.sockets.remove(socket)
        return socket

    def _rest_over_websocket(self, socket: web.WebSocketResponse, message: Json) -> None:
        assert message["type"] == "RESTRequest"
        query = {item["name"]: item["value"] for item in message["query_strings"]}
        asked = self._note(
            "websocket", message["method"], message["uri"], query, message.get("message_body", "")
        )
        asked.id = message["request_id"]
        fault = self.fault(asked)
        if fault and fault.cut:
            self.cut()
            return
        answer = self._carry_out(asked, fault)
        if answer is None:
            return
        self.answer_websocket(socket, message["request_id"], *answer)
        self.answered(asked)

    def answer_websocket(
        self, socket: web.WebSocketResponse, request_id: str, status: int, body: str
    ) -> None:
        """Answer one request of a WebSocket."""
        response = {
            "type": "RESTResponse",
            "transaction_id": request_id,
            "request_id": request_id,
            "status_code": status,
            "reason_phrase": "",
            "uri": "",
            "message_body": body,
        }
        if self.filter is None or "RESTResponse" in self.filter:
            self._outbox.put_nowait((socket, json.dumps(response)))

    def _note(
        self, transport: str, method: str, path: str, query: dict[str, str], body: str
    ) -> Asked:
        number = len(self.requests) - self._first_request
        asked = Asked(
            number, transport, method, unquote(path), query, json.loads(body) if body else {}
        )
        self.requests.append(asked)
        return asked

    def _carry_out(self, asked: Asked, fault: Fault | None) -> tuple[int, str] | None:
        """Status and body, or None for no answer."""
        self.before(asked)
        if fault and fault.status:
            answer: tuple[int, str] | None = fault.status, json.dumps({"message": fault.message})
        elif fault and fault.body is not None:
            answer = 200, fault.body
        elif fault and fault.silent and not fault.done:
            answer = None
        else:
            status, value = self.carry_out(asked)
            answer = None if fault and fault.silent else (status, json.dumps(value))
        self.carried_out(asked)
        return answer

    def stop(self) -> None:
        """Let go of everybody who waits for an answer."""
        self._lost.set()


@asynccontextmanager
async def fake_ari(port: int = 0) -> AsyncIterator[FakeAri]:
    """A fake that listens on loopback for the body's duration."""
    fake = FakeAri()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.http)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    fake.port = runner.addresses[0][1]
    writer = asyncio.create_task(fake.write())
    try:
        yield fake
    finally:
        fake.stop()
        fake.cut()
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        await runner.cleanup()
