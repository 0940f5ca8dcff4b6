"""What the API shows, and what it needs from the living program.

`app` hands the console objects that meet these protocols; the console knows no other part.
Times are aware and in UTC, an extension is an agent's or a supervisor's phone.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Protocol

from msgspec import Meta, Struct, convert

from pln_ivr.journal import FlagRow, IncidentRow
from pln_ivr.journal.statements import StatementRow
from pln_ivr.outcomes import FlagResult, IncidentKind, Review, StatementStatus, Supervision

Share = Annotated[float, Meta(ge=0, le=1)]
Masked = Annotated[str, Meta(description="Only the last three digits of the number.")]
MOST_INCIDENTS = 1000
"""In one answer."""


class AgentView(Struct, frozen=True, kw_only=True):
    """One agent, and what they are doing."""

    extension: str
    name: str
    role: Annotated[str, Meta(description="agent or supervisor, as in the roster.")]
    state: Annotated[
        str,
        Meta(description="logged_out, ready, offered, talking, on_hold, wrap_up or paused."),
    ]
    pause: Annotated[str, Meta(description="Why paused, in a word of agents.pauses.")]
    skills: dict[str, int]
    reachable: Annotated[bool, Meta(description="Asterisk can reach the phone.")]
    since: Annotated[datetime, Meta(description="When the state began.")]
    call_id: Annotated[str | None, Meta(description="The call that keeps them busy.")]
    misses: Annotated[int, Meta(description="Third rings missed one after the other.")]


class QueueView(Struct, frozen=True, kw_only=True):
    """One queue and how it is doing."""

    name: str
    waiting: int
    longest_wait_seconds: float
    agents_ready: Annotated[int, Meta(description="Who could be offered a call now.")]
    agents_working: Annotated[int, Meta(description="Who takes its calls, now or when free.")]
    service_level: Annotated[
        Share | None,
        Meta(
            description="The share of calls answered within service_seconds, of all queued"
            " calls but those that gave up within it; null before the first."
        ),
    ]
    service_target: Share
    service_seconds: float
    expected_wait_seconds: Annotated[
        float | None, Meta(description="For who joins now; null if nobody can say.")
    ]


class WaitingView(Struct, frozen=True, kw_only=True):
    """One call in a line."""

    call_id: str
    queue: str
    position: Annotated[int, Meta(description="1 is next.")]
    joined_at: datetime
    priority: int
    caller: Masked
    expected_wait_seconds: float | None
    called_back: Annotated[
        bool, Meta(description="Nobody waits: it is the place of who is to be called back.")
    ] = False


class ConversationView(Struct, frozen=True, kw_only=True):
    """One conversation between a caller and an agent."""

    call_id: str
    offer_id: str
    queue: str
    agent: str
    since: datetime
    on_hold: bool
    recording_paused: Annotated[bool, Meta(description="What is said now is not recorded.")]
    flag_id: Annotated[str | None, Meta(description="The white flag that is up for it.")]
    supervisors: Annotated[
        list[tuple[str, Supervision]], Meta(description="Who is at it: extension, mode.")
    ]


class FlagView(Struct, frozen=True, kw_only=True):
    """One white flag: an agent's call for help."""

    flag_id: str
    call_id: str
    agent: str
    raised_at: datetime
    taken_by: Annotated[str | None, Meta(description="The supervisor's extension.")] = None
    helped_at: Annotated[
        datetime | None, Meta(description="When the supervisor was on the line.")
    ] = None
    ended_at: datetime | None = None
    result: Annotated[FlagResult | None, Meta(description="Null while it is up.")] = None

    @classmethod
    def of(cls, row: FlagRow) -> FlagView:
        """The journal's row, as the API shows it."""
        return convert(row, cls, from_attributes=True)


class StatementView(Struct, frozen=True, kw_only=True):
    """One version of a statement on an outage: management's word, as callers hear it."""

    version: int
    status: StatementStatus
    text: Annotated[str, Meta(description="The words that callers hear.")]
    areas: Annotated[tuple[str, ...], Meta(description="None: everywhere.")]
    cause: str
    restoration_at: Annotated[
        datetime | None, Meta(description="When power is expected back; null: nobody can say.")
    ]
    expires_at: Annotated[datetime, Meta(description="Nobody hears it from then on.")]
    recorded: Annotated[bool, Meta(description="Spoken by a person.")]
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

    @classmethod
    def of(cls, row: StatementRow) -> StatementView:
        """The journal's row, as the API shows it."""
        return convert(row, cls, from_attributes=True)


class IncidentView(Struct, frozen=True, kw_only=True):
    """One conduct incident: evidence for a person to review, never a verdict."""

    incident_id: str
    kind: IncidentKind
    agent: str
    queue: str
    call_id: str
    offer_id: str
    happened_at: datetime
    rang_seconds: float | None
    spoke_seconds_before: Annotated[
        float | None, Meta(description="How long before the hang-up the customer last spoke.")
    ]
    recording: str | None
    offset_seconds: Annotated[float | None, Meta(description="Into the recording.")]
    review: Review
    reviewer: Annotated[str | None, Meta(description="The name of the reviewer's token.")]
    note: str | None
    reviewed_at: datetime | None

    @classmethod
    def of(cls, row: IncidentRow) -> IncidentView:
        """The journal's row, as the API shows it."""
        return convert(row, cls, from_attributes=True)


class IncidentFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which incidents. Those that are not set let every incident pass."""

    kind: IncidentKind | None = None
    agent: str | None = None
    review: Review | None = None
    since: Annotated[datetime, Meta(tz=True, description="Happened then or later.")] | None = None
    until: Annotated[datetime, Meta(tz=True, description="Happened before.")] | None = None
    limit: Annotated[
        int, Meta(ge=1, le=MOST_INCIDENTS, description="At most so many, the newest.")
    ] = 100


class StatementDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What callers are to be told about an outage."""

    cause: Annotated[str, Meta(description="Why, in a few words that can be spoken.")]
    expires_at: Annotated[datetime, Meta(tz=True, description="Nobody hears it from then on.")]
    areas: Annotated[list[str], Meta(max_length=20, description="Where; none: everywhere.")] = []
    restoration_at: (
        Annotated[datetime, Meta(tz=True, description="When power is expected back.")] | None
    ) = None
    text: Annotated[str, Meta(description="The words, instead of those made of the rest.")] = ""


class OutageView(Struct, frozen=True, kw_only=True):
    """One area from which outages are reported, as it was a few seconds ago."""

    area: Annotated[str, Meta(description="As in outages.prefixes; all if there is no table.")]
    reports: Annotated[int, Meta(description="Customers whose reports are not over.")]
    clustered: Annotated[bool, Meta(description="There were so many that there is an alarm.")]


class Floor(Protocol):
    """Agents, queues and conversations as they are, and what can be ordered.

    What is read comes from memory, at once. Every order is carried out or raises
    OrderRefused with one line that says why; AriError if Asterisk failed us. An extension
    that no agent has is refused as not found. `by` and `ordered_by` name who ordered it:
    the token's name.
    """

    def agents(self) -> list[AgentView]:
        """Everybody on the roster."""

    def queues(self) -> list[QueueView]:
        """Every queue of the settings."""

    def waiting(self) -> list[WaitingView]:
        """The calls in all lines, in the order in which they will be served."""

    def conversations(self) -> list[ConversationView]:
        """Those that are going on."""

    def flags(self) -> list[FlagView]:
        """The flags that are up, oldest first."""

    async def set_wish(self, extension: str, wish: str, pause: str, by: str) -> None:
        """Ready, paused (`pause` says why, or is empty) or logged out."""

    async def wrap_up(self, extension: str, disposition: str | None, by: str) -> None:
        """The agent is through with the last conversation, and says what it came to."""

    async def call_out(self, extension: str) -> str:
        """Ring the agent, then the customer of their last conversation; the call's id."""

    async def hold(self, extension: str, on: bool) -> None:
        """The customer hears music, or the agent again."""

    async def pause_recording(self, extension: str, on: bool, by: str) -> None:
        """What is said in the agent's conversation is not recorded, or is again. If it is refused
        or Asterisk fails, the recording goes on as it was."""

    async def transfer(self, extension: str, target_kind: str, target: str, attended: bool) -> None:
        """Send the caller on to the queue or (`target_kind`) the agent of this name; if
        `attended`, to talk with that agent first while the caller hears music."""

    async def complete_transfer(self, extension: str) -> None:
        """Leave the caller with the agent who is consulted."""

    async def cancel_transfer(self, extension: str) -> None:
        """Go back to the caller."""

    async def raise_flag(self, extension: str) -> str:
        """The agent needs help; the flag's id. A flag that is up stays."""

    async def lower_flag(self, extension: str) -> None:
        """The agent needs no help any more."""

    async def take_flag(self, flag_id: str, supervisor: str, ordered_by: str) -> None:
        """The supervisor comes to help: their phone rings."""

    async def supervise(
        self, call_id: str, supervisor: str, mode: Supervision, ordered_by: str
    ) -> None:
        """The supervisor's phone rings, and then they are at the conversation."""

    async def end_supervision(self, supervisor: str, ordered_by: str) -> None:
        """The supervisor leaves the conversation that they are at."""


class Evidence(Protocol):
    """The journal's conduct incidents. Everything raises JournalError."""

    async def incidents(self, filters: IncidentFilters) -> list[IncidentView]:
        """Those that pass, newest first, at most `filters.limit`."""

    async def incident(self, incident_id: str) -> IncidentView:
        """One incident. Raises OrderRefused if there is none."""

    async def review(
        self, incident_id: str, review: Review, reviewer: str, note: str, again: bool
    ) -> IncidentView:
        """A person's verdict, now; the incident as it is then. Raises OrderRefused if there is
        none, and unless `again` if it was reviewed before."""


class Statements(Protocol):
    """The journal's statements on outages. Everything raises JournalError; each step of one also
    OrderRefused, if there is none or it does not stand where that can be done. `by` is the name of
    the token of who does it."""

    async def live(self) -> list[StatementView]:
        """What callers hear now, the oldest first."""

    async def last(self, limit: int) -> list[StatementView]:
        """The newest versions, the newest first."""

    async def one(self, version: int) -> StatementView:
        """One version. Raises OrderRefused if there is none."""

    async def draft(self, wanted: StatementDraft, by: str) -> StatementView:
        """Write and speak it. Raises Unfit for what makes no sense."""

    async def approve(self, version: int, by: str) -> StatementView:
        """Somebody else than the drafter stands for it."""

    async def publish(self, version: int, by: str) -> StatementView:
        """Callers hear it from now on."""

    async def renew(self, version: int, until: datetime, by: str) -> StatementView:
        """They hear it until then. Raises Unfit."""

    async def withdraw(self, version: int, note: str, by: str) -> StatementView:
        """They hear it no more."""


class Outages(Protocol):
    """Outages that callers have reported."""

    def outages(self) -> list[OutageView]:
        """By area, from memory."""

    async def restore(self, areas: Collection[str], reports: Collection[str], by: str) -> int:
        """Power is back there; how many reports that were open it ends. Raises JournalError."""
