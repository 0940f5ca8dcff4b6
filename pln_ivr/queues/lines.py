"""The lines: their rules, who stands where, and how long it may take. Pure: no I/O.

The expected wait is an estimate from what was: the calls in front, this one included,
times the seconds that an agent had lately been busy with a call of this queue (talk and
wrap-up, an exponentially weighted mean), divided by the agents who work on it. It is told
to a caller only downwards: what was said once, less the time gone by, is a promise.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

HANDLING_WEIGHT = 0.1
"""Of the latest conversation in the mean: about the last twenty count."""

TOLD_SECONDS = (60, 120, 180, 300, 600, 900, 1200, 1800)
"""The expected waits that there are prompts for; a wait is told as the next longer one."""

TOLD_POSITIONS = 10
"""The positions that there are prompts for."""

ANNOUNCEMENTS = (
    *(f"position-{number}" for number in range(1, TOLD_POSITIONS + 1)),
    "position-many",
    *(f"wait-{seconds // 60}" for seconds in TOLD_SECONDS),
    "wait-long",
)
"""Every prompt that a `Promise` may name."""

REMEMBERED_CALLERS = 10_000
"""Callers who were cut off and may come back: some minutes of a blackout."""


@dataclass(frozen=True, slots=True)
class Line:
    """One queue's rules. Seconds and counts of 0 mean: no limit, or never."""

    name: str
    skills: frozenset[str]
    priority: int = 0
    length: int = 0
    longest_wait_seconds: float = 0.0
    overflow: str = ""
    """The queue that takes whom this one cannot; empty: the caller is told and let go."""
    music: str = "default"
    announce_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a waiting call stands: 1 is next; `expected` seconds, None if nobody can say."""

    position: int
    expected: float | None


class Handling:
    """How long an agent is busy with a call of each queue, as far as it is known."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def add(self, queue: str, seconds: float) -> None:
        """One more conversation, its wrap-up included."""
        before = self._seconds.get(queue, seconds)
        self._seconds[queue] = before + HANDLING_WEIGHT * (seconds - before)

    def expected_wait(self, queue: str, position: int, working: int) -> float | None:
        """Seconds until the call at this position is taken; None while nothing is known, or
        nobody works."""
        seconds = self._seconds.get(queue)
        return None if seconds is None or not working else seconds * position / working


class Promise:
    """What one caller has been told, so that the next word is never a worse one."""

    def __init__(self) -> None:
        self._position: int | None = None
        self._until: float | None = None

    def next_words(self, standing: Standing, now: float) -> list[str]:
        """The prompts to play, in order; none if there is nothing new that is true and not
        worse. `now` in seconds of any clock."""
        words = []
        position = standing.position
        if self._position is None or position <= self._position:
            self._position = position
            words.append(f"position-{position}" if position <= TOLD_POSITIONS else "position-many")
        told = self._told(standing.expected, now)
        if told is not None:
            words.append(told)
        return words

    def _told(self, expected: float | None, now: float) -> str | None:
        if expected is None:
            return None
        step = next((step for step in TOLD_SECONDS if expected <= step), math.inf)
        if self._until is not None and now + step > self._until + TOLD_SECONDS[0] / 2:
            return None  # it would take longer than was said
        if self._until is None or now + step < self._until:
            self._until = now + step
        return f"wait-{step // 60}" if step < math.inf else "wait-long"


@dataclass(frozen=True, slots=True)
class _Left:
    queue: str
    joined: datetime
    at: datetime


class Returning:
    """Callers who were cut off: who dials again soon keeps the old place in the line."""

    def __init__(self, seconds: float) -> None:
        """`seconds` within which the caller must be back; 0 switches it off."""
        self._within = timedelta(seconds=seconds)
        self._left: OrderedDict[str, _Left] = OrderedDict()

    def remember(self, number: str, queue: str, joined: datetime, now: datetime) -> None:
        """This caller has gone from the line without having talked to an agent to the end."""
        if not number or not self._within:
            return
        self._left.pop(number, None)
        self._left[number] = _Left(queue, joined, now)
        while len(self._left) > REMEMBERED_CALLERS:
            self._left.popitem(last=False)

    def place(self, number: str, queue: str, now: datetime) -> datetime | None:
        """When the caller joined this line the first time, if that place is still theirs. It
        is given once."""
        left = self._left.get(number)
        if left is None or left.queue != queue:
            return None
        del self._left[number]
        return left.joined if now - left.at <= self._within else None
