"""The service level of each queue, as it stands: plain counts, no I/O.

Calls answered within the target's time, of all that left the line but for those who gave up
within it; the same definition as the reports', counted since the program's start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class ServiceLevels:
    """Counts by queue. `seconds` is each queue's target time."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self._seconds = seconds
        self._in_time: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()

    def left(self, queue: str, waited: float, answered: bool, gave_up: bool) -> None:
        """A call left this line after so many seconds; unknown queues are not counted."""
        if queue not in self._seconds:
            return
        in_time = waited <= self._seconds[queue]
        if gave_up and in_time:
            return
        self._counted[queue] += 1
        self._in_time[queue] += answered and in_time

    def counted(self, queue: str) -> int:
        """How many calls count, so far."""
        return self._counted[queue]

    def in_time(self, queue: str) -> int:
        """How many of them were answered in time."""
        return self._in_time[queue]

    def level(self, queue: str) -> float | None:
        """The share, 0 to 1; None before the first call."""
        counted = self._counted[queue]
        return self._in_time[queue] / counted if counted else None
