"""What the API shows of recordings, and what it needs to find and play them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Protocol

from msgspec import Meta, Struct, convert

from pln_ivr.console.views import Masked
from pln_ivr.journal import RecordingRow
from pln_ivr.journal.catalogue import Entry
from pln_ivr.journal.custody import LONGEST_REASON, AccessRow
from pln_ivr.journal.records import masked
from pln_ivr.outcomes import Access, IncidentKind, Reason, RecordingFault, Result

MOST_RECORDINGS = 1000
"""In one answer."""

Word = Annotated[str, Meta(min_length=1, max_length=64)]


class RecordingView(Struct, frozen=True, kw_only=True):
    """One recording: an agent's part in a conversation. A call has one for each agent."""

    recording_id: str
    call_id: str
    offer_id: Annotated[str | None, Meta(description="Null if Asterisk served the call alone.")]
    queue: str
    agent: str
    caller: Masked
    outcome: Annotated[Result | None, Meta(description="Of the call.")]
    reason: Reason | None
    began_at: datetime
    ended_at: datetime | None
    talk_seconds: Annotated[float | None, Meta(description="Of the conversation.")]
    seconds: Annotated[float, Meta(description="Of the recording.")]
    codec: Annotated[str, Meta(description="opus, flac, or wav of an earlier version.")]
    sha256: Annotated[str | None, Meta(description="Of the file as it is stored.")]
    notice_version: Annotated[
        str | None, Meta(description="Of the notice that the caller heard before.")
    ]
    faults: Annotated[list[RecordingFault], Meta(description="What is odd about it.")]
    incidents: list[IncidentKind]
    held: Annotated[bool, Meta(description="On legal hold: nothing deletes it.")]
    deleted_at: datetime | None

    @classmethod
    def of(cls, entry: Entry) -> RecordingView:
        """An entry of the catalogue, as the API shows it."""
        row = entry.recording
        told = {name: getattr(row, name) for name in cls.__struct_fields__ if hasattr(row, name)}
        return cls(
            **told
            | {
                "caller": masked(entry.caller),
                "outcome": entry.outcome,
                "reason": entry.reason,
                "faults": [RecordingFault(word) for word in row.faults.split(",") if word],
                "incidents": list(entry.incidents),
                "held": row.held_at is not None,
            }
        )


class AccessView(Struct, frozen=True, kw_only=True):
    """One access to a recording."""

    access_id: str
    who: Annotated[str, Meta(description="The token's name.")]
    role: str
    act: Access
    reason: str
    accessed_at: datetime

    @classmethod
    def of(cls, row: AccessRow) -> AccessView:
        """The journal's row, as the API shows it."""
        return convert(row, cls, from_attributes=True)


class RecordingFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which recordings. Those that are not set let every recording pass."""

    since: Annotated[datetime, Meta(tz=True, description="Began then or later.")] | None = None
    until: Annotated[datetime, Meta(tz=True, description="Began before.")] | None = None
    queue: Word | None = None
    agent: Word | None = None
    call_id: Word | None = None
    outcome: Annotated[Result, Meta(description="Of the call.")] | None = None
    incident: Annotated[IncidentKind, Meta(description="There is one.")] | None = None
    fault: Annotated[RecordingFault, Meta(description="It is odd in this way.")] | None = None
    held: Annotated[bool, Meta(description="Only those on legal hold.")] = False
    limit: Annotated[
        int, Meta(ge=1, le=MOST_RECORDINGS, description="At most so many, the newest.")
    ] = 100


class RecordingSearch(RecordingFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, by number as well: in a body, because addresses are logged on the way."""

    caller: Annotated[
        str, Meta(pattern=r"^\+?[0-9]{3,20}$", description="The number, or its last digits.")
    ]


class Why(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants to hear a recording says why; it is journalled."""

    reason: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]


class Sound(Protocol):
    """A recording's file, of which parts can be read. Blocking; raises RecordingError."""

    length: int

    def read(self, start: int, length: int) -> bytes: ...


class Opened(Struct, frozen=True):
    """A recording that somebody may hear now."""

    row: RecordingRow
    sound: Sound


class Replay(Protocol):
    """The recordings. Everything raises JournalError."""

    async def find(self, filters: RecordingFilters) -> list[RecordingView]:
        """Those that pass, newest first, at most `filters.limit`."""

    async def recording(self, recording_id: str) -> RecordingView:
        """One recording. Raises OrderRefused if there is none."""

    async def accesses(self, recording_id: str) -> list[AccessView]:
        """Who had access to it, in order of time. Raises OrderRefused if there is none."""

    async def play(self, recording_id: str, who: str, role: str, reason: str) -> Opened:
        """Journal that somebody listens, then open it. Raises OrderRefused if it is not there
        (any more) or the reason is none, and RecordingError."""
