"""The two ways of a request: pooled HTTP and REST over the WebSocket, request by request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pln_ivr.ari import Client
from pln_ivr.ari.events import EndpointInfo, StasisStart
from pln_ivr.ari.operations import Operations
from pln_ivr.ari.transport import HttpTransport, Request, Transport

from .machine import cpu_ms, median, percentile
from .media import bench_client
from .sides import Side

DEADLINE = 5.0
Issue = Callable[[Transport, str], Awaitable[object]]


@dataclass
class Ways:
    """One operation by one transport."""

    latency_us: list[float] = field(default_factory=list)
    client_us: list[float] = field(default_factory=list)
    asterisk_us: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        """For the table and the file."""
        return {
            "client_us": round(median(self.client_us)),
            "asterisk_us": round(median(self.asterisk_us)),
            "latency_us_median": round(median(self.latency_us)),
            "latency_us_p99": round(percentile(self.latency_us, 0.99)),
        }


class _Arrivals:
    """Collects the channels that come."""

    def __init__(self, wanted: int) -> None:
        self.channels: list[str] = []
        self.up, self.complete = asyncio.Event(), asyncio.Event()
        self._wanted = wanted

    def reset(self) -> None:
        """Begin to collect anew."""
        self.channels = []
        self.complete.clear()

    async def connected(self) -> None:
        """See ari.client.Handler."""
        self.up.set()

    def disconnected(self) -> None:
        """See ari.client.Handler."""

    def started(self, event: StasisStart) -> None:
        """See ari.client.Handler."""
        self.channels.append(event.channel.id)
        if len(self.channels) == self._wanted:
            self.complete.set()

    def endpoint_changed(self, endpoint: EndpointInfo) -> None:
        """See ari.client.Handler."""


def compare(side: Side, rounds: int, requests: int) -> dict[str, dict[str, Ways]]:
    """Measure each operation over each transport, one request at a time, in turns."""
    return asyncio.run(_Comparison(side, rounds, requests).run())


class _Comparison:
    """One run of it, on the side that has no application of its own."""

    def __init__(self, side: Side, rounds: int, requests: int) -> None:
        self._side = side
        self._rounds = rounds
        self._requests = requests
        self._found: dict[str, dict[str, Ways]] = {}
        self._arrivals = _Arrivals(requests)

    async def run(self) -> dict[str, dict[str, Ways]]:
        async with bench_client(self._side) as client:
            task = asyncio.create_task(client.run(self._arrivals))
            try:
                await asyncio.wait_for(self._arrivals.up.wait(), 10)
                await self._measure_all(client)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return self._found

    async def _measure_all(self, client: Client) -> None:
        stream = client._stream  # the seam is private to the client; a bench may look
        assert stream is not None
        http = HttpTransport(client._session, self._side.pbx.ari_url)
        ways: list[Transport] = [http, stream]
        for number in range(self._rounds):
            for way in ways[:: -1 if number % 2 else 1]:
                names = [f"b{number}-{way.name}-{n}" for n in range(self._requests)]
                await self._time("create bridge", way, names, _create)
                await self._time("destroy bridge", way, names, _destroy)
                await self._time("originate", way, names, _originate)
                await asyncio.sleep(1.5)
                async with self._callers(answer=None) as channels:
                    await self._time("hang up", way, channels, _hang_up)
                async with self._callers(answer=client) as channels:
                    await self._time("play", way, channels, _play)
                    await asyncio.sleep(1.0)

    async def _time(self, what: str, way: Transport, names: list[str], issue: Issue) -> None:
        ways = self._found.setdefault(what, {}).setdefault(way.name, Ways())
        pid = self._side.pids[0]
        await asyncio.sleep(0.3)
        asterisk, own = cpu_ms(pid), time.process_time()
        for name in names:
            began = time.perf_counter()
            await issue(way, name)
            ways.latency_us.append((time.perf_counter() - began) * 1e6)
        own = time.process_time() - own
        await asyncio.sleep(0.3)  # what Asterisk still does for these requests is theirs
        ways.client_us.append(own * 1e6 / len(names))
        ways.asterisk_us.append((cpu_ms(pid) - asterisk) * 1000 / len(names))

    @asynccontextmanager
    async def _callers(self, answer: Client | None) -> AsyncIterator[list[str]]:
        """Callers in the application `bench`, answered or not."""
        self._arrivals.reset()
        phone = self._side.phones.caller(
            hold=30.0, calls=self._requests, rate=100, number="9125", timeout=90.0
        )
        try:
            await asyncio.wait_for(self._arrivals.complete.wait(), self._requests / 100 + 20)
            channels = list(self._arrivals.channels)
            if answer:
                for channel in channels:
                    await answer.answer(channel)
                await asyncio.sleep(0.5)
            yield channels
            if answer:
                for channel in channels:
                    await answer.hang_up(channel)
            await asyncio.to_thread(phone.wait, 60.0)
        finally:
            await asyncio.to_thread(phone.stop)


async def _create(way: Transport, name: str) -> object:
    return await way.send(Request("POST", f"bridges/{name}", {"type": "mixing"}), DEADLINE)


async def _destroy(way: Transport, name: str) -> object:
    return await way.send(Request("DELETE", f"bridges/{name}", {}), DEADLINE)


async def _hang_up(way: Transport, name: str) -> object:
    return await way.send(Request("DELETE", f"channels/{name}", {"reason_code": "17"}), DEADLINE)


async def _play(way: Transport, name: str) -> object:
    request = Request("POST", f"channels/{name}/play/p-{name}", {"media": "sound:pln/agent-away"})
    return await way.send(request, DEADLINE)


async def _originate(way: Transport, name: str) -> object:
    """To a phone that is not there: Asterisk makes the channel, and gives up at once."""
    query = {"endpoint": "PJSIP/ag-201", "context": "agent-answered", "extension": "record"}
    query |= {"priority": "1", "timeout": "1"}
    body = {"variables": {"PLN_RECORDING": "2026/01/01/a/a"}}
    return await way.send(Request("POST", f"channels/{name}", query, body), DEADLINE)


class _Choice(Operations):
    """Notes over which transport the client would send."""

    app = "bench"

    def __init__(self) -> None:
        self.last = ""

    async def _hand_over(self, request: Request) -> bytes:
        self.last = "websocket"
        return b"[]"

    async def _wait(self, request: Request) -> bytes:
        self.last = "http"
        return b"[]"


def choices() -> dict[str, str]:
    """Over which transport pln_ivr's client sends what."""

    async def ask() -> dict[str, str]:
        probe, found = _Choice(), {}
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "answer": lambda: probe.answer("c"),
            "hang up": lambda: probe.hang_up("c"),
            "play": lambda: probe.play("c", "sound:x", "p"),
            "originate": lambda: probe.originate(
                "c",
                "PJSIP/x",
                context="x",
                extension="x",
                variables={},
                caller_id="",
                originator="",
                seconds=1,
            ),
            "create bridge": lambda: probe.create_bridge("b", "mixing"),
            "destroy bridge": lambda: probe.destroy_bridge("b"),
            "add to bridge": lambda: probe.add_to_bridge("b", ["c"]),
        }
        for name, call in asked.items():
            await call()
            found[name] = probe.last
        return found

    return asyncio.run(ask())
