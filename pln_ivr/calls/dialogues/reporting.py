"""An outage reported by the caller. Every way ends: with a report, with an agent, or with the
caller gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from pln_ivr.ari import Channel
from pln_ivr.calls.call import Call
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.customer_number import (
    CALL_ME,
    NO_CALL,
    OFFER_AGENT,
    REGISTERED,
    WILL_CALL,
    told_neighbours,
    told_when,
)
from pln_ivr.calls.dialogues.identifying import Identifying
from pln_ivr.calls.dialogues.keying import AGENT, YES, NoNumber
from pln_ivr.calls.dialogues.phone_number import national
from pln_ivr.errors import JournalError
from pln_ivr.journal.outages import Registered
from pln_ivr.outages.reports import Reports
from pln_ivr.outcomes import ReportEnd

log = structlog.get_logger("pln_ivr.reporting")


class Reporting:
    """Takes callers' reports."""

    def __init__(
        self,
        asking: Asking,
        identifying: Identifying,
        reports: Reports,
        key_seconds: float,
        on_end: Callable[[ReportEnd], None],
        calls_out: bool = False,
    ) -> None:
        """`key_seconds`: how long after the last word a key may be pressed. `calls_out`: who wants
        it is called when power is back."""
        self._calls_out = calls_out
        self._asking = asking
        self._identifying = identifying
        self._reports = reports
        self._key_seconds = key_seconds
        self._on_end = on_end

    async def take(self, call: Call, caller: Channel) -> tuple[ReportEnd, bool]:
        """How it ended, and whether the caller is to have an agent.

        Raises Gone and AriError. Safe to cancel; a report that is under way then is registered.
        """
        end = ReportEnd.HUNG_UP
        try:
            customer = await self._identifying.customer(call, caller)
            if isinstance(customer, NoNumber):
                end = ReportEnd(customer)
                return end, True
            try:
                told = await self._reports.register(customer, call.caller, call.id, call.language)
            except JournalError as error:
                log.error("report_not_registered", error=str(error), call_id=call.id)
                end = ReportEnd.UNAVAILABLE
                return end, True
            call.reported = True
            end = ReportEnd.REGISTERED if told.new else ReportEnd.REPEATED
            caller.party.forget_keys()
            reachable = self._calls_out and national(call.caller) is not None
            wish = (CALL_ME,) if reachable else ()
            words = (*self._words(told), *wish, OFFER_AGENT)
            key = await self._asking.ask(caller, words, self._key_seconds)
            if key == YES and reachable:
                key = await self._note_wish(caller, told.report_id)
            return end, key == AGENT
        finally:
            self._on_end(end)

    async def _note_wish(self, caller: Channel, report_id: str) -> str | None:
        """The customer is to be called when power is back; the key that they press after that."""
        try:
            await self._reports.wish(report_id)
        except JournalError as error:
            log.error("wish_not_noted", error=str(error))
            words = (NO_CALL, OFFER_AGENT)
        else:
            words = (WILL_CALL, OFFER_AGENT)
        return await self._asking.ask(caller, words, self._key_seconds)

    def _words(self, told: Registered) -> tuple[str, ...]:
        zone = self._reports.zone
        when = told_when(told.reported_at.astimezone(zone), datetime.now(UTC).astimezone(zone))
        first = (REGISTERED,) if told.new else when
        return (*first, *told_neighbours(told.neighbours))
