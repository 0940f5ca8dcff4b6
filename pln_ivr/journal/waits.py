"""Lengths of time of many calls, and what may be said of all of them. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from math import ceil


class Waits:
    """Seconds, as many as there were calls: eight bytes each, so that percentiles are exact."""

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._seconds = array("d", seconds)
        self._sorted = False

    def __len__(self) -> int:
        return len(self._seconds)

    def add(self, seconds: float) -> None:
        """One more."""
        self._seconds.append(seconds)
        self._sorted = False

    def add_all(self, others: Waits) -> None:
        """All of the others, too."""
        self._seconds.extend(others._seconds)
        self._sorted = False

    def average(self) -> float | None:
        """None without any."""
        return sum(self._seconds) / len(self._seconds) if self._seconds else None

    def longest(self) -> float | None:
        """None without any."""
        return max(self._seconds, default=None)

    def percentile(self, share: float) -> float | None:
        """The shortest that this share of all does not exceed (nearest rank); None without any."""
        if not self._seconds:
            return None
        if not self._sorted:
            self._seconds = array("d", sorted(self._seconds))
            self._sorted = True
        return self._seconds[max(0, ceil(share * len(self._seconds)) - 1)]
