"""A day's calls: when they came, what became of them, how many seats they took. Pure.

A day here is any stretch of time, cut into slices: its hours, or its days if it is a long one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from pln_ivr.journal.counting import CountedCall, CountedOffer
from pln_ivr.journal.occupancy import Occupancy
from pln_ivr.journal.reports import QueueFigures, QueueTally, Target, queues_together
from pln_ivr.journal.waits import Waits
from pln_ivr.outcomes import Direction, OfferResult, Result

NORMAL_DAY = 36_000
"""Calls on a normal day (press reports on 123, 2018 and 2019)."""

BLACKOUT_DAY, BLACKOUT_HOURS = 80_000, 9
"""Calls of 4 August 2019, and the hours in which they came (the same reports)."""

HOURS_UP_TO = timedelta(days=2)
"""A longer time is cut into days, not into hours."""

RING_SECONDS = 5.0
"""From one ring to the next: Indonesia's cadence of 1 s on, 4 s off."""

HOUR = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class Slice:
    """An hour, or a day. `arrivals` is the sum of all from `rejected` to `open`."""

    began: datetime
    seconds: float
    arrivals: int = 0  # calls to us, also those that found no seat
    rejected: int = 0  # heard busy, whatever why
    answered: int = 0
    abandoned: int = 0
    released: int = 0
    failed: int = 0
    open: int = 0
    outbound: int = 0  # calls that agents placed
    seats_average: float = 0.0
    seats_most: int = 0
    at_capacity_seconds: float = 0.0

    @property
    def of_normal_day(self) -> float:
        """Arrivals, as a share of what a normal day has on average in this time."""
        return self.arrivals / (NORMAL_DAY * self.seconds / 86400)

    @property
    def of_blackout_day(self) -> float:
        """Arrivals, as a share of what the blackout day had in this time; of more than its nine
        hours, of all of it."""
        hours = min(self.seconds / 3600 / BLACKOUT_HOURS, max(1.0, self.seconds / 86400))
        return self.arrivals / (BLACKOUT_DAY * hours)

    @property
    def busy_share(self) -> float | None:
        """The share of attempts that were rejected; None if there were none."""
        return self.rejected / self.arrivals if self.arrivals else None

    @property
    def at_capacity_share(self) -> float:
        """The share of the time at which every seat was taken."""
        return self.at_capacity_seconds / self.seconds


@dataclass(frozen=True, slots=True)
class DayFigures:
    """A whole day."""

    slices: Sequence[Slice]
    total: Slice
    outcomes: Mapping[tuple[str, str], int]
    """Calls to us by outcome and reason; both empty while a call is up."""
    queues: QueueFigures
    """All lines together, of the calls that began in this time."""
    most_by_quarter: Sequence[int]
    """The most seats at once, in each quarter of each slice."""

    @property
    def abandonment(self) -> float | None:
        """The share of admitted callers who gave up before an agent was there."""
        admitted = self.total.arrivals - self.total.rejected
        return self.total.abandoned / admitted if admitted else None


@dataclass(slots=True)
class DayTally:
    """Adds up a day's calls. Seats of a call that has not ended are taken up to `now`."""

    edges: Sequence[datetime]
    targets: Mapping[str, Target]
    now: datetime
    slices: list[Slice] = field(init=False)
    queues: QueueTally = field(init=False)
    occupancy: Occupancy = field(init=False)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._moments = [edge.timestamp() for edge in self.edges]
        self._now = self.now.timestamp()
        self.slices = [
            Slice(began=began, seconds=ended - began.timestamp())
            for began, ended in zip(self.edges, self._moments[1:], strict=False)
        ]
        self.queues = QueueTally(self.targets)
        self.occupancy = Occupancy(self._moments[0], self._moments[-1])

    _moments: list[float] = field(init=False)
    _now: float = field(init=False)

    def add_earlier(self, started: float, ended: float | None) -> None:
        """A call that began before the day, and had a seat in it."""
        self.occupancy.add(started, self._now if ended is None else ended)

    def add(self, call: CountedCall) -> None:
        """A call that began in it."""
        started, queued, talking, ended, queue, outcome, reason, direction = call
        one = self.slices[bisect_right(self._moments, started) - 1]
        if outcome != Result.REJECTED:
            self.occupancy.add(started, self._now if ended is None else ended)
        if queued is not None:
            self.queues.add(queue, outcome, queued, talking, ended)
        if direction == Direction.OUTBOUND:
            one.outbound += 1
            return
        one.arrivals += 1
        self.outcomes[outcome or "", reason or ""] += 1
        match outcome:
            case Result.REJECTED:
                one.rejected += 1
            case Result.ANSWERED:
                one.answered += 1
            case Result.ABANDONED:
                one.abandoned += 1
            case Result.RELEASED:
                one.released += 1
            case None:
                one.open += 1
            case _:
                one.failed += 1

    def figures(self, capacity: int) -> DayFigures:
        """Of what has been added, for a house of so many seats."""
        fine = self.occupancy.between(_quarters(self._moments), capacity)
        for place, one in enumerate(self.slices):
            parts = fine[place * 4 : place * 4 + 4]
            one.seats_average = sum(seats.average for seats in parts) / 4
            one.seats_most = max(seats.most for seats in parts)
            one.at_capacity_seconds = sum(seats.at_capacity_seconds for seats in parts)
        queues = queues_together(self.queues.figures())
        most = [seats.most for seats in fine]
        return DayFigures(self.slices, together(self.slices), self.outcomes, queues, most)


def together(slices: Sequence[Slice]) -> Slice:
    """All slices as one."""
    seconds = sum(one.seconds for one in slices)
    counts = (
        "arrivals", "rejected", "answered", "abandoned", "released", "failed", "open", "outbound",
    )  # fmt: skip
    return Slice(
        began=slices[0].began,
        seconds=seconds,
        seats_average=sum(one.seats_average * one.seconds for one in slices) / seconds,
        seats_most=max(one.seats_most for one in slices),
        at_capacity_seconds=sum(one.at_capacity_seconds for one in slices),
        **{name: sum(getattr(one, name) for one in slices) for name in counts},
    )


def edges_of(since: datetime, until: datetime, zone: ZoneInfo) -> list[datetime]:
    """Where to cut: at the zone's full hours, or its midnights; both ends are among them."""
    edges = [since]
    while edges[-1] < until:
        local = edges[-1].astimezone(zone)
        if until - since <= HOURS_UP_TO:
            rest = timedelta(
                minutes=local.minute, seconds=local.second, microseconds=local.microsecond
            )
            following = edges[-1] + HOUR - rest
        else:
            tomorrow = local.date() + timedelta(days=1)
            following = datetime.combine(tomorrow, time(), zone).astimezone(UTC)
        edges.append(min(following, until))
    return edges


def _quarters(moments: Sequence[float]) -> list[float]:
    """Each stretch between two moments in four."""
    fine = [
        since + (until - since) * part / 4
        for since, until in pairwise(moments)
        for part in range(4)
    ]
    return [*fine, moments[-1]]


@dataclass(frozen=True, slots=True)
class RingFigures:
    """How fast phones were picked up, of those that rang."""

    rang: int
    by_ring: Mapping[int, int]
    """How many were picked up in the first, second, … ring, or in the pause after it."""
    missed: int
    """Rang to the deadline: the third-ring rule."""
    pick_up: Waits

    @property
    def missed_share(self) -> float | None:
        """Of those that were picked up or missed; who hung up meanwhile is nobody's miss."""
        counted = len(self.pick_up) + self.missed
        return self.missed / counted if counted else None


def ring_figures(offers: Iterable[CountedOffer]) -> RingFigures:
    """Of the offers of a day."""
    rang = missed = 0
    by_ring: Counter[int] = Counter()
    pick_up = Waits()
    for offer in offers:
        if offer.ringing is None:
            continue
        rang += 1
        if offer.talking is not None:
            seconds = max(0.0, offer.talking - offer.ringing)
            pick_up.add(seconds)
            by_ring[1 + int(seconds // RING_SECONDS)] += 1
        else:
            missed += offer.result == OfferResult.MISSED
    return RingFigures(rang, by_ring, missed, pick_up)


PRESUMED_REASONABLE, PRESUMED_UNREASONABLE, UNREASONABLE_HOURS = 0.3, 0.5, 6
"""Percent busies of a day (California's General Order 166, Standard 13): below 30 % a company's
answering is presumed to be reasonable; over 50 %, and at least 50 % in each of six of its hours,
to be unreasonable."""


class Presumption:
    """The words for it."""

    REASONABLE = "reasonable"
    UNREASONABLE = "unreasonable"
    NONE = "no presumption"


def presumption(day: float | None, hours: Iterable[float | None]) -> str:
    """What a regulator would presume of a day's share of busies and those of its hours."""
    if day is None or day < PRESUMED_REASONABLE:
        return Presumption.REASONABLE
    worst = sum(share is not None and share >= PRESUMED_UNREASONABLE for share in hours)
    if day > PRESUMED_UNREASONABLE and worst >= UNREASONABLE_HOURS:
        return Presumption.UNREASONABLE
    return Presumption.NONE
