"""SIPp as scripted phones: a customer who dials 123, an agent who registers and answers.

Every scenario is bounded: so many calls, so many seconds. What a phone saw is in its PhoneResult;
sound is counted by an Ear (ear.py) or, under load, only sent (SIPp's rtp_stream).
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from native.ear import Ear
from native.pbx import free_media_port, free_port
from native.root import LauncherError

SCENARIOS = Path(__file__).resolve().parent / "phones"
_HELD = re.compile(
    r"[-\d\t\n:. ]*Call-Id: \S+, receive timeout on message \w+:\d+, jumping to label \d\d?"
)
ENDING_SECONDS = 30.0
"""What a caller may need beside the hold: to be answered, and to say BYE."""

_EVENTS = 101
_PLAYED_EVENTS = 96
"""The RTP payload type of keys, as everybody has it, and as SIPp's play_dtmf sends it."""
KeysBy = Literal["rfc4733", "info", "tones"]
"""How a phone tells of its keys."""
_EVENT = re.compile(r"([a-z0-9-]+) (\d+) (\d+)$")
_IN_CALL = re.compile(r"in-call (\S+)$", re.MULTILINE)
_HANG_UP = "\r\n".join((
    "MESSAGE sip:phone SIP/2.0",
    "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKhangup",
    "From: <sip:test>;tag=1",
    "To: <sip:phone>",
    "Call-ID: {}",
    "CSeq: 1 MESSAGE",
    "Content-Length: 0\r\n\r\n",
))  # fmt: skip
"""SIPp takes it for a message of the call and goes to the end of the scenario."""


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """One thing that happened in a phone's call; `at_ms` counts from the phone's start."""

    call: int
    what: str
    """final-<status>, invite, answered, cancelled, never-cancelled, remote-bye or own-bye."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class PhoneResult:
    """What one SIPp run counted."""

    returncode: int
    successful: int
    failed: int
    retransmissions: int
    unexpected: int
    events: tuple[PhoneEvent, ...]
    errors: str
    """The last lines of SIPp's error log, empty if all went as scripted."""
    finals: Counter[int] = field(default_factory=Counter)
    """Final answers to INVITE or REGISTER by status."""

    def count(self, what: str) -> int:
        """How many calls had this event."""
        return sum(event.what == what for event in self.events)


class Phone:
    """A running SIPp. `wait()` for its result, or `stop()` it. A context manager that stops it."""

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._done: PhoneResult | None = None
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def events(self) -> tuple[PhoneEvent, ...]:
        """What has happened so far; also while it runs."""
        if self._done is not None:
            return self._done.events
        try:
            lines = (self._folder / "log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ()
        found = (_EVENT.search(line) for line in lines)
        return tuple(PhoneEvent(int(m[2]), m[1], int(m[3])) for m in found if m)

    def wait(self, timeout: float = 60.0) -> PhoneResult:
        """Wait for all calls to end; after `timeout` seconds stop it and raise LauncherError."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            self.stop()
            raise LauncherError(f"a scripted phone did not end in {timeout:.0f} s") from error
        return self._result()

    def hang_up(self, timeout: float = 20.0) -> PhoneResult:
        """Have a caller, or an agent who answered, say BYE in all calls, and wait for the end: the
        hold is only the latest time. Raises LauncherError like `wait`."""
        log = (self._folder / "log").read_text(errors="replace")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            for call_id in _IN_CALL.findall(log):
                ours.sendto(_HANG_UP.format(call_id).encode(), ("127.0.0.1", self._port))
        return self.wait(timeout)

    def stop(self) -> PhoneResult:
        """End it now: calls in progress are given up. Harmless when it has ended."""
        for sign in (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL):
            if not self.running:
                break
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
        return self._result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _result(self) -> PhoneResult:
        if self._done is None:
            self._done = self._read()
            shutil.rmtree(self._folder, ignore_errors=True)
        return self._done

    def _read(self) -> PhoneResult:
        stats: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError), (self._folder / "stat").open() as file:
            for row in csv.DictReader(file, delimiter=";"):
                stats = row
        events = self.events()
        finals = Counter(int(e.what[6:]) for e in events if e.what.startswith("final-"))
        errors = ""
        with contextlib.suppress(FileNotFoundError):
            text = (self._folder / "errors").read_text(errors="replace")
            # A recv whose time is over is how the scenarios hold a call: no error.
            text = _HELD.sub("", text.removeprefix("The following events occurred:"))
            errors = text.strip()[-2000:]
        return PhoneResult(
            self._process.returncode if self._process.returncode is not None else -1,
            int(stats.get("SuccessfulCall(C)", 0)),
            int(stats.get("FailedCall(C)", 0)),
            int(stats.get("Retransmissions(C)", 0)),
            int(stats.get("FailedUnexpectedMessage(C)", 0)),
            events,
            errors,
            finals,
        )


@dataclass(frozen=True, slots=True)
class Phones:
    """Scripted phones that talk to one PBX, by default at this machine's loopback."""

    sip_port: int
    server: str = "127.0.0.1"

    def caller(
        self,
        *,
        hold: float = 5.0,
        calls: int = 1,
        rate: float = 10.0,
        at_once: int | None = None,
        sound: Ear | Path | None = None,
        keys: str = "",
        by: KeysBy = "rfc4733",
        pause: float = 1.0,
        number: str = "123",
        caller: str = "08120000000",
        timeout: float | None = None,
        trace_rtt: Path | None = None,
    ) -> Phone:
        """Customers: dial `number`, hold for up to `hold` seconds after the answer, hang up.

        A refusal is a good call too: see `finals`. `sound` is an Ear for a single call, a raw
        alaw file that SIPp plays in every call, or None for silence. `timeout` is for all calls
        together, and more than `hold` if it is not given: at its end SIPp says no BYE. Where
        `trace_rtt` is given, SIPp writes INVITE-to-final times beside it: <its name without
        suffix>_<pid>_rtt.csv.

        `keys` are pressed one after the other, each after a `pause` in seconds: as events in RTP,
        for which there must be no sound, or by SIP INFO. A phone that tells of its keys by
        "tones" knows no events; the tones are in its sound (keys.write_tones).
        """
        timeout = hold + ENDING_SECONDS if timeout is None else timeout
        words = {"hold_ms": _ms(hold), "caller": caller, **keys_of(keys, by, pause)}
        more = ["-trace_rtt", "-rtt_freq", "1000"] if trace_rtt else []
        limit = ["-l", str(at_once or calls)]
        return self._run(
            "caller", words, sound, calls, timeout, number, rate, [*limit, *more], trace_rtt
        )

    def register(
        self, agent: str, secret: str, port: int, *, expires: int = 600, timeout: float = 10.0
    ) -> PhoneResult:
        """Register `agent` (ag-101) at `port` with digest; expires=0 takes it off. Waits."""
        words = {"agent": agent, "secret": secret, "expires": str(expires)}
        with self._run("register", words, None, 1, timeout, agent, port=port) as phone:
            return phone.wait(timeout + 5)

    def dial_code(
        self,
        agent: str,
        secret: str,
        code: str,
        port: int,
        *,
        hold: float = 8.0,
        sound: Ear | Path | None = None,
        timeout: float = 20.0,
    ) -> PhoneResult:
        """Dial a short code (*11) as `agent` and listen until Asterisk hangs up. Waits."""
        words = {"agent": agent, "secret": secret, "hold_ms": _ms(hold)}
        with self._run("code", words, sound, 1, timeout, code, port=port) as phone:
            return phone.wait(timeout + 5)

    def answer(
        self,
        agent: str,
        port: int,
        *,
        after: float = 1.0,
        talk: float = 3600.0,
        calls: int = 1,
        sound: Ear | Path | None = None,
        timeout: float = 60.0,
    ) -> Phone:
        """An agent's phone: rings `after` seconds, answers, hangs up after `talk` seconds."""
        words = {"agent": agent, "ring_ms": _ms(after), "hold_ms": _ms(talk)}
        return self._run("answer", words, sound, calls, timeout, agent, port=port)

    def never(
        self, agent: str, port: int, *, calls: int = 1, ring: float = 60.0, timeout: float = 90.0
    ) -> Phone:
        """A phone that rings and is not answered; 480 if no CANCEL comes within `ring` seconds."""
        words = {"agent": agent, "ring_ms": _ms(ring)}
        return self._run("never", words, None, calls, timeout, agent, port=port)

    def reject(self, agent: str, port: int, *, calls: int = 1, timeout: float = 60.0) -> Phone:
        """A busy phone: 486 at once."""
        return self._run("reject", {"agent": agent}, None, calls, timeout, agent, port=port)

    def _run(
        self,
        scenario: str,
        words: dict[str, str],
        sound: Ear | Path | None,
        calls: int,
        timeout: float,
        service: str,
        rate: float = 10.0,
        more: list[str] | None = None,
        rtt: Path | None = None,
        port: int | None = None,
    ) -> Phone:
        if shutil.which("sipp") is None:
            raise LauncherError("sipp is missing: apt-get install sip-tester")
        folder = Path(tempfile.mkdtemp(prefix="pln-phone-"))
        name = str(rtt.with_suffix("")) if rtt else str(folder / scenario)
        file = Path(name + ".xml") if rtt else folder / f"{scenario}.xml"
        file.write_text(_filled(SCENARIOS / f"{scenario}.xml", words, sound))
        port = port or free_port()
        command = [
            "sipp", f"{self.server}:{self.sip_port}", "-sf", str(file), "-s", service,
            "-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1",
            "-mp", str(free_media_port()), "-m", str(calls), "-r", f"{rate:g}", "-nostdin", "-aa",
            "-timeout", f"{timeout:.0f}s", "-timeout_error",
            "-trace_stat", "-stf", str(folder / "stat"), "-fd", "600",
            "-trace_logs", "-log_file", str(folder / "log"),
            "-trace_err", "-error_file", str(folder / "errors"),
            *(more or []),
        ]  # fmt: skip
        return Phone(command, folder, port)


def _filled(scenario: Path, words: dict[str, str], sound: Ear | Path | None) -> str:
    """The scenario's text with its @words@ filled in; what is left over is a mistake in it."""
    if isinstance(sound, Ear):
        port, tone = str(sound.port), ""
    elif sound is not None:
        port = "[rtpstream_audio_port]"
        tone = f'<nop><action><exec rtp_stream="{sound},-1,8"/></action></nop>'
    else:
        port, tone = "[media_port]", ""
    text = scenario.read_text()
    text = text.replace("     @words@ are filled in by phones.py.", "")
    # The keys first: there are words in them.
    for word, value in {"keys": "", **words, "audio_port": port, "tone": tone}.items():
        text = text.replace(f"@{word}@", value)
    left = re.search(r"@[a-z_]+@", text)
    if left:
        raise LauncherError(f"{scenario.name} has an unknown word {left[0]}")
    return text


_INFO = """<send retrans="500"><![CDATA[
      INFO [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      [routes]
      Max-Forwards: 70
      From: <sip:@caller@@[local_ip]:[local_port]>;tag=[pid]p[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      CSeq: @number@ INFO
      Content-Type: application/dtmf-relay
      Content-Length: [len]

      Signal=@key@
      Duration=160
    ]]></send><recv response="200"/>"""


def keys_of(keys: str = "", by: KeysBy = "rfc4733", pause: float = 1.0) -> dict[str, str]:
    """The words of caller.xml that say how its keys are offered and pressed; see Phones.caller."""
    kind = _PLAYED_EVENTS if keys and by == "rfc4733" else _EVENTS
    lines = [f"a=rtpmap:{kind} telephone-event/8000", f"a=fmtp:{kind} 0-15"]
    offer = {"event_type": f" {kind}", "events": "".join(f"\n      {line}" for line in lines)}
    if by == "tones":
        return {"event_type": "", "events": "", "keys": ""}
    pressed = [f'<pause milliseconds="{_ms(pause)}"/>' + _one_key(number, key, by)
               for number, key in enumerate(keys, 2)]  # fmt: skip
    return offer | {"keys": "\n".join(pressed)}


def _one_key(number: int, key: str, by: KeysBy) -> str:
    if by == "info":
        return _INFO.replace("@number@", str(number)).replace("@key@", key)
    return f'<nop><action><exec play_dtmf="{key}"/></action></nop>'


def _ms(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
