"""Completing the journal from Asterisk's own list of calls (CDR).

While this program is away Asterisk serves callers itself, and a row may die with the
program before it is stored. Both are in Asterisk's list, which is therefore read now and
then: what the journal lacks is written, what it left open is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import structlog

from pln_ivr.calls.call import OUT, clean_number
from pln_ivr.errors import JournalError
from pln_ivr.journal import CallRow, JournalReader, JournalWriter, MarkRow
from pln_ivr.journal.cdr import CdrFile, CdrLine, Note, Piece, parse
from pln_ivr.outcomes import GONE_IN, NOT_REACHED, Direction, Outcome, Reason, Result, Stage
from pln_ivr.queues.phones import PjsipPhones
from pln_ivr.recordings.names import recording_uri

log = structlog.get_logger("pln_ivr.completion")

STORED_SECONDS = 5.0
"""How long the journal may take to store what has been written before a line is judged."""

SETTLED_AFTER = timedelta(seconds=3)
"""A call that ended less long ago may still be told of by an event on its way."""

LOST_AFTER_SECONDS = 10.0
"""An open row's call must be missed by Asterisk for so long: its line in the list of calls
would have been read by now."""

BUSY = "BUSY"
"""Disposition of a caller who was refused with cause 17 before answer (cdr.c)."""

_NAMESPACE = UUID("6f1bb2a4-51f1-5c3c-9d6b-3d1f6a3a1e12")
"""Of the ids of calls that only Asterisk knows: the same channel always gets the same id."""

NOBODY = "asterisk"
"""The incarnation of a call that no run of this program had."""


def complete(line: CdrLine, row: CallRow | None, node: str) -> CallRow | None:
    """The row that the journal should have; None if it has it.

    If the dialplan had the call at its end (a note), Asterisk's story wins. Otherwise it
    only fills in what is missing.
    """
    if line.note is not None:
        if row is not None and row.fallback and row.outcome:
            return None
        return _told_by_asterisk(line, line.note, row or _blank(line, node))
    if row is None:
        return _ended(_blank(line, node), line, _outcome_of_unknown(line))
    if row.outcome is None:
        return _ended(row, line, outcome_of_unseen(stage_at(row, line.ended_at)))
    return None


def stage_at(row: CallRow, moment: datetime) -> Stage:
    """The stage that a call was in: we may have gone on with it after its unseen end."""
    for stage, since in (
        (Stage.TALKING, row.talking_at),
        (Stage.WAITING, row.queued_at),
        (Stage.MENU, row.menu_at),
        (Stage.NOTICE, row.answered_at),
    ):
        if since is not None and since <= moment:
            return stage
    return Stage.DIALLING if row.direction is Direction.OUTBOUND else Stage.ADMISSION


def outcome_of_unseen(stage: Stage) -> Outcome:
    """How a call ended that was last known in this stage and that nobody but the caller or
    the agent can have ended."""
    if stage is Stage.TALKING:
        return Outcome(Result.ANSWERED, Reason.UNSEEN)
    return GONE_IN[stage]


def _blank(line: CdrLine, node: str) -> CallRow:
    return CallRow(
        call_id=str(uuid5(_NAMESPACE, f"{node}/{line.channel_id}")),
        sequence=0,
        node=node,
        incarnation=NOBODY,
        channel_id=line.channel_id,
        caller=clean_number(line.caller),
        dialled=clean_number(line.dialled),
        stage=Stage.ADMISSION,
        started_at=line.started_at,
        answered_at=line.answered_at,
        direction=Direction.OUTBOUND if line.channel_id.startswith(OUT) else Direction.INBOUND,
    )


def _told_by_asterisk(line: CdrLine, note: Note, row: CallRow) -> CallRow:
    agent = PjsipPhones.extension_of(note.member) if note.talking_at else row.agent
    row = replace(
        row,
        fallback=True,
        answered_at=row.answered_at or line.answered_at,
        notice_heard_at=row.notice_heard_at or note.queued_at,
        queued_at=row.queued_at or note.queued_at,
        talking_at=note.talking_at or row.talking_at,
        agent=agent,
        recording=recording_uri(note.recording) if note.talking_at else row.recording,
    )
    return _ended(row, line, _outcome_of_note(line, note))


def _outcome_of_note(line: CdrLine, note: Note) -> Outcome:
    if note.talking_at:
        by_agent = PjsipPhones.extension_of_channel(note.hung_up_by) is not None
        return Outcome(Result.ANSWERED, Reason.AGENT_HUNG_UP if by_agent else Reason.CALLER_HUNG_UP)
    if note.refused:
        return Outcome(Result.REJECTED, Reason.FULL)
    if line.answered_at is None:
        return Outcome(Result.ABANDONED, Reason.BEFORE_ANSWER)
    return Outcome(Result.ABANDONED, Reason.IN_WAITING if note.queued_at else Reason.IN_NOTICE)


def _outcome_of_unknown(line: CdrLine) -> Outcome:
    if line.answered_at is not None:
        return Outcome(Result.ABANDONED, Reason.IN_NOTICE)
    if line.channel_id.startswith(OUT):
        return NOT_REACHED
    if line.disposition == BUSY:
        return Outcome(Result.REJECTED, Reason.FULL)
    return Outcome(Result.ABANDONED, Reason.BEFORE_ANSWER)


def _ended(row: CallRow, line: CdrLine, outcome: Outcome) -> CallRow:
    return replace(
        row,
        sequence=row.sequence + 1,
        stage=Stage.ENDED,
        ended_at=line.ended_at,
        outcome=outcome.result,
        reason=outcome.reason,
        cause=17 if outcome.result is Result.REJECTED else row.cause,
    )


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read: Asterisk's list, and the journal to compare it with."""

    file: Path
    journal_url: str
    node: str

    @property
    def mark(self) -> str:
        """The name of the reading mark."""
        return f"cdr:{self.node}"

    def position(self) -> str:
        """Where the last reading ended, of this run or an earlier one. Blocking."""
        with JournalReader(self.journal_url) as reader:
            return reader.mark(self.mark)

    def open_calls(self) -> list[CallRow]:
        """The node's calls that have not ended, as far as the journal knows. Blocking."""
        with JournalReader(self.journal_url) as reader:
            return reader.open_calls(self.node)

    def known(self, channel_ids: list[str]) -> dict[str, CallRow]:
        """The journal's rows of these caller legs. Blocking."""
        with JournalReader(self.journal_url) as reader:
            return reader.calls_of_channels(channel_ids)


class Completion:
    """Reads Asterisk's list and writes what the journal lacks. Its owner calls `run_once`.

    `is_live` tells whether a channel belongs to a call that is still up: its lines are not
    its end, or its end is about to be told.
    """

    def __init__(
        self,
        sources: Sources,
        journal: JournalWriter,
        is_live: Callable[[str], bool],
        on_completed: Callable[[CallRow], None],
    ) -> None:
        self._sources = sources
        self._file = CdrFile(sources.file)
        self._journal = journal
        self._is_live = is_live
        self._on_completed = on_completed
        self._position: str | None = None
        self._marked = ""
        self._missed_since: dict[str, float] = {}
        self._waiting: dict[str, tuple[CdrLine, str]] = {}
        """Lines read but not judged yet, each with the position before it, oldest first: too
        fresh, or of a call that is still up."""

    async def run_once(self) -> int:
        """Read all that is new; how many rows were written. Never raises for what it reads.

        Safe to cancel: what was not marked as read is read again, and writing a row twice
        does no harm.
        """
        completed = 0
        try:
            if self._position is None:
                self._position = await asyncio.to_thread(self._sources.position)
            while True:
                piece = await asyncio.to_thread(self._file.read, self._position)
                self._take(piece, self._position)
                if not await self._journal.stored(STORED_SECONDS):
                    log.warning("completion_postponed", cause="the journal is behind")
                    return completed
                completed += await self._judge()
                self._position = piece.position
                self._mark()
                if not piece.lines:
                    return completed
        except (OSError, ValueError, JournalError) as error:
            log.warning("completion_failed", error=str(error), file=str(self._sources.file))
        return completed

    async def close_lost(self, alive: Collection[str]) -> int:
        """Close the rows of calls that are in no list any more: Asterisk died with them.

        `alive` are the channels that Asterisk has. Raises JournalError. Safe to cancel.
        """
        now = time.monotonic()
        rows = [
            row
            for row in await asyncio.to_thread(self._sources.open_calls)
            if row.channel_id not in alive and not self._is_live(row.channel_id)
        ]
        since = {row.call_id: self._missed_since.get(row.call_id, now) for row in rows}
        closed = 0
        for row in rows:
            if now - since[row.call_id] >= LOST_AFTER_SECONDS:
                del since[row.call_id]
                self._write(
                    replace(
                        row,
                        sequence=row.sequence + 1,
                        stage=Stage.ENDED,
                        ended_at=datetime.now(UTC),
                        outcome=Result.FAILED,
                        reason=Reason.PBX,
                    )
                )
                closed += 1
        self._missed_since = since
        return closed

    def _write(self, row: CallRow) -> None:
        self._journal.write(row)
        self._on_completed(row)

    def _take(self, piece: Piece, start: str) -> None:
        for text in piece.lines:
            try:
                line = parse(text)
            except ValueError as error:
                log.warning("cdr_line_unreadable", error=str(error))
                continue
            if line.is_customers:
                self._waiting.pop(line.channel_id, None)  # the last line of a call counts
                self._waiting[line.channel_id] = (line, start)

    async def _judge(self) -> int:
        before = datetime.now(UTC) - SETTLED_AFTER
        lines = [
            line
            for line, _ in self._waiting.values()
            if line.ended_at < before and not self._is_live(line.channel_id)
        ]
        if not lines:
            return 0
        known = await asyncio.to_thread(self._sources.known, [line.channel_id for line in lines])
        completed = 0
        for line in lines:
            del self._waiting[line.channel_id]
            row = complete(line, known.get(line.channel_id), self._sources.node)
            if row is not None:
                self._write(row)
                completed += 1
        return completed

    def _mark(self) -> None:
        oldest = next(iter(self._waiting.values()), None)
        position = oldest[1] if oldest else self._position or ""
        if position != self._marked:
            self._marked = position
            self._journal.write(
                MarkRow(mark=self._sources.mark, sequence=time.time_ns(), position=position)
            )
