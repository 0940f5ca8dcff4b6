"""Whose account a call is about: the customer number is asked for and read back.

Who has reported before from the same telephone hears the end of that number and need not key it.
Every way ends: with a number, with an agent, or with the caller gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pln_ivr.ari import Channel
from pln_ivr.calls.call import Call
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.customer_number import (
    ASK,
    CORRECT,
    KNOWN,
    NOT_TWELVE,
    READ_BACK,
    UNKNOWN,
    Entry,
    Fault,
    press,
    spelt,
)
from pln_ivr.calls.dialogues.menu import NO_INPUT
from pln_ivr.outages.reports import Reports

YES, AGENT = "1", "0"
SHOWN_DIGITS = 4
"""Of the number that a telephone is known by: who else calls from it learns no more."""

WHOLE_SECONDS = 2.0
"""How long a hash, or one digit too many, may follow the last digit."""

LEASE_SECONDS = 60.0
"""How much longer than one key's time a caller may be keying a number."""


class Unidentified(StrEnum):
    """Why there is no customer number; words of ReportEnd and BillEnd."""

    AGENT = "agent"  # the caller would rather talk with somebody
    NO_INPUT = "no_input"  # pressed nothing
    INVALID = "invalid"  # keyed no customer number, so many times


@dataclass(frozen=True, slots=True)
class Patience:
    """The menu's: see the settings' section."""

    key_seconds: float
    no_input_tries: int
    invalid_tries: int


class Identifying:
    """Asks callers for their customer number."""

    def __init__(self, asking: Asking, reports: Reports, patience: Patience) -> None:
        """`reports` know telephones from before, and which numbers can be."""
        self._asking = asking
        self._reports = reports
        self._patience = patience

    async def customer(self, call: Call, caller: Channel) -> str | Unidentified:
        """The customer number, or why there is none. Raises Gone and AriError; safe to cancel."""
        known = await self._reports.known(call.caller)
        if known:
            words = (KNOWN, *spelt(known[-SHOWN_DIGITS:]), CORRECT)
            key = await self._asking.ask(caller, words, self._patience.key_seconds)
            if key in (YES, AGENT):
                return known if key == YES else Unidentified.AGENT
        return await self.keyed(caller)

    async def keyed(self, caller: Channel) -> str | Unidentified:
        """The same, without asking whether it is the number that is known."""
        patience = self._patience
        words: tuple[str, ...] = (ASK,)
        silences = wrong = 0
        while silences < patience.no_input_tries and wrong < patience.invalid_tries:
            keyed = await self._enter(caller, words)
            if keyed is Fault.AGENT:
                return Unidentified.AGENT
            if keyed is Fault.NOTHING:
                silences, words = silences + 1, (NO_INPUT, ASK)
            elif isinstance(keyed, Fault):
                wrong, words = wrong + 1, (NOT_TWELVE, ASK)
            elif self._reports.area(keyed) is None:
                wrong, words = wrong + 1, (UNKNOWN, ASK)
            else:
                words = (READ_BACK, *spelt(keyed), CORRECT)
                answer = await self._asking.confirm(caller, words, patience.key_seconds)
                if answer in (YES, AGENT):
                    return keyed if answer == YES else Unidentified.AGENT
                wrong, words = wrong + 1, (ASK,)
            if isinstance(keyed, Fault):
                caller.party.forget_keys()  # what was pressed with it belongs to no number
        return Unidentified.INVALID if wrong >= patience.invalid_tries else Unidentified.NO_INPUT

    async def _enter(self, caller: Channel, words: tuple[str, ...]) -> str | Fault:
        """One attempt at a number."""
        seconds = self._patience.key_seconds
        key = await self._asking.ask(caller, words, seconds, LEASE_SECONDS)
        keyed = press(Entry(), key)
        while isinstance(keyed, Entry):
            pause = min(seconds, WHOLE_SECONDS) if keyed.whole else seconds
            keyed = press(keyed, await caller.next_key_within(pause))
        return keyed
