"""Callbacks: customers who are to be called, what was tried, and what came of it. Blocking.

Each change is a transaction of its own, and one that no longer fits, because somebody else was
faster, changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import uuid_utils
from sqlalchemy.engine import Connection

from pln_ivr.errors import EntryError
from pln_ivr.journal import tables
from pln_ivr.journal.access import Access
from pln_ivr.outcomes import CallbackResult, CallbackStatus

OPEN = (CallbackStatus.WAITING, CallbackStatus.CALLING)
"""What is not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRow:
    """One callback. With a `report_id` the customer is to hear that power is back, and stands in
    no line."""

    callback_id: str
    call_id: str  # the visit in which it was asked for
    node: str  # who calls
    caller: str  # the number to be called
    queue: str
    language: str
    place_at: datetime  # the place in the line
    asked_at: datetime
    due_at: datetime  # nobody is called before
    expires_at: datetime
    changed_at: datetime
    report_id: str | None = None
    status: CallbackStatus = CallbackStatus.WAITING
    attempts: int = 0  # those that count against the limit, the one under way included
    attempted_at: datetime | None = None  # the beginning of the latest one
    last_call_id: str | None = None  # the call of it
    result: CallbackResult | None = None  # of the latest one that is over
    ended_at: datetime | None = None
    ended_by: str | None = None  # who cancelled it

    @property
    def waits(self) -> bool:
        """Nobody is trying it at this moment."""
        return self.status is CallbackStatus.WAITING


@dataclass(frozen=True, slots=True)
class Noted:
    """What the caller is told: since when it is noted, and whether that is new."""

    new: bool
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to become of a callback whose attempt is over. `result` and the rest are its row's
    then."""

    result: CallbackResult
    status: CallbackStatus
    attempts: int
    due_at: datetime


class CallbackBook(Access):
    """The callbacks there are, and new ones. Raises JournalError, see Access."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`."""
        super().__init__(url, read_only=False)

    def ask(self, row: CallbackRow) -> Noted:
        """Note a callback; if the number has one in this line, that one stays, with the older of
        the two places."""
        table = tables.callbacks
        mine = (
            table.c.caller == row.caller,
            table.c.queue == row.queue,
            table.c.report_id.is_(None),
            table.c.status.in_(OPEN),
        )
        with self.changing() as connection:
            earlier = connection.execute(sa.select(table).where(*mine)).mappings().first()
            if earlier is None:
                connection.execute(sa.insert(table), _values(row))
                return Noted(True, row.asked_at)
            if row.place_at < earlier["place_at"]:
                older = {"place_at": row.place_at, "changed_at": row.changed_at}
                connection.execute(sa.update(table).where(*mine).values(older))
        return Noted(False, earlier["asked_at"])

    def changed(self, node: str, since: datetime | None, now: datetime) -> list[CallbackRow]:
        """Those of this node that have changed since then, over or not; without a time all that
        are not over. What nobody came to in time is over from now on."""
        table = tables.callbacks
        waiting = (table.c.node == node, table.c.status == CallbackStatus.WAITING)
        over = {"status": CallbackStatus.EXPIRED, "ended_at": now, "changed_at": now}
        of_these = table.c.changed_at >= since if since else table.c.status.in_(OPEN)
        query = sa.select(table).where(table.c.node == node, of_these)
        with self.changing() as connection:
            late = sa.update(table).where(*waiting, table.c.expires_at <= now)
            connection.execute(late.values(over))
            rows = connection.execute(query.order_by(table.c.place_at)).mappings().all()
        return [row_of(dict(row)) for row in rows]

    def begin(self, callback_id: str, call_id: str, now: datetime) -> bool:
        """An attempt begins with this call; false if somebody was faster, or it is over."""
        table = tables.callbacks
        values = {
            "status": CallbackStatus.CALLING,
            "attempts": table.c.attempts + 1,
            "attempted_at": now,
            "last_call_id": call_id,
            "changed_at": now,
        }
        waits = (table.c.callback_id == callback_id, table.c.status == CallbackStatus.WAITING)
        with self.changing() as connection:
            begun = sa.update(table).where(*waits, table.c.expires_at > now)
            return connection.execute(begun.values(values)).rowcount == 1

    def settle(self, callback_id: str, call_id: str, verdict: Verdict, now: datetime) -> None:
        """The attempt with this call is over. Nothing happens if another one has begun, or
        somebody has cancelled it."""
        table = tables.callbacks
        values: dict[str, Any] = {
            "result": verdict.result,
            "status": verdict.status,
            "attempts": verdict.attempts,
            "due_at": verdict.due_at,
            "changed_at": now,
        }
        if verdict.status not in OPEN:
            values["ended_at"] = now
        mine = (
            table.c.callback_id == callback_id,
            table.c.last_call_id == call_id,
            table.c.status == CallbackStatus.CALLING,
        )
        with self.changing() as connection:
            connection.execute(sa.update(table).where(*mine).values(values))

    def came(self, callback_id: str, now: datetime) -> None:
        """The customer called us, and talked: nobody needs to call."""
        table = tables.callbacks
        values = {
            "result": CallbackResult.CAME,
            "status": CallbackStatus.REACHED,
            "changed_at": now,
            "ended_at": now,
        }
        mine = (table.c.callback_id == callback_id, table.c.status.in_(OPEN))
        with self.changing() as connection:
            connection.execute(sa.update(table).where(*mine).values(values))

    def cancel(self, ids: Sequence[str], by: str, now: datetime) -> int:
        """Nobody calls these any more; a call that is under way goes on. How many. Raises
        EntryError for an id of which there is no callback that is not over, and then none is
        cancelled."""
        table = tables.callbacks
        mine = (table.c.callback_id.in_(ids), table.c.status.in_(OPEN))
        with self.changing() as connection:
            found = {
                row[0] for row in connection.execute(sa.select(table.c.callback_id).where(*mine))
            }
            for missing in sorted(set(ids) - found):
                raise EntryError(
                    f"{missing} is no callback that waits; pln-ivr callback list names them"
                )
            give_up(connection, sa.and_(*mine), by, now)
        return len(found)

    def ended_calls(self, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Of these calls those that are over, as far as the journal knows, by id."""
        table = tables.calls
        query = sa.select(table).where(table.c.call_id.in_(ids), table.c.outcome.is_not(None))
        return {row["call_id"]: row for row in self._rows(query)} if ids else {}


class CallbackList(Access):
    """What has become of callbacks. Reads only."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`. Raises JournalError, see Access."""
        super().__init__(url)

    def last(self, most: int, waiting: bool = False) -> list[CallbackRow]:
        """The newest callbacks, the newest first; or those that are not over, in their order."""
        table = tables.callbacks
        query = sa.select(table).order_by(table.c.asked_at.desc(), table.c.callback_id.desc())
        if waiting:
            ordered = sa.select(table).order_by(table.c.place_at, table.c.callback_id)
            query = ordered.where(table.c.status.in_(OPEN))
        return [row_of(row) for row in self._rows(query.limit(most))]

    def figures(self, since: datetime, until: datetime) -> list[CallbackFigures]:
        """What has become of those that were asked for in this time, by queue."""
        table = tables.callbacks
        asked = (table.c.asked_at >= since, table.c.asked_at < until)
        query = sa.select(table.c.queue, table.c.status, table.c.result, sa.func.count())
        found: dict[str, Counter[str]] = {}
        grouped = query.where(*asked).group_by(table.c.queue, table.c.status, table.c.result)
        for queue, status, result, count in self._tuples(grouped):
            counts = found.setdefault(queue, Counter())
            counts[_WORDS.get(CallbackStatus(status), "waiting")] += count
            counts["came"] += count if result == CallbackResult.CAME else 0
        return [
            CallbackFigures(
                queue=queue or NO_QUEUE, asked=counts.total() - counts["came"], **counts
            )
            for queue, counts in sorted(found.items())
        ]


NO_QUEUE = "-"
_WORDS = {
    CallbackStatus.REACHED: "reached",
    CallbackStatus.UNREACHED: "unreached",
    CallbackStatus.EXPIRED: "expired",
    CallbackStatus.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFigures:
    """One queue's callbacks. `asked` is the sum of all from `reached` to `waiting`, without
    `came`."""

    queue: str
    asked: int
    reached: int = 0  # talked, or heard that power is back
    came: int = 0  # of these, called us before we called them
    unreached: int = 0  # after the last attempt
    expired: int = 0  # nobody came to it in time
    cancelled: int = 0
    waiting: int = 0  # or being called


def callbacks_together(figures: Iterable[CallbackFigures]) -> CallbackFigures:
    """All queues as one."""
    every = list(figures)
    names = [field.name for field in fields(CallbackFigures) if field.name != "queue"]
    return CallbackFigures(
        queue="all", **{name: sum(getattr(one, name) for one in every) for name in names}
    )


def callback_of(report: Mapping[str, Any], now: datetime, expires_at: datetime) -> dict[str, Any]:
    """The callback by which who made this report hears that power is back, as a row's values."""
    return _values(
        CallbackRow(
            callback_id=str(uuid_utils.uuid7()),
            call_id=report["call_id"],
            report_id=report["report_id"],
            node=report["node"],
            caller=report["caller"],
            queue="",
            language=report["language"],
            place_at=report["reported_at"],
            asked_at=now,
            due_at=now,
            expires_at=expires_at,
            changed_at=now,
        )
    )


def give_up(connection: Connection, which: sa.ColumnElement[bool], by: str, now: datetime) -> None:
    """Cancel what is not over of these, in a transaction of somebody else's."""
    table = tables.callbacks
    values = {
        "status": CallbackStatus.CANCELLED,
        "changed_at": now,
        "ended_at": now,
        "ended_by": by,
    }
    connection.execute(sa.update(table).where(which, table.c.status.in_(OPEN)).values(values))


def row_of(row: Mapping[str, Any]) -> CallbackRow:
    """A row of the table."""
    values = {field.name: row[field.name] for field in fields(CallbackRow)}
    values["status"] = CallbackStatus(values["status"])
    values["result"] = CallbackResult(values["result"]) if values["result"] else None
    return CallbackRow(**values)


def _values(row: CallbackRow) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(CallbackRow)}
