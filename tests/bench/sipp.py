"""SIPp for load: fields for each call, a rate that can be changed, counts while it runs.

`native.phones` is for scripted phones in tests; this is the same program where tens of thousands
of calls need a line of their own each and the arrivals follow a curve.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from native.pbx import free_media_port, free_port
from native.phones import keys_of
from native.root import LauncherError

MOST_AT_ONCE = 200_000
"""Calls in progress; by default SIPp would hold calls back at three times the rate."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a scenario's log: what happened, to whom, and when."""

    what: str
    who: str
    at_ms: int
    """Milliseconds since SIPp began."""


@dataclass(frozen=True, slots=True)
class Counts:
    """SIPp's own statistics so far."""

    created: int = 0
    current: int = 0
    successful: int = 0
    failed: int = 0
    retransmissions: int = 0
    unexpected: int = 0
    timed_out: int = 0
    """Calls given up because a message was never answered."""


_COLUMNS = {
    "created": "TotalCallCreated",
    "current": "CurrentCall",
    "successful": "SuccessfulCall(C)",
    "failed": "FailedCall(C)",
    "retransmissions": "Retransmissions(C)",
    "unexpected": "FailedUnexpectedMessage(C)",
    "timed_out": "FailedMaxUDPRetrans(C)",
}


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port where RTP arrives and nobody reads it: the cheapest listener."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        yield int(listener.getsockname()[1])


def fill(scenario: Path, **words: str) -> str:
    """The scenario's text with its @words@ filled in."""
    text = scenario.read_text().replace("     @words@ are filled in by phones.py.", "")
    for word, value in {**keys_of(), **words}.items():
        text = text.replace(f"@{word}@", value)
    return text


class Sipp:
    """One SIPp under way. A context manager that ends it and removes its files."""

    def __init__(
        self,
        scenario: str,
        sip_port: int,
        *,
        calls: int,
        rate: float = 10.0,
        port: int | None = None,
        fields: Sequence[str] = (),
        service: str = "123",
    ) -> None:
        if shutil.which("sipp") is None:
            raise LauncherError("sipp is missing: apt-get install sip-tester")
        self._folder = Path(tempfile.mkdtemp(prefix="pln-sipp-"))
        self._control = free_port()
        self.began = time.time()
        """In epoch seconds; the events' times count from here."""
        self._control_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        (self._folder / "scenario.xml").write_text(scenario)
        lines: list[str] = []
        if fields:
            (self._folder / "fields.csv").write_text("\n".join(["SEQUENTIAL", *fields, ""]))
            lines = ["-inf", "fields.csv"]
        command = [
            "sipp", f"127.0.0.1:{sip_port}", "-sf", "scenario.xml", "-s", service, *lines,
            "-i", "127.0.0.1", "-p", str(port or free_port()), "-mi", "127.0.0.1",
            "-mp", str(free_media_port()), "-cp", str(self._control), "-ci", "127.0.0.1",
            "-m", str(calls), "-r", f"{rate:.2f}", "-l", str(MOST_AT_ONCE), "-nostdin", "-aa",
            "-buff_size", "4000000", "-deadcall_wait", "0",
            "-trace_stat", "-stf", "stat", "-fd", "1", "-trace_logs", "-log_file", "log",
        ]  # fmt: skip
        with (self._folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, "TERM": "xterm"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether calls are still to be placed or under way."""
        return self._process.poll() is None

    def set_rate(self, per_second: float) -> None:
        """So many new calls a second from now on."""
        with contextlib.suppress(OSError):
            command = f"cset rate {per_second:.2f}".encode()
            self._control_socket.sendto(command, ("127.0.0.1", self._control))

    def counts(self) -> Counts:
        """Its statistics, at most a second old while it runs."""
        row: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError), (self._folder / "stat").open() as file:
            for row in csv.DictReader(file, delimiter=";"):  # noqa: B007 the last line counts
                pass
        return Counts(**{name: int(row.get(column) or 0) for name, column in _COLUMNS.items()})

    def events(self) -> Iterator[Event]:
        """What the scenario logged, in order. Whole only when SIPp has ended."""
        log = self._folder / "log"
        if not log.exists():
            return
        with log.open(errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) >= 3 and words[-1].isdigit():
                    yield Event(words[-3], words[-2], int(words[-1]))

    def wait(self, seconds: float) -> bool:
        """Wait for all calls to end; false if they have not by then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.running

    def end(self, patience: float = 3.0) -> None:
        """No new calls; those in progress may finish for `patience` seconds."""
        for sign, seconds in ((signal.SIGUSR1, patience), (signal.SIGTERM, 2), (signal.SIGKILL, 5)):
            if not self.running:
                return
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(sign)
            self.wait(seconds)

    def complaint(self) -> str:
        """What it wrote before it ended by itself in disorder, for a message."""
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / "stderr").read_text(errors="replace").strip()[-400:]
        return ""

    def __enter__(self) -> Sipp:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._control_socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)
