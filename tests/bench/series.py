"""A day as curves: one value for each second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .sipp import Event
from .watch import Sample


@dataclass
class Series:
    """By second since the first call."""

    dialled: list[float] = field(default_factory=list)
    rejected: list[float] = field(default_factory=list)
    seats: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    talking: list[float] = field(default_factory=list)


def series(events: Iterable[Event], samples: Iterable[Sample]) -> Series:
    """What the callers did, from SIPp's log, and what the house looked like, from /metrics."""
    found = Series()
    for event in events:
        if event.what == "dial":
            _count(found.dialled, event.at_ms // 1000)
        elif event.what == "final-486":
            _count(found.rejected, event.at_ms // 1000)
    for sample in samples:
        second = int(sample.at)
        _highest(found.seats, second, sample.seats)
        _highest(found.waiting, second, sample.waiting)
        _highest(found.talking, second, sample.talking)
    return found


def _count(values: list[float], second: int) -> None:
    _reach(values, second, 0.0)
    values[second] += 1


def _highest(values: list[float], second: int, value: float) -> None:
    _reach(values, second, value)
    values[second] = max(values[second], value)


def _reach(values: list[float], second: int, filler: float) -> None:
    while len(values) <= second:
        values.append(filler)


def coarser(values: list[float], points: int) -> list[float]:
    """At most so many points, each the mean of its seconds."""
    step = max(1, -(-len(values) // points))
    chunks = (values[start : start + step] for start in range(0, len(values), step))
    return [sum(chunk) / len(chunk) for chunk in chunks]
