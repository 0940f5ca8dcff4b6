"""An outage reported by the caller: the customer number is asked for, read back and registered.

Who has reported before from the same telephone hears the end of that number and need not key it.
Every way ends: with a report, with an agent, or with the caller gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from pln_ivr.ari import Channel
from pln_ivr.calls.asking import Asking
from pln_ivr.calls.call import Call
from pln_ivr.calls.customer_number import (
    ASK,
    CALL_ME,
    CORRECT,
    KNOWN,
    NO_CALL,
    NOT_TWELVE,
    OFFER_AGENT,
    READ_BACK,
    REGISTERED,
    UNKNOWN,
    WILL_CALL,
    Entry,
    Fault,
    press,
    spelt,
    told_neighbours,
    told_when,
)
from pln_ivr.calls.menu import NO_INPUT
from pln_ivr.calls.phone_number import national
from pln_ivr.errors import JournalError
from pln_ivr.journal.outages import Registered
from pln_ivr.outages.reports import Reports
from pln_ivr.outcomes import ReportEnd

log = structlog.get_logger("pln_ivr.reporting")

YES, AGENT, LATE = "1", "0", "#"
SHOWN_DIGITS = 4
"""Of the number that a telephone is known by: who else calls from it learns no more."""

WHOLE_SECONDS = 2.0
"""How long a hash, or one digit too many, may follow the last digit."""

LEASE_SECONDS = 60.0
"""How much longer than one key's time a caller may be keying a number."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The menu's: see the settings' section."""

    key_seconds: float
    no_input_tries: int
    invalid_tries: int


class Reporting:
    """Takes callers' reports."""

    def __init__(
        self,
        asking: Asking,
        reports: Reports,
        patience: Patience,
        on_end: Callable[[ReportEnd], None],
        calls_out: bool = False,
    ) -> None:
        """`calls_out`: who wants it is called when power is back."""
        self._calls_out = calls_out
        self._asking = asking
        self._reports = reports
        self._patience = patience
        self._on_end = on_end

    async def take(self, call: Call, caller: Channel) -> tuple[ReportEnd, bool]:
        """How it ended, and whether the caller is to have an agent.

        Raises Gone and AriError. Safe to cancel; a report that is under way then is registered.
        """
        end = ReportEnd.HUNG_UP
        try:
            customer = await self._customer(call, caller)
            if isinstance(customer, ReportEnd):
                end = customer
                return end, True
            try:
                told = await self._reports.register(customer, call.caller, call.id, call.language)
            except JournalError as error:
                log.error("report_not_registered", error=str(error), call_id=call.id)
                end = ReportEnd.UNAVAILABLE
                return end, True
            end = ReportEnd.REGISTERED if told.new else ReportEnd.REPEATED
            caller.party.forget_keys()
            reachable = self._calls_out and national(call.caller) is not None
            wish = (CALL_ME,) if reachable else ()
            words = (*self._words(told), *wish, OFFER_AGENT)
            key = await self._asking.ask(caller, words, self._patience.key_seconds)
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
        return await self._asking.ask(caller, words, self._patience.key_seconds)

    async def _customer(self, call: Call, caller: Channel) -> str | ReportEnd:
        """The customer number, or how it ended without."""
        known = await self._reports.known(call.caller)
        if known:
            words = (KNOWN, *spelt(known[-SHOWN_DIGITS:]), CORRECT)
            key = await self._asking.ask(caller, words, self._patience.key_seconds)
            if key in (YES, AGENT):
                return known if key == YES else ReportEnd.AGENT
        return await self._keyed(caller)

    async def _keyed(self, caller: Channel) -> str | ReportEnd:
        """Ask for the number until it is one and the caller says that it is right."""
        patience = self._patience
        words: tuple[str, ...] = (ASK,)
        silences = wrong = 0
        while silences < patience.no_input_tries and wrong < patience.invalid_tries:
            keyed = await self._enter(caller, words)
            if keyed is Fault.AGENT:
                return ReportEnd.AGENT
            if keyed is Fault.NOTHING:
                silences, words = silences + 1, (NO_INPUT, ASK)
            elif isinstance(keyed, Fault):
                wrong, words = wrong + 1, (NOT_TWELVE, ASK)
            elif self._reports.area(keyed) is None:
                wrong, words = wrong + 1, (UNKNOWN, ASK)
            else:
                answer = await self._read_back(caller, keyed)
                if answer in (YES, AGENT):
                    return keyed if answer == YES else ReportEnd.AGENT
                wrong, words = wrong + 1, (ASK,)
            if isinstance(keyed, Fault):
                caller.party.forget_keys()  # what was pressed with it belongs to no number
        return ReportEnd.INVALID if wrong >= patience.invalid_tries else ReportEnd.NO_INPUT

    async def _enter(self, caller: Channel, words: tuple[str, ...]) -> str | Fault:
        """One attempt at a number."""
        seconds = self._patience.key_seconds
        pressed_ahead = caller.party.pressed
        key = await self._asking.ask(caller, words, seconds, LEASE_SECONDS)
        if pressed_ahead:
            await self._asking.lease(caller, LEASE_SECONDS)
        keyed = press(Entry(), key)
        while isinstance(keyed, Entry):
            pause = min(seconds, WHOLE_SECONDS) if keyed.whole else seconds
            keyed = press(keyed, await caller.next_key_within(pause))
        return keyed

    async def _read_back(self, caller: Channel, number: str) -> str | None:
        """The key by which the caller says whether it is right; asked twice of who says nothing,
        and of who presses the hash that should have ended the number."""
        words = (READ_BACK, *spelt(number), CORRECT)
        for _ in range(2):
            key = await self._asking.ask(caller, words, self._patience.key_seconds)
            if key not in (None, LATE):
                return key
        return None

    def _words(self, told: Registered) -> tuple[str, ...]:
        zone = self._reports.zone
        when = told_when(told.reported_at.astimezone(zone), datetime.now(UTC).astimezone(zone))
        first = (REGISTERED,) if told.new else when
        return (*first, *told_neighbours(told.neighbours))
