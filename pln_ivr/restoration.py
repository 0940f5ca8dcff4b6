"""Reported outages for the API. It meets a protocol of `console.views`; nothing is decided here."""

from __future__ import annotations

from collections.abc import Collection

from pln_ivr.console.views import OutageView
from pln_ivr.outages.reports import EVERYWHERE, Reports


class ReportedOutages:
    """See console.views.Outages."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def outages(self) -> list[OutageView]:
        """See Outages."""
        standing = self._reports.standing
        return [
            OutageView(area=area or EVERYWHERE, reports=count, clustered=area in standing.clusters)
            for area, count in sorted(standing.reports.items())
        ]

    async def restore(self, areas: Collection[str], reports: Collection[str], by: str) -> int:
        """See Outages."""
        return await self._reports.restore(areas, reports, by)
