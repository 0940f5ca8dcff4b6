"""Callbacks: whom to call when, and what an attempt means. Pure: no I/O.

A callback has a virtual place in its line: the caller's own, without a seat. What the customer
did (busy, no answer, a machine) counts as an attempt; what was our side's or the carrier's doing
does not, and is tried again until the callback expires.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pln_ivr.journal.callbacks import CallbackRow, Verdict
from pln_ivr.outcomes import CallbackResult, CallbackStatus, Reason, Result

SUCCESSES = frozenset(
    {
        CallbackResult.TALKED,
        CallbackResult.CAME,
        CallbackResult.INFORMED,
        CallbackResult.REOPENED,
    }
)
NOT_THE_CUSTOMERS = frozenset(
    {
        CallbackResult.TRUNK_REFUSED,
        CallbackResult.AGENT_GONE,
        CallbackResult.NO_SEAT,
        CallbackResult.GAVE_WAY,
    }
)
"""Attempts that do not count: the customer's telephone has not rung."""

SOON = timedelta(seconds=10)
"""The pause after an attempt that found no agent, no seat, or the customer with us already."""

LAST_HOUR = timedelta(hours=1)
"""While nobody knows how long the line takes, a callback that expires within it counts as late."""

MOST_PLACES = 500
"""So many callbacks stand in the lines at once, the oldest; the others follow as these are
served. It bounds what the desk looks at."""


@dataclass(frozen=True, slots=True)
class Hours:
    """When customers may be called: from `begins` to before `ends` of each day in the zone."""

    begins: time
    ends: time
    zone: ZoneInfo

    def allow(self, now: datetime) -> bool:
        """Whether it is one of these hours."""
        return self.begins <= now.astimezone(self.zone).time() < self.ends

    def next(self, now: datetime) -> datetime:
        """The first moment from now on at which somebody may be called, UTC."""
        if self.allow(now):
            return now
        local = now.astimezone(self.zone)
        day = local.date()
        if local.time() >= self.ends:
            day += timedelta(days=1)
        return datetime.combine(day, self.begins, self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRules:
    """See the settings' section."""

    hours: Hours
    attempts: int
    pause: timedelta
    lasts: timedelta
    customer_first: bool
    reserve_share: float
    international: bool
    machine_disposition: str
    machine_seconds: float
    restored_attempts: int

    def may_call(self, seats_left: int, budget: int) -> bool:
        """Whether there is a seat above those that stay for callers."""
        return seats_left > math.floor(self.reserve_share * budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the call of an attempt ended."""

    outcome: Result
    reason: Reason
    talked_seconds: float | None = None
    """None: they did not talk."""
    disposition: str | None = None
    of_report: bool = False
    """The customer was to hear that power is back."""
    reopened: bool = False
    """And said that it is not."""


def result_of(ended: Ended, rules: CallbackRules) -> CallbackResult:
    """What the attempt came to."""
    if ended.talked_seconds is not None:
        return _of_talk(ended, ended.talked_seconds, rules)
    if ended.reopened:
        return CallbackResult.REOPENED
    if ended.outcome is Result.ABANDONED:  # who has heard the first words knows what it is about
        return CallbackResult.INFORMED if ended.of_report else CallbackResult.HUNG_UP
    if ended.outcome is Result.RELEASED and ended.reason is not Reason.INFORMED:
        return CallbackResult.AGENT_GONE  # the line let go of who had been called
    return _RESULTS.get(ended.reason, CallbackResult.INTERRUPTED)


def _of_talk(ended: Ended, seconds: float, rules: CallbackRules) -> CallbackResult:
    if ended.disposition is not None:
        machine = ended.disposition == rules.machine_disposition
    else:
        machine = ended.reason is Reason.AGENT_HUNG_UP and seconds < rules.machine_seconds
    return CallbackResult.MACHINE if machine else CallbackResult.TALKED


_RESULTS: Mapping[Reason, CallbackResult] = {
    Reason.INFORMED: CallbackResult.INFORMED,
    Reason.CUSTOMER_BUSY: CallbackResult.BUSY,
    Reason.CUSTOMER_NO_ANSWER: CallbackResult.NO_ANSWER,
    Reason.MACHINE: CallbackResult.MACHINE,
    Reason.CUSTOMER_UNREACHABLE: CallbackResult.UNREACHABLE,
    Reason.TRUNK_REFUSED: CallbackResult.TRUNK_REFUSED,
    Reason.AGENT_GONE: CallbackResult.AGENT_GONE,
    Reason.FULL: CallbackResult.NO_SEAT,
    Reason.NOT_NEEDED: CallbackResult.GAVE_WAY,
}


def judge(row: CallbackRow, result: CallbackResult, rules: CallbackRules, now: datetime) -> Verdict:
    """What becomes of a callback whose attempt, counted in `row.attempts` already, came to this."""
    if result in SUCCESSES:
        return Verdict(
            result=result, status=CallbackStatus.REACHED, attempts=row.attempts, due_at=row.due_at
        )
    counts = result not in NOT_THE_CUSTOMERS
    attempts = row.attempts if counts else max(0, row.attempts - 1)
    pause = rules.pause
    if result in NOT_THE_CUSTOMERS and result is not CallbackResult.TRUNK_REFUSED:
        pause = SOON
    most = rules.attempts if row.report_id is None else rules.restored_attempts
    last = counts and attempts >= most
    return Verdict(
        result=result,
        status=CallbackStatus.UNREACHED if last else CallbackStatus.WAITING,
        attempts=attempts,
        due_at=now + pause,
    )


def due(
    rows: Iterable[CallbackRow], now: datetime, rules: CallbackRules, most: int = MOST_PLACES
) -> list[CallbackRow]:
    """The callbacks whose turn may come now, the oldest place first; none at forbidden hours."""
    if not rules.hours.allow(now):
        return []
    ready = (row for row in rows if row.waits and row.due_at <= now < row.expires_at)
    return heapq.nsmallest(most, ready, key=in_order)


def in_order(row: CallbackRow) -> tuple[datetime, str]:
    """What callbacks are sorted by."""
    return row.place_at, row.callback_id


def late(
    rows: Iterable[CallbackRow],
    now: datetime,
    rules: CallbackRules,
    seconds_each: Mapping[str, float | None],
) -> Iterator[CallbackRow]:
    """Those that nobody will come to before they expire, if the lines go on as now.

    `seconds_each` is how long it takes until one call of the queue is taken; None if nobody knows,
    or nobody works.
    """
    begins = rules.hours.next(now)
    ahead: dict[str, int] = {}
    for row in sorted((row for row in rows if row.waits), key=in_order):
        ahead[row.queue] = ahead.get(row.queue, 0) + 1
        each = seconds_each.get(row.queue)
        needed = LAST_HOUR if each is None else timedelta(seconds=each * ahead[row.queue])
        if max(begins, row.due_at) + needed > row.expires_at:
            yield row


def should_dial(position: int, expected: float | None, working: int, lead: float) -> bool:
    """Customer first: whether the customer is to be dialled now, who stands here in the line.

    Nobody without an agent at work; who is next; and as many more as will be taken in the `lead`
    seconds that a telephone may ring.
    """
    return working > 0 and (position == 1 or (expected is not None and expected <= lead))
