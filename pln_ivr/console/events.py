"""What the feed tells: the journal's rows as supervisors see them, without phone numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, convert

from pln_ivr.console.views import (
    AgentView,
    ConversationView,
    FlagView,
    IncidentView,
    QueueView,
    StatementView,
    WaitingView,
)
from pln_ivr.journal import (
    AgentStateRow,
    CallRow,
    FlagRow,
    IncidentRow,
    OfferRow,
    RecordingPauseRow,
    Row,
    SupervisionRow,
)
from pln_ivr.journal.statements import StatementRow
from pln_ivr.outcomes import OfferResult, PauseEnd, Reason, Result, Stage, Supervision, TalkEnd


class Snapshot(Struct, frozen=True, kw_only=True):
    """The house as it is; the first event at every connection. What follows changes it."""

    agents: list[AgentView]
    queues: list[QueueView]
    waiting: list[WaitingView]
    conversations: list[ConversationView]
    flags: list[FlagView]


class AgentChange(Struct, frozen=True, kw_only=True):
    """An agent's state is another one."""

    agent: str
    state: str
    reason: str
    wish: str
    pause: str
    changed_at: datetime


class CallChange(Struct, frozen=True, kw_only=True):
    """A call's story has grown."""

    call_id: str
    stage: Stage
    queue: str | None
    agent: str | None
    started_at: datetime
    queued_at: datetime | None
    talking_at: datetime | None
    ended_at: datetime | None
    outcome: Result | None
    reason: Reason | None


class OfferChange(Struct, frozen=True, kw_only=True):
    """An offer of a call to an agent, or the conversation from it, has come further."""

    offer_id: str
    call_id: str
    queue: str
    agent: str
    offered_at: datetime
    ringing_at: datetime | None
    talking_at: datetime | None
    talked_until: datetime | None
    ended_at: datetime | None
    result: OfferResult | None
    talk_end: TalkEnd | None
    wrapped_up_at: datetime | None
    disposition: str | None


class SupervisionChange(Struct, frozen=True, kw_only=True):
    """A supervisor's part in a conversation has begun, or ended."""

    supervision_id: str
    call_id: str
    offer_id: str
    supervisor: str
    ordered_by: str
    mode: Supervision
    started_at: datetime
    ended_at: datetime | None
    flag_id: str | None


class RecordingPauseChange(Struct, frozen=True, kw_only=True):
    """A recording has been paused, or goes on."""

    pause_id: str
    call_id: str
    offer_id: str
    agent: str
    ordered_by: str
    began_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    end: PauseEnd | None


class LiveStatements(Struct, frozen=True, kw_only=True):
    """What callers hear about outages from now on is something else."""

    statements: list[StatementView]

    @classmethod
    def of(cls, rows: list[StatementRow]) -> LiveStatements:
        """The journal's rows, as the feed tells of them."""
        return cls(statements=[StatementView.of(row) for row in rows])


SNAPSHOT = "snapshot"
EVENTS: Mapping[str, type[Struct]] = {
    SNAPSHOT: Snapshot,
    "queue": QueueView,
    "agent": AgentChange,
    "call": CallChange,
    "offer": OfferChange,
    "flag": FlagView,
    "supervision": SupervisionChange,
    "recording_pause": RecordingPauseChange,
    "incident": IncidentView,
    "statements": LiveStatements,
}
"""What each kind of event carries."""

_SHOWN_AS: Mapping[type[object], str] = {
    AgentStateRow: "agent",
    CallRow: "call",
    OfferRow: "offer",
    FlagRow: "flag",
    SupervisionRow: "supervision",
    RecordingPauseRow: "recording_pause",
    IncidentRow: "incident",
}


def event_of(row: Row) -> tuple[str, Struct] | None:
    """The event that tells of this row: its kind and what it carries; None if none does."""
    kind = _SHOWN_AS.get(type(row))
    return (kind, convert(row, EVENTS[kind], from_attributes=True)) if kind else None
