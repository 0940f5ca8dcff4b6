"""Statements on outages: management's word, from the draft to its end. Blocking.

Each step is one transaction of its own, written from outside the running program or by its API;
every node reads what is live. A version that is live may be past its time: it is expired then,
whoever gets round to writing so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pln_ivr.errors import EntryError
from pln_ivr.journal import tables
from pln_ivr.journal.access import Access
from pln_ivr.journal.records import HearingRow
from pln_ivr.outcomes import Stage, StatementStatus

MOST_LIVE = 3
"""So many may be live at once: a caller hears them all, one after the other."""

PENDING = (StatementStatus.DRAFT, StatementStatus.APPROVED)
"""Waits for somebody, and callers do not hear it yet."""

NOBODY = "-"
"""Ends what ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """One version of a statement, without its audio."""

    version: int
    status: StatementStatus
    areas: tuple[str, ...]  # empty: everywhere
    cause: str
    restoration_at: datetime | None  # None: nobody can say
    expires_at: datetime
    text: str  # the words that callers hear and agents read
    recorded: bool  # a person speaks them, not the voice
    drafted_by: str
    drafted_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    live_by: str | None = None
    live_at: datetime | None = None
    renewed_by: str | None = None
    renewed_at: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None
    note: str | None = None

    def at(self, now: datetime) -> StatementRow:
        """The same as it is now: one that is live past its time has expired."""
        if self.status is not StatementStatus.LIVE or now < self.expires_at:
            return self
        expired = StatementStatus.EXPIRED
        return replace(self, status=expired, ended_by=NOBODY, ended_at=self.expires_at)

    def covers(self, other: StatementRow) -> bool:
        """Whether this one says something of every area of the other."""
        return not self.areas or (bool(other.areas) and set(other.areas) <= set(self.areas))


_COLUMNS = [tables.statements.c[field.name] for field in fields(StatementRow)]


class Statements(Access):
    """The statements there are. Reads only, also while others are being written."""

    def __init__(self, url: str) -> None:
        """``url`` is ``journal.url``. Raises JournalError, see Access."""
        super().__init__(url)

    def live(self, now: datetime) -> list[StatementRow]:
        """Those that callers are to hear, the oldest first. Raises JournalError."""
        table = tables.statements
        query = sa.select(*_COLUMNS).where(
            table.c.status == StatementStatus.LIVE, table.c.expires_at > now
        )
        return [_statement(row) for row in self._rows(query.order_by(table.c.version))]

    def pending(self, now: datetime) -> dict[StatementStatus, int]:
        """How many are drafted and how many approved that could still go live. Raises
        JournalError."""
        status, counts = tables.statements.c.status, dict.fromkeys(PENDING, 0)
        query = sa.select(status, sa.func.count().label("count")).where(
            status.in_(PENDING), tables.statements.c.expires_at > now
        )
        for row in self._rows(query.group_by(status)):
            counts[StatementStatus(row["status"])] = row["count"]
        return counts

    def live_between(self, since: datetime, until: datetime, now: datetime) -> list[StatementRow]:
        """Those that were live at some time from `since` to before `until`, the oldest first.
        Raises JournalError."""
        table = tables.statements
        over_at = sa.func.coalesce(table.c.ended_at, table.c.expires_at)
        query = sa.select(*_COLUMNS).where(table.c.live_at < until, over_at > since)
        return [_statement(row).at(now) for row in self._rows(query.order_by(table.c.version))]

    def last(self, most: int, now: datetime) -> list[StatementRow]:
        """The newest versions, the newest first. Raises JournalError."""
        table = tables.statements
        query = sa.select(*_COLUMNS).order_by(table.c.version.desc()).limit(most)
        return [_statement(row).at(now) for row in self._rows(query)]

    def one(self, version: int, now: datetime) -> StatementRow:
        """One version. Raises EntryError if there is none, and JournalError."""
        table = tables.statements
        query = sa.select(*_COLUMNS).where(table.c.version == version)
        for row in self._rows(query):
            return _statement(row).at(now)
        raise _unknown(version)

    def audio(self, version: int) -> bytes:
        """What callers hear, A-law. Raises EntryError if there is none, and JournalError."""
        table = tables.statements
        query = sa.select(table.c.audio).where(table.c.version == version)
        for row in self._rows(query):
            return bytes(row["audio"])
        raise _unknown(version)

    def hearings(self, version: int) -> list[HearingRow]:
        """Who heard this version, in order of time. Raises JournalError."""
        table = tables.hearings
        query = sa.select(table).where(table.c.version == version)
        rows = self._rows(query.order_by(table.c.began_at, table.c.hearing_id))
        return [HearingRow(**{**row, "stage": Stage(row["stage"])}) for row in rows]

    def heard(self, version: int) -> tuple[int, int]:
        """How many callers heard this version, and how many of them to its last word. Raises
        JournalError."""
        table = tables.hearings
        calls = sa.func.count(sa.distinct(table.c.call_id))
        counts: tuple[Any, ...] = (calls.label("all"), calls.filter(table.c.whole).label("whole"))
        (row,) = self._rows(sa.select(*counts).where(table.c.version == version))
        return row["all"], row["whole"]


def draft_statement(url: str, row: StatementRow, audio: bytes) -> StatementRow:
    """Store a draft and give it its version: `row.version` does not matter. Raises EntryError for
    a drafter without a name, and JournalError."""
    _named(row.drafted_by)
    with Access(url, read_only=False) as journal, journal.changing() as connection:
        newest = connection.execute(sa.select(sa.func.max(tables.statements.c.version))).scalar()
        row = replace(row, version=(newest or 0) + 1, status=StatementStatus.DRAFT)
        connection.execute(sa.insert(tables.statements), _values(row) | {"audio": audio})
    return row


def approve_statement(url: str, version: int, by: str) -> StatementRow:
    """Somebody else than the drafter stands for it. Raises EntryError and JournalError."""

    def approved(row: StatementRow, now: datetime) -> StatementRow:
        if _same(by, row.drafted_by):
            raise EntryError(
                f"statement {version} was drafted by {row.drafted_by};"
                " somebody else must approve it"
            )
        return replace(row, status=StatementStatus.APPROVED, approved_by=by, approved_at=now)

    return _step(url, version, by, {StatementStatus.DRAFT}, approved)


def publish_statement(url: str, version: int, by: str) -> StatementRow:
    """From now on callers hear it, instead of those whose areas it covers. Raises EntryError and
    JournalError."""

    def live(row: StatementRow, now: datetime) -> StatementRow:
        if row.expires_at <= now:
            raise EntryError(f"statement {version} would be over already; draft one that is not")
        return replace(row, status=StatementStatus.LIVE, live_by=by, live_at=now)

    return _step(url, version, by, {StatementStatus.APPROVED}, live)


def renew_statement(url: str, version: int, until: datetime, by: str) -> StatementRow:
    """It stays live until then, in the same words. Raises EntryError and JournalError."""

    def renewed(row: StatementRow, now: datetime) -> StatementRow:
        if until <= now:
            raise EntryError(f"statement {version} cannot be renewed until a time that is past")
        return replace(row, expires_at=until, renewed_by=by, renewed_at=now)

    return _step(url, version, by, {StatementStatus.LIVE}, renewed)


def withdraw_statement(url: str, version: int, by: str, note: str = "") -> StatementRow:
    """Nobody hears it from now on; a draft is given up. Raises EntryError and JournalError."""

    def withdrawn(row: StatementRow, now: datetime) -> StatementRow:
        return _ended(row, by, now, note or None)

    return _step(
        url,
        version,
        by,
        {StatementStatus.DRAFT, StatementStatus.APPROVED, StatementStatus.LIVE},
        withdrawn,
    )


def _step(
    url: str,
    version: int,
    by: str,
    from_: set[StatementStatus],
    change: Callable[[StatementRow, datetime], StatementRow],
) -> StatementRow:
    """One step of one version, in one transaction, if it may be taken from where it stands."""
    _named(by)
    table, now = tables.statements, datetime.now(UTC)
    with Access(url, read_only=False) as journal, journal.changing() as connection:
        query = sa.select(*_COLUMNS).where(table.c.version == version).with_for_update()
        found = connection.execute(query).mappings().first()
        if found is None:
            raise _unknown(version)
        row = _statement(dict(found)).at(now)
        if row.status not in from_:
            wanted = " or ".join(status for status in StatementStatus if status in from_)
            raise EntryError(f"statement {version} is {row.status}, and must be {wanted} for that")
        row = change(row, now)
        if row.status is StatementStatus.LIVE:
            _make_room(connection, row, by, now)
        _store(connection, row)
    return row


def _make_room(connection: Connection, new: StatementRow, by: str, now: datetime) -> None:
    """Withdraw what the new one replaces. Raises EntryError if too many are left."""
    table = tables.statements
    query = sa.select(*_COLUMNS).where(
        table.c.status == StatementStatus.LIVE, table.c.version != new.version
    )
    left = 0
    for found in connection.execute(query.with_for_update()).mappings():
        row = _statement(dict(found)).at(now)
        if row.status is StatementStatus.LIVE and new.covers(row):
            row = _ended(row, by, now, f"replaced by {new.version}")
        left += row.status is StatementStatus.LIVE
        _store(connection, row)
    if left >= MOST_LIVE:
        raise EntryError(
            f"{left} statements are live, and callers hear them all; withdraw one of them first,"
            " or draft one that covers the areas of several"
        )


def _ended(row: StatementRow, by: str, now: datetime, note: str | None) -> StatementRow:
    return replace(row, status=StatementStatus.WITHDRAWN, ended_by=by, ended_at=now, note=note)


def expire_statements(url: str, now: datetime) -> list[int]:
    """Write down that those have expired that have; their versions. Raises JournalError."""
    table = tables.statements
    query = sa.select(*_COLUMNS).where(
        table.c.status == StatementStatus.LIVE, table.c.expires_at <= now
    )
    with Access(url, read_only=False) as journal, journal.changing() as connection:
        found = connection.execute(query.with_for_update()).mappings().all()
        for row in found:
            _store(connection, _statement(dict(row)).at(now))
    return [row["version"] for row in found]


def _store(connection: Connection, row: StatementRow) -> None:
    table = tables.statements
    connection.execute(sa.update(table).where(table.c.version == row.version).values(_values(row)))


def _values(row: StatementRow) -> dict[str, Any]:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    return values | {"areas": "\n".join(row.areas)}


def _statement(row: Mapping[str, Any]) -> StatementRow:
    words = {
        "status": StatementStatus(row["status"]),
        "areas": tuple(filter(None, row["areas"].split("\n"))),
    }
    return StatementRow(**{**row, **words})


def _named(who: str) -> None:
    if not who.strip() or not who.isprintable():
        raise EntryError("say who you are: a name, on one line")


def _same(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written."""
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def _unknown(version: int) -> EntryError:
    return EntryError(f"there is no statement {version}; pln-ivr statement list names them")
