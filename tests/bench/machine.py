"""What the kernel says of a process, and the arithmetic of samples."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_ms(pid: int) -> float:
    """Processor time of a process and all its threads so far, in milliseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS


def rss_kb(pid: int) -> int:
    """Resident memory of a process in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


class Clock:
    """Processor time used by some processes since it was made."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = tuple(pids)
        self._at = time.monotonic()
        self._used = [cpu_ms(pid) for pid in self._pids]

    @property
    def seconds(self) -> float:
        """Time gone by."""
        return time.monotonic() - self._at

    def used(self) -> list[float]:
        """Milliseconds of processor time by process, in the order given."""
        return [cpu_ms(pid) - before for pid, before in zip(self._pids, self._used, strict=True)]

    def shares(self) -> list[float]:
        """Per cent of one core by process."""
        seconds = self.seconds
        return [used / seconds / 10 for used in self.used()]


def median(values: Sequence[float]) -> float:
    """The middle one; 0 of nothing."""
    return statistics.median(values) if values else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of them do not exceed; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through samples."""

    slope: float
    first: float
    last: float


def slope(points: Sequence[tuple[float, float]]) -> Line:
    """Least squares through (x, y) points; needs two different x."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Line(statistics.linear_regression(xs, ys).slope, ys[0], ys[-1])
