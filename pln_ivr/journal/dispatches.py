"""The outbox: what the field dispatch is to be told. Blocking.

A delivery is written in the transaction of what it tells of, so that neither is there without the
other, and stays until the receiver has taken it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import uuid_utils
from sqlalchemy.engine import Connection

from pln_ivr.errors import EntryError
from pln_ivr.journal import tables
from pln_ivr.journal.access import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRow:
    """One delivery. It waits while it is neither delivered nor dead."""

    dispatch_id: str  # the idempotency key: the same at each attempt
    kind: str  # outage_report or outage_cluster
    subject: str  # the id of the report or the cluster
    body: str  # JSON
    created_at: datetime
    due_at: datetime  # the next attempt; while one is under way, when it counts as lost
    attempts: int = 0
    delivered_at: datetime | None = None
    dead_at: datetime | None = None
    error: str | None = None  # why the last attempt failed

    @property
    def state(self) -> str:
        """waiting, delivered or dead."""
        return "delivered" if self.delivered_at else "dead" if self.dead_at else "waiting"


def enqueue(
    connection: Connection, kind: str, subject: str, body: Mapping[str, Any], now: datetime
) -> None:
    """Have this told, if the transaction that it belongs to is committed."""
    row = {
        "dispatch_id": str(uuid_utils.uuid7()),
        "kind": kind,
        "subject": subject,
        "body": json.dumps({"kind": kind, **body}),
        "created_at": now,
        "due_at": now,
        "attempts": 0,
    }
    connection.execute(sa.insert(tables.dispatches), row)


_WAITS = (tables.dispatches.c.delivered_at.is_(None), tables.dispatches.c.dead_at.is_(None))


class Outbox(Access):
    """What is to be told. Raises JournalError, see Access."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`."""
        super().__init__(url, read_only=False)

    def take(self, now: datetime, most: int, lost_after: timedelta) -> list[DispatchRow]:
        """Those that are due, the oldest first, for one attempt each: nobody else takes them until
        they count as lost."""
        table = tables.dispatches
        query = sa.select(table).where(*_WAITS, table.c.due_at <= now)
        query = query.order_by(table.c.due_at, table.c.dispatch_id).limit(most)
        with self.changing() as connection:
            found = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
            ids = [row["dispatch_id"] for row in found]
            connection.execute(
                sa.update(table)
                .where(table.c.dispatch_id.in_(ids))
                .values(attempts=table.c.attempts + 1, due_at=now + lost_after)
            )
        return [_dispatch({**row, "attempts": row["attempts"] + 1}) for row in found]

    def delivered(self, dispatch_id: str, now: datetime) -> None:
        """The receiver has it."""
        self._set(dispatch_id, delivered_at=now, error=None)

    def postponed(self, dispatch_id: str, until: datetime, error: str) -> None:
        """It will be tried again."""
        self._set(dispatch_id, due_at=until, error=error)

    def dead(self, dispatch_id: str, now: datetime, error: str) -> None:
        """Nobody tries it again, unless `retry` says so."""
        self._set(dispatch_id, dead_at=now, error=error)

    def _set(self, dispatch_id: str, **values: Any) -> None:
        table = tables.dispatches
        change = sa.update(table).where(table.c.dispatch_id == dispatch_id).values(values)
        with self.changing() as connection:
            connection.execute(change)

    def counts(self) -> tuple[int, int]:
        """How many wait, and how many are dead."""
        table = tables.dispatches
        with self.changing() as connection:
            waiting = sa.select(sa.func.count()).select_from(table).where(*_WAITS)
            dead = sa.select(sa.func.count()).where(table.c.dead_at.is_not(None))
            return (
                int(connection.execute(waiting).scalar_one()),
                int(connection.execute(dead).scalar_one()),
            )

    def retry(self, ids: Sequence[str], now: datetime) -> int:
        """Try dead letters again from now on, as if they were new; all of them if `ids` is empty.
        How many. Raises EntryError for an id that is no dead letter, and then none is retried."""
        table = tables.dispatches
        dead = table.c.dead_at.is_not(None)
        chosen = dead & table.c.dispatch_id.in_(ids) if ids else dead
        again = {"dead_at": None, "due_at": now, "created_at": now, "attempts": 0}
        with self.changing() as connection:
            query = sa.select(table.c.dispatch_id).where(chosen)
            found = [row[0] for row in connection.execute(query)]
            for missing in set(ids) - set(found):
                raise EntryError(
                    f"{missing} is no dead letter; pln-ivr dispatch list --dead names them"
                )
            connection.execute(sa.update(table).where(chosen).values(again))
        return len(found)


class Dispatches(Access):
    """What has been told and what has not. Reads only."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`. Raises JournalError, see Access."""
        super().__init__(url)

    def last(self, most: int, dead: bool = False) -> list[DispatchRow]:
        """The newest deliveries, or dead letters alone, the newest first."""
        table = tables.dispatches
        query = sa.select(table).order_by(table.c.created_at.desc(), table.c.dispatch_id.desc())
        if dead:
            query = query.where(table.c.dead_at.is_not(None))
        return [_dispatch(row) for row in self._rows(query.limit(most))]


def _dispatch(row: Mapping[str, Any]) -> DispatchRow:
    return DispatchRow(**{field.name: row[field.name] for field in fields(DispatchRow)})
