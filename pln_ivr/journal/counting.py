"""Questions of reports: many rows, few columns of each. Blocking.

What can be counted by the database in words that SQLite and PostgreSQL share is counted there; the
rest is read a few rows at a time, so that memory does not grow with the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from pln_ivr.journal import tables
from pln_ivr.journal.access import Access
from pln_ivr.journal.reader import LONGEST_WAIT, within
from pln_ivr.outcomes import Result


class Epoch(FunctionElement[float]):
    """A time as epoch seconds, to the microsecond: a number costs a tenth of a datetime."""

    type = sa.Double()
    name = "epoch"
    inherit_cache = True


@compiles(Epoch)
def _epoch(epoch: Epoch, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(extract(epoch FROM {compiler.process(epoch.clauses, **options)}) AS float8)"


@compiles(Epoch, "sqlite")
def _sqlite_epoch(epoch: Epoch, compiler: SQLCompiler, **options: Any) -> str:
    # A text there, always with six digits after the second: 2026-11-23 05:00:00.123456
    text = compiler.process(epoch.clauses, **options)
    return f"(strftime('%s', substr({text}, 1, 19)) + substr({text}, 20))"


class CountedCall(NamedTuple):
    """As much of a call as is counted. Times are epoch seconds."""

    started: float
    queued: float | None
    talking: float | None
    ended: float | None
    queue: str | None
    outcome: str | None
    reason: str | None
    direction: str


class CountedOffer(NamedTuple):
    """As much of an offer. Times are epoch seconds."""

    agent: str
    result: str | None
    ringing: float | None
    talking: float | None
    talked_until: float | None
    wrapped_up: float | None
    held_seconds: float


class Choice(NamedTuple):
    """Calls that went the same way through the menu."""

    statement: int | None
    """The newest version of a statement that they heard."""
    path: str
    end: str
    """How they left it; empty if they hung up in it, or are in it."""
    calls: int


class Hearers(NamedTuple):
    """Calls that heard the same version and ended alike."""

    version: int
    outcome: str
    reason: str
    calls: int
    whole: int
    """Of these, how many heard it to its last word."""


class Counting(Access):
    """Reads a journal to count, also while the program is writing to it. Every method raises
    JournalError, those that give an iterator while it is read."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`. Raises JournalError, see Access."""
        super().__init__(url)

    def how_many_calls(self, since: datetime, until: datetime) -> int:
        """Calls that began from `since` to before `until`."""
        began = within(tables.calls.c.started_at, since, until)
        (row,) = self._rows(sa.select(sa.func.count().label("n")).where(began))
        return int(row["n"])

    def calls_between(self, since: datetime, until: datetime) -> Iterator[CountedCall]:
        """The same calls, in no order."""
        return self._calls(within(tables.calls.c.started_at, since, until))

    def queued_between(self, since: datetime, until: datetime) -> Iterator[CountedCall]:
        """Calls that joined a line in that time, in no order."""
        return self._calls(within(tables.calls.c.queued_at, since, until))

    def _calls(self, which: sa.ColumnElement[bool]) -> Iterator[CountedCall]:
        column = tables.calls.c
        times = column.started_at, column.queued_at, column.talking_at, column.ended_at
        words = column.queue, column.outcome, column.reason, column.direction
        query = sa.select(*map(Epoch, times), *words).where(which)
        return map(CountedCall._make, self._tuples(query))

    def earlier_calls(self, since: datetime) -> Iterator[tuple[float, float | None]]:
        """When the calls began and ended that had begun less than a day before then, and had a
        seat then."""
        table = tables.calls
        query = sa.select(Epoch(table.c.started_at), Epoch(table.c.ended_at)).where(
            within(table.c.started_at, since - LONGEST_WAIT, since),
            sa.or_(table.c.ended_at > since, table.c.ended_at.is_(None)),
            sa.or_(table.c.outcome != Result.REJECTED, table.c.outcome.is_(None)),
        )
        return ((began, ended) for began, ended in self._tuples(query))

    def offers_between(self, since: datetime, until: datetime) -> Iterator[CountedOffer]:
        """The offers made in that time, in no order."""
        column = tables.offers.c
        times = column.ringing_at, column.talking_at, column.talked_until, column.wrapped_up_at
        columns = column.agent, column.result, *map(Epoch, times), column.held_seconds
        query = sa.select(*columns).where(within(column.offered_at, since, until))
        return map(CountedOffer._make, self._tuples(query))

    def choices(self, since: datetime, until: datetime) -> list[Choice]:
        """What the callers chose who began in that time and came to the menu."""
        table = tables.calls
        keys = table.c.statement, table.c.menu_path, table.c.menu_end
        query = sa.select(*keys, sa.func.count()).where(
            within(table.c.started_at, since, until), table.c.menu_at.is_not(None)
        )
        rows = self._tuples(query.group_by(*keys))
        return [Choice(statement, path or "", end or "", n) for statement, path, end, n in rows]

    def hearers(self, since: datetime, until: datetime) -> list[Hearers]:
        """What became of the callers who heard a statement in that time, by its version."""
        table, calls = tables.hearings, tables.calls
        query = (
            sa.select(
                table.c.version,
                calls.c.outcome,
                calls.c.reason,
                sa.func.count(sa.distinct(table.c.call_id)),
                sa.func.count(sa.distinct(sa.case((table.c.whole, table.c.call_id)))),
            )
            # Of a call that has only just begun there may be no row yet.
            .join_from(table, calls, table.c.call_id == calls.c.call_id, isouter=True)
            .where(within(table.c.began_at, since, until))
            .group_by(table.c.version, calls.c.outcome, calls.c.reason)
        )
        rows = self._tuples(query)
        return [Hearers(version, end or "", why or "", n, m) for version, end, why, n, m in rows]
