"""The catalogue of recordings: searched by what is known of their calls. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pln_ivr.journal import tables
from pln_ivr.journal.access import Access as Journal
from pln_ivr.journal.custody import AccessRow
from pln_ivr.journal.records import RecordingRow
from pln_ivr.outcomes import Access, IncidentKind, Reason, RecordingFault, Result

ENTRIES = 100
"""Found at once, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for: recordings of which all that is given holds."""

    since: datetime | None = None  # the conversation began then or later
    until: datetime | None = None  # before
    queue: str | None = None
    agent: str | None = None
    caller: str | None = None  # the number's end, at least its last digits
    outcome: Result | None = None
    incident: IncidentKind | None = None  # there is one of this kind
    any_incident: bool = False
    fault: RecordingFault | None = None
    call_id: str | None = None
    held: bool = False
    deleted: bool = False  # those that are gone as well
    most: int = ENTRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One recording, and what the journal knows of its call."""

    recording: RecordingRow
    caller: str  # personal data: shown masked
    outcome: Result | None
    reason: Reason | None
    incidents: tuple[IncidentKind, ...]


class Catalogue(Journal):
    """Reads a journal without changing it. Every method raises JournalError."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`. Raises JournalError, see Access."""
        super().__init__(url)

    def find(self, wanted: Wanted) -> list[Entry]:
        """The recordings that are wanted, newest first."""
        table = tables.recordings
        query = _ENTRIES.where(*_conditions(wanted))
        query = query.order_by(table.c.began_at.desc(), table.c.recording_id.desc())
        return self._entries(query.limit(wanted.most))

    def entry(self, recording_id: str) -> Entry | None:
        """One recording, also one that was deleted; None if there never was one of that id."""
        query = _ENTRIES.where(tables.recordings.c.recording_id == recording_id)
        return next(iter(self._entries(query)), None)

    def accesses_of(self, recording_id: str) -> list[AccessRow]:
        """Who had access to a recording, in order of time."""
        table = tables.accesses
        query = sa.select(table).where(table.c.recording_id == recording_id)
        query = query.order_by(table.c.accessed_at, table.c.access_id)
        return [_access(row) for row in self._rows(query)]

    def accesses_between(self, since: datetime, until: datetime) -> list[AccessRow]:
        """Every access from `since` to before `until`, in order of time."""
        table = tables.accesses
        query = sa.select(table).where(table.c.accessed_at >= since, table.c.accessed_at < until)
        query = query.order_by(table.c.accessed_at, table.c.access_id)
        return [_access(row) for row in self._rows(query)]

    def _entries(self, query: sa.Select[Any]) -> list[Entry]:
        rows = self._rows(query)
        kinds: dict[str, list[IncidentKind]] = {}
        if rows:
            table, ids = tables.incidents, [row["recording_id"] for row in rows]
            of_these = sa.select(table.c.offer_id, table.c.kind).where(table.c.offer_id.in_(ids))
            for row in self._rows(of_these.order_by(table.c.happened_at)):
                kinds.setdefault(row["offer_id"], []).append(IncidentKind(row["kind"]))
        return [_entry(row, kinds.get(row["recording_id"], [])) for row in rows]


_CALL = tables.calls.c
_ENTRIES = sa.select(
    tables.recordings,
    _CALL.caller.label("of_caller"),
    _CALL.outcome.label("of_outcome"),
    _CALL.reason.label("of_reason"),
).join_from(
    tables.recordings, tables.calls, tables.recordings.c.call_id == _CALL.call_id, isouter=True
)
_COLUMNS = tuple(field.name for field in fields(RecordingRow))


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    table, incidents = tables.recordings.c, tables.incidents.c
    equal = {
        table.queue: wanted.queue,
        table.agent: wanted.agent,
        table.call_id: wanted.call_id,
        _CALL.outcome: wanted.outcome,
    }
    made = [column == value for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        made.append(table.began_at >= wanted.since)
    if wanted.until is not None:
        made.append(table.began_at < wanted.until)
    if wanted.caller is not None:
        made.append(_CALL.caller.endswith(wanted.caller, autoescape=True))
    if wanted.fault is not None:
        made.append(sa.literal(",").concat(table.faults).concat(",").contains(f",{wanted.fault},"))
    if wanted.held:
        made.append(table.held_at.is_not(None))
    if not wanted.deleted:
        made.append(table.deleted_at.is_(None))
    if wanted.any_incident or wanted.incident is not None:
        of_it = sa.select(incidents.incident_id).where(incidents.offer_id == table.recording_id)
        if wanted.incident is not None:
            of_it = of_it.where(incidents.kind == wanted.incident)
        made.append(of_it.exists())
    return made


def _entry(row: Mapping[str, Any], incidents: list[IncidentKind]) -> Entry:
    outcome, reason = row["of_outcome"], row["of_reason"]
    return Entry(
        recording=RecordingRow(**{name: row[name] for name in _COLUMNS}),
        caller=row["of_caller"] or "",
        outcome=None if outcome is None else Result(outcome),
        reason=None if reason is None else Reason(reason),
        incidents=tuple(incidents),
    )


def _access(row: Mapping[str, Any]) -> AccessRow:
    return AccessRow(**{**row, "act": Access(row["act"])})
