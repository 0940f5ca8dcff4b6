"""Callers' reports of outages, for this node: registered in a thread, watched for clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog

from pln_ivr.errors import JournalError
from pln_ivr.journal.outages import NewReport, Registered, ReportBook, ReportRules, Standing
from pln_ivr.kept_open import KeptOpen

log = structlog.get_logger("pln_ivr.reports")

LOOK_SECONDS = 5.0
"""How often what is open is counted."""

SHORTEST_CALLER = 5
"""Fewer digits are no telephone that somebody could be known by."""

EVERYWHERE = "all"
"""Stands in figures and the log for the area where there is no table of areas."""


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What a report is, see the settings' section on outages."""

    prefixes: Mapping[str, str]
    zone: ZoneInfo
    rules: ReportRules


def area_of(customer: str, prefixes: Mapping[str, str]) -> str | None:
    """The area of a customer by the longest prefix that fits; empty if there is no table, None if
    none fits. Pure."""
    if not prefixes:
        return ""
    fitting = [prefix for prefix in prefixes if customer.startswith(prefix)]
    return prefixes[max(fitting, key=len)] if fitting else None


class Reports:
    """The reports of one journal. Its owner runs `run` as a task; before and after it nothing can
    be registered, and callers get an agent."""

    def __init__(self, url: str, node: str, settings: ReportSettings) -> None:
        """`url` is `journal.url`."""
        self._node = node
        self._settings = settings
        self._book = KeptOpen(lambda: ReportBook(url, settings.rules))
        self.standing = Standing({}, {})
        """What was open at the last look."""

    @property
    def zone(self) -> ZoneInfo:
        """Of the times that are spoken."""
        return self._settings.zone

    def area(self, customer: str) -> str | None:
        """See area_of."""
        return area_of(customer, self._settings.prefixes)

    async def run(self) -> None:
        """Have the journal open, and count what stands in it, until cancelled."""
        while True:
            try:
                await self._keep_open()
            except JournalError as error:
                log.error("reports_not_taken", error=str(error), effect="callers get an agent")
            await asyncio.sleep(LOOK_SECONDS)

    @property
    def is_open(self) -> bool:
        """Whether reports can be registered."""
        return self._book.is_open

    async def _keep_open(self) -> None:
        async with self._book.open():
            while True:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Count what stands now. Raises JournalError."""
        self.standing = await self._book.ask(lambda book: book.standing(datetime.now(UTC)))

    async def known(self, caller: str) -> str | None:
        """The customer number that this telephone reported last, if the journal says so in time.
        Never raises JournalError: it can be asked for."""
        if len(caller) < SHORTEST_CALLER:
            return None
        try:
            return await self._book.ask(lambda book: book.known(caller))
        except JournalError as error:
            log.warning("caller_not_looked_up", error=str(error))
            return None

    async def register(
        self, customer: str, caller: str, call_id: str, language: str = ""
    ) -> Registered:
        """Register a report of this customer, whose number has an area. Raises JournalError, also
        if it takes too long; the report may be there then, and a second one is a repeat."""
        area = self.area(customer)
        assert area is not None
        report = NewReport(
            customer=customer,
            area=area,
            caller=caller,
            call_id=call_id,
            node=self._node,
            reported_at=datetime.now(UTC),
            language=language,
        )
        told = await self._book.ask(lambda book: book.register(report))
        if told.cluster:
            log.warning("outage_cluster", area=area or EVERYWHERE, reports=told.cluster)
        return told

    async def wish(self, report_id: str) -> None:
        """See ReportBook. Raises JournalError."""
        await self._book.ask(lambda book: book.wish(report_id))

    async def reopen(self, report_id: str) -> bool:
        """See ReportBook. Raises JournalError."""
        reopened = await self._book.ask(lambda book: book.reopen(report_id, datetime.now(UTC)))
        log.warning("report_reopened", report_id=report_id, there=reopened)
        return reopened

    async def restore(self, areas: Collection[str], report_ids: Collection[str], by: str) -> int:
        """Power is back there: how many reports that ends. Raises JournalError."""
        inside = {"" if area == EVERYWHERE else area for area in areas}
        now = datetime.now(UTC)
        count = await self._book.ask(lambda book: book.restore(inside, report_ids, by, now))
        await self.look()
        return count
