"""Custody of recordings: who had access and why, legal hold, deletion. Blocking.

Each act is a transaction of its own that is over before the act begins: nothing is heard
that is not in the journal, and what is marked as deleted there is gone or goes next time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa
import uuid_utils
from sqlalchemy.engine import Connection

from pln_ivr.errors import EntryError
from pln_ivr.journal import schema, tables
from pln_ivr.journal.access import Access as Journal
from pln_ivr.journal.records import RecordingRow
from pln_ivr.outcomes import Access

LEAP = 10**10
"""How far a row leaps ahead of the versions that filing may write: seconds of an epoch."""

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRow:
    """One access to one recording."""

    access_id: str
    recording_id: str
    call_id: str
    who: str  # the token's name, or what did it
    role: str
    act: Access
    reason: str
    accessed_at: datetime


@dataclass(frozen=True, slots=True)
class Someone:
    """Whoever wants access, with what role, and why."""

    who: str
    role: str
    reason: str

    def __post_init__(self) -> None:
        """Raises EntryError for a reason that is none."""
        reason = self.reason.strip()
        if not reason or not reason.isprintable() or len(reason) > LONGEST_REASON:
            raise EntryError(
                f"say why, in one line of at most {LONGEST_REASON} letters: it is journalled"
            )


class Custody(Journal):
    """The journal, opened for these acts. Every method raises JournalError."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`. Raises JournalError, see Access."""
        super().__init__(url, read_only=False)

    def note(self, recording_id: str, act: Access, by: Someone) -> RecordingRow:
        """Journal that somebody plays or exports a recording; its row. Raises EntryError if it is
        not there any more."""
        with self.changing() as connection:
            row = _find(connection, recording_id)
            if row.deleted_at:
                raise EntryError(f"recording {recording_id} was deleted by {row.deleted_by}")
            _note(connection, row, act, by)
        return row

    def hold(self, recording_id: str, by: Someone) -> RecordingRow:
        """Nothing deletes it from now on. Raises EntryError if it is held already, or gone."""
        with self.changing() as connection:
            row = _find(connection, recording_id)
            if row.deleted_at or row.held_at:
                state = "deleted" if row.deleted_at else f"held by {row.held_by}"
                raise EntryError(f"recording {recording_id} is {state}")
            return _change(
                connection,
                replace(row, held_at=datetime.now(UTC), held_by=by.who, hold_reason=by.reason),
                Access.HOLD,
                by,
            )

    def release(self, recording_id: str, by: Someone) -> RecordingRow:
        """It may be deleted again. Raises EntryError if it was not held."""
        with self.changing() as connection:
            row = _find(connection, recording_id)
            if not row.held_at:
                raise EntryError(f"recording {recording_id} is not held")
            free = replace(row, held_at=None, held_by=None, hold_reason=None)
            return _change(connection, free, Access.RELEASE, by)

    def delete(self, recording_id: str, by: Someone) -> RecordingRow:
        """Journal that it is deleted; the file is the caller's to remove. Raises EntryError if it
        is held. Repeating it changes nothing."""
        with self.changing() as connection:
            row = _find(connection, recording_id)
            if row.held_at:
                raise EntryError(
                    f"recording {recording_id} is on legal hold by {row.held_by}"
                    f" ({row.hold_reason}); release it first"
                )
            return mark_deleted(connection, row, by)

    def expired(self, queue: str | None, others: list[str], before: datetime) -> Iterator[str]:
        """The ids of a queue's recordings that began before then, are not held, not deleted; of
        all queues but `others` if it is None."""
        table = tables.recordings
        which = table.c.queue.not_in(others) if queue is None else table.c.queue == queue
        query = sa.select(table.c.recording_id).where(
            which,
            table.c.began_at < before,
            table.c.held_at.is_(None),
            table.c.deleted_at.is_(None),
        )
        return (row["recording_id"] for row in self._rows(query))

    def deleted_since(self, moment: datetime) -> Iterator[RecordingRow]:
        """Those that were deleted then or later: are their files gone?"""
        table = tables.recordings
        query = sa.select(table).where(table.c.deleted_at >= moment)
        return (RecordingRow(**row) for row in self._rows(query))


def mark_deleted(connection: Connection, row: RecordingRow, by: Someone) -> RecordingRow:
    """In a transaction that is under way: the row as deleted, unless it is already."""
    if row.deleted_at:
        return row
    gone = replace(row, deleted_at=datetime.now(UTC), deleted_by=by.who, delete_reason=by.reason)
    return _change(connection, gone, Access.DELETE, by)


def _find(connection: Connection, recording_id: str) -> RecordingRow:
    table = tables.recordings
    query = sa.select(table).where(table.c.recording_id == recording_id).with_for_update()
    found = connection.execute(query).mappings().first()
    if found is None:
        raise EntryError(f"there is no recording {recording_id}; pln-ivr recordings list")
    return RecordingRow(**found)


def _change(connection: Connection, row: RecordingRow, act: Access, by: Someone) -> RecordingRow:
    new = replace(row, sequence=row.sequence + LEAP)
    upsert = schema.upsert(tables.recordings, connection.dialect.name)
    connection.execute(upsert, tables.values_of(new))
    _note(connection, row, act, by)
    return new


def _note(connection: Connection, row: RecordingRow, act: Access, by: Someone) -> None:
    access = AccessRow(
        access_id=str(uuid_utils.uuid7()),
        recording_id=row.recording_id,
        call_id=row.call_id,
        who=by.who,
        role=by.role,
        act=act,
        reason=by.reason.strip(),
        accessed_at=datetime.now(UTC),
    )
    values = {name: getattr(access, name) for name in AccessRow.__slots__}
    connection.execute(sa.insert(tables.accesses), values)
