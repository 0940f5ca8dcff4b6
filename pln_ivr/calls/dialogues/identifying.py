"""Whose account a call is about: the customer number is asked for and read back.

Who has reported before from the same telephone hears the end of that number and need not key it.
Every way ends: with a number, with an agent, or with the caller gone.
"""

from __future__ import annotations

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
    press,
    spelt,
)
from pln_ivr.calls.dialogues.keying import AGENT, YES, Keying, NoNumber, NumberKind, Patience
from pln_ivr.outages.reports import Reports

SHOWN_DIGITS = 4
"""Of the number that a telephone is known by: who else calls from it learns no more."""

CUSTOMER = NumberKind(
    ask=ASK,
    wrong=NOT_TWELVE,
    nothing=Entry(),
    press=press,
    whole=lambda entry: entry.whole,
    read_back=lambda number: (READ_BACK, *spelt(number), CORRECT),
)


class Identifying:
    """Asks callers for their customer number."""

    def __init__(self, asking: Asking, reports: Reports, patience: Patience) -> None:
        """`reports` know telephones from before, and which numbers can be."""
        self._asking = asking
        self._reports = reports
        self._patience = patience
        self._keying = Keying(asking, patience)

    async def customer(self, call: Call, caller: Channel) -> str | NoNumber:
        """The customer number, or why there is none. Raises Gone and AriError; safe to cancel."""
        known = await self._reports.known(call.caller)
        if known:
            words = (KNOWN, *spelt(known[-SHOWN_DIGITS:]), CORRECT)
            key = await self._asking.ask(caller, words, self._patience.key_seconds)
            if key in (YES, AGENT):
                return known if key == YES else NoNumber.AGENT
        return await self.keyed(caller)

    async def keyed(self, caller: Channel) -> str | NoNumber:
        """The same, without asking whether it is the number that is known."""
        return await self._keying.keyed(caller, CUSTOMER, self._refused)

    def _refused(self, number: str) -> str | None:
        return UNKNOWN if self._reports.area(number) is None else None
