"""A proxy between the app and Asterisk's HTTP port that can be cut, stalled and made to lie."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import threading
from collections.abc import Callable
from typing import Self

TEXT = 1
_CHUNK = 65536


class Proxy:
    """Listens at `port` and forwards to `target`. A context manager; a thread of its own.

    Its methods may be called from any thread.
    """

    def __init__(self, target: int, port: int, seed: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.corrupted = 0
        """Frames changed or made up so far."""
        self._target, self._port = target, port
        self._dice = random.Random(seed)
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._refusing = False
        self.flowing = asyncio.Event()
        """Unset while nothing is carried."""
        self.flowing.set()
        self._to_corrupt = 0

    def cut(self) -> None:
        """End every connection with a reset and refuse new ones, until `heal`."""
        self._call(self._cut)

    def stall(self) -> None:
        """Keep every connection open and carry nothing, until `heal`, which ends them: what has
        lost packets for so long does not come back."""
        self._call(self._stall)

    def heal(self) -> None:
        """Carry everything again."""
        self._call(self._heal)

    def corrupt(self, frames: int) -> None:
        """Change bytes in so many of the next text frames towards the app, and put one that is
        no event before each. The TCP connection stays whole."""
        self._call(lambda: self._corrupt(frames))

    def spoiled(self, frame: bytes, head: int) -> bytes:
        """What the app gets instead of this frame."""
        if self._to_corrupt <= 0:
            return frame
        self._to_corrupt -= 1
        self.corrupted += 2
        changed = bytearray(frame)
        for _ in range(3):
            changed[self._dice.randrange(head, len(frame))] ^= self._dice.randrange(1, 256)
        garbage = bytes(self._dice.randrange(32, 127) for _ in range(60))
        return bytes([0x80 | TEXT, len(garbage)]) + garbage + bytes(changed)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._up.wait(10):
            raise RuntimeError(f"the proxy does not listen at port {self._port}")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _call(self, what: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = asyncio.start_server(self._accepted, "127.0.0.1", self._port, backlog=512)
        server = self._loop.run_until_complete(serving)
        self._up.set()
        self._loop.run_forever()
        server.close()
        self._end_links()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), far)
        self._links.add(link)
        try:
            await link.carry()
        finally:
            self._links.discard(link)

    def _cut(self) -> None:
        self._refusing = True
        self._end_links()

    def _stall(self) -> None:
        self.flowing.clear()

    def _heal(self) -> None:
        if not self.flowing.is_set():
            self._end_links()
        self._refusing = False
        self.flowing.set()

    def _corrupt(self, frames: int) -> None:
        self._to_corrupt = frames

    def _end_links(self) -> None:
        for link in self._links:
            link.abort()


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection of the app and its other half towards Asterisk."""

    def __init__(self, proxy: Proxy, near: Pair, far: Pair) -> None:
        self._proxy, self._near, self._far = proxy, near, far

    async def carry(self) -> None:
        """Until either end is closed."""
        ways = (
            asyncio.ensure_future(self._copy(self._near[0], self._far[1], None)),
            asyncio.ensure_future(self._copy(self._far[0], self._near[1], _Frames(self._proxy))),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # The last words of the one that closed have been passed on; the other may go.
        finally:
            for way in ways:
                way.cancel()
            for _, writer in (self._near, self._far):
                writer.close()

    def abort(self) -> None:
        """With a reset, and nothing that is still under way."""
        for _, writer in (self._near, self._far):
            raw = writer.get_extra_info("socket")
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: reset on close
            writer.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: _Frames | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._proxy.flowing.wait()
                writer.write(frames.pass_on(data) if frames else data)
                await writer.drain()


class _Frames:
    """Asterisk's bytes towards the app: whole WebSocket frames once the upgrade was accepted."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._buffer = b""
        self._upgraded = False

    def pass_on(self, data: bytes) -> bytes:
        """What of it goes on now."""
        out = b""
        if not self._upgraded:  # the client may have used the connection for other requests before
            if not data.startswith(b"HTTP/1.1 101"):
                return data
            self._upgraded = True
            head, end, data = data.partition(b"\r\n\r\n")
            out = head + end
        self._buffer += data
        while (frame := self._next()) is not None:
            out += frame
        return out

    def _next(self) -> bytes | None:
        """The next whole frame, spoiled if it is due."""
        data = self._buffer
        if len(data) < 2:
            return None
        head, length = 2, data[1] & 0x7F
        if length >= 126:
            size = 2 if length == 126 else 8
            head += size
            if len(data) < head:
                return None
            length = int.from_bytes(data[2:head], "big")
        if len(data) < head + length:
            return None
        frame, self._buffer = data[: head + length], data[head + length :]
        if frame[0] & 0x0F == TEXT and length > 10:
            return self._proxy.spoiled(frame, head)
        return frame
