"""What is done to a running house, when, and how long it takes to be well again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from native.root import LauncherError

from .house import House
from .proxy import Proxy

KINDS: dict[str, tuple[float, float]] = {
    "kill the app": (1.0, 6.0),
    "kill Asterisk": (1.0, 4.0),
    "cut ARI": (0.5, 4.0),
    "stall ARI": (6.0, 12.0),
    "corrupt ARI": (2.0, 4.0),
    "fill the disk": (5.0, 10.0),
    "freeze the app": (2.0, 9.0),
}
"""Every fault and how many seconds it lasts, at least and at most."""
CORRUPT_FRAMES = 4
CALM_SHARE = 0.12
"""Of the time, before the first fault and after the last."""
WELL_SECONDS = 30.0
DISK_MB = 3072
"""More than disk.low_mb, below which the app sounds an alarm: empty, it must be a good disk."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One fault to come."""

    at: float
    kind: str
    seconds: float


@dataclass
class Happened:
    """One fault that was."""

    incident: Incident
    at: float
    """Seconds since the traffic began."""
    wall: float
    well_after: float | None = None
    """Seconds from the fault's end until /readyz said yes; None if it never did."""
    note: str = ""


def schedule(seed: int, seconds: float, kinds: list[str]) -> list[Incident]:
    """Every kind once in a drawn order, then again as time allows; evenly spaced, with jitter."""
    dice = random.Random(seed)
    first, last = seconds * CALM_SHARE, seconds * (1 - CALM_SHARE)
    count = max(len(kinds), int((last - first) / 30))
    order = dice.sample(kinds, len(kinds))
    order += [dice.choice(kinds) for _ in range(count - len(order))]
    slot = (last - first) / count
    return [
        Incident(
            first + slot * (number + dice.uniform(0.0, 0.25)), kind, dice.uniform(*KINDS[kind])
        )
        for number, kind in enumerate(order)
    ]


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the app keeps its journal and its archive; small, if mounting is allowed."""

    folder: Path
    is_small: bool
    why: str = ""


@contextmanager
def small_disk() -> Iterator[Disk]:
    """A file system that can be filled without harm to the machine's own."""
    with tempfile.TemporaryDirectory(prefix="pln-disk-") as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
            why = done.stderr.strip()
        except OSError as error:
            why = str(error)
        else:
            if done.returncode == 0:
                try:
                    yield Disk(Path(name), True)
                finally:
                    subprocess.run(["umount", "--lazy", name], check=False)
                return
        yield Disk(Path(name), False, f"not allowed to mount a small file system: {why}")


@dataclass
class Saboteur:
    """Carries out a schedule in a thread of its own. A context manager that waits for its end."""

    house: House
    proxy: Proxy
    disk: Disk
    incidents: list[Incident]
    happened: list[Happened] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="saboteur", daemon=True)

    def __enter__(self) -> Saboteur:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def kills_of_asterisk(self) -> list[float]:
        """When Asterisk was killed, in epoch seconds."""
        return [each.wall for each in self.happened if each.incident.kind == "kill Asterisk"]

    def during(self, wall: float) -> str:
        """What was going on at that time: the last fault that had begun by then."""
        before = [each for each in self.happened if each.wall <= wall + 1.0]
        return f"since '{before[-1].incident.kind}'" if before else "in the calm before"

    def _run(self) -> None:
        for incident in self.incidents:
            if self._over.wait(max(0.0, self._began + incident.at - time.monotonic())):
                return
            this = Happened(incident, time.monotonic() - self._began, time.time())
            self.happened.append(this)
            self._revive()
            try:
                _ACTS[incident.kind](self, this)
            except (LauncherError, OSError) as error:
                self.faults.append(f"{incident.kind}: {error}")
            self._await_health(this)

    def _await_health(self, this: Happened) -> None:
        ended = time.monotonic()
        while time.monotonic() < ended + WELL_SECONDS:
            self._revive()
            with contextlib.suppress(AssertionError):
                if self.house.ready():
                    this.well_after = time.monotonic() - ended
                    return
            time.sleep(0.1)
        words = f"not ready again within {WELL_SECONDS:.0f} s"
        self.faults.append(f"{this.incident.kind} at {this.at:.0f} s: {words}")

    def _revive(self) -> None:
        """An app that ended by itself is a fault of its own; operations would start it again."""
        if self.house.app.poll() is not None:
            code = self.house.app.returncode
            self.faults.append(
                f"the app ended by itself with {code} after {self.happened[-1].incident.kind}"
            )
            self.house.start_app(wait=False)

    # -- the faults --------------------------------------------------------------------

    def _kill_app(self, this: Happened) -> None:
        self.house.app.kill()
        self.house.app.wait()
        time.sleep(this.incident.seconds)
        self.house.start_app(wait=False)

    def _kill_asterisk(self, this: Happened) -> None:
        self.house.pbx.kill()
        time.sleep(this.incident.seconds)
        self.house.pbx.start()

    def _cut(self, this: Happened) -> None:
        self.proxy.cut()
        time.sleep(this.incident.seconds)
        self.proxy.heal()

    def _stall(self, this: Happened) -> None:
        self.proxy.stall()
        time.sleep(this.incident.seconds)
        self.proxy.heal()

    def _corrupt(self, this: Happened) -> None:
        before = self.proxy.corrupted
        self.proxy.corrupt(CORRUPT_FRAMES)
        time.sleep(this.incident.seconds)
        this.note = f"{self.proxy.corrupted - before} frames"

    def _freeze(self, this: Happened) -> None:
        os.kill(self.house.app.pid, signal.SIGSTOP)
        time.sleep(this.incident.seconds)
        os.kill(self.house.app.pid, signal.SIGCONT)

    def _fill_disk(self, this: Happened) -> None:
        if not self.disk.is_small:
            this.note = f"skipped: {self.disk.why}"
            return
        filler = self.disk.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 26, 1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), filler.stat().st_size, size)
        this.note = f"{filler.stat().st_size >> 20} MiB written"
        time.sleep(this.incident.seconds)
        filler.unlink()


_ACTS: dict[str, Callable[[Saboteur, Happened], None]] = {
    "kill the app": Saboteur._kill_app,
    "kill Asterisk": Saboteur._kill_asterisk,
    "cut ARI": Saboteur._cut,
    "stall ARI": Saboteur._stall,
    "corrupt ARI": Saboteur._corrupt,
    "fill the disk": Saboteur._fill_disk,
    "freeze the app": Saboteur._freeze,
}
