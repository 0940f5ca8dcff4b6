"""Calling out: ringing a customer from here, for an agent who waits on the line, or before one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pln_ivr.ari import Channel, Client, Hangup
from pln_ivr.errors import AriError, AriRefused, AriTimeout, Gone
from pln_ivr.outcomes import OfferResult, Reason
from pln_ivr.queues.ringing import ENTER_SECONDS, FINAL_CAUSE_SECONDS, classify

CONTEXT, EXTENSION = "customer-called", "called"
"""Where in the dialplan a customer who picks up goes: to Stasis."""

NO_SUCH_SOURCE = 422
"""What Asterisk answers to who would have events of a channel that has ended
(resource_applications.c)."""

TRUNK_STATUSES = frozenset({500, 502, 503, 504, 513, 580})
TRUNK_CAUSES = frozenset({34, 38, 41, 42, 44, 47})
"""The carrier's failures, by SIP status and by Q.850's class of resource and network causes: they
say nothing of the customer."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """The way to customers. `ring_seconds`: how long a customer's phone may ring."""

    endpoint: str
    gateway: str
    """Address of the carrier's side, host or host:port; empty: nobody can be called."""
    number: str
    """What the customer's display shows."""
    ring_seconds: float

    def address(self, number: str) -> str:
        """What to dial, for the ARI client only. `number` is digits, with a plus or without."""
        return f"PJSIP/{self.endpoint}/sip:{number}@{self.gateway}"


async def dial(
    ari: Client, trunk: Trunk, customer: Channel, number: str, agent: Channel | None
) -> Reason | None:
    """Ring the customer, which an agent hears; None once the customer is there, else why not.

    Raises Gone if either ends meanwhile: see `why_gone`. Raises AriUnavailable. Safe to cancel.
    """
    try:
        if agent:
            await ari.start_ringing(agent.id)
        await ari.originate(
            customer.id,
            trunk.address(number),
            context=CONTEXT,
            extension=EXTENSION,
            variables={},
            caller_id=trunk.number,
            originator=agent.id if agent else "",
            # Asterisk's own limit, past ours: it ends a leg that we could not end.
            seconds=int(trunk.ring_seconds) + 5,
        )
        await _follow(ari, customer)
        await customer.until(lambda: customer.answered, trunk.ring_seconds, "customer to answer")
    except AriRefused:
        return Reason.TRUNK_REFUSED  # no channel could be made
    except AriTimeout:
        return Reason.CUSTOMER_NO_ANSWER
    await customer.until(lambda: customer.in_app, ENTER_SECONDS, "answered customer to enter")
    if agent:
        with suppress(AriError):  # the bridge ends it, too
            await ari.stop_ringing(agent.id)
    return None


async def _follow(ari: Client, customer: Channel) -> None:
    """Have its events told from now on, and learn what has happened before. Raises Gone."""
    try:
        await ari.subscribe(f"channel:{customer.id}")
        now = await ari.get_channel(customer.id)
    except AriRefused as error:
        if error.status != NO_SUCH_SOURCE:
            raise
        now = None
    if now is None:
        customer.lose(pbx_restarted=False)  # no event will ever tell
        raise Gone(f"channel {customer.id} has ended")
    customer.state = customer.state or now.state


async def why_gone(customer: Channel) -> Reason:
    """Why a customer whose leg has ended was not there."""
    await customer.until_destroyed(FINAL_CAUSE_SECONDS)
    hangup = customer.hangup or Hangup(by_far_end=True)
    if hangup.tech_cause in TRUNK_STATUSES or hangup.cause in TRUNK_CAUSES:
        return Reason.TRUNK_REFUSED
    match classify(hangup):
        case OfferResult.BUSY:
            return Reason.CUSTOMER_BUSY
        case OfferResult.DECLINED:
            return Reason.CUSTOMER_NO_ANSWER
    return Reason.CUSTOMER_UNREACHABLE
