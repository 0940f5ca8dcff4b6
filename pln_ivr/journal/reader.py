"""Questions to the journal. Blocking: from the event loop, call by ``asyncio.to_thread``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa

from pln_ivr.journal import tables
from pln_ivr.journal.access import Access
from pln_ivr.journal.records import (
    AgentStateRow,
    CallRow,
    FlagRow,
    IncidentRow,
    OfferRow,
    RecordingPauseRow,
    RecordingRow,
    SupervisionRow,
)
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

IDS_AT_ONCE = 500
"""Ids in one query; SQLite takes 32,766 parameters, PostgreSQL's driver as many."""

LONGEST_RING = timedelta(hours=1)
"""Between an offer and its conversation: a consultation that ended in a take-over counts."""

LONGEST_WAIT = timedelta(days=1)
"""Between a call's arrival and its conversation."""

LOOK_BACK = timedelta(days=7)
"""An agent of whom nothing was heard for so long is not there, whatever was heard last."""

Word = TypeVar("Word", bound=StrEnum)


class JournalReader(Access):
    """Reads a journal without changing it, also while the program is writing to it.

    Usable from several threads at once. Every method raises JournalError when the
    database cannot be read, those that give an iterator while it is read.
    """

    def __init__(self, url: str) -> None:
        """``url`` is ``journal.url``. Raises JournalError when there is no journal yet, and
        when it belongs to another version of pln_ivr."""
        super().__init__(url)

    def last_calls(self, n: int) -> list[CallRow]:
        """The ``n`` calls that began last, newest first, of all nodes."""
        query = sa.select(tables.calls).order_by(
            tables.calls.c.started_at.desc(), tables.calls.c.call_id.desc()
        )
        return [_call(row) for row in self._rows(query.limit(n))]

    def call(self, call_id: str) -> CallRow | None:
        """One call, or None when the journal has none of that id."""
        query = sa.select(tables.calls).where(tables.calls.c.call_id == call_id)
        return next((_call(row) for row in self._rows(query)), None)

    def open_calls(self, node: str) -> list[CallRow]:
        """The calls of a node that have not ended, as far as the journal knows."""
        table = tables.calls
        query = sa.select(table).where(table.c.node == node, table.c.outcome.is_(None))
        return [_call(row) for row in self._rows(query)]

    def calls_of_channels(self, channel_ids: Collection[str]) -> dict[str, CallRow]:
        """The calls whose caller legs these were, by the caller leg's id."""
        ids = list(channel_ids)
        found: dict[str, CallRow] = {}
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            query = sa.select(tables.calls).where(tables.calls.c.channel_id.in_(some))
            found |= {row["channel_id"]: _call(row) for row in self._rows(query)}
        return found

    def call_of_recording(self, uri: str, since: datetime) -> CallRow | None:
        """The call that began after `since` and has this recording."""
        table = tables.calls
        query = sa.select(table).where(table.c.started_at >= since, table.c.recording == uri)
        return next((_call(row) for row in self._rows(query)), None)

    def open_offers(self, node: str) -> list[OfferRow]:
        """The offers of a node whose end the journal does not know."""
        table = tables.offers
        query = sa.select(table).where(table.c.node == node, table.c.result.is_(None))
        return [_offer(row) for row in self._rows(query)]

    def mark(self, name: str) -> str:
        """How far something has been read; empty at the first time."""
        query = sa.select(tables.marks.c.position).where(tables.marks.c.mark == name)
        return next((str(row["position"]) for row in self._rows(query)), "")

    def offers_of(self, call_id: str) -> list[OfferRow]:
        """The offers of one call, in the order in which they were made."""
        table = tables.offers
        query = sa.select(table).where(table.c.call_id == call_id)
        query = query.order_by(table.c.offered_at, table.c.offer_id)
        return [_offer(row) for row in self._rows(query)]

    def agent_states(self, before: datetime | None = None) -> list[AgentStateRow]:
        """The latest state of each agent that the journal knows, by agent.

        With `before`, the latest before that moment, of agents of whom something was heard
        within LOOK_BACK of it.
        """
        table = tables.agent_states
        newest_first = [table.c.changed_at.desc(), table.c.sequence.desc(), table.c.change_id]
        place = sa.func.row_number().over(partition_by=table.c.agent, order_by=newest_first)
        query = sa.select(table, place.label("place"))
        if before is not None:
            query = query.where(within(table.c.changed_at, before - LOOK_BACK, before))
        ranked = query.subquery()
        columns = [ranked.c[c.name] for c in table.columns]
        latest = sa.select(*columns).where(ranked.c.place == 1).order_by(ranked.c.agent)
        return [AgentStateRow(**row) for row in self._rows(latest)]

    def agent_states_between(self, since: datetime, until: datetime) -> list[AgentStateRow]:
        """The changes of state from `since` to before `until`, in order of time; first of all
        each agent's last one before `since`, which says how they began."""
        table = tables.agent_states
        query = sa.select(table).where(within(table.c.changed_at, since, until))
        query = query.order_by(table.c.changed_at, table.c.sequence, table.c.change_id)
        changes = [AgentStateRow(**row) for row in self._rows(query)]
        return self.agent_states(before=since) + changes

    def queued_calls(self, since: datetime, until: datetime) -> Iterator[CallRow]:
        """The calls that joined a line from `since` to before `until`, in no order."""
        query = sa.select(tables.calls).where(within(tables.calls.c.queued_at, since, until))
        return (_call(row) for row in self._stream(query))

    def offers_between(self, since: datetime, until: datetime) -> Iterator[OfferRow]:
        """The offers made from `since` to before `until`, in no order."""
        query = sa.select(tables.offers).where(within(tables.offers.c.offered_at, since, until))
        return (_offer(row) for row in self._stream(query))

    def offer(self, offer_id: str) -> OfferRow | None:
        """One offer, or None when the journal has none of that id."""
        query = sa.select(tables.offers).where(tables.offers.c.offer_id == offer_id)
        return next((_offer(row) for row in self._rows(query)), None)

    # -- conversations and their recordings -------------------------------------------------

    def conversations_between(self, since: datetime, until: datetime) -> Iterator[OfferRow]:
        """The agents' parts in conversations that began from `since` to before `until` and are
        over, in no order; not those of calls that Asterisk served alone."""
        table = tables.offers
        query = sa.select(table).where(
            within(table.c.offered_at, since - LONGEST_RING, until),
            within(table.c.talking_at, since, until),
            table.c.talked_until.is_not(None),
        )
        return (_offer(row) for row in self._stream(query))

    def fallback_conversations_between(self, since: datetime, until: datetime) -> Iterator[CallRow]:
        """The calls that Asterisk served alone and that came to a conversation from `since` to
        before `until`, in no order."""
        table = tables.calls
        query = sa.select(table).where(
            within(table.c.started_at, since - LONGEST_WAIT, until),
            within(table.c.talking_at, since, until),
            table.c.fallback,
            table.c.outcome.is_not(None),
        )
        return (_call(row) for row in self._stream(query))

    def recording(self, recording_id: str) -> RecordingRow | None:
        """One recording, or None when the journal has none of that id."""
        query = sa.select(tables.recordings).where(tables.recordings.c.recording_id == recording_id)
        return next((RecordingRow(**row) for row in self._rows(query)), None)

    def recordings_between(self, since: datetime, until: datetime) -> Iterator[RecordingRow]:
        """The recordings of conversations that began from `since` to before `until`, in no
        order; deleted ones among them."""
        table = tables.recordings
        query = sa.select(table).where(within(table.c.began_at, since, until))
        return (RecordingRow(**row) for row in self._stream(query))

    # -- incidents, help ----------------------------------------------------------------------

    def incidents(
        self,
        *,
        agent: str | None = None,
        kind: IncidentKind | None = None,
        review: Review | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        most: int | None = None,
    ) -> list[IncidentRow]:
        """The incidents that are all of what is given, newest first; at most `most`."""
        table = tables.incidents
        wanted = {table.c.agent: agent, table.c.kind: kind, table.c.review: review}
        query = sa.select(table).where(
            *(column == value for column, value in wanted.items() if value is not None),
            within(table.c.happened_at, since, until),
        )
        query = query.order_by(table.c.happened_at.desc(), table.c.incident_id.desc())
        return [to_incident(row) for row in self._rows(query.limit(most))]

    def incident(self, incident_id: str) -> IncidentRow | None:
        """One incident, or None when the journal has none of that id."""
        query = sa.select(tables.incidents).where(tables.incidents.c.incident_id == incident_id)
        return next((to_incident(row) for row in self._rows(query)), None)

    def open_flags(self, node: str) -> list[FlagRow]:
        """The white flags of a node that are up, as far as the journal knows, oldest first."""
        table = tables.flags
        query = sa.select(table).where(table.c.node == node, table.c.result.is_(None))
        query = query.order_by(table.c.raised_at, table.c.flag_id)
        return [_flag(row) for row in self._rows(query)]

    def flags(self, since: datetime, until: datetime | None = None) -> list[FlagRow]:
        """The white flags raised from `since` to before `until`, oldest first."""
        table = tables.flags
        query = sa.select(table).where(within(table.c.raised_at, since, until))
        query = query.order_by(table.c.raised_at, table.c.flag_id)
        return [_flag(row) for row in self._rows(query)]

    def open_supervisions(self, node: str) -> list[SupervisionRow]:
        """The supervisions of a node whose end the journal does not know."""
        table = tables.supervisions
        query = sa.select(table).where(table.c.node == node, table.c.ended_at.is_(None))
        return [_supervision(row) for row in self._rows(query)]

    def supervisions_of(self, call_id: str) -> list[SupervisionRow]:
        """Who was in a call's conversations besides those who talked, in order of time."""
        table = tables.supervisions
        query = sa.select(table).where(table.c.call_id == call_id)
        query = query.order_by(table.c.started_at, table.c.supervision_id)
        return [_supervision(row) for row in self._rows(query)]

    def recording_pauses_of(self, offer_ids: Collection[str]) -> list[RecordingPauseRow]:
        """The pauses of these offers' recordings, in order of time. So many ids at most as a
        node has agents."""
        table = tables.recording_pauses
        query = sa.select(table).where(table.c.offer_id.in_(offer_ids))
        query = query.order_by(table.c.began_at, table.c.pause_id)
        return [
            RecordingPauseRow(**{**row, "end": _word(PauseEnd, row["end"])})
            for row in self._rows(query)
        ]


def within(
    column: sa.Column[Any], since: datetime | None, until: datetime | None
) -> sa.ColumnElement[bool]:
    """From `since` to before `until`; None is no bound. A condition of a query."""
    lower = sa.true() if since is None else column >= since
    return sa.and_(lower, sa.true() if until is None else column < until)


def _word(kind: type[Word], value: str | None) -> Word | None:
    return None if value is None else kind(value)


def _call(row: Mapping[str, Any]) -> CallRow:
    words = {
        "stage": Stage(row["stage"]),
        "direction": Direction(row["direction"]),
        "outcome": _word(Result, row["outcome"]),
        "reason": _word(Reason, row["reason"]),
        "menu_end": _word(MenuEnd, row["menu_end"]),
    }
    return CallRow(**{**row, **words})


def _offer(row: Mapping[str, Any]) -> OfferRow:
    words = {
        "result": _word(OfferResult, row["result"]),
        "talk_end": _word(TalkEnd, row["talk_end"]),
    }
    return OfferRow(**{**row, **words})


def to_incident(row: Mapping[str, Any]) -> IncidentRow:
    """An incident as the database has it."""
    words = {"kind": IncidentKind(row["kind"]), "review": Review(row["review"])}
    return IncidentRow(**{**row, **words})


def _flag(row: Mapping[str, Any]) -> FlagRow:
    return FlagRow(**{**row, "result": _word(FlagResult, row["result"])})


def _supervision(row: Mapping[str, Any]) -> SupervisionRow:
    return SupervisionRow(**{**row, "mode": Supervision(row["mode"])})
