"""The journal's rows.

Each row is a whole snapshot, not a change: the version with the highest ``sequence``
is the truth, so rows may be written twice, late or out of order. Times are aware
``datetime`` objects in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pln_ivr.outcomes import (
    Direction,
    FlagResult,
    IncidentKind,
    MenuEnd,
    OfferResult,
    PauseEnd,
    Reason,
    Result,
    Review,
    Stage,
    Supervision,
    TalkEnd,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call, from its arrival to the end of its last leg."""

    call_id: str
    sequence: int
    node: str
    incarnation: str  # one start of the program on that node
    channel_id: str  # the caller leg
    caller: str  # the customer's number: personal data, shown masked
    dialled: str
    stage: Stage
    started_at: datetime
    answered_at: datetime | None = None
    notice_heard_at: datetime | None = None  # the notice was played to its end
    notice_version: str | None = None  # which wording: the beginning of its sound's SHA-256
    menu_at: datetime | None = None  # the first menu began
    menu_path: str | None = None  # words of what was chosen in it: "english/tagihan"
    menu_end: MenuEnd | None = None  # how the caller left it, if they did
    language: str = ""  # that the caller chose; empty: the house's own
    queued_at: datetime | None = None
    place_at: datetime | None = None  # decides the place in the line: an earlier call may have it
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
    statement: int | None = None  # the newest version of a statement that the caller has heard
    fallback: bool = False  # Asterisk had it at its end, because this program was away
    direction: Direction = Direction.INBOUND
    regarding: str | None = None  # of an outbound call: the call that it follows up

    @property
    def row_id(self) -> str:
        return self.call_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingRow:
    """One caller who heard one version of a statement."""

    hearing_id: str
    sequence: int
    node: str
    call_id: str
    version: int
    stage: Stage  # where in the visit
    began_at: datetime
    whole: bool  # to its last word

    @property
    def row_id(self) -> str:
        return self.hearing_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow:
    """One ringing of one agent for one call, and the conversation that came of it."""

    offer_id: str
    call_id: str
    sequence: int
    node: str
    queue: str
    agent: str
    offered_at: datetime
    ringing_at: datetime | None = None  # the phone said that it rings
    ended_at: datetime | None = None
    result: OfferResult | None = None  # None while it rings, and while they talk
    talking_at: datetime | None = None
    talked_until: datetime | None = None
    talk_end: TalkEnd | None = None
    held_seconds: float = 0.0  # how long the customer heard music because the agent said so
    recording: str | None = None
    recording_seconds: float | None = None
    wrapped_up_at: datetime | None = None  # the agent was free for the next call
    disposition: str | None = None  # what it was about, in a word of the config

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
    wish: str = ""  # what the agent wants when the work is over: ready, paused or logged_out
    pause: str = ""  # the reason of a pause, in a word of the config

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


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRow:
    """One conduct incident: its evidence, and what a person made of it."""

    incident_id: str
    sequence: int
    node: str
    kind: IncidentKind
    agent: str
    queue: str
    call_id: str
    offer_id: str
    happened_at: datetime
    rang_seconds: float | None = None  # missed: from the phone's first ring to the deadline
    spoke_seconds_before: float | None = None  # hung up: how long ago the customer last spoke
    recording: str | None = None
    offset_seconds: float | None = None  # into the recording
    review: Review = Review.NEW
    reviewer: str | None = None
    note: str | None = None
    reviewed_at: datetime | None = None

    @property
    def row_id(self) -> str:
        return self.incident_id


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRow:
    """One white flag, from its raising to its end."""

    flag_id: str
    sequence: int
    node: str
    call_id: str
    offer_id: str
    agent: str
    raised_at: datetime
    taken_by: str | None = None  # the supervisor's extension
    taken_at: datetime | None = None
    helped_at: datetime | None = None  # the supervisor was on the line
    ended_at: datetime | None = None
    result: FlagResult | None = None  # None while it is up

    @property
    def row_id(self) -> str:
        return self.flag_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionRow:
    """One supervisor in one conversation in one way: who, when, which call."""

    supervision_id: str
    sequence: int
    node: str
    call_id: str
    offer_id: str
    supervisor: str  # extension
    ordered_by: str  # whose token, or the extension if it was keyed at the phone
    mode: Supervision
    started_at: datetime
    ended_at: datetime | None = None
    flag_id: str | None = None

    @property
    def row_id(self) -> str:
        return self.supervision_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPauseRow:
    """One recording pause: what was said meanwhile is in no recording."""

    pause_id: str
    sequence: int
    node: str
    call_id: str
    offer_id: str  # whose recording
    agent: str
    ordered_by: str  # whose token, or the extension if it was keyed at the phone
    began_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None  # as ordered_by; None unless somebody ordered it
    end: PauseEnd | None = None

    @property
    def row_id(self) -> str:
        return self.pause_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRow:
    """One filed recording, and what proves it. Seconds are of its file."""

    recording_id: str  # the offer's on whose leg it was made
    sequence: int
    node: str
    call_id: str
    offer_id: str | None  # None: of a call that Asterisk served alone
    queue: str
    agent: str
    began_at: datetime  # the conversation
    filed_at: datetime
    codec: str
    uri: str  # where the file is
    bytes: int
    seconds: float
    ended_at: datetime | None = None
    talk_seconds: float | None = None  # of the conversation, by the journal's times
    notice_version: str | None = None
    notice_heard_at: datetime | None = None
    sha256: str | None = None  # None: filed by a version that kept no proof
    key_id: str | None = None  # with which key it is encrypted
    customer_seconds: float | None = None  # of sound from this side
    agent_seconds: float | None = None
    faults: str = ""  # words of RecordingFault with commas between them
    held_at: datetime | None = None  # legal hold: not deleted until it is released
    held_by: str | None = None
    hold_reason: str | None = None
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    delete_reason: str | None = None

    @property
    def row_id(self) -> str:
        return self.recording_id


Row = (
    CallRow
    | HearingRow
    | OfferRow
    | AgentStateRow
    | IncidentRow
    | FlagRow
    | SupervisionRow
    | RecordingPauseRow
    | RecordingRow
    | MarkRow
)


def masked(number: str) -> str:
    """A phone number with only its last three digits: enough to recognise, not to call."""
    return "*" * max(0, len(number) - 3) + number[-3:]
