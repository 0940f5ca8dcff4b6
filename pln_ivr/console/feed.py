"""The feed: what happens, live, as Server-Sent Events.

Publishing never waits. Each client has a bounded queue; one that is too slow for it is
disconnected, comes back by itself and begins with a snapshot again, so that nobody looks
at a picture with holes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from aiohttp import web
from msgspec import Struct, json

from pln_ivr.console.events import SNAPSHOT, Snapshot, event_of
from pln_ivr.console.views import QueueView
from pln_ivr.errors import JournalError, PlnIvrError
from pln_ivr.journal import Row

MOST_CLIENTS = 64
MOST_CHUNKS = 1024
"""In one client's queue: more than a full house can change in one turn of the event loop."""
KEEP_ALIVE_SECONDS = 15.0
QUEUE_SECONDS = 2.0
"""How often the queues' figures are told."""
WRITE_SECONDS = 10.0
"""How long a client may take no bytes at all."""

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would otherwise collect events
}
_KEEP_ALIVE = b": here\n\n"


class FeedFull(PlnIvrError):
    """There are as many feeds as may be, or the program is stopping."""


class Feed:
    """All clients. `publish` from anywhere on the event loop; `close` once, at the end."""

    def __init__(self, on_slow: Callable[[], None]) -> None:
        """`on_slow` hears of each client that was disconnected for being too slow."""
        self._on_slow = on_slow
        self._clients: set[_Client] = set()
        self._last_id = 0
        self._closed = False

    def __len__(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    def publish(self, kind: str, data: Struct) -> None:
        """Tell every client. `kind` is one of events.EVENTS, which says what `data` is."""
        self._last_id += 1
        if not self._clients:
            return
        chunk = _event(kind, self._last_id, data)
        for client in tuple(self._clients):
            if not client.offer(chunk):
                self._drop(client)

    def tell(self, row: Row) -> None:
        """The same of what has just been written to the journal."""
        event = event_of(row) if self._clients else None
        if event:
            self.publish(*event)

    async def watch(self, queues: Callable[[], Sequence[QueueView]]) -> None:
        """Tell every client how each queue is doing, as often as people look, until cancelled;
        a queue of which there is nothing new is left out."""
        told: dict[str, QueueView] = {}
        while True:
            await asyncio.sleep(QUEUE_SECONDS)
            for view in queues() if self._clients else ():
                if told.get(view.name) != view:
                    told[view.name] = view
                    self.publish("queue", view)

    async def serve(
        self,
        request: web.Request,
        snapshot: Callable[[], Snapshot],
        still: Callable[[], Awaitable[bool]],
    ) -> web.StreamResponse:
        """One client, from its snapshot until it goes, is too slow, may no longer (`still`,
        asked at every keep-alive) or the feed closes. Raises FeedFull."""
        client = self._join(request)
        try:
            client.offer(_event(SNAPSHOT, self._last_id, snapshot()))
            response = web.StreamResponse(headers=_HEADERS)
            with suppress(ConnectionError):  # the client has gone
                await response.prepare(request)
                await self._pump(client, response, still)
            return response
        finally:
            self._clients.discard(client)

    def close(self) -> None:
        """End every client's connection now, and take no other. Idempotent."""
        self._closed = True
        for client in self._clients:
            client.end()

    def _join(self, request: web.Request) -> _Client:
        if len(self._clients) >= MOST_CLIENTS:
            for client in self._clients:
                if client.gone:  # and nobody has written to it since
                    client.end()
            self._clients = {client for client in self._clients if not client.gone}
        if self._closed or len(self._clients) >= MOST_CLIENTS:
            raise FeedFull("there are as many feeds as may be; try again later")
        client = _Client(request)
        self._clients.add(client)
        return client

    async def _pump(
        self,
        client: _Client,
        response: web.StreamResponse,
        still: Callable[[], Awaitable[bool]],
    ) -> None:
        clock = asyncio.get_running_loop().time
        beat = clock() + KEEP_ALIVE_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(beat):
                    chunk = await client.take()
            except TimeoutError:
                if not await _unless_unknown(still):
                    return
                chunk, beat = _KEEP_ALIVE, clock() + KEEP_ALIVE_SECONDS
            if not chunk:
                return
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    await client.write(response, chunk)
            except TimeoutError:
                self._drop(client)
                return

    def _drop(self, client: _Client) -> None:
        """Too slow. Its handler ends by itself."""
        if client in self._clients:
            self._clients.discard(client)
            self._on_slow()
        client.abort()


class _Client:
    """One connection and what it has not been sent."""

    def __init__(self, request: web.Request) -> None:
        self._transport = request.transport
        self._chunks: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._over = False
        self._writing = False

    @property
    def gone(self) -> bool:
        """The connection has ended."""
        return self._transport is None or self._transport.is_closing()

    def offer(self, chunk: bytes) -> bool:
        """To be sent; False if too much is waiting already."""
        if len(self._chunks) >= MOST_CHUNKS:
            return False
        self._chunks.append(chunk)
        self._wake.set()
        return True

    async def take(self) -> bytes:
        """All that waits, once there is something; nothing: it is over. Safe to cancel."""
        while not self._chunks and not self._over:
            self._wake.clear()
            await self._wake.wait()
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken

    async def write(self, response: web.StreamResponse, chunk: bytes) -> None:
        """Waits while the client takes nothing. Raises ConnectionError if it has gone."""
        self._writing = True
        try:
            await response.write(chunk)
        finally:
            self._writing = False

    def end(self) -> None:
        """What waits is still sent, unless that takes time."""
        self._over = True
        self._wake.set()
        if self._writing:
            self.abort()

    def abort(self) -> None:
        """The connection is cut. Idempotent."""
        self._over = True
        self._wake.set()
        self._chunks.clear()
        if self._transport is not None:
            self._transport.abort()


def _event(kind: str, event_id: int, data: Struct) -> bytes:
    return b"event: %s\nid: %d\ndata: %s\n\n" % (kind.encode(), event_id, json.encode(data))


async def _unless_unknown(still: Callable[[], Awaitable[bool]]) -> bool:
    """A journal that cannot be read is no reason to leave supervisors blind."""
    try:
        return await still()
    except JournalError:
        return True
