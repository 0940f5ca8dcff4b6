"""What proves a recording: whose it is, how long, with which hash, and what is odd about it.

The manifest lies beside the file as JSON and is the journal's row at the same time, so that
either can be checked against the other. Nothing in it says who called.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from pln_ivr.errors import RecordingError
from pln_ivr.journal.records import RecordingPauseRow, RecordingRow
from pln_ivr.outcomes import PauseEnd, RecordingFault
from pln_ivr.recordings.forms import Codec, Side
from pln_ivr.recordings.names import call_of, id_of

SUFFIX = ".json"

SHORTER_SECONDS = 1.0
"""A recording may be this much shorter than the conversation: the first sound comes late."""

SILENT_AFTER_SECONDS = 10.0
"""Who has made no sound in a conversation of this length is taken for not heard."""

SPOKEN_SECONDS = 0.5
"""Less sound than this, all told, is a click, not speech."""

FELL_SILENT_SECONDS = 60.0
"""So long nothing at all, not even noise, up to the end, after speech: the microphone or the
network died in mid-conversation ..."""

ANSWERED_SECONDS = 10.0
"""... if the other side spoke for so long meanwhile."""


PAUSE_EDGE_SECONDS = 1.0
"""The journal's times and the file's agree within this: a pause is judged without its edges."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """While somebody had the recording paused there is silence in it, on purpose."""

    began_at: datetime
    ended_at: datetime
    ordered_by: str
    end: str
    """One of PauseEnd."""


def pauses_of(rows: Iterable[RecordingPauseRow]) -> list[Pause]:
    """From the journal's rows. One of which the end is not known lasts until it is."""
    return [
        Pause(began_at=row.began_at, ended_at=row.ended_at, ordered_by=row.ordered_by, end=row.end)
        for row in rows
        if row.ended_at and row.end and row.end is not PauseEnd.REFUSED
    ]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is of, as the journal tells it. Of what is not known there is None."""

    name: str
    call_id: str
    offer_id: str | None = None
    queue: str = ""
    agent: str = ""
    notice_version: str | None = None
    notice_heard_at: datetime | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    customer_spoke: bool = False
    """Asterisk heard the customer speak."""
    pauses: list[Pause] = []
    end_seen: bool = True
    """Somebody was there when they ended: `ended_at` is that moment, not a later one at which it
    was found out."""

    @classmethod
    def unknown(cls, name: str) -> Facts:
        """Of a recording whose conversation nobody knows of."""
        return cls(name=name, call_id=call_of(name))

    @property
    def talk_seconds(self) -> float | None:
        """How long they talked."""
        if self.began_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.began_at).total_seconds(), 3)

    def paused(self, seconds: float) -> list[tuple[float, float]]:
        """Where pauses are in a file of so many seconds: from, to. It ends with the conversation,
        but begins a little before it."""
        if self.ended_at is None:
            return []
        places = [
            (
                seconds - (self.ended_at - pause.began_at).total_seconds(),
                seconds - (self.ended_at - pause.ended_at).total_seconds(),
            )
            for pause in self.pauses
        ]
        return [(max(0.0, begin), min(seconds, end)) for begin, end in places if end > 0]

    def silent(self, seconds: float) -> list[tuple[float, float]]:
        """Where there must be silence for them: without their edges."""
        return [
            (begin + PAUSE_EDGE_SECONDS, end - PAUSE_EDGE_SECONDS)
            for begin, end in self.paused(seconds)
            if end - begin > 2 * PAUSE_EDGE_SECONDS
        ]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One filed recording. Seconds are the file's own unless they say otherwise."""

    recording_id: str
    call_id: str
    offer_id: str | None
    queue: str
    agent: str
    notice_version: str | None
    notice_heard_at: datetime | None
    began_at: datetime
    ended_at: datetime | None
    talk_seconds: float | None
    codec: str
    uri: str
    bytes: int
    sha256: str
    """Of the file as it is stored."""
    key_id: str | None
    """With which key it is encrypted; None if it is not."""
    seconds: float
    customer_seconds: float
    """Of sound from the customer."""
    agent_seconds: float
    faults: list[RecordingFault]
    raw_bytes: int
    """Of Asterisk's own file, which this was made of."""
    filed_at: datetime
    left: str = "customer"
    right: str = "agent"
    pauses: list[Pause] = []

    def row(self, node: str, sequence: int) -> RecordingRow:
        """The journal's row."""
        values = {name: getattr(self, name) for name in _ROW}
        return RecordingRow(**values, node=node, sequence=sequence, faults=",".join(self.faults))


_ROW = tuple(set(Manifest.__struct_fields__) & set(RecordingRow.__slots__) - {"faults"})


def judge(facts: Facts, seconds: float, customer: Side, agent: Side) -> list[RecordingFault]:
    """What is odd about a recording. Evidence for a person who listens, never a verdict. Pure.

    Silence in its pauses is not.
    """
    faults = []
    talked = facts.talk_seconds or 0.0
    paused = facts.paused(seconds)
    heard = max(talked, seconds) - sum(end - begin for begin, end in paused)
    if max(customer.pause_seconds, agent.pause_seconds) > 0:
        faults.append(RecordingFault.HEARD_IN_PAUSE)
    if facts.end_seen and seconds < talked - SHORTER_SECONDS:
        faults.append(RecordingFault.SHORT)
    for side, spoke, silent, fell in (
        (
            customer,
            facts.customer_spoke,
            RecordingFault.CUSTOMER_SILENT,
            RecordingFault.CUSTOMER_FELL_SILENT,
        ),
        (agent, False, RecordingFault.AGENT_SILENT, RecordingFault.AGENT_FELL_SILENT),
    ):
        if side.sound_seconds < SPOKEN_SECONDS:
            if (spoke and not paused) or heard >= SILENT_AFTER_SECONDS:
                faults.append(silent)
        elif (
            side.nothing_seconds - _within(paused, seconds - side.nothing_seconds)
            >= FELL_SILENT_SECONDS
            and side.sound_meanwhile >= ANSWERED_SECONDS
        ):
            faults.append(fell)
    return faults


def _within(places: Iterable[tuple[float, float]], since: float) -> float:
    """How much of these is later than `since`."""
    return sum(max(0.0, end - max(begin, since)) for begin, end in places)


def audio_key(name: str, codec: Codec) -> str:
    """Where in the archive a recording's file goes."""
    return f"{name}.{codec}"


def manifest_key(name: str) -> str:
    """Where in the archive its manifest goes."""
    return name + SUFFIX


def to_json(manifest: Manifest) -> bytes:
    """As it lies beside the file."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def from_json(content: bytes, key: str) -> Manifest:
    """Raises RecordingError that names the key."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise RecordingError(f"{key}: not a manifest: {error}") from None


__all__ = [
    "Facts",
    "Manifest",
    "Pause",
    "audio_key",
    "from_json",
    "id_of",
    "judge",
    "manifest_key",
    "pauses_of",
    "to_json",
]
