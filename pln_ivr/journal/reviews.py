"""Reviews: what a person makes of a conduct incident. Blocking."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import sqlalchemy as sa

from pln_ivr.errors import EntryError
from pln_ivr.journal import schema, tables
from pln_ivr.journal.access import Access
from pln_ivr.journal.reader import to_incident
from pln_ivr.journal.records import IncidentRow
from pln_ivr.outcomes import Review

LEAP = 1000
"""How far a review's row leaps ahead of the versions that the running program may yet write."""


def review_incident(
    url: str,
    incident_id: str,
    verdict: Review,
    *,
    reviewer: str,
    note: str = "",
    again: bool = False,
) -> IncidentRow:
    """Uphold or dismiss an incident; the row as it is from now on.

    Raises EntryError, and then nothing is changed, without a reviewer's name, for a dismissal
    without a note, for an unknown incident and, unless `again`, for one reviewed before.
    Raises JournalError when the database cannot be written.
    """
    reviewer, note = reviewer.strip(), note.strip()
    if verdict is Review.NEW:
        raise EntryError("a review upholds or dismisses")
    if not reviewer or not reviewer.isprintable():
        raise EntryError("a review needs the name of its reviewer, on one line")
    if verdict is Review.DISMISSED and not note:
        raise EntryError("a dismissal needs a note that says why")
    table = tables.incidents
    with Access(url, read_only=False) as journal, journal.changing() as connection:
        query = sa.select(table).where(table.c.incident_id == incident_id).with_for_update()
        found = connection.execute(query).mappings().first()
        if found is None:
            raise EntryError(f"there is no incident {incident_id}; pln-ivr conduct list names them")
        old = to_incident(dict(found))
        if old.review is not Review.NEW and not again:
            raise EntryError(
                f"incident {incident_id} was {old.review} by {old.reviewer}"
                f" on {old.reviewed_at:%Y-%m-%d}; say --again to review it again"
            )
        new = replace(
            old,
            sequence=old.sequence + LEAP,
            review=verdict,
            reviewer=reviewer,
            note=note or None,
            reviewed_at=datetime.now(UTC),
        )
        connection.execute(schema.upsert(table, connection.dialect.name), tables.values_of(new))
    return new
