"""Conversations that are recorded, and a house full of callers who hear music."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from native.ear import Ear
from pln_ivr.ari import Client, connect
from pln_ivr.ari.events import EndpointInfo, StasisStart

from .load import LoadError, judged
from .machine import Clock, median, rss_kb
from .sides import AppSide, Side

RING_SECONDS = 1.0
HOLD_RATE = 60.0
SETTLE_SECONDS = 7.0
FEWEST_PACKETS = 45.0
HELD_NUMBER = {"pln_ivr": "123", "dialplan": "9124", "bare ARI": "9125"}


@dataclass
class Conversations:
    """One side's figures, a sample for each round."""

    asterisk_ms: list[float] = field(default_factory=list)
    python_ms: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        """For the table and the file."""
        return {
            "asterisk_ms_per_call": round(median(self.asterisk_ms), 1),
            "python_ms_per_call": round(median(self.python_ms), 2),
            "rounds_asterisk_ms": [round(value, 1) for value in self.asterisk_ms],
            "rounds_python_ms": [round(value, 2) for value in self.python_ms],
        }


def conversations(
    sides: Sequence[Side],
    idle: dict[str, list[float]],
    *,
    rounds: int,
    calls: int,
    talk: float,
    tones: tuple[Path, Path],
) -> dict[str, Conversations]:
    """`calls` recorded conversations at once, sound both ways; the idle share is taken off."""
    found = {side.name: Conversations() for side in sides}
    for number in range(rounds):
        for side in sides[:: -1 if number % 2 else 1]:
            side.quiet()
            clock = Clock(side.pids)
            _converse(side, calls, talk, tones)
            side.quiet()
            seconds = clock.seconds
            used = [
                (ms - seconds * share * 10) / calls
                for ms, share in zip(clock.used(), idle[side.name], strict=True)
            ]
            found[side.name].asterisk_ms.append(used[0])
            found[side.name].python_ms.append(used[1] if len(used) > 1 else 0.0)
            _empty(side.pbx.monitor_dir, calls, side)
    return found


def _converse(side: Side, calls: int, talk: float, tones: tuple[Path, Path]) -> None:
    patience = calls / 10 + talk + 60
    with (
        side.phones.answer(
            "ag-bench",
            side.agent_port,
            after=RING_SECONDS,
            talk=talk,
            calls=calls,
            sound=tones[1],
            timeout=patience,
        ) as agents,
        side.phones.caller(
            hold=patience,
            calls=calls,
            rate=10,
            sound=tones[0],
            number=side.number,
            timeout=patience,
        ) as callers,
    ):
        judged(callers.wait(patience + 5))
        talked = agents.wait(10).count("answered")
    if talked < calls:
        raise LoadError(f"{side.name}: only {talked} of {calls} callers reached an agent")


def _empty(monitor: Path, calls: int, side: Side) -> None:
    """Take this round's recordings away; the dialplan must have made one for each call."""
    files = list(monitor.rglob("*.raw"))
    if not isinstance(side, AppSide) and len(files) < calls:
        raise LoadError(f"{side.name}: {len(files)} recordings of {calls} conversations")
    for file in files:
        file.unlink()


@dataclass
class Held:
    """What a full house costs one side, in per cent of a core and KiB per call."""

    asterisk_share: list[float] = field(default_factory=list)
    python_share: list[float] = field(default_factory=list)
    asterisk_kb: list[float] = field(default_factory=list)
    python_kb: list[float] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    """RTP packets a second that one of the callers hears: cheap silence is no good figure."""

    def figures(self) -> dict[str, object]:
        """For the table and the file. Memory: of the first time, as the process grows once."""
        return {
            "asterisk_share": round(median(self.asterisk_share), 1),
            "python_share": round(median(self.python_share), 2),
            "asterisk_kb_per_call": round(self.asterisk_kb[0], 1),
            "python_kb_per_call": round(self.python_kb[0], 2),
            "packets_heard_per_s": round(median(self.heard), 1),
            "windows_asterisk_share": [round(value, 1) for value in self.asterisk_share],
        }


def hold(side: Side, name: str, calls: int, windows: int, seconds: float, into: Held) -> None:
    """Let `calls` callers hear music and measure; they are silent and their sound goes nowhere."""
    side.quiet()
    before = [rss_kb(pid) for pid in side.pids]
    lasting = calls / HOLD_RATE + SETTLE_SECONDS + windows * seconds + 5
    deaf = Ear()  # not entered: its socket takes the packets and nobody reads them
    number, patience = HELD_NUMBER[name], 2 * lasting + 30
    with (
        Ear(keep=False) as ear,
        side.phones.caller(hold=lasting, sound=ear, number=number, timeout=patience) as listener,
        side.phones.caller(
            hold=lasting,
            calls=calls - 1,
            rate=HOLD_RATE,
            sound=deaf,
            number=number,
            timeout=patience,
        ) as others,
    ):
        # The last caller's notice must be over as well.
        time.sleep(calls / HOLD_RATE + SETTLE_SECONDS)
        up = side.pbx.cli("core show channels count")
        if int(up.split()[0]) < calls:
            raise LoadError(f"{name}: not all of {calls} callers are held: {up}")
        after = [rss_kb(pid) for pid in side.pids]
        for _ in range(windows):
            clock, heard = Clock(side.pids), ear.packets
            time.sleep(seconds)
            shares = clock.shares()
            into.asterisk_share.append(shares[0])
            into.python_share.append(shares[1] if len(shares) > 1 else 0.0)
            into.heard.append((ear.packets - heard) / clock.seconds)
        judged(others.wait(patience))
        judged(listener.wait(patience))
    if min(into.heard) < FEWEST_PACKETS:
        raise LoadError(f"{name}: a held caller hears {min(into.heard):.0f} packets a second of 50")
    grown = [(now - then) / calls for now, then in zip(after, before, strict=True)]
    into.asterisk_kb.append(grown[0])
    into.python_kb.append(grown[1] if len(grown) > 1 else 0.0)


class _Holder:
    """Puts every caller into one holding bridge: the least that ARI can do."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.up = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self) -> None:
        """See ari.client.Handler."""
        assert self.client
        await self.client.create_bridge("bench-hold", "holding")
        await self.client.start_music("bench-hold", "default")
        self.up.set()

    def disconnected(self) -> None:
        """See ari.client.Handler."""

    def started(self, event: StasisStart) -> None:
        """See ari.client.Handler."""
        task = asyncio.ensure_future(self._hold(event.channel.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, channel: str) -> None:
        assert self.client
        await self.client.answer(channel)
        await self.client.add_to_bridge("bench-hold", [channel])

    def endpoint_changed(self, endpoint: EndpointInfo) -> None:
        """See ari.client.Handler."""


class NoMeter:
    """Counts nothing."""

    def event(self, type_: str) -> None:
        """See ari.client.Meter."""

    def request(self, method: str, transport: str, result: str) -> None:
        """See ari.client.Meter."""


@asynccontextmanager
async def bench_client(side: Side) -> AsyncIterator[Client]:
    """The ARI client as the bench's own application; its `run` is the caller's to start."""
    async with connect(
        side.pbx.ari_url,
        user="pln_ivr",
        password=side.pbx.settings.password,
        app="bench",
        meter=NoMeter(),
    ) as client:
        yield client


def hold_by_ari(side: Side, calls: int, windows: int, seconds: float, into: Held) -> None:
    """The reference: as many callers in one holding bridge by ARI without any application."""

    async def run() -> None:
        holder = _Holder()
        async with bench_client(side) as client:
            holder.client = client
            task = asyncio.create_task(client.run(holder))
            try:
                await asyncio.wait_for(holder.up.wait(), 10)
                await asyncio.to_thread(hold, side, "bare ARI", calls, windows, seconds, into)
                await client.destroy_bridge("bench-hold")
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
