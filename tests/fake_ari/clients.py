"""A client, a fake for it, and what the client tells."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pln_ivr.ari import Client, connect
from pln_ivr.ari.client import Timing
from pln_ivr.ari.events import EndpointInfo, StasisStart
from pln_ivr.errors import AriUnavailable
from tests.fake_ari.server import APP, PASSWORD, USER, FakeAri, FakeChannel, fake_ari
from tests.fake_ari.world import eventually

QUICK = Timing(request=0.2, watchdog=0.1, reconnect_max=0.05)
CALM = Timing(request=5.0, watchdog=60.0, reconnect_max=0.05)


class Handler:
    """Remembers what the client told it."""

    def __init__(self) -> None:
        self.connections = 0
        self.fails = 0
        self.arrivals: list[StasisStart] = []
        self.endpoints: list[EndpointInfo] = []

    async def connected(self) -> None:
        self.connections += 1
        if self.fails:
            self.fails -= 1
            raise AriUnavailable("made to fail")

    def disconnected(self) -> None: ...

    def started(self, event: StasisStart) -> None:
        if event.args == ("bug",):
            raise ZeroDivisionError
        self.arrivals.append(event)

    def endpoint_changed(self, endpoint: EndpointInfo) -> None:
        self.endpoints.append(endpoint)


class Meter:
    """Counts as the client tells it."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.requests: Counter[tuple[str, str]] = Counter()

    def event(self, type_: str) -> None:
        self.events[type_] += 1

    def request(self, method: str, transport: str, result: str) -> None:
        self.requests[transport, result] += 1


class Setup:
    """A fake and a client that runs against it."""

    def __init__(self, fake: FakeAri, ari: Client, meter: Meter) -> None:
        self.fake = fake
        self.ari = ari
        self.meter = meter
        self.handler = Handler()
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.running = asyncio.create_task(self.ari.run(self.handler))
        await eventually(lambda: self.ari.ready, "the connection")
        self.fake.count_from_here()

    async def reconnected(self, connections: int) -> None:
        await eventually(
            lambda: self.fake.connections > connections and self.ari.ready, "the reconnection"
        )

    def follow(self, channel_id: str) -> None:
        """A channel that is up in Asterisk, and that we follow."""
        channel = FakeChannel(channel_id, "Up")
        self.fake.add(channel)
        self.ari.channel(channel_id)
        self.fake.enter_app(channel, "call")


@asynccontextmanager
async def setup(
    timing: Timing = CALM, *, password: str = PASSWORD, start: bool = True
) -> AsyncIterator[Setup]:
    meter = Meter()
    async with (
        fake_ari() as fake,
        connect(fake.url, user=USER, password=password, app=APP, meter=meter, timing=timing) as ari,
    ):
        made = Setup(fake, ari, meter)
        try:
            if start:
                await made.start()
            yield made
        finally:
            if made.running:
                made.running.cancel()
                ends = await asyncio.gather(made.running, return_exceptions=True)
                assert not [end for end in ends if isinstance(end, Exception)]
