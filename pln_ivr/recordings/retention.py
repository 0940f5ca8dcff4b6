"""Retention: recordings that were kept long enough are deleted, but for those on legal hold.

The journal is told first, the file goes then, and that it has gone is looked at. What a crash
left in between is finished the next time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pln_ivr.errors import EntryError
from pln_ivr.journal.custody import Custody, Someone
from pln_ivr.recordings.library import Library

UNFINISHED_DAYS = timedelta(days=30)
"""How far back it is looked whether what was deleted is gone."""

WHO, ROLE = "retention", "program"


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days recordings are kept, by queue and for all others; 0 for ever."""

    queues: Mapping[str, int]
    others: int


@dataclass(slots=True)
class Purged:
    """What was deleted: ids by queue; None stands for all queues without days of their own."""

    deleted: dict[str | None, list[str]]
    finished: int = 0
    """Files that had been left of what was deleted before."""

    @property
    def count(self) -> int:
        """How many recordings."""
        return sum(map(len, self.deleted.values()))


def purge(
    custody: Custody, library: Library, keep: Keep, now: datetime, *, only_look: bool = False
) -> Purged:
    """Delete what has expired. With `only_look` nothing is changed. Raises JournalError, and
    RecordingError if a file cannot be removed. Safe to repeat."""
    purged = Purged({})
    days: list[tuple[str | None, int]] = [*keep.queues.items(), (None, keep.others)]
    for queue, kept in days:
        if not kept:
            continue
        expired = list(custody.expired(queue, list(keep.queues), now - timedelta(days=kept)))
        purged.deleted[queue] = expired if only_look else []
        if only_look:
            continue
        reason = f"kept for {kept} days"
        for recording_id in expired:
            if delete(custody, library, recording_id, Someone(WHO, ROLE, reason)):
                purged.deleted[queue].append(recording_id)
    for row in custody.deleted_since(now - UNFINISHED_DAYS):
        if library.is_there(row):
            purged.finished += 1
            if not only_look:
                library.remove(row)
    return purged


def delete(custody: Custody, library: Library, recording_id: str, by: Someone) -> bool:
    """Delete one recording for good; False if it was put on hold in this moment.

    Raises JournalError and RecordingError; then it is marked as deleted, and purge finishes it.
    """
    try:
        row = custody.delete(recording_id, by)
    except EntryError:
        if by.who != WHO:
            raise
        return False
    library.remove(row)
    return True
