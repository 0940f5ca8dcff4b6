"""The journal's conduct incidents for the API, read and reviewed in a thread."""

from __future__ import annotations

import asyncio

from pln_ivr.console.views import IncidentFilters, IncidentView
from pln_ivr.errors import EntryError, OrderRefused, RefusalKind
from pln_ivr.journal import IncidentRow, JournalReader
from pln_ivr.journal.reviews import review_incident
from pln_ivr.outcomes import Review


class JournalEvidence:
    """See views.Evidence."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`."""
        self._url = url

    async def incidents(self, filters: IncidentFilters) -> list[IncidentView]:
        """See Evidence."""
        return [IncidentView.of(row) for row in await asyncio.to_thread(self._incidents, filters)]

    async def incident(self, incident_id: str) -> IncidentView:
        """See Evidence."""
        return IncidentView.of(await asyncio.to_thread(self._incident, incident_id))

    async def review(
        self, incident_id: str, review: Review, reviewer: str, note: str, again: bool
    ) -> IncidentView:
        """See Evidence."""
        row = await asyncio.to_thread(self._review, incident_id, review, reviewer, note, again)
        return IncidentView.of(row)

    def _incidents(self, filters: IncidentFilters) -> list[IncidentRow]:
        with JournalReader(self._url) as reader:
            return reader.incidents(
                agent=filters.agent,
                kind=filters.kind,
                review=filters.review,
                since=filters.since,
                until=filters.until,
                most=filters.limit,
            )

    def _incident(self, incident_id: str) -> IncidentRow:
        with JournalReader(self._url) as reader:
            row = reader.incident(incident_id)
        if row is None:
            raise OrderRefused(RefusalKind.NOT_FOUND, "there is no such incident")
        return row

    def _review(
        self, incident_id: str, review: Review, reviewer: str, note: str, again: bool
    ) -> IncidentRow:
        try:
            return review_incident(
                self._url, incident_id, review, reviewer=reviewer, note=note, again=again
            )
        except EntryError:
            row = self._incident(incident_id)  # or it is that there is none
            text = f"it was {row.review} by {row.reviewer}; set again to replace that"
            raise OrderRefused(RefusalKind.CONFLICT, text) from None
