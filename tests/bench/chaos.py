"""Traffic while the app and Asterisk are killed, frozen, cut off, lied to and left without disk.

A script drawn from a seed, which is printed and replays. When all is quiet again the books must
agree as after any day, but for the calls that were up or in Asterisk's last unwritten batch when
Asterisk itself was killed: nobody can know of those, and they are counted. Exit code 1 if anything
else differs, with the words what.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import sys
import time
from argparse import Namespace
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from native.pbx import free_port
from native.root import LauncherError
from tests.asterisk.world import REPO

from . import page
from .accounts import (
    Books,
    Row,
    SippBook,
    against_metrics,
    by_outcome,
    cdr_book,
    counted,
    journal_book,
    sipp_book,
)
from .blackout import LINGER_SECONDS, day_parser
from .bursts import figures, until
from .day import Day
from .faults import KINDS, Happened, Incident, Saboteur, schedule, small_disk
from .house import House, open_house
from .load import LoadError
from .proxy import Proxy
from .series import Series, series
from .traffic import Traffic, traffic
from .watch import Watch

QUIET_SECONDS = 45.0
BOOKS_SECONDS = 75.0
"""The app looks after what it missed once a minute at the latest."""
START_SECONDS = 20.0
"""An INVITE placed this long after Asterisk's death may have met nobody at all."""

console = Console()


@dataclass
class Results:
    """What happened, and what did not hold."""

    books: Books
    unknowable: set[str]
    happened: list[Happened]
    curves: Series
    retransmissions: int
    peak_seats: int
    faults: list[str] = field(default_factory=list)


def run(day: Day, incidents: list[Incident], seed: int, logs: Path) -> Results:
    """The traffic with its faults, the quiet after it, and the books."""
    front, back = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    with (
        small_disk() as disk,
        Proxy(target=back, port=front, seed=seed) as proxy,
        open_house(
            "chaos",
            day.capacity,
            day.agents,
            day.factor,
            http_port=back,
            ARI__URL=proxy.url,
            JOURNAL__URL=f"sqlite:///{disk.folder}/journal.db",
            RECORDINGS__FOLDER=f"{disk.folder}/recordings",
            logs=logs,
        ) as house,
    ):
        with traffic(day, house) as under_way, Watch(house, legs_every=4) as watch:
            with Saboteur(house, proxy, disk, incidents) as saboteur:
                _show(day, under_way, watch, saboteur)
            time.sleep(min(5.0, day.talk + 1))
            under_way.agents.end()
            counts, began = under_way.callers.counts(), under_way.callers.began
            events = list(under_way.callers.events())
        faults = [*saboteur.faults, *_left_behind(house)]
        books, unknowable, more = _books(house, sipp_book(events, began), saboteur)
        faults += more
    faults += _overfull(day, watch, saboteur)
    curves = series(events, watch.samples)
    return Results(
        books,
        unknowable,
        saboteur.happened,
        curves,
        counts.retransmissions,
        watch.peak_seats,
        faults,
    )


def _show(day: Day, under_way: Traffic, watch: Watch, saboteur: Saboteur) -> None:
    """Drive the traffic with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=day.seconds)

        def each(at: float) -> None:
            seats = watch.samples[-1].seats if watch.samples else 0
            last = saboteur.happened[-1].incident.kind if saboteur.happened else "calm"
            words = f"{under_way.callers.counts().created} callers, {seats} seats, last: {last}"
            progress.update(task, completed=at, description=words)

        under_way.drive(each)
        under_way.finish(LINGER_SECONDS + day.seconds / 3, each)


def _overfull(day: Day, watch: Watch, saboteur: Saboteur) -> list[str]:
    """When there were more calls than seats, by the app's word and by Asterisk's."""
    found = []
    over = [sample for sample in watch.samples if sample.seats > day.capacity]
    if over:
        then = Counter(saboteur.during(watch.began_wall + sample.at) for sample in over)
        words = ", ".join(f"{count} looks {what}" for what, count in then.most_common())
        found.append(f"{watch.peak_seats} seats in use of {day.capacity} ({words})")
    if watch.peak_legs > day.capacity:
        found.append(f"{watch.peak_legs} callers up in Asterisk at once, {day.capacity} seats")
    return found


def _left_behind(house: House) -> list[str]:
    """What is still there when all should be quiet."""
    with contextlib.suppress(RuntimeError):
        until(lambda: not _remains(house), QUIET_SECONDS, "quiet")
    return _remains(house)


def _remains(house: House) -> list[str]:
    try:
        seats, channels, bridges = house.seats(), house.channel_names(), house.talk_bridges()
    except (LauncherError, OSError) as error:
        return [f"cannot look what is left: {error}"]
    found = [f"{seats} seats still in use"] if seats else []
    found += [f"{len(channels)} channels left: {', '.join(channels[:8])}"] if channels else []
    return found + ([f"{len(bridges)} talk bridges left: {', '.join(bridges)}"] if bridges else [])


def _books(house: House, sipp: SippBook, saboteur: Saboteur) -> tuple[Books, set[str], list[str]]:
    """The books once they agree, or as they are when the app had time to complete its own;
    the callers of whom nobody can know; and where the books differ."""
    deadline = time.monotonic() + BOOKS_SECONDS
    while True:
        rows, metrics = journal_book(house.journal_file), counted(figures(house))
        books = Books(sipp, cdr_book(house.cdr_file), rows, metrics, saboteur.during)
        unknowable = _unknowable(books, saboteur.kills_of_asterisk, _batch_seconds(house))
        mine = [row for row in rows if row.incarnation == _last_incarnation(rows)]
        faults = [
            *books.without(unknowable).disagreements(),
            *(f"last incarnation, {text}" for text in against_metrics(mine, metrics)),
        ]
        if not faults or time.monotonic() > deadline:
            return books, unknowable, faults
        time.sleep(2.0)


def _last_incarnation(rows: list[Row]) -> str:
    return rows[-1].incarnation if rows else ""


def _batch_seconds(house: House) -> float:
    """How late Asterisk writes its list, from its own configuration."""
    text = (house.pbx.folder / "etc/cdr.conf").read_text()
    found = re.search(r"^time\s*=\s*(\d+)", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _unknowable(books: Books, kills: list[float], batch: float) -> set[str]:
    """Callers who were up when Asterisk was killed, whose call ended within its last unwritten
    batch, or who dialled while nobody was there and had no answer."""
    found: set[str] = set()
    for kill in kills:
        first, last = kill - batch - 1.0, kill + 0.5
        for who, spans in books.sipp.spans.items():
            for start, end in spans:
                into_nothing = end == inf and kill <= start <= kill + START_SECONDS
                if (start <= last and end >= first) or into_nothing:
                    found.add(who)
        for row in books.journal:
            if row.started <= last and (row.ended or inf) >= first:
                found.add(row.caller)
    return found


def rows(day: Day, results: Results) -> list[tuple[str, str]]:
    """The figures, for the table and the page."""
    books, sipp = results.books, results.books.sipp
    finals = ", ".join(f"{count} x {status}" for status, count in sorted(sipp.finals.items()))
    ends = ", ".join(f"{n} {o}/{r}" for (o, r), n in sorted(by_outcome(books.journal).items()))
    fallen = sum(row.fallback for row in books.journal)
    lost = set(books.cdr) ^ {row.channel for row in books.journal}
    return [
        ("the load", f"{day.calls} callers in {day.minutes:g} min, seed {day.seed}"),
        ("house", f"{day.capacity} seats, {day.agents} agents, talk {day.talk:.2f} s"),
        ("dialled", f"{sum(sipp.dialled.values())}, without an answer {sipp.unanswered}"),
        ("SIPp: final answers", f"{sipp.calls}: {finals}"),
        ("Asterisk: calls in its list", f"{len(books.cdr)}"),
        ("journal: rows", f"{len(books.journal)}: {ends}"),
        ("of them by the fallback", f"{fallen}"),
        ("starts of the app with rows", f"{len({row.incarnation for row in books.journal})}"),
        ("peak of seats", f"{results.peak_seats} of {day.capacity}"),
        ("retransmissions", f"{results.retransmissions}"),
        ("unknowable by Asterisk's death", f"{len(results.unknowable)} callers, left out below"),
        ("only in one of list and journal", f"{len(lost)} calls, those callers included"),
    ]


def report(day: Day, results: Results, out: Path) -> None:
    """The tables, and the page."""
    table = Table("at", "fault", "for", "ready again after", "", title="Faults")
    for each in results.happened:
        well = "never" if each.well_after is None else f"{each.well_after:.1f} s"
        for_ = f"{each.incident.seconds:.1f} s"
        table.add_row(f"{each.at:.0f} s", each.incident.kind, for_, well, each.note)
    console.print(table)
    table = Table("", "measured", title="Chaos")
    for name, value in rows(day, results):
        table.add_row(name, value)
    console.print(table)
    for fault in results.faults:
        console.print(f"DOES NOT HOLD: {fault}", style="red", highlight=False)
    if not results.faults:
        console.print("The books agree to the call; nothing is left behind.", style="green")
    marks = [(each.at, each.incident.kind) for each in results.happened]
    written = page.write(out, "Chaos", rows(day, results), results.faults, results.curves,
                         day.capacity, marks)  # fmt: skip
    console.print(f"Report: {written}")


def _options() -> Namespace:
    parser = day_parser(__doc__ or "", 3, 3000)
    parser.prog = "tests/bench/chaos"
    parser.add_argument("--capacity", type=int, default=60, help="seats (default %(default)s)")
    parser.add_argument("--agents", type=int, default=10, help="default %(default)s")
    kinds = ", ".join(KINDS)
    parser.add_argument("--only", default="", metavar="FAULTS", help=f"some of: {kinds}")
    parser.add_argument(
        "--out", type=Path, default=REPO / ".cache/chaos", help="folder of report and logs"
    )
    choice = parser.parse_args()
    choice.kinds = [kind.strip() for kind in choice.only.split(",") if kind.strip()] or list(KINDS)
    unknown = [kind for kind in choice.kinds if kind not in KINDS]
    if unknown:
        parser.error(f"--only: no such fault: {', '.join(unknown)}; there are: {kinds}")
    return choice


def main() -> int:
    """The command."""
    choice = _options()
    seed = secrets.randbelow(100_000) if choice.seed is None else choice.seed
    day = Day(choice.calls, choice.minutes, choice.capacity, choice.agents, seed)
    incidents = schedule(seed, day.seconds, choice.kinds)
    console.print(f"Seed {seed}; to come:", "; ".join(f"{i.at:.0f} s {i.kind}" for i in incidents))
    try:
        results = run(day, incidents, seed, choice.out)
    except (LauncherError, LoadError, RuntimeError) as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 1
    report(day, results, choice.out)
    return 1 if results.faults else 0


if __name__ == "__main__":
    sys.exit(main())
