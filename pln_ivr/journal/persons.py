"""One person, by phone number: all that the journal holds, and how it is erased. Blocking.

Indonesia's law on personal data (UU 27/2022) gives both to whom the data is about. Who asked for
it is journalled in the same transaction, with no more of the number than its last digits.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
import uuid_utils
from sqlalchemy.engine import Connection

from pln_ivr.errors import EntryError
from pln_ivr.journal import tables
from pln_ivr.journal.access import Access
from pln_ivr.journal.callbacks import give_up
from pln_ivr.journal.custody import LEAP, Someone, mark_deleted
from pln_ivr.journal.reader import IDS_AT_ONCE
from pln_ivr.journal.records import RecordingRow, masked
from pln_ivr.outcomes import PersonAct

ERASED = "-"
"""Stands where the number was: the same for everybody, so that nothing ties calls together."""

NUMBERS = ("caller", "dialled", "number")
"""Columns that hold a phone number have one of these names, in whichever table: what has one is
exported and erased."""

CUSTOMER = "customer"
"""A column of this name beside it holds a customer number, which goes with it."""

FEWEST_DIGITS, MOST_DIGITS = 5, 19
COUNTRY = "62"

ROLE = "person"
"""What stands for a role in the accesses to recordings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAccessRow:
    """One export or erasure."""

    access_id: str
    act: PersonAct
    who: str
    reason: str
    person: str  # the number, masked
    calls: int
    recordings: int
    accessed_at: datetime


@dataclass(slots=True)
class Erasure:
    """What was, or would be, erased."""

    calls: int = 0
    others: int = 0
    """Rows about the same person in tables besides the calls'."""
    held_calls: list[str] = field(default_factory=list)
    """These stay as they are, number and all: a recording of theirs is on legal hold."""
    recordings: list[RecordingRow] = field(default_factory=list)
    """Marked as deleted; their files are the caller's to remove."""
    held: list[str] = field(default_factory=list)
    """Recordings that stay."""


def forms_of(number: str) -> frozenset[str]:
    """How a trunk may write this number: +62812…, 62812…, 0812…; of other countries +65…, 65….

    Raises EntryError if it is no phone number.
    """
    bare = "".join(sign for sign in number if sign not in " -.()")
    digits = bare.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and FEWEST_DIGITS <= len(digits) <= MOST_DIGITS):
        raise EntryError("this is no phone number; write one like 081234567890 or +6281234567890")
    if not bare.startswith("+"):
        digits = digits.removeprefix("00") if digits.startswith("00") else digits
        if digits.startswith("0"):
            digits = COUNTRY + digits[1:]
        elif digits == bare and not digits.startswith(COUNTRY):
            return frozenset({digits})
    forms = {f"+{digits}", digits, f"00{digits}"}
    return frozenset(
        forms | {f"0{digits[len(COUNTRY) :]}"} if digits.startswith(COUNTRY) else forms
    )


class Persons(Access):
    """The journal, opened for these acts. Every method raises JournalError."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`. Raises JournalError, see Access."""
        super().__init__(url, read_only=False)

    def export(self, number: str, by: Someone) -> dict[str, Any]:
        """All that is held about this number, by table, and who has had access to it; this access
        is journalled. Raises EntryError if it is no number."""
        forms = forms_of(number)
        with self.changing() as connection:
            calls = _calls(connection, forms)
            ids = [str(row["call_id"]) for row in calls]
            held: dict[str, Any] = {"calls": calls}
            for table in _tables():
                if "call_id" in table.columns or _numbers_of(table):
                    held[table.name] = _of_calls(connection, table, ids, forms)
            held["dispatches"] = _dispatches(connection, held["outage_reports"])
            _note(connection, PersonAct.EXPORT, number, by, len(calls), len(held["recordings"]))
        return held

    def erase(self, number: str, by: Someone, *, only_look: bool = False) -> Erasure:
        """Replace the number wherever it stands and mark the recordings as deleted, all at once.

        What the accounts need stays: times, outcomes, agents. Calls with a recording on legal
        hold stay as they are. With `only_look` nothing changes and nothing is journalled. Raises
        EntryError if it is no number, or a call of it is not over.
        """
        forms, made = forms_of(number), Erasure()
        with self.changing() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")  # zeroes over what was there
            calls = _calls(connection, forms)
            if any(row["outcome"] is None for row in calls):
                raise EntryError("a call of this number is not over; erase it when it is")
            ids = [str(row["call_id"]) for row in calls]
            rows = _of_calls(connection, tables.recordings, ids)
            recordings = [RecordingRow(**row) for row in rows]
            made.held = [row.recording_id for row in recordings if row.held_at]
            made.held_calls = sorted({row.call_id for row in recordings if row.held_at})
            erased = [row for row in calls if row["call_id"] not in made.held_calls]
            made.calls = len(erased)
            made.recordings = [row for row in recordings if not row.held_at]
            others = list(_others(connection, forms, made.held_calls))
            reports = [key for table, key in others if table is tables.outage_reports]
            made.others = len(others)
            if only_look:
                return made
            for row in erased:
                _forget_call(connection, row, forms)
            # Nobody can be called without the number.
            asked = tables.callbacks.c.callback_id.in_(
                [key for table, key in others if table is tables.callbacks]
            )
            give_up(connection, asked, by.who, datetime.now(UTC))
            for table, key in others:
                _forget(connection, table, key, forms)
            _forget_dispatches(connection, reports)
            made.recordings = [mark_deleted(connection, row, by) for row in made.recordings]
            _note(connection, PersonAct.ERASE, number, by, made.calls, len(made.recordings))
        self._empty_wal()
        return made

    def _empty_wal(self) -> None:
        """SQLite's log has the old rows, too. While somebody reads it stays; it is emptied by the
        next writer then."""
        if self._engine.dialect.name != "sqlite":
            return
        raw = self._engine.raw_connection()
        try:
            with suppress(self._engine.dialect.loaded_dbapi.Error):
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()

    def accesses(self) -> list[PersonAccessRow]:
        """Every export and erasure, oldest first."""
        table = tables.person_accesses
        query = sa.select(table).order_by(table.c.accessed_at, table.c.access_id)
        return [
            PersonAccessRow(**{**row, "act": PersonAct(row["act"])}) for row in self._rows(query)
        ]


def _calls(connection: Connection, forms: Collection[str]) -> list[dict[str, Any]]:
    """There is no index for it: each call would pay for what is asked once a week."""
    table = tables.calls
    query = sa.select(table).where(sa.or_(table.c.caller.in_(forms), table.c.dialled.in_(forms)))
    rows = connection.execute(query.order_by(table.c.started_at).with_for_update()).mappings()
    return [dict(row) for row in rows]


def _of_calls(
    connection: Connection,
    table: sa.Table,
    ids: list[str],
    forms: Collection[str] = (),
) -> list[dict[str, Any]]:
    """A table's rows about these calls, or with this number in them."""
    key = next(iter(table.primary_key.columns)).name
    found: dict[str, dict[str, Any]] = {}
    conditions: list[sa.ColumnElement[bool]] = []
    if "call_id" in table.columns:
        conditions += [
            table.c.call_id.in_(ids[start : start + IDS_AT_ONCE])
            for start in range(0, len(ids), IDS_AT_ONCE)
        ]
    if forms:
        conditions += [column.in_(forms) for column in _numbers_of(table)]
    for condition in conditions:
        for row in connection.execute(sa.select(table).where(condition)).mappings():
            found[str(row[key])] = dict(row)
    return list(found.values())


def _others(
    connection: Connection, forms: Collection[str], but: Collection[str]
) -> Iterator[tuple[sa.Table, str]]:
    """Rows with this number in tables besides the calls', but for those of these calls."""
    for table in _tables():
        if not _numbers_of(table):
            continue
        key = next(iter(table.primary_key.columns))
        query = sa.select(key).where(sa.or_(*(name.in_(forms) for name in _numbers_of(table))))
        if "call_id" in table.columns:
            query = query.where(
                sa.or_(table.c.call_id.is_(None), table.c.call_id.not_in(list(but)))
            )
        for (value,) in connection.execute(query.with_for_update()):
            yield table, value


def _forget_call(connection: Connection, row: Mapping[str, Any], forms: Collection[str]) -> None:
    table = tables.calls
    values: dict[str, Any] = {"caller": ERASED, "sequence": row["sequence"] + LEAP}
    if row["dialled"] in forms:
        values["dialled"] = ERASED
    connection.execute(sa.update(table).where(table.c.call_id == row["call_id"]).values(**values))


def _forget(connection: Connection, table: sa.Table, value: str, forms: Collection[str]) -> None:
    key = next(iter(table.primary_key.columns))
    for column in _numbers_of(table):
        made = sa.update(table).where(key == value, column.in_(forms))
        connection.execute(made.values({column: ERASED}))
    if CUSTOMER in table.columns:  # may have to be unique
        made = sa.update(table).where(key == value)
        connection.execute(made.values({CUSTOMER: f"{ERASED}{secrets.token_hex(8)}"}))


def _tables() -> list[sa.Table]:
    """All but the calls, which come first."""
    return [table for table in tables.metadata.sorted_tables if table is not tables.calls]


def _numbers_of(table: sa.Table) -> list[sa.Column[Any]]:
    return [table.c[name] for name in NUMBERS if name in table.columns]


def _dispatches(
    connection: Connection, reports: Collection[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What the field was, or is to be, told of these reports of outages."""
    return _of_reports(connection, [str(report["report_id"]) for report in reports])


def _of_reports(connection: Connection, ids: list[str]) -> list[dict[str, Any]]:
    table, found = tables.dispatches, []
    for start in range(0, len(ids), IDS_AT_ONCE):
        query = sa.select(table).where(table.c.subject.in_(ids[start : start + IDS_AT_ONCE]))
        found += [dict(row) for row in connection.execute(query.with_for_update()).mappings()]
    return found


def _forget_dispatches(connection: Connection, reports: list[str]) -> None:
    """What is still to be told is told without the numbers."""
    table = tables.dispatches
    for row in _of_reports(connection, reports):
        body = json.loads(row["body"])
        erased = {name: ERASED for name in (*NUMBERS, CUSTOMER) if name in body}
        made = sa.update(table).where(table.c.dispatch_id == row["dispatch_id"])
        connection.execute(made.values(body=json.dumps(body | erased)))


def _note(
    connection: Connection, act: PersonAct, number: str, by: Someone, calls: int, recordings: int
) -> None:
    row = PersonAccessRow(
        access_id=str(uuid_utils.uuid7()),
        act=act,
        who=by.who,
        reason=by.reason.strip(),
        person=masked(number),
        calls=calls,
        recordings=recordings,
        accessed_at=datetime.now(UTC),
    )
    values = {name: getattr(row, name) for name in PersonAccessRow.__slots__}
    connection.execute(sa.insert(tables.person_accesses), values)
