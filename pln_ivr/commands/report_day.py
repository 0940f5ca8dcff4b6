"""`pln-ivr report day` and `busies`: arrivals, seats, and who found none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pln_ivr.commands.report_callbacks import callbacks_table
from pln_ivr.commands.report_chart import BLUE, GREEN, GREY, ORANGE, RED, Chart, Level, Series
from pln_ivr.commands.report_form import Report, Row, Table
from pln_ivr.commands.report_making import Making
from pln_ivr.journal.counting import Counting
from pln_ivr.journal.day import (
    BLACKOUT_DAY,
    BLACKOUT_HOURS,
    NORMAL_DAY,
    DayFigures,
    DayTally,
    RingFigures,
    Slice,
    edges_of,
    presumption,
    ring_figures,
)
from pln_ivr.journal.reports import TOGETHER
from pln_ivr.outcomes import Reason, Result

COURSE = [
    "began", "arrivals", "of_normal_day", "of_blackout_day", "rejected", "answered", "abandoned",
    "released", "failed", "open", "outbound", "seats_average", "seats_most",
]  # fmt: skip
DAY = [
    "arrivals", "of_normal_day", "of_blackout_day", "rejected", "busy_share",
    "at_capacity_seconds", "at_capacity_share", "answered", "abandoned", "abandonment", "released",
    "failed", "open", "outbound", "seats", "seats_average", "seats_most", "service_level",
    "average_wait_seconds", "median_wait_seconds", "wait_90_seconds", "longest_wait_seconds",
    "rang", "missed", "missed_share", "average_pick_up_seconds", "pick_up_90_seconds",
]  # fmt: skip
BUSY_COURSE = ["began", "arrivals", "rejected", "busy_share", "at_capacity_seconds",
               "at_capacity_share", "seats_most"]  # fmt: skip
BUSY_DAY = [
    "arrivals", "rejected", "full", "other_reasons", "busy_share", "by_attempts", "seats",
    "at_capacity_seconds", "at_capacity_share", "by_time",
]  # fmt: skip
HOUR_SECONDS = 3600.0
SHORTEST = timedelta(seconds=1)

ABOUT_DAY = (
    f"Compared with the calls that a normal day ({NORMAL_DAY:,}) and the blackout day"
    f" ({BLACKOUT_DAY:,} in {BLACKOUT_HOURS} hours) had in as much time."
)
ABOUT_BUSIES = (
    "Regulators count busies in one of two ways: the share of attempts that were rejected, or the"
    " share of the time at which every seat was taken. Busies beyond our trunk are the carrier's"
    " to tell."
)


def day_report(making: Making) -> Report:
    """The whole day."""
    figures = _figures(making)
    with Counting(making.url) as counting:
        offers = counting.offers_between(making.period.since, making.period.until)
        rings = ring_figures(making.followed("offers", offers))
    course = Table("course", COURSE, [_row(one, COURSE) for one in figures.slices], words=["began"],
                   total=_row(figures.total, COURSE) | {"began": TOGETHER})  # fmt: skip
    return Report(
        "A day at 123",
        making.period,
        [
            Table("day", DAY, [_day(making, figures, rings)], single=True, about=ABOUT_DAY),
            course,
            _outcomes(figures),
            _rings(rings),
            callbacks_table(making),
        ],
        [_arrivals(making, figures), _seats(making, figures), _ends(making, figures)],
    )


def busies_report(making: Making) -> Report:
    """Who heard busy, counted in both ways."""
    figures = _figures(making)
    total, course = figures.total, [_row(one, BUSY_COURSE) for one in figures.slices]
    full = figures.outcomes.get((Result.REJECTED, Reason.FULL), 0)
    hours = [one for one in figures.slices if one.seconds <= HOUR_SECONDS]
    row = _row(total, BUSY_DAY) | {
        "seats": making.settings.admission.capacity,
        "full": full,
        "other_reasons": total.rejected - full,
        "by_attempts": presumption(total.busy_share, [one.busy_share for one in hours]),
        "by_time": presumption(total.at_capacity_share, [one.at_capacity_share for one in hours]),
    }
    return Report(
        "Busies at 123",
        making.period,
        [
            Table("busies", BUSY_DAY, [row], single=True, about=ABOUT_BUSIES),
            Table("course", BUSY_COURSE, course, words=["began"],
                  total=_row(total, BUSY_COURSE) | {"began": TOGETHER}),
        ],
        [_busies(making, figures), _seats(making, figures)],
    )  # fmt: skip


def _figures(making: Making) -> DayFigures:
    period = making.period
    # Of a day that is not over, what has been of it: its rest would thin out every share.
    until = min(period.until, max(making.now, period.since + SHORTEST))
    edges = edges_of(period.since, until, period.zone)
    tally = DayTally(edges, making.targets, making.now)
    with Counting(making.url) as counting:
        for began, ended in counting.earlier_calls(period.since):
            tally.add_earlier(began, ended)
        calls = counting.calls_between(period.since, until)
        total = counting.how_many_calls(period.since, until)
        for call in making.followed("calls", calls, total):
            tally.add(call)
    return tally.figures(making.settings.admission.capacity)


def _row(one: Slice, columns: Sequence[str]) -> Row:
    return {column: getattr(one, column) for column in columns if hasattr(one, column)}


def _day(making: Making, figures: DayFigures, rings: RingFigures) -> Row:
    queues = figures.queues
    waits = ("service_level", "average_wait_seconds", "median_wait_seconds", "wait_90_seconds",
             "longest_wait_seconds")  # fmt: skip
    return _row(figures.total, DAY) | {
        "seats": making.settings.admission.capacity,
        "abandonment": figures.abandonment,
        "rang": rings.rang,
        "missed": rings.missed,
        "missed_share": rings.missed_share,
        "average_pick_up_seconds": rings.pick_up.average(),
        "pick_up_90_seconds": rings.pick_up.percentile(0.9),
        **{name: getattr(queues, name) for name in waits},
    }


def _outcomes(figures: DayFigures) -> Table:
    rows = [
        {"outcome": outcome or "open", "reason": reason, "calls": calls}
        for (outcome, reason), calls in sorted(figures.outcomes.items())
    ]
    return Table("outcomes", ["outcome", "reason", "calls"], rows, words=["outcome", "reason"])


def _rings(rings: RingFigures) -> Table:
    rows: list[Row] = [
        {"ring": str(ring), "picked_up": calls} for ring, calls in sorted(rings.by_ring.items())
    ]
    return Table(
        "rings",
        ["ring", "picked_up"],
        rows,
        words=["ring"],
        about="In which ring phones were picked up, the pause after it included.",
    )


def _labels(making: Making, figures: DayFigures) -> list[str]:
    hourly = figures.slices[0].seconds <= HOUR_SECONDS
    form = "%H" if hourly else "%d.%m."
    return [one.began.astimezone(making.period.zone).strftime(form) for one in figures.slices]


def _levels(figures: DayFigures) -> list[Level]:
    """What the two days had, in as much time as a slice has."""
    hourly = figures.slices[0].seconds <= HOUR_SECONDS
    normal, blackout = (NORMAL_DAY / 24, BLACKOUT_DAY / BLACKOUT_HOURS)
    if not hourly:
        normal, blackout = NORMAL_DAY, BLACKOUT_DAY
    return [
        Level(f"normal day: {NORMAL_DAY:,}", normal),
        Level(f"4 August 2019: {BLACKOUT_DAY:,} in {BLACKOUT_HOURS} hours", blackout),
    ]


def _busiest(making: Making, figures: DayFigures) -> str:
    busiest = max(figures.slices, key=lambda one: one.arrivals)
    began: datetime = busiest.began.astimezone(making.period.zone)
    return f"{busiest.arrivals:,} from {began:%d.%m. %H:%M} on"


def _arrivals(making: Making, figures: DayFigures) -> Chart:
    total = figures.total
    return Chart(
        "Arrivals",
        f"{total.arrivals:,} calls, of which {total.rejected:,} found no seat;"
        f" the busiest time had {_busiest(making, figures)}.",
        _labels(making, figures),
        bars=[
            Series("admitted", [one.arrivals - one.rejected for one in figures.slices], BLUE),
            Series("rejected", [one.rejected for one in figures.slices], RED),
        ],
        levels=_levels(figures),
    )


def _seats(making: Making, figures: DayFigures) -> Chart:
    capacity, total = making.settings.admission.capacity, figures.total
    return Chart(
        "Seats",
        f"At most {total.seats_most:,} of {capacity:,} seats were taken at once, on average"
        f" {total.seats_average:,.1f}; all were taken for {total.at_capacity_seconds:,.0f} s.",
        _labels(making, figures),
        bars=[Series("average", [one.seats_average for one in figures.slices], GREY)],
        lines=[Series("most, by quarters", figures.most_by_quarter, ORANGE)],
        levels=[Level(f"{capacity:,} seats", capacity)],
    )


def _ends(making: Making, figures: DayFigures) -> Chart:
    total = figures.total
    series = partial(_series, figures.slices)
    return Chart(
        "What became of callers with a seat",
        f"{total.answered:,} talked to an agent, {total.abandoned:,} gave up,"
        f" {total.released:,} were let go, {total.failed:,} failed.",
        _labels(making, figures),
        bars=[series("answered", GREEN), series("abandoned", ORANGE), series("released", GREY),
              series("failed", RED)],
    )  # fmt: skip


def _busies(making: Making, figures: DayFigures) -> Chart:
    total = figures.total
    return Chart(
        "Busies, both ways",
        f"{total.busy_share or 0:.1%} of {total.arrivals:,} attempts were rejected; all seats were"
        f" taken for {total.at_capacity_share:.1%} of the time.",
        _labels(making, figures),
        bars=[Series("attempts rejected", [one.busy_share or 0 for one in figures.slices], RED)],
        lines=[Series("time at capacity", [one.at_capacity_share for one in figures.slices], BLUE)],
        levels=[Level("30 %", 0.3), Level("50 %", 0.5)],
        percent=True,
    )


def _series(slices: Sequence[Slice], name: str, colour: str) -> Series:
    values: list[Any] = [getattr(one, name) for one in slices]
    return Series(name, values, colour)
