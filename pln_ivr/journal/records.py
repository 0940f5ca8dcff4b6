"""The journal's rows.

Each row is a whole snapshot, not a change: the version with the highest ``sequence``
is the truth, so rows may be written twice, late or out of order. Times are aware
``datetime`` objects in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pln_ivr.outcomes import OfferResult, Reason, Result, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call, from its arrival to the end of its last leg."""

    call_id: str
    sequence: int
    node: str
    incarnation: str  # one start of the program on that node
    channel_id: str  # the caller leg
    caller: str  # the caller's number: personal data, shown masked
    dialled: str
    stage: Stage
    started_at: datetime
    answered_at: datetime | None = None
    notice_heard_at: datetime | None = None  # the notice was played to its end
    queued_at: datetime | None = None
    offered_at: datetime | None = None  # the latest offer to an agent
    talking_at: datetime | None = None
    ended_at: datetime | None = None
    queue: str | None = None
    agent: str | None = None  # who talked, or was last offered the call
    recording: str | None = None
    recording_seconds: float | None = None
    outcome: Result | None = None  # None while the call is up
    reason: Reason | None = None
    cause: int | None = None  # Q.850
    fallback: bool = False  # Asterisk had it at its end, because this program was away

    @property
    def row_id(self) -> str:
        return self.call_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow:
    """One ringing of one agent for one call."""

    offer_id: str
    call_id: str
    sequence: int
    node: str
    queue: str
    agent: str
    offered_at: datetime
    ringing_at: datetime | None = None  # the phone said that it rings
    ended_at: datetime | None = None
    result: OfferResult | None = None  # None while it rings

    @property
    def row_id(self) -> str:
        return self.offer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStateRow:
    """One change of an agent's state."""

    change_id: str
    sequence: int
    node: str
    agent: str
    state: str
    reason: str
    changed_at: datetime

    @property
    def row_id(self) -> str:
        return self.change_id


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRow:
    """How far something has been read, so that a restart goes on from there."""

    mark: str
    sequence: int
    position: str

    @property
    def row_id(self) -> str:
        return self.mark


Row = CallRow | OfferRow | AgentStateRow | MarkRow
