"""One call's story as it is told: what the journal, the log and the metrics get."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime

import uuid_utils

from pln_ivr.ari.events import ChannelInfo, StasisStart
from pln_ivr.journal import CallRow
from pln_ivr.journal.callbacks import CallbackRow
from pln_ivr.outcomes import (
    GONE_IN,
    Direction,
    MenuEnd,
    Outcome,
    Reason,
    Result,
    Stage,
)

ADOPTED = 1000
"""How far an adopted call's row leaps ahead of the versions of the run that had it before."""

OUT = "out-"
"""Begins the id of a customer's leg in a call that we place; the call's id follows."""

_DIGITS = frozenset("0123456789+")


def clean_number(number: str) -> str:
    """Only digits and a plus, at most 20: what a SIP header says is anybody's to choose."""
    return "".join(character for character in number if character in _DIGITS)[:20]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes the rows: the node, this start of the program on it."""

    node: str
    incarnation: str


@dataclass(slots=True)
class Call:
    """One caller's visit. Times are UTC."""

    channel_id: str
    caller: str
    dialled: str
    node: str
    incarnation: str
    id: str = field(default_factory=lambda: str(uuid_utils.uuid7()))
    stage: Stage = Stage.ADMISSION
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    answered_at: datetime | None = None
    notice_heard_at: datetime | None = None
    notice_version: str | None = None
    statement: int | None = None
    """The newest version of a statement that the caller has heard."""
    menu_at: datetime | None = None
    menu_path: str | None = None
    """The words of what was chosen, with slashes between them."""
    menu_end: MenuEnd | None = None
    language: str = ""
    """What the caller is spoken to in; empty: the house's own."""
    queued_at: datetime | None = None
    place_at: datetime | None = None
    """What decides the place in the line: `queued_at`, or that of an earlier call cut off."""
    offered_at: datetime | None = None
    talking_at: datetime | None = None
    ended_at: datetime | None = None
    first_queue: str | None = None
    """The line that the call joined first, whatever it overflowed or was transferred to since."""
    queue: str | None = None
    agent: str | None = None
    recording: str | None = None
    recording_seconds: float | None = None
    outcome: Outcome | None = None
    cause: int | None = None
    sequence: int = 0
    fallback: bool = False
    direction: Direction = Direction.INBOUND
    regarding: str | None = None
    callback: str | None = None
    """The callback that this visit has asked for; not in the call's row."""
    reported: bool = False
    """Whether an outage was reported in this visit; not in the call's row."""

    @classmethod
    def to_customer(cls, earlier: Call, node: str, incarnation: str) -> Call:
        """A call that we place to the customer of an earlier one."""
        call_id = str(uuid_utils.uuid7())
        return cls(
            id=call_id,
            channel_id=OUT + call_id,
            caller=earlier.caller,
            dialled="",
            node=node,
            incarnation=incarnation,
            queue=earlier.queue,
            direction=Direction.OUTBOUND,
            regarding=earlier.id,
        )

    @classmethod
    def calling_back(cls, row: CallbackRow, number: str, who: Identity) -> Call:
        """A call by which a customer is called back at `number`, with the place of the call in
        which they asked for it. It has no `queued_at`: it stood in the line only once."""
        call_id = str(uuid_utils.uuid7())
        return cls(
            id=call_id,
            channel_id=OUT + call_id,
            caller=number,
            dialled="",
            node=who.node,
            incarnation=who.incarnation,
            language=row.language,
            queue=row.queue or None,
            place_at=row.place_at if row.queue else None,
            direction=Direction.OUTBOUND,
            regarding=row.call_id,
        )

    @classmethod
    def arriving(cls, event: StasisStart, node: str, incarnation: str) -> Call:
        """A call that has just come: Stasis(pln_ivr,call,DIALLED)."""
        return cls(
            channel_id=event.channel.id,
            caller=clean_number(event.channel.caller.number),
            dialled=clean_number(event.args[1]) if len(event.args) > 1 else "",
            node=node,
            incarnation=incarnation,
        )

    @classmethod
    def returning(cls, event: StasisStart, node: str, incarnation: str) -> Call:
        """A call that Asterisk greeted while we were away: Stasis(pln_ivr,return,DIALLED,SINCE).

        It has heard the notice, and keeps the place that it got then (SINCE, epoch seconds).
        """
        call = cls.arriving(event, node, incarnation)
        since = event.args[2] if len(event.args) > 2 else ""
        if since.isdecimal():
            call.started_at = datetime.fromtimestamp(int(since), UTC)
        call.answered_at = call.notice_heard_at = call.queued_at = call.started_at
        call.stage = Stage.WAITING
        return call

    @classmethod
    def adopted(cls, row: CallRow, incarnation: str) -> Call:
        """The call of an earlier run, as the journal remembers it."""
        values = {f.name: getattr(row, f.name) for f in fields(cls) if hasattr(row, f.name)}
        values |= {"id": row.call_id, "incarnation": incarnation, "outcome": None}
        # Past whatever the earlier run may still write.
        values["sequence"] = row.sequence + ADOPTED
        return cls(**values)

    @classmethod
    def found(cls, channel: ChannelInfo, node: str, incarnation: str) -> Call:
        """A call in conversation whose row died with the run that wrote it."""
        return cls(
            channel_id=channel.id,
            caller=clean_number(channel.caller.number),
            dialled=clean_number(channel.dialplan.exten),
            node=node,
            incarnation=incarnation,
            stage=Stage.TALKING,
        )

    def end_for_gone_caller(self) -> Outcome:
        """The outcome if the caller leg ended by itself in the present stage."""
        if self.stage is Stage.TALKING:
            return Outcome(Result.ANSWERED, Reason.CALLER_HUNG_UP)
        return GONE_IN[self.stage]

    def row(self) -> CallRow:
        """The next version of the call's row in the journal."""
        self.sequence += 1
        return CallRow(
            call_id=self.id,
            sequence=self.sequence,
            node=self.node,
            incarnation=self.incarnation,
            channel_id=self.channel_id,
            caller=self.caller,
            dialled=self.dialled,
            stage=self.stage,
            started_at=self.started_at,
            answered_at=self.answered_at,
            notice_heard_at=self.notice_heard_at,
            notice_version=self.notice_version,
            statement=self.statement,
            menu_at=self.menu_at,
            menu_path=self.menu_path,
            menu_end=self.menu_end,
            language=self.language,
            queued_at=self.queued_at,
            place_at=self.place_at,
            offered_at=self.offered_at,
            talking_at=self.talking_at,
            ended_at=self.ended_at,
            queue=self.queue,
            agent=self.agent,
            recording=self.recording,
            recording_seconds=self.recording_seconds,
            outcome=self.outcome.result if self.outcome else None,
            reason=self.outcome.reason if self.outcome else None,
            cause=self.cause,
            fallback=self.fallback,
            direction=self.direction,
            regarding=self.regarding,
        )
