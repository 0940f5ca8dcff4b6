"""Recordings for the API: found in the journal, opened in the archive, each access journalled."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from pln_ivr.console.views_recordings import (
    AccessView,
    Opened,
    RecordingFilters,
    RecordingSearch,
    RecordingView,
    Sound,
)
from pln_ivr.errors import EntryError, OrderRefused, RefusalKind
from pln_ivr.journal import RecordingRow
from pln_ivr.journal.catalogue import Catalogue, Wanted
from pln_ivr.journal.custody import Custody, Someone
from pln_ivr.outcomes import Access

LISTENING_SECONDS = 900.0
"""A player asks for one part after the other. Whoever asks again within this time, for the same
reason, is still listening: that is one access."""

LISTENERS = 1024
"""Remembered; who has been forgotten is journalled once more."""


class JournalReplay:
    """See views_recordings.Replay."""

    def __init__(
        self,
        url: str,
        open_sound: Callable[[RecordingRow], Sound],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` is `journal.url`; `open_sound` blocks and raises RecordingError."""
        self._url = url
        self._open = open_sound
        self._clock = clock
        self._listening: OrderedDict[tuple[str, ...], tuple[float, RecordingRow]] = OrderedDict()

    async def find(self, filters: RecordingFilters) -> list[RecordingView]:
        """See Replay."""
        return await asyncio.to_thread(self._find, filters)

    async def recording(self, recording_id: str) -> RecordingView:
        """See Replay."""
        return await asyncio.to_thread(self._recording, recording_id)

    async def accesses(self, recording_id: str) -> list[AccessView]:
        """See Replay."""
        return await asyncio.to_thread(self._accesses, recording_id)

    async def play(self, recording_id: str, who: str, role: str, reason: str) -> Opened:
        """See Replay."""
        key = (recording_id, who, role, reason)
        since, row = self._listening.get(key, (0.0, None))
        if row is None or self._clock() - since > LISTENING_SECONDS:
            row = await asyncio.to_thread(self._note, *key)
        self._listening[key] = (self._clock(), row)
        self._listening.move_to_end(key)
        while len(self._listening) > LISTENERS:
            self._listening.popitem(last=False)
        return Opened(row, await asyncio.to_thread(self._open, row))

    def _find(self, filters: RecordingFilters) -> list[RecordingView]:
        wanted = Wanted(
            since=filters.since,
            until=filters.until,
            queue=filters.queue,
            agent=filters.agent,
            caller=filters.caller if isinstance(filters, RecordingSearch) else None,
            outcome=filters.outcome,
            incident=filters.incident,
            fault=filters.fault,
            call_id=filters.call_id,
            held=filters.held,
            most=filters.limit,
        )
        with Catalogue(self._url) as catalogue:
            return [RecordingView.of(entry) for entry in catalogue.find(wanted)]

    def _recording(self, recording_id: str) -> RecordingView:
        with Catalogue(self._url) as catalogue:
            entry = catalogue.entry(recording_id)
        if entry is None:
            raise OrderRefused(RefusalKind.NOT_FOUND, "there is no such recording")
        return RecordingView.of(entry)

    def _accesses(self, recording_id: str) -> list[AccessView]:
        self._recording(recording_id)
        with Catalogue(self._url) as catalogue:
            return [AccessView.of(row) for row in catalogue.accesses_of(recording_id)]

    def _note(self, recording_id: str, who: str, role: str, reason: str) -> RecordingRow:
        try:
            by = Someone(who, role, reason)
        except EntryError as error:
            raise OrderRefused(RefusalKind.INVALID, str(error)) from None
        try:
            with Custody(self._url) as custody:
                return custody.note(recording_id, Access.PLAY, by)
        except EntryError:
            found = self._recording(recording_id)  # or it is that there is none
            assert found.deleted_at
            raise OrderRefused(
                RefusalKind.NOT_FOUND, f"it was deleted on {found.deleted_at:%Y-%m-%d}"
            ) from None
