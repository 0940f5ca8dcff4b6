"""The day of 4 August 2019 on a real Asterisk, faster: 80,000 calls, 720 seats, 105 agents.

At its end SIPp's counts, Asterisk's list of calls, the journal and /metrics must agree to the call,
no more seats than there are may ever have been in use, and nothing may be left behind. Exit code 1
if not, with the words what.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from native.root import LauncherError
from tests.asterisk.world import REPO

from . import page
from .accounts import Books, against_metrics, by_outcome, cdr_book, counted, journal_book, sipp_book
from .day import Day
from .house import House, open_house
from .load import LoadError
from .series import Series, series
from .sipp import Counts, Event
from .traffic import Traffic, traffic
from .watch import CpuWatch, Figures, Sample, Shares, Watch, growth

LINGER_SECONDS = 60.0
"""How long the last callers may take to go once nobody new comes, beside their own patience."""
BOOKS_SECONDS = 20.0
"""How late the journal and Asterisk's list may be."""
MOST_GROWTH = 10.0
"""Per cent of memory over the second half of the day that still counts as flat."""
JUDGED_MINUTES = 3.0
"""A shorter day says nothing of memory: SIP keeps what belongs to a call for 32 s after its end."""
LONGEST_MINUTES = 55.0
"""Agents' phones register once, for an hour."""

console = Console()


@dataclass
class Outcome:
    """All that was measured."""

    day: Day
    books: Books
    samples: list[Sample]
    missed_looks: int
    callers: Counts
    agents: Counts
    talks: int
    shares: Shares
    series: Series
    faults: list[str]
    """What did not hold, in words. Empty is what is wanted."""

    @property
    def peak_seats(self) -> int:
        """The most seats in use at once."""
        return max((sample.seats for sample in self.samples), default=0)


def replay(
    day: Day,
    folder: Path | None = None,
    cache: Path = REPO / ".cache",
    logs: Path | None = None,
) -> Outcome:
    """Live through the day and read the books."""
    with open_house(
        "blackout",
        day.capacity,
        day.agents,
        day.factor,
        folder,
        cache,
        logs=logs,
        AGENTS__WRAP_UP_SECONDS=f"{day.wrap_up:.2f}",
        ADMISSION__UPKEEP_SECONDS=f"{day.upkeep:.2f}",
    ) as house:
        with traffic(day, house) as under_way, Watch(house) as watch:
            pids = {"Asterisk": [house.pids["asterisk"]], "app": [house.pids["app"]]}
            pids["SIPp"] = [under_way.callers.pid, under_way.agents.pid]
            cpu = CpuWatch(pids)
            _show(day, under_way, watch)
            shares = cpu.shares()
            faults = [] if not under_way.callers.running else ["some callers never ended"]
            time.sleep(min(5.0, day.talk + 1))  # the last conversation's agent hangs up
            under_way.agents.end()
            counts = under_way.callers.counts(), under_way.agents.counts()
            events = list(under_way.callers.events())
            talks = sum(event.what == "answered" for event in under_way.agents.events())
        faults += _nothing_left(house)
        books, book_faults = _books(house, events)
        faults += book_faults
    faults += _broken_promises(day, watch)
    return Outcome(
        day, books, watch.samples, watch.missed, *counts, talks, shares,
        series(events, watch.samples), faults,
    )  # fmt: skip


def _show(day: Day, under_way: Traffic, watch: Watch) -> None:
    """Drive the traffic with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=day.seconds)

        def each(at: float) -> None:
            look = watch.samples[-1] if watch.samples else Sample(0, 0, 0, 0, 0, 0)
            counts = under_way.callers.counts()
            words = f"{counts.created} callers, {look.seats} seats, {look.waiting} waiting"
            progress.update(task, completed=at, description=f"{words}, {look.talking} talking")

        under_way.drive(each)
        under_way.finish(LINGER_SECONDS + day.seconds / 3, each)


def _nothing_left(house: House) -> list[str]:
    try:
        house.settled()
    except AssertionError as error:
        return [f"left behind: {error or 'a conversation in Asterisk'}"]
    except OSError as error:
        raise RuntimeError(f"the program does not answer ({error}): {house.last_words()}") from None
    return []


def _books(house: House, events: list[Event]) -> tuple[Books, list[str]]:
    """The books once they agree, or as they are when both had time enough to be written."""
    deadline = time.monotonic() + BOOKS_SECONDS
    sipp = sipp_book(events)
    while True:
        metrics = counted(Figures(house.metrics_text()))
        books = Books(sipp, cdr_book(house.cdr_file), journal_book(house.journal_file), metrics)
        faults = books.disagreements() + against_metrics(books.journal, metrics)
        if not faults or time.monotonic() > deadline:
            return books, faults
        time.sleep(1.0)


def _broken_promises(day: Day, watch: Watch) -> list[str]:
    found = []
    if watch.peak_seats > day.capacity:
        found.append(f"{watch.peak_seats} seats in use of {day.capacity}")
    judged = (("Asterisk", _asterisk), ("the app", _app)) if day.minutes >= JUDGED_MINUTES else ()
    for name, of in judged:
        first, last, more = growth(_settled(watch.samples, day), of)
        if more > MOST_GROWTH:
            found.append(f"{name}'s memory grew by {more:.1f} % ({first} to {last} KiB)")
    return found


def _settled(samples: list[Sample], day: Day) -> list[Sample]:
    """While callers arrive; afterwards the house empties."""
    return [sample for sample in samples if sample.at <= day.seconds]


def _asterisk(sample: Sample) -> int:
    return sample.asterisk_kb


def _app(sample: Sample) -> int:
    return sample.app_kb


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """The figures, for the table and the page."""
    day, books, sipp = outcome.day, outcome.books, outcome.books.sipp
    finals = ", ".join(f"{count} x {status}" for status, count in sorted(sipp.finals.items()))
    ends = ", ".join(f"{n} {o}/{r}" for (o, r), n in sorted(by_outcome(books.journal).items()))
    memory: list[tuple[str, Callable[[Sample], int]]] = [("Asterisk", _asterisk), ("app", _app)]
    settled = _settled(outcome.samples, day)
    grown = [(name, *growth(settled, of)) for name, of in memory]
    redials = sum(sipp.dialled.values()) - len(sipp.dialled)
    return [
        ("the day", f"{day.calls} callers in {day.minutes:g} min, seed {day.seed}"),
        ("faster than 9 hours", f"{day.factor:g} times"),
        ("an agent's times", f"talk {day.talk:.2f} s, wrap-up {day.wrap_up:.2f} s"),
        ("house", f"{day.capacity} seats, {day.agents} agents"),
        ("dialled", f"{sum(sipp.dialled.values())}, of them {redials} again after busy"),
        ("SIPp: final answers", f"{sipp.calls}: {finals}"),
        ("Asterisk: calls in its list", f"{len(books.cdr)}"),
        ("journal: rows", f"{len(books.journal)}: {ends}"),
        ("/metrics: calls ended", f"{sum(books.metrics.values())}"),
        ("conversations, agents' word", f"{outcome.talks}"),
        ("peak of seats", f"{outcome.peak_seats} of {day.capacity}"),
        ("busiest second", f"{max(outcome.series.dialled, default=0):.0f} calls"),
        ("retransmissions", f"callers {outcome.callers.retransmissions}"
         f", agents {outcome.agents.retransmissions}"),
        *((f"memory: {name}", f"{first} to {last} KiB over the second half, {more:+.1f} %")
          for name, first, last, more in grown),
        ("processors", outcome.shares.text()),
        ("looks at /metrics", f"{len(outcome.samples)}, {outcome.missed_looks} missed"),
    ]  # fmt: skip


def report(outcome: Outcome, out: Path) -> None:
    """The table, and the page with the plot."""
    table = Table("", "measured", title="Blackout")
    for name, value in rows(outcome):
        table.add_row(name, value)
    console.print(table)
    for fault in outcome.faults:
        console.print(f"DOES NOT HOLD: {fault}", style="red", highlight=False)
    if not outcome.faults:
        console.print("All four books agree to the call; every promise held.", style="green")
    written = page.write(out, "The day of 4 August 2019, replayed", rows(outcome), outcome.faults,
                         outcome.series, outcome.day.capacity)  # fmt: skip
    console.print(f"Report: {written}")


def day_parser(description: str, minutes: float, calls: int) -> argparse.ArgumentParser:
    """The options that say what the day is like."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--calls", type=int, default=calls, help="callers (default %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=minutes, help="in which they come (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=None, help="replays a run; it is printed")
    return parser


def main() -> int:
    """The command."""
    parser = day_parser(__doc__ or "", 20, 80_000)
    parser.prog = "tests/bench/blackout"
    parser.add_argument("--capacity", type=int, default=720, help="seats (default %(default)s)")
    parser.add_argument("--agents", type=int, default=105, help="default %(default)s")
    parser.add_argument(
        "--out",
        type=Path,
        default=REPO / ".cache/blackout",
        help="folder of report and logs",
    )
    choice = parser.parse_args()
    if not 0 < choice.minutes <= LONGEST_MINUTES:
        parser.error(f"--minutes must be above 0 and at most {LONGEST_MINUTES:g}")
    seed = secrets.randbelow(100_000) if choice.seed is None else choice.seed
    day = Day(choice.calls, choice.minutes, choice.capacity, choice.agents, seed)
    console.print(
        f"{day.calls} callers in {day.minutes:g} min: the day {day.factor:g} times faster,"
        f" talk {day.talk:.2f} s, seed {seed}"
    )
    try:
        outcome = replay(day, logs=choice.out)
    except (LauncherError, LoadError, RuntimeError) as error:
        print(f"blackout: {error}", file=sys.stderr)
        return 1
    report(outcome, choice.out)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
