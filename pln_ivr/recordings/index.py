"""The journal's side of recordings: what is known of one, and the row that closes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog

from pln_ivr.journal import CallRow, JournalReader, JournalWriter, OfferRow, RecordingPauseRow
from pln_ivr.outcomes import TalkEnd
from pln_ivr.recordings.manifest import Facts, Manifest, pauses_of
from pln_ivr.recordings.names import id_of, recording_uri

log = structlog.get_logger("pln_ivr.recordings")

RECOVERY_DAYS = timedelta(days=7)
"""How far back the call of a recording left in the spool is looked for."""

STORED_SECONDS = 5.0
"""How long a row may take to be stored. Until it is, Asterisk's own file is kept."""

Talked = TypeVar("Talked", CallRow, OfferRow)


class Index:
    """One node's."""

    def __init__(self, url: str, journal: JournalWriter, node: str) -> None:
        self._url = url
        self._journal = journal
        self._node = node

    async def facts(self, name: str) -> Facts | None:
        """What the journal tells of a recording's conversation; None if it knows of none.
        Raises JournalError."""
        await self._journal.stored(STORED_SECONDS)
        offer, call, pauses = await asyncio.to_thread(self._told, name)
        return facts_of(name, offer, call, pauses) if offer or call else None

    async def filed(self, manifest: Manifest) -> bool:
        """A recording has been filed; true once the journal has stored that."""
        # The moment is the version: filing again what had not been journalled is the same one.
        sequence = int(manifest.filed_at.timestamp())
        self._journal.write(manifest.row(self._node, sequence))
        return await self._journal.stored(STORED_SECONDS)

    async def recovered(self, name: str, manifest: Manifest) -> None:
        """A conversation that this run did not see to its end has its recording now. Raises
        JournalError."""
        offer, call = await asyncio.to_thread(self._rows, name)
        if offer is None and call is None:
            log.warning("recording_without_call", recording=recording_uri(name))
        if offer and offer.talking_at:
            self._journal.write(_with_length(offer, manifest.seconds))
        if call and call.recording == recording_uri(name):
            self._journal.write(_with_length(call, manifest.seconds))

    def _told(self, name: str) -> tuple[OfferRow | None, CallRow | None, list[RecordingPauseRow]]:
        offer, call = self._rows(name)
        if offer is None:
            return None, call, []
        with JournalReader(self._url) as reader:
            return offer, call, reader.recording_pauses_of([offer.offer_id])

    def _rows(self, name: str) -> tuple[OfferRow | None, CallRow | None]:
        with JournalReader(self._url) as reader:
            offer = reader.offer(id_of(name))
            if offer:
                return offer, reader.call(offer.call_id)
            since = datetime.now(UTC) - RECOVERY_DAYS
            return None, reader.call_of_recording(recording_uri(name), since)


def facts_of(
    name: str,
    offer: OfferRow | None,
    call: CallRow | None,
    pauses: Sequence[RecordingPauseRow] = (),
) -> Facts:
    """From the journal's rows: the offer of the agent's part, or of a call that Asterisk served
    alone only the call. Pure."""
    whose = offer or call
    assert whose
    return Facts(
        name=name,
        call_id=whose.call_id,
        offer_id=offer.offer_id if offer else None,
        queue=whose.queue or "",
        agent=whose.agent or "",
        notice_version=call.notice_version if call else None,
        notice_heard_at=call.notice_heard_at if call else None,
        began_at=whose.talking_at,
        ended_at=offer.talked_until if offer else call.ended_at if call else None,
        pauses=pauses_of(pauses),
        end_seen=offer is None or offer.talk_end is not TalkEnd.UNSEEN,
    )


def _with_length(row: Talked, seconds: float) -> Talked:
    return replace(row, sequence=row.sequence + 1, recording_seconds=seconds)
