"""How many rejections a second the journal's writer keeps up with, on SQLite and on PostgreSQL.

First as fast as they come: rows are written whenever the backlog is below two batches, so that
the figure is what the database stores. Then at a pace of 700 rejections a second, what
Asterisk can reject on two cores: how large the backlog becomes, how long one `write` takes the
event loop, and what it costs. A rejection is one row of `calls`. PostgreSQL is real and writes
as safely as it does by default (fsync). Fails if SQLite stores less than the pace.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
import uuid_utils
from rich.console import Console
from rich.table import Table

from pln_ivr.journal import CallRow, JournalWriter, Limits, open_journal
from pln_ivr.outcomes import Reason, Result, Stage
from tests.databases import KINDS, Database, postgresql, sqlite_in

PACE = 700
TICK_SECONDS = 0.01
LIMITS = Limits()

console = Console()


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one database."""

    stored_a_second: float
    cpu_ms: float
    largest_backlog: int
    write_microseconds: float
    slowest_write_ms: float


def rejection() -> CallRow:
    """A call that found the house full."""
    now = datetime.now(UTC)
    call_id = str(uuid_utils.uuid7())
    return CallRow(
        call_id=call_id,
        sequence=1,
        node="pln-1",
        incarnation="bench",
        channel_id=f"call-{call_id}",
        caller="+6281234567890",
        dialled="123",
        stage=Stage.ENDED,
        started_at=now,
        ended_at=now,
        outcome=Result.REJECTED,
        reason=Reason.FULL,
        cause=17,
    )


async def as_fast_as_it_goes(journal: JournalWriter, seconds: float) -> tuple[float, float]:
    """Rows stored a second, and processor time of this process for each, in milliseconds."""
    before, began, cpu = journal.written, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        while journal.backlog < 2 * LIMITS.batch_rows:
            journal.write(rejection())
        await asyncio.sleep(0.001)
    await journal.stored(60.0)
    stored = journal.written - before
    taken = time.perf_counter() - began
    return stored / taken, (time.process_time() - cpu) / stored * 1000


async def paced(journal: JournalWriter, seconds: float) -> tuple[int, list[float]]:
    """The largest backlog, and how long each `write` took, in seconds."""
    largest = 0
    took: list[float] = []
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        while len(took) < passed * PACE:
            row, at = rejection(), time.perf_counter()
            journal.write(row)
            took.append(time.perf_counter() - at)
        largest = max(largest, journal.backlog)
        await asyncio.sleep(TICK_SECONDS)
    return largest, took


async def measure(database: Database, seconds: float) -> Figures:
    """Both, one after the other."""
    log = structlog.get_logger()
    async with open_journal(database.url, log=log, limits=LIMITS) as journal:
        stored, cpu = await as_fast_as_it_goes(journal, seconds)
        largest, took = await paced(journal, seconds)
    if journal.overflowed:
        raise RuntimeError(f"{journal.overflowed} rows went to the log")
    return Figures(stored, cpu, largest, statistics.median(took) * 1e6, max(took) * 1000)


@contextmanager
def opened(kind: str) -> Iterator[Database]:
    """An empty database of that kind."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield sqlite_in(Path(folder))
        return
    with postgresql(fsync=True) as server:
        yield server.database()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests/bench/journal", description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="for all of it (40)")
    seconds = parser.parse_args().seconds / (2 * len(KINDS))
    table = Table(
        *("database", "rows stored/s", "CPU ms a row", f"backlog at {PACE}/s"),
        *("write, median µs", "slowest ms"),
        title="The journal's writer",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    enough = True
    for kind in KINDS:
        with opened(kind) as database:
            told = asyncio.run(measure(database, seconds))
        table.add_row(
            kind,
            f"{told.stored_a_second:,.0f}",
            f"{told.cpu_ms:.3f}",
            f"{told.largest_backlog:,}",
            f"{told.write_microseconds:.1f}",
            f"{told.slowest_write_ms:.1f}",
        )
        enough = enough and (kind != "sqlite" or told.stored_a_second >= PACE)
    console.print(table)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
