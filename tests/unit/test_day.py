"""A day's figures: arrivals, seats, busies, rings, and what callers were told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pln_ivr.journal.counting import Choice, CountedCall, CountedOffer, Hearers
from pln_ivr.journal.day import (
    DayFigures,
    DayTally,
    Presumption,
    edges_of,
    presumption,
    ring_figures,
    together,
)
from pln_ivr.journal.occupancy import Occupancy
from pln_ivr.journal.outage import menu_figures, version_figures
from pln_ivr.journal.waits import Waits
from pln_ivr.outcomes import Direction, OfferResult, Reason, Result

JAKARTA = ZoneInfo("Asia/Jakarta")
MIDNIGHT = datetime(2026, 11, 22, 17, tzinfo=UTC)
NOON = MIDNIGHT.timestamp() + 12 * 3600
everything = settings(deadline=None, max_examples=150)


def call(
    started: float,
    ended: float | None,
    outcome: Result | None = Result.ANSWERED,
    reason: Reason | None = Reason.CALLER_HUNG_UP,
    direction: Direction = Direction.INBOUND,
    **times: Any,
) -> CountedCall:
    """A call of so many seconds after noon."""
    return CountedCall(
        started=NOON + started,
        ended=None if ended is None else NOON + ended,
        queued=times.get("queued"),
        talking=times.get("talking"),
        queue="gangguan",
        outcome=outcome,
        reason=reason,
        direction=direction,
    )


def rejected(at: float, reason: Reason = Reason.FULL) -> CountedCall:
    return call(at, at + 3, Result.REJECTED, reason)  # until Asterisk said that it is gone


def day_of(*calls: CountedCall, capacity: int = 720, hours: int = 24) -> DayFigures:
    until = MIDNIGHT + timedelta(hours=hours)
    tally = DayTally(edges_of(MIDNIGHT, until, JAKARTA), {"gangguan": (20, 0.8)}, until)
    for one in calls:
        tally.add(one)
    return tally.figures(capacity)


# -- how long -----------------------------------------------------------------------------------


def test_a_percentile_is_a_wait_that_somebody_had() -> None:
    waits = Waits([5, 1, 3, 2, 4])
    assert [waits.percentile(share) for share in (0.0, 0.5, 0.9, 1.0)] == [1, 3, 5, 5]
    waits.add(0.5)
    assert waits.percentile(0.5) == 2
    assert (waits.average(), waits.longest(), len(waits)) == (15.5 / 6, 5, 6)
    assert (Waits().percentile(0.5), Waits().average(), Waits().longest()) == (None, None, None)


@everything
@given(st.lists(st.floats(0, 1e4), min_size=1), st.floats(0, 1))
def test_so_many_waited_no_longer_than_the_percentile(seconds: list[float], share: float) -> None:
    at = Waits(seconds).percentile(share)
    assert at in seconds
    assert sum(one <= at for one in seconds) >= share * len(seconds) - 1e-6
    assert sum(one < at for one in seconds) <= share * len(seconds)


# -- seats --------------------------------------------------------------------------------------


def test_seats_that_change_hands_in_one_moment_are_not_taken_twice() -> None:
    seats = Occupancy(0, 100)
    seats.add(10, 20)
    seats.add(20, 40)
    seats.add(30, 40)
    (one,) = seats.between([0, 100], 2)
    assert (one.most, one.at_capacity_seconds, one.average) == (2, 10, 0.4)


def test_what_lies_outside_does_not_count() -> None:
    seats = Occupancy(0, 100)
    for span in ((-50, 10), (90, 500), (-5, -1), (101, 102), (60, 50)):
        seats.add(*span)
    first, last = seats.between([0, 50, 100], 1)
    assert (first.at_capacity_seconds, last.at_capacity_seconds) == (10, 10)


SPANS = st.lists(st.tuples(st.integers(-20, 120), st.integers(-20, 120)), max_size=30)


@everything
@given(spans=SPANS, capacity=st.integers(0, 6), cut=st.integers(1, 99))
def test_seats_are_those_that_counting_second_by_second_finds(
    spans: list[tuple[int, int]], capacity: int, cut: int
) -> None:
    seats = Occupancy(0, 100)
    for began, ended in spans:
        seats.add(began, ended)
    taken = [sum(began <= s < ended for began, ended in spans) for s in range(100)]
    for one, part in zip(
        seats.between([0, cut, 100], capacity), (taken[:cut], taken[cut:]), strict=True
    ):
        assert one.most == max(part)
        assert one.average == pytest.approx(sum(part) / len(part))
        assert one.at_capacity_seconds == sum(n >= capacity for n in part)


# -- the day ------------------------------------------------------------------------------------


def test_a_day_has_its_zones_hours() -> None:
    edges = edges_of(MIDNIGHT, MIDNIGHT + timedelta(days=1), JAKARTA)
    assert len(edges) == 25
    half = edges_of(MIDNIGHT + timedelta(minutes=30), MIDNIGHT + timedelta(hours=2), JAKARTA)
    assert [edge.minute for edge in half] == [30, 0, 0]
    month = edges_of(MIDNIGHT, MIDNIGHT + timedelta(days=30), JAKARTA)
    assert len(month) == 31
    # Kathmandu's hours begin at a quarter past those of UTC.
    other = edges_of(MIDNIGHT, MIDNIGHT + timedelta(hours=2), ZoneInfo("Asia/Kathmandu"))
    assert [edge.minute for edge in other] == [0, 15, 15, 0]


def test_a_long_time_has_the_zones_days_also_when_the_clock_changes() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    since = datetime(2026, 10, 23, tzinfo=berlin).astimezone(UTC)
    edges = edges_of(since, since + timedelta(days=5, hours=1), berlin)
    assert {edge.astimezone(berlin).hour for edge in edges} == {0}
    assert len(edges) == 6


def test_what_became_of_a_days_calls() -> None:
    figures = day_of(
        call(0, 60, queued=NOON + 5, talking=NOON + 10),
        call(30, 90, Result.ABANDONED, Reason.IN_WAITING, queued=NOON + 35),
        call(3600, 3700, Result.RELEASED, Reason.INFORMED),
        rejected(45),
        call(20, None, None, None),
        call(40, 50, Result.FAILED, Reason.PBX),
        call(0, 9, Result.UNREACHED, Reason.CUSTOMER_BUSY, Direction.OUTBOUND),
    )
    noon, one = figures.slices[12], figures.slices[13]
    assert (noon.arrivals, noon.rejected, noon.answered, noon.abandoned) == (5, 1, 1, 1)
    assert (noon.failed, noon.open, noon.outbound, one.released) == (1, 1, 1, 1)
    total = figures.total
    assert (total.arrivals, total.outbound, total.busy_share) == (6, 1, 1 / 6)
    assert figures.abandonment == 1 / 5
    assert figures.outcomes[Result.REJECTED, Reason.FULL] == 1
    assert sum(figures.outcomes.values()) == total.arrivals
    assert (figures.queues.service_level, figures.queues.median_wait_seconds) == (0.5, 5)
    # Open to the end of the day; the rejected one had no seat, the outbound one had.
    assert figures.slices[23].seats_average == 1
    assert (noon.seats_most, total.seats_most) == (4, 4)


def test_the_days_that_the_press_told_of_are_100_percent() -> None:
    hour = day_of().slices[0]
    hour.arrivals = 1500
    assert hour.of_normal_day == 1
    hour.arrivals = 80_000
    assert hour.of_blackout_day == pytest.approx(9)
    whole = day_of().total
    whole.arrivals = 80_000
    assert whole.of_blackout_day == 1
    assert whole.of_normal_day == pytest.approx(80 / 36)


def test_time_at_capacity_is_counted_also_when_nobody_is_rejected() -> None:
    figures = day_of(call(0, 100), call(50, 150), capacity=2)
    assert (figures.total.busy_share, figures.total.at_capacity_seconds) == (0, 50)
    assert figures.slices[12].at_capacity_share == 50 / 3600
    assert figures.total.at_capacity_share == pytest.approx(50 / 86400)


OUTCOMES = [*Result, None]
CALLS = st.lists(
    st.builds(
        lambda start, length, outcome: call(start, start + length, outcome, None),
        st.integers(-40_000, 40_000),
        st.integers(0, 5000),
        st.sampled_from(OUTCOMES),
    ),
    max_size=40,
)


@everything
@given(calls=CALLS, capacity=st.integers(1, 5))
def test_every_call_is_counted_once(calls: list[CountedCall], capacity: int) -> None:
    figures = day_of(*calls, capacity=capacity)
    total = together(figures.slices)
    assert total.arrivals == len(calls) == sum(figures.outcomes.values())
    parts = total.rejected + total.answered + total.abandoned + total.released
    assert total.arrivals == parts + total.failed + total.open
    assert 0 <= total.at_capacity_share <= 1 + 1e-9


def test_what_a_regulator_presumes() -> None:
    assert presumption(None, []) == Presumption.REASONABLE
    assert presumption(0.29, [1.0] * 24) == Presumption.REASONABLE
    assert presumption(0.3, [0.0] * 24) == Presumption.NONE
    assert presumption(0.51, [0.5] * 5 + [0.0]) == Presumption.NONE
    assert presumption(0.51, [0.5] * 6 + [None]) == Presumption.UNREASONABLE
    assert presumption(0.5, [1.0] * 24) == Presumption.NONE


# -- rings, statements, menu ---------------------------------------------------------------------


def test_in_which_ring_phones_are_picked_up() -> None:
    def offer(result: OfferResult, rang: float | None = None, ringing: float = 1.0) -> CountedOffer:
        talking = None if rang is None else ringing + rang
        return CountedOffer("101", result, ringing, talking, None, None, 0.0)

    never_rang = CountedOffer("101", OfferResult.UNREACHABLE, None, None, None, None, 0.0)
    picked_up = [offer(OfferResult.ANSWERED, rang) for rang in (0, 4.9, 5, 10.5)]
    rings = ring_figures(
        [*picked_up, offer(OfferResult.MISSED), offer(OfferResult.CALLER_GONE), never_rang]
    )
    assert (rings.rang, rings.missed, rings.missed_share) == (6, 1, 1 / 5)
    assert rings.by_ring == {1: 2, 2: 1, 3: 1}
    assert rings.pick_up.longest() == 10.5
    assert ring_figures([]).missed_share is None


def test_what_became_of_who_heard_a_version() -> None:
    ends = [
        (Result.ANSWERED, Reason.CALLER_HUNG_UP),
        (Result.ABANDONED, Reason.IN_STATEMENT),
        (Result.ABANDONED, Reason.IN_MENU),
        (Result.ABANDONED, Reason.IN_WAITING),
        (Result.ABANDONED, Reason.IN_RINGING),
        (Result.RELEASED, Reason.INFORMED),
        (Result.RELEASED, Reason.QUEUE_FULL),
        (Result.FAILED, Reason.PBX),
    ]
    hearers = [Hearers(7, *end, 2**n, 1) for n, end in enumerate(ends)]
    hearers += [Hearers(7, "", "", 256, 0), Hearers(8, *ends[0], 1000, 1000)]
    figures = version_figures(7, hearers)
    assert (figures.heard, figures.whole) == (511, 8)
    assert (figures.answered, figures.in_statement, figures.in_menu) == (1, 2, 4)
    assert (figures.in_line, figures.informed, figures.released) == (24, 32, 64)
    assert figures.others == 128 + 256
    assert version_figures(9, hearers).heard == 0


def test_who_left_the_menu_without_a_choice_gave_up_in_it() -> None:
    menu = menu_figures(
        [
            Choice(None, "english/tagihan", "chosen", 3),
            Choice(None, "english", "", 2),
            Choice(7, "gangguan", "chosen", 5),
        ]
    )
    assert (menu.came, menu.hung_up, menu.abandonment) == (10, 2, 0.2)
    assert [choice.calls for choice in menu.choices] == [5, 3]
    assert menu_figures([]).abandonment is None
