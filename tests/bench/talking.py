"""Can Asterisk tell whether a customer speaks? TALK_DETECT with real audio at customers' legs.

Each setting (silence in ms, threshold) has a customer of its own, and all send the same: speech
at several levels and with pauses, noise, hum, silence. Somebody speaks, by our reckoning, at every
moment at which speech is going on or has ended within the last second. A miss is such a moment at
which the detector says silence; a false alarm is any other at which it says talking. The setting
with the smallest sum of both shares is recommended. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import secrets
import socket
import struct
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from native.pbx import Pbx, PbxSettings
from native.phones import SCENARIOS
from native.root import LauncherError, find_asterisk
from native.tones import write_tone
from tests.asterisk.world import REPO

from .sipp import Sipp, fill
from .sounds import Kind, Packet, Sound, all_sounds, rest
from .storm import progressing

SETTINGS = ("2500,256", "1000,128", "1000,256", "1000,384", "1000,512", "1500,384")
"""Asterisk's default first."""
AFTERWARDS_SECONDS = 1.0
"""How long somebody who has ended counts as speaking."""
EDGE_SECONDS = 0.1
"""Moments so near to a beginning or an end are not judged: an event takes its time as well."""
REST_SECONDS = 3.0
"""Between two sounds; longer than any setting's silence."""
FRAME_SECONDS = 0.02
TALKING, SILENT = "ChannelTalkingStarted", "ChannelTalkingFinished"
_RTP = struct.Struct("!BBHII")

console = Console()


@dataclass(frozen=True, slots=True)
class Score:
    """Moments of one sound under one setting."""

    speaking: int = 0
    missed: int = 0
    quiet: int = 0
    false: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.speaking + other.speaking,
            self.missed + other.missed,
            self.quiet + other.quiet,
            self.false + other.false,
        )

    @property
    def misses(self) -> float:
        """Share of the moments at which somebody speaks."""
        return self.missed / self.speaking if self.speaking else 0.0

    @property
    def false_alarms(self) -> float:
        """Share of the moments at which nobody does."""
        return self.false / self.quiet if self.quiet else 0.0


@dataclass
class Played:
    """When each sound's packets were sent, in epoch seconds."""

    sound: Sound
    sent: list[float] = field(default_factory=list)


class Mouth:
    """One customer's RTP: sends to whoever sent to it first."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._peer: tuple[str, int] | None = None
        self._number = 0
        self._stamp = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    @property
    def connected(self) -> bool:
        """Whether anything was heard; reads all that has come."""
        with contextlib.suppress(OSError):
            while True:
                _, self._peer = self._socket.recvfrom(2048)
        return self._peer is not None

    def say(self, packet: Packet | None) -> None:
        """Send this 20 ms; time goes on without a packet, too."""
        self._stamp += 160
        if packet is None or self._peer is None:
            return
        self._number += 1
        number, stamp = self._number & 0xFFFF, self._stamp & 0xFFFFFFFF
        with contextlib.suppress(OSError):
            header = _RTP.pack(0x80, packet.kind, number, stamp, 3389)
            self._socket.sendto(header + packet.payload, self._peer)

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


class Detector:
    """What Asterisk has said of one customer."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._talking: list[bool] = []

    def told(self, talking: bool, at: float) -> None:
        """An event, with Asterisk's own time."""
        self._times.append(at)
        self._talking.append(talking)

    def talking_at(self, moment: float) -> bool:
        """What it said then."""
        number = bisect_right(self._times, moment)
        return number > 0 and self._talking[number - 1]


def judge(played: Played, detector: Detector) -> Score:
    """Compare what was said with what was so, each 20 ms."""
    truth = _speaking(played.sound.spoken)
    edge = round(EDGE_SECONDS / FRAME_SECONDS)
    counts = {(True, False): 0, (True, True): 0, (False, False): 0, (False, True): 0}
    for number, speaking in enumerate(truth):
        around = truth[max(0, number - edge) : number + edge + 1]
        if all(near == speaking for near in around) and (number >= edge or not speaking):
            counts[speaking, detector.talking_at(played.sent[number])] += 1
    return Score(
        speaking=counts[True, False] + counts[True, True],
        missed=counts[True, False],
        quiet=counts[False, False] + counts[False, True],
        false=counts[False, True],
    )


def _speaking(spoken: Sequence[bool]) -> list[bool]:
    """Whether somebody speaks at each packet: speech, or its end less than a second ago."""
    lasting = round(AFTERWARDS_SECONDS / FRAME_SECONDS)
    left = 0
    truth = []
    for each in spoken:
        left = lasting if each else left - 1
        truth.append(left > 0)
    return truth


class Trial:
    """One Asterisk, with an application of ours in pln_ivr's place, and a customer per setting."""

    def __init__(self, pbx: Pbx, session: aiohttp.ClientSession, settings: Sequence[str]) -> None:
        self._pbx = pbx
        self._session = session
        self._settings = settings
        self._mouths = [Mouth() for _ in settings]
        self._channels: dict[str, int] = {}
        self.detectors = [Detector() for _ in settings]
        self.latest_ms = 0.0
        """How late a packet was sent at worst."""

    async def run(self, sounds: Sequence[Sound], each: Callable[[float], None]) -> list[Played]:
        """Call, play every sound to every detector, hang up."""
        url = f"{self._pbx.ari_url}/ari/events?app=pln_ivr"
        async with self._session.ws_connect(url) as events:
            reading = asyncio.create_task(self._read(events))
            try:
                with self._callers():
                    await self._until(lambda: len(self._channels) == len(self._settings))
                    for channel, number in self._channels.items():
                        await self._prepare(channel, self._settings[number])
                    await self._until(lambda: all(mouth.connected for mouth in self._mouths))
                    found = await self._play(sounds, each)
                    await asyncio.sleep(0.5)  # the last events
                    for channel in self._channels:
                        await self._ask("DELETE", f"channels/{channel}")
            finally:
                reading.cancel()
                for mouth in self._mouths:
                    mouth.close()
        return found

    def _callers(self) -> Sipp:
        words = {"hold_ms": "3600000", "tone": "", "audio_port": "[field0]", "caller": "[field1]"}
        fields = [f"{mouth.port};0812{number:07}" for number, mouth in enumerate(self._mouths)]
        scenario = fill(SCENARIOS / "caller.xml", **words)
        return Sipp(scenario, self._pbx.sip_port, calls=len(fields), fields=fields)

    async def _prepare(self, channel: str, setting: str) -> None:
        """Answer, put it where customers talk, have Asterisk send something, set the detector."""
        bridge = f"talk-{channel}"
        await self._ask("POST", f"channels/{channel}/answer")
        await self._set(channel, "TIMEOUT(absolute)", "0")  # the dialplan's lease
        await self._ask("POST", f"bridges/{bridge}", type="mixing,dtmf_events")
        await self._ask("POST", f"bridges/{bridge}/addChannel", channel=channel)
        await self._ask("POST", f"channels/{channel}/play", media="sound:pln/notice")
        await self._set(channel, "TALK_DETECT(set)", setting)

    async def _set(self, channel: str, variable: str, value: str) -> None:
        await self._ask("POST", f"channels/{channel}/variable", variable=variable, value=value)

    async def _ask(self, method: str, path: str, **query: str) -> None:
        url = f"{self._pbx.ari_url}/ari/{path}"
        async with self._session.request(method, url, params=query) as answer:
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")

    async def _read(self, events: aiohttp.ClientWebSocketResponse) -> None:
        async for message in events:
            self._take(message.json())

    def _take(self, event: dict[str, Any]) -> None:
        channel = event.get("channel", {}).get("id", "")
        if event["type"] == "StasisStart":
            self._channels[channel] = int(event["channel"]["caller"]["number"][4:])
        elif event["type"] in (TALKING, SILENT) and channel in self._channels:
            at = datetime.fromisoformat(event["timestamp"]).timestamp()
            self.detectors[self._channels[channel]].told(event["type"] == TALKING, at)

    async def _until(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the customers' calls were not up within {seconds:g} s")
            await asyncio.sleep(0.05)

    async def _play(self, sounds: Sequence[Sound], each: Callable[[float], None]) -> list[Played]:
        found = [Played(sound) for sound in sounds]
        before = rest(REST_SECONDS)
        due = began = time.monotonic()
        for played in found:
            sent = []
            for packet in (*before, *played.sound.packets):
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self.latest_ms = max(self.latest_ms, (time.monotonic() - due) * 1000)
                sent.append(time.time())
                for mouth in self._mouths:
                    mouth.say(packet)
                due += FRAME_SECONDS
            played.sent = sent[len(before) :]
            each(due - began)
        return found


@dataclass(frozen=True, slots=True)
class Results:
    """Every sound under every setting."""

    settings: Sequence[str]
    sounds: Sequence[Sound]
    scores: Sequence[Sequence[Score]]
    """By setting, then by sound."""
    latest_ms: float
    complaints: Sequence[str]

    def total(self, setting: int, *kinds: Kind) -> Score:
        """One setting's, of all sounds of these kinds."""
        pairs = zip(self.sounds, self.scores[setting], strict=True)
        return sum((score for sound, score in pairs if sound.kind in kinds), Score())

    def error(self, setting: int) -> float:
        """The sum of both shares, of what a setting can influence."""
        score = self.total(setting, Kind.SPEECH, Kind.NOISE)
        return score.misses + score.false_alarms

    @property
    def best(self) -> int:
        """The setting to recommend."""
        return min(range(len(self.settings)), key=self.error)


def run(settings: Sequence[str]) -> Results:
    """All of it, in an Asterisk of its own."""
    sounds = all_sounds()
    install = find_asterisk(REPO / ".cache")
    name = f"talking-{os.getpid()}-{secrets.token_hex(3)}"
    pbx = Pbx(install, Pbx.home(install, name, REPO / ".cache/bench"), PbxSettings())
    pbx.prepare()
    write_tone(pbx.sounds_dir / "id/pln/notice.alaw", 700, 0.2)
    with pbx:
        return asyncio.run(_run(pbx, sounds, settings))


async def _run(pbx: Pbx, sounds: Sequence[Sound], settings: Sequence[str]) -> Results:
    token = base64.b64encode(f"pln_ivr:{pbx.settings.password}".encode()).decode()
    login = {"Authorization": f"Basic {token}"}
    frames = sum(len(sound.packets) + len(rest(REST_SECONDS)) for sound in sounds)
    async with aiohttp.ClientSession(headers=login) as session:
        trial = Trial(pbx, session, settings)
        with progressing() as begin:
            played = await trial.run(sounds, begin("customers speak", frames * FRAME_SECONDS))
    scores = [[judge(each, detector) for each in played] for detector in trial.detectors]
    return Results(settings, sounds, scores, trial.latest_ms, pbx.complaints())


def report(results: Results) -> None:
    """The table and the recommendation."""
    heads = [each.replace(",", " ms\n") for each in results.settings]
    table = Table("misses / false alarms, %", *heads, title="TALK_DETECT at a customer's leg")
    numbers = range(len(results.settings))
    for row, sound in enumerate(results.sounds):
        table.add_row(sound.name, *(_cell(results.scores[number][row]) for number in numbers))
    table.add_section()
    for name, kinds in (
        ("all speech", (Kind.SPEECH,)),
        ("all noise and silence", (Kind.NOISE,)),
        ("both", (Kind.SPEECH, Kind.NOISE)),
    ):
        table.add_row(name, *(_cell(results.total(number, *kinds)) for number in numbers))
    table.add_row("sum of both shares", *(f"{results.error(n) * 100:.1f}" for n in numbers))
    console.print(table)
    console.print(
        f"Packets were sent up to {results.latest_ms:.0f} ms late; load {os.getloadavg()[0]:.1f} "
        f"on {os.cpu_count()} cores."
    )
    for line in results.complaints[:5]:
        console.print(f"Asterisk's log: {line}", style="dim", highlight=False, markup=False)
    console.print(
        f"Recommended: TALK_DETECT(set)={results.settings[results.best]}. "
        "Where a telephone sends no more audio, the end of speech is told under no setting: "
        "who relies on it needs a limit of his own.",
        style="green",
    )


def _cell(score: Score) -> str:
    misses = f"{score.misses * 100:.1f}" if score.speaking else "-"
    return f"{misses}/{score.false_alarms * 100:.1f}"


def _setting(text: str) -> str:
    silence, _, threshold = text.partition(",")
    if not (silence.isdecimal() and threshold.isdecimal() and int(silence) < REST_SECONDS * 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not SILENCE_MS,THRESHOLD, e.g. 1200,256")
    return text


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="tests/bench/talking", description=__doc__)
    parser.add_argument(
        "settings",
        nargs="*",
        type=_setting,
        help=f"SILENCE_MS,THRESHOLD of each (default: {' '.join(SETTINGS)})",
    )
    choice = parser.parse_args()
    try:
        results = run(choice.settings or SETTINGS)
    except (LauncherError, RuntimeError, aiohttp.ClientError) as error:
        print(f"talking: {error}", file=sys.stderr)
        return 1
    report(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
