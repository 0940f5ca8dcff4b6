"""Watching a house while it is under load: figures several times a second, and their meaning."""

from __future__ import annotations

import os
import re
import threading
import time
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from native.root import LauncherError

from .house import House
from .machine import cpu_ms, percentile, rss_kb

LAG = "pln_ivr_event_loop_lag_seconds"
PROMISED_LAG_MS = 50.0
_LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Figures:
    """One reading of /metrics."""

    def __init__(self, text: str) -> None:
        self._found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for line in text.splitlines():
            match = _LINE.match(line)
            if match:
                labels = dict(_LABEL.findall(match[2] or ""))
                self._found.setdefault(match[1], []).append((labels, float(match[3])))

    def one(self, name: str, **labels: str) -> float:
        """The sum of that figure over all series with those labels; 0 of none."""
        series = self._found.get(name, [])
        return sum(value for found, value in series if labels.items() <= found.items())

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """That figure by the values of those labels."""
        series = self._found.get(name, [])
        return {tuple(found.get(label, "") for label in labels): value for found, value in series}

    def lag_since(self, before: Figures, share: float = 0.99) -> float:
        """The event loop's lag in milliseconds that `share` of its probes did not exceed
        between the two readings, interpolated in its bucket as Prometheus does."""
        now, then = self.by(f"{LAG}_bucket", "le"), before.by(f"{LAG}_bucket", "le")
        buckets = sorted((float(le), value - then.get((le,), 0.0)) for (le,), value in now.items())
        wanted = share * buckets[-1][1] if buckets else 0.0
        below, floor = 0.0, 0.0
        for edge, count in buckets:
            if count >= wanted > 0:
                if edge == float("inf"):
                    return floor * 1000
                return (floor + (edge - floor) * (wanted - below) / max(count - below, 1e-9)) * 1000
            below, floor = count, edge
        return 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the house; `at` is in seconds since the watch began."""

    at: float
    seats: int
    waiting: int
    talking: int
    asterisk_kb: int
    app_kb: int


@dataclass
class Shares:
    """Per cent of a core by process over some time, and of the whole machine."""

    by_name: dict[str, float] = field(default_factory=dict)
    machine: float = 0.0
    """Per cent of all cores that were busy, whoever used them."""

    def text(self) -> str:
        """In one line."""
        each = ", ".join(f"{name} {share:.0f} %" for name, share in self.by_name.items())
        whole = f"machine {self.machine:.0f} % of {os.cpu_count()} cores"
        return f"{each}; others {self.others:.0f} %; {whole}"

    @property
    def others(self) -> float:
        """Per cent of a core that went to nobody named here: the kernel's network work, this bench,
        and whatever else this machine does."""
        return max(0.0, self.machine * (os.cpu_count() or 1) - sum(self.by_name.values()))


class CpuWatch:
    """Processor time of named processes since it was made; one that has ended keeps its last."""

    def __init__(self, pids: Mapping[str, list[int]]) -> None:
        self._pids = dict(pids)
        self._began = time.monotonic()
        self._before = {pid: _used(pid) for pids in self._pids.values() for pid in pids}
        self._last = dict(self._before)
        self._machine = _machine_ticks()

    def look(self) -> None:
        """Note what has been used so far; what a process used after the last look before its end
        is not known."""
        for pid, before in self._last.items():
            self._last[pid] = max(before, _used(pid))

    def shares(self) -> Shares:
        """So far."""
        self.look()
        seconds = max(time.monotonic() - self._began, 1e-6)
        found = Shares()
        for name, pids in self._pids.items():
            used = sum(self._last[pid] - self._before[pid] for pid in pids)
            found.by_name[name] = used / seconds / 10
        busy, total = (
            now - then for now, then in zip(_machine_ticks(), self._machine, strict=True)
        )
        found.machine = 100 * busy / max(total, 1)
        return found


def _used(pid: int) -> float:
    try:
        return cpu_ms(pid)
    except OSError:
        return 0.0


def _machine_ticks() -> tuple[int, int]:
    """Busy and all ticks of all cores since boot."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


class Watch:
    """Samples the house until its context ends; a thread of its own.

    A reading that fails, because the app is away or too busy, is counted and left out.
    """

    def __init__(self, house: House, period: float = 0.25, legs_every: int = 0) -> None:
        self.samples: list[Sample] = []
        self.missed = 0
        self.peak_legs = 0
        """The most customers' channels that Asterisk had answered at once."""
        self.began, self.began_wall = time.monotonic(), time.time()
        self._house = house
        self._period = period
        self._legs_every = legs_every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def peak_seats(self) -> int:
        """The most seats that were in use at once."""
        return max((sample.seats for sample in self.samples), default=0)

    def _run(self) -> None:
        number = 0
        while not self._over.wait(self._period):
            number += 1
            try:
                self.samples.append(self._look())
                if self._legs_every and number % self._legs_every == 0:
                    self.peak_legs = max(self.peak_legs, self._house.trunk_legs_up())
            except (urllib.error.URLError, OSError, ValueError, LauncherError):
                self.missed += 1

    def _look(self) -> Sample:
        figures = Figures(self._house.metrics_text())
        pids = self._house.pids
        return Sample(
            time.monotonic() - self.began,
            int(figures.one("pln_ivr_seats_in_use")),
            int(figures.one("pln_ivr_waiting_calls")),
            int(figures.one("pln_ivr_agents", state="talking")),
            rss_kb(pids["asterisk"]) if pids["asterisk"] else 0,
            rss_kb(pids["app"]),
        )


def growth(samples: list[Sample], of: Callable[[Sample], int]) -> tuple[int, int, float]:
    """A process's memory over the second half: KiB at the half, at the end, and per cent more.

    Each end is the median of a tenth of the samples, so that one moment decides nothing.
    """
    if len(samples) < 20:
        return 0, 0, 0.0
    half, tenth = len(samples) // 2, max(1, len(samples) // 10)
    first = percentile([of(sample) for sample in samples[half : half + tenth]], 0.5)
    last = percentile([of(sample) for sample in samples[-tenth:]], 0.5)
    return int(first), int(last), 100 * (last / first - 1) if first else 0.0
