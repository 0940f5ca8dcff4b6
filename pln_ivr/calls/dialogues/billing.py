"""The bill, told without an agent. Every way ends: with the bill, with an agent, or with the caller
gone.

The customer number is always keyed: who holds the telephone that an outage was reported from need
not be told what is owed.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from pln_ivr.ari import Channel
from pln_ivr.bills.lookup import Bills
from pln_ivr.calls.call import Call
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.bill_words import LOOKING, NO_CUSTOMER, UNAVAILABLE, words_of
from pln_ivr.calls.dialogues.identifying import Identifying
from pln_ivr.calls.dialogues.keying import NoNumber
from pln_ivr.errors import LookupFailed
from pln_ivr.outcomes import BillEnd

log = structlog.get_logger("pln_ivr.billing")

LEASE_SECONDS = 15.0
"""How long a caller may be waiting for the lookup: longer than it may take by its settings."""


class Billing:
    """Tells callers their bill."""

    def __init__(
        self,
        asking: Asking,
        identifying: Identifying,
        bills: Bills,
        on_end: Callable[[BillEnd], None],
    ) -> None:
        self._asking = asking
        self._identifying = identifying
        self._bills = bills
        self._on_end = on_end

    async def take(self, call: Call, caller: Channel) -> tuple[BillEnd, tuple[str, ...]]:
        """How it ended, and what is to be said of it. Raises Gone and AriError. Safe to cancel."""
        end, words = BillEnd.HUNG_UP, tuple[str, ...]()
        try:
            customer = await self._identifying.keyed(caller)
            if isinstance(customer, NoNumber):
                end = BillEnd(customer)
            else:
                caller.party.forget_keys()
                await self._asking.tell(caller, (LOOKING,))
                await self._asking.lease(caller, LEASE_SECONDS)
                end, words = await self._look_up(call, customer)
                caller.party.forget_keys()
        finally:
            self._on_end(end)
        return end, words

    async def _look_up(self, call: Call, customer: str) -> tuple[BillEnd, tuple[str, ...]]:
        try:
            bill = await self._bills.of(customer)
        except LookupFailed as error:
            log.warning("bill_not_looked_up", error=str(error), call_id=call.id)
            return BillEnd.UNAVAILABLE, (UNAVAILABLE,)
        if bill is None:
            return BillEnd.UNKNOWN, (NO_CUSTOMER,)
        return BillEnd.TOLD, words_of(bill)
