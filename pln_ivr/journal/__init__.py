"""The journal: the database of what happened.

``writer`` takes rows from the event loop and stores them from a thread of its own,
``reader`` answers questions, ``records`` are the rows, ``schema`` the tables.
"""

from __future__ import annotations

from pln_ivr.journal.reader import JournalReader
from pln_ivr.journal.records import (
    AgentStateRow,
    CallRow,
    FlagRow,
    HearingRow,
    IncidentRow,
    MarkRow,
    OfferRow,
    RecordingPauseRow,
    RecordingRow,
    Row,
    SupervisionRow,
)
from pln_ivr.journal.writer import JournalLog, JournalWriter, Limits, open_journal

__all__ = [
    "AgentStateRow",
    "CallRow",
    "FlagRow",
    "HearingRow",
    "IncidentRow",
    "JournalLog",
    "JournalReader",
    "JournalWriter",
    "Limits",
    "MarkRow",
    "OfferRow",
    "RecordingPauseRow",
    "RecordingRow",
    "Row",
    "SupervisionRow",
    "open_journal",
]
