"""The ways to record a conversation, side by side on one Asterisk.

For each: processor time of Asterisk for a conversation, against one that is not recorded; how far
apart the two sides are, by pulses that both phones sound at the same moments; how soon something
tells that it runs; and what is left of the conversation when the application is cut off, and then
when Asterisk is killed with SIGKILL. Prints a Markdown table. Takes about six minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from rich.console import Console

from native.ear import Ear
from native.root import LauncherError, find_asterisk
from native.tones import write_tone
from pln_ivr.recordings.sound import FRAME_BYTES, RATE, Samples
from tests.asterisk.world import REPO

from .load import LoadError
from .machine import Clock, median
from .pulses import Aligned, aligned, write_pulses
from .sides import DialplanSide, write_prompts

CONVERSATIONS = 24
WINDOWS, WINDOW_SECONDS = 2, 6.0
ROUNDS = 2
PULSES_SECONDS = 14.0
ALONE_SECONDS = 4.0
"""How long Asterisk goes on after the application has been cut off, until it is killed."""

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Method:
    """One way to record."""

    name: str
    extension: str = "plain"
    """Where the agent's leg begins in the bench's dialplan."""
    begin: str = ""
    """What the application does besides: snoop, bridge, media."""
    sides: tuple[str, ...] = ()
    """Its files in the spool: one for each side, or one for both."""
    sign: str = ""
    """What tells that it runs."""

    @property
    def two_channels(self) -> bool:
        """Whether the sides can be told apart."""
        return bool(self.sides) and self.begin != "bridge"


METHODS = (
    Method("not recorded"),
    Method("MixMonitor D on the agent's leg", "mixmonitor", "", ("monitor/{}.raw",), "its file"),
    Method(
        "MixMonitor r(), t() on the agent's leg",
        "files",
        "",
        ("monitor/{}-t.raw", "monitor/{}-r.raw"),
        "its files",
    ),
    Method(
        "two snoops, ARI record",
        begin="snoop",
        sides=("recording/{}-out.sln", "recording/{}-in.sln"),
        sign="RecordingStarted",
    ),
    Method("bridge record", begin="bridge", sides=("recording/{}.sln",), sign="RecordingStarted"),
    Method("external media (RTP)", begin="media", sign="its first packet"),
)


@dataclass
class Found:
    """What was measured of one method."""

    ms_a_second: list[float] = field(default_factory=list)
    """Asterisk's processor time for one conversation."""
    sign_ms: list[float] = field(default_factory=list)
    alignment: Aligned | None = None
    talked: float = 0.0
    left_by_app: float | None = None
    """Seconds of the conversation after the application was cut off that were recorded."""
    left: float | None = None
    """Seconds of the whole that can be read after Asterisk was killed."""


class Receiver(asyncio.DatagramProtocol):
    """Takes external media, and notes when the first packet came from each port."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, int], float] = {}

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """See asyncio."""
        self.first.setdefault(addr, time.monotonic())


class Application:
    """The bench's own ARI application: joins callers and agents, and records by one method."""

    def __init__(self, side: DialplanSide, method: Method, session: aiohttp.ClientSession) -> None:
        self._side = side
        self._method = method
        self._session = session
        self._agents = iter(range(10**6))
        self._waits: dict[str, asyncio.Future[None]] = {}
        self._started: dict[str, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.receiver = Receiver()
        self.media = ""
        self.talking: list[str] = []
        """The names of the conversations that are up."""
        self.sign_ms: list[float] = []
        self.failures: list[str] = []
        self.links: list[Callable[[], object]] = []
        """Each ends one of its connections without a word."""

    def cut(self) -> None:
        """Nothing of it reaches Asterisk any more, nor the other way, as after SIGKILL."""
        while self.links:
            self.links.pop()()

    async def read(self, events: aiohttp.ClientWebSocketResponse) -> None:
        """Take Asterisk's events until the connection ends."""
        async for message in events:
            event = message.json()
            if event["type"] == "StasisStart":
                self._came(event)
            elif event["type"] == "RecordingStarted":
                self._set(self._started, event["recording"]["name"])

    def _came(self, event: dict[str, Any]) -> None:
        channel = event["channel"]["id"]
        if channel in self._waits:
            self._set(self._waits, channel)
        else:
            task = asyncio.create_task(self._converse(channel))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.failures.append(repr(error))

    def _set(self, futures: dict[str, asyncio.Future[None]], key: str) -> None:
        if key in futures and not futures[key].done():
            futures[key].set_result(None)

    async def _converse(self, caller: str) -> None:
        name = caller.replace(".", "-")
        leg, bridge = f"leg-{name}", f"talk-{name}"
        await self._ask("POST", f"channels/{caller}/answer")
        await self._ask("POST", f"channels/{caller}/play", media="sound:pln/notice")
        self._waits[leg] = asyncio.get_running_loop().create_future()
        extension = self._side.agents[next(self._agents) % len(self._side.agents)]
        await self._ask(
            "POST",
            f"channels/{leg}",
            {"variables": {"FILE": name}},
            endpoint=f"PJSIP/ag-{extension}",
            context="bench-agent",
            extension=self._method.extension,
            priority="1",
        )
        await asyncio.wait_for(self._waits[leg], 20)
        await self._ask("POST", f"bridges/{bridge}", type="mixing,dtmf_events")
        await self._ask("POST", f"bridges/{bridge}/addChannel", channel=f"{caller},{leg}")
        began = time.monotonic()
        await self._record(name, leg, bridge)
        self.sign_ms.append((time.monotonic() - began) * 1000)
        self.talking.append(name)

    async def _record(self, name: str, leg: str, bridge: str) -> None:
        """Begin, and return when something has told that it runs."""
        match self._method.begin:
            case "snoop":
                for spy in ("in", "out"):
                    snoop = f"snoop-{spy}-{name}"
                    self._waits[snoop] = asyncio.get_running_loop().create_future()
                    path = f"channels/{leg}/snoop/{snoop}"
                    await self._ask("POST", path, app="bench", spy=spy)
                    await asyncio.wait_for(self._waits[snoop], 10)
                    await self._recorded(f"channels/{snoop}/record", f"{name}-{spy}")
            case "bridge":
                await self._recorded(f"bridges/{bridge}/record", name)
            case "media":
                media = f"media-{name}"
                known = len(self.receiver.first)
                self._waits[media] = asyncio.get_running_loop().create_future()
                await self._ask(
                    "POST",
                    "channels/externalMedia",
                    channelId=media,
                    app="bench",
                    external_host=self.media,
                    format="slin",
                )
                await asyncio.wait_for(self._waits[media], 10)
                await self._ask("POST", f"bridges/{bridge}/addChannel", channel=media)
                await self._until(lambda: len(self.receiver.first) > known)
            case _ if self._method.sides:
                spool = self._side.pbx.folder / "spool"
                files = [spool / file.format(name) for file in self._method.sides]
                await self._until(lambda: all(file.exists() for file in files))

    async def _recorded(self, path: str, name: str) -> None:
        self._started[name] = asyncio.get_running_loop().create_future()
        await self._ask("POST", path, name=name, format="sln")
        await asyncio.wait_for(self._started[name], 10)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 (a file and a socket have no event to await)
                await asyncio.sleep(0.005)

    async def _ask(self, method: str, path: str, body: Any = None, **query: str) -> None:
        url = f"{self._side.pbx.ari_url}/ari/{path}"
        async with self._session.request(method, url, params=query, json=body) as answer:
            if answer.status >= 300:
                raise LoadError(f"{method} {path}: {answer.status} {await answer.text()}")


@asynccontextmanager
async def serving(side: DialplanSide, method: Method) -> AsyncIterator[Application]:
    """The application, connected; at the end, if not before, it is cut off."""
    token = base64.b64encode(f"pln_ivr:{side.pbx.settings.password}".encode()).decode()
    async with aiohttp.ClientSession(headers={"Authorization": f"Basic {token}"}) as session:
        app = Application(side, method, session)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: app.receiver, local_addr=("127.0.0.1", 0)
        )
        app.media = "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
        events = await session.ws_connect(f"{side.pbx.ari_url}/ari/events?app=bench")
        reading = asyncio.create_task(app.read(events))
        wire = events.get_extra_info("socket")
        app.links += [transport.close, lambda: wire.shutdown(2)]
        try:
            yield app
        finally:
            reading.cancel()
            app.cut()
            await asyncio.gather(reading, return_exceptions=True)


async def up(app: Application, count: int, seconds: float) -> None:
    """Wait until so many converse and are recorded. Raises LoadError."""
    deadline = time.monotonic() + seconds
    while len(app.talking) < count:
        if app.failures or time.monotonic() > deadline:
            what = app.failures[0] if app.failures else "in time"
            raise LoadError(f"only {len(app.talking)} of {count} conversations are up: {what}")
        await asyncio.sleep(0.1)


async def weigh(side: DialplanSide, method: Method, tones: tuple[Path, Path], into: Found) -> None:
    """Processor time of Asterisk while many converse."""
    side.quiet()
    lasting = CONVERSATIONS / 10 + 10 + WINDOWS * WINDOW_SECONDS
    patience = lasting + 40
    async with serving(side, method) as app:
        with (
            side.phones.answer(
                "ag-bench",
                side.agent_port,
                after=0.1,
                talk=lasting,
                calls=CONVERSATIONS,
                sound=tones[1],
                timeout=patience,
            ),
            side.phones.caller(
                hold=lasting,
                calls=CONVERSATIONS,
                sound=tones[0],
                number="9125",
                timeout=patience,
            ),
        ):
            await up(app, CONVERSATIONS, 30)
            await asyncio.sleep(1.0)
            for _ in range(WINDOWS):
                clock = Clock(side.pids)
                await asyncio.sleep(WINDOW_SECONDS)
                used = clock.used()[0] / clock.seconds
                into.ms_a_second.append(used / CONVERSATIONS)
            into.sign_ms += app.sign_ms
            # While the phones are there: a BYE that comes to the next ones would be a call to them.
            side.pbx.cli("channel request hangup all")
            side.quiet()
    _empty(side)


async def try_out(side: DialplanSide, method: Method, pulses: Path, into: Found) -> None:
    """One conversation with pulses, which loses the application and then Asterisk."""
    patience = PULSES_SECONDS + ALONE_SECONDS + 40
    with Ear(pulses, in_time=True, keep=False) as agent, Ear(pulses, in_time=True) as caller:
        async with serving(side, method) as app:
            with (
                side.phones.answer(
                    "ag-bench", side.agent_port, after=0.1, sound=agent, timeout=patience
                ),
                side.phones.caller(hold=patience, sound=caller, number="9125", timeout=patience),
            ):
                await up(app, 1, 20)
                began, name = time.monotonic(), app.talking[0]
                await asyncio.sleep(PULSES_SECONDS)
                files = [side.pbx.folder / "spool" / file.format(name) for file in method.sides]
                app.cut()
                before = _seconds(files)
                await asyncio.sleep(ALONE_SECONDS)
                after = _seconds(files)
                side.pbx.kill()
                into.talked = time.monotonic() - began
    into.left_by_app = min(after - before, ALONE_SECONDS) if files else 0.0
    into.left = _seconds(files)
    into.alignment = aligned(*_sides(files)) if method.two_channels else None
    side.pbx.start()
    _empty(side)


def _seconds(files: Sequence[Path]) -> float:
    """How much can be read of a recording: of the side that has less."""
    frame = FRAME_BYTES if len(files) == 1 and files[0].suffix == ".raw" else FRAME_BYTES // 2
    sizes = [file.stat().st_size if file.exists() else 0 for file in files]
    return min(sizes, default=0) / frame / RATE


def _sides(files: Sequence[Path]) -> tuple[Samples, Samples]:
    """The customer's side and the agent's."""
    if len(files) == 1:
        both = np.frombuffer(files[0].read_bytes()[: int(1e9)], "<i2")
        both = both[: len(both) // 2 * 2].reshape(-1, 2)
        return both[:, 1], both[:, 0]
    customer, agent = (np.frombuffer(file.read_bytes(), "<i2") for file in files)
    return customer, agent


def _empty(side: DialplanSide) -> None:
    for file in (side.pbx.folder / "spool").rglob("*"):
        if file.suffix in (".raw", ".sln"):
            file.unlink()


def table(found: dict[str, Found]) -> list[str]:
    """Markdown, the methods below each other."""
    plain = median(found[METHODS[0].name].ms_a_second)
    lines = [
        "| way | two channels | Asterisk's processor time | tells that it runs | sides apart |"
        " application cut off | Asterisk killed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method in METHODS:
        one = found[method.name]
        ms = median(one.ms_a_second)
        cost = f"{ms:.1f} ms a second, x {ms / plain:.2f}"
        told = f"{method.sign}, after {median(one.sign_ms):.0f} ms" if method.sign else "-"
        apart = f"{one.alignment.largest:.1f} ms" if one.alignment else "-"
        if one.left is None or one.left_by_app is None:
            by_app = left = "-"
        else:
            by_app = f"{one.left_by_app:.1f} s of {ALONE_SECONDS:g} s recorded"
            left = f"{one.left:.1f} s of {one.talked:.1f} s can be read"
        lines.append(
            f"| {method.name} | {'yes' if method.two_channels else 'no'} |"
            f" {cost} | {told} | {apart} | {by_app} | {left} |"
        )
    return lines


async def run(side: DialplanSide, tones: tuple[Path, Path], pulses: Path) -> dict[str, Found]:
    """Every method, the other way round in every other round."""
    found = {method.name: Found() for method in METHODS}
    for number in range(ROUNDS):
        for method in METHODS[:: -1 if number % 2 else 1]:
            console.print(f"round {number + 1}: {method.name}", style="dim")
            await weigh(side, method, tones, found[method.name])
    for method in METHODS:
        if method.sides:
            console.print(f"pulses, and kills: {method.name}", style="dim")
            await try_out(side, method, pulses, found[method.name])
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="tests/bench/mechanisms", description=__doc__)
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mechanisms-") as temporary:
        folder = Path(temporary)
        tones = write_tone(folder / "caller.alaw", 440), write_tone(folder / "agent.alaw", 660)
        home = folder / f"{folder.name}-plain"  # its name is the instance's in Asterisk's root
        home.mkdir()
        try:
            prompts = write_prompts(folder / "prompts")
            side = DialplanSide(find_asterisk(REPO / ".cache"), prompts, home, CONVERSATIONS)
            try:
                found = asyncio.run(run(side, tones, write_pulses(folder / "pulses.alaw")))
            finally:
                side.stop()
        except (LauncherError, LoadError) as error:
            print(f"mechanisms: {error}", file=sys.stderr)
            return 1
    print("\n".join(table(found)))
    print(f"\n{CONVERSATIONS} conversations at once, both sides speaking; medians of", end=" ")
    print(f"{ROUNDS * WINDOWS} windows of {WINDOW_SECONDS:g} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
