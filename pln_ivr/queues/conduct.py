"""Conduct incidents: what an agent did that a person should look at. Pure, but for telling.

An incident is evidence, never a verdict: times, the call, the place in the recording. What
is nobody's fault (a phone that was unreachable or never rang, a caller who gave up, this
program's own failure) makes none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import uuid_utils

from pln_ivr.journal.records import IncidentRow
from pln_ivr.outcomes import IncidentKind, OfferResult
from pln_ivr.queues.offer import Offer

SPOKE_SECONDS = 1.0
"""Who hangs up on a customer who has spoken within this time hangs up on a speaking customer."""


def missed_third_ring(offer: Offer, node: str) -> IncidentRow | None:
    """The incident of an offer that has ended; None unless the phone rang to the deadline."""
    if offer.result is not OfferResult.MISSED or not offer.ringing_at or not offer.ended_at:
        return None
    return IncidentRow(
        incident_id=str(uuid_utils.uuid7()),
        sequence=1,
        node=node,
        kind=IncidentKind.MISSED_THIRD_RING,
        agent=offer.agent,
        queue=offer.queue,
        call_id=offer.call_id,
        offer_id=offer.id,
        happened_at=offer.ended_at,
        rang_seconds=round((offer.ended_at - offer.ringing_at).total_seconds(), 2),
    )


def hung_up_on_customer(
    offer: Offer, spoke_before: float | None, at: datetime, node: str
) -> IncidentRow | None:
    """The incident of a conversation that its agent ended at that moment.

    `spoke_before` says how many seconds before it the customer was last heard to speak, 0
    for a customer who was speaking; None if not at all. None unless that was too lately.
    """
    if spoke_before is None or spoke_before > SPOKE_SECONDS or offer.talking_at is None:
        return None
    return IncidentRow(
        incident_id=str(uuid_utils.uuid7()),
        sequence=1,
        node=node,
        kind=IncidentKind.HUNG_UP_ON_CUSTOMER,
        agent=offer.agent,
        queue=offer.queue,
        call_id=offer.call_id,
        offer_id=offer.id,
        happened_at=at,
        spoke_seconds_before=round(spoke_before, 2),
        recording=offer.recording,
        offset_seconds=round((at - offer.talking_at).total_seconds(), 2),
    )


class Conduct:
    """Writes what is found, and counts it."""

    def __init__(self, node: str, tell: Callable[[IncidentRow], None]) -> None:
        """`tell` gets each new incident: journal, metrics, whoever watches."""
        self._node = node
        self._tell = tell

    def offer_ended(self, offer: Offer) -> None:
        """Look at an offer that is over."""
        self._found(missed_third_ring(offer, self._node))

    def agent_hung_up(self, offer: Offer, spoke_before: float | None, at: datetime) -> None:
        """Look at a conversation whose agent hung up first, at that moment."""
        self._found(hung_up_on_customer(offer, spoke_before, at, self._node))

    def _found(self, incident: IncidentRow | None) -> None:
        if incident is not None:
            self._tell(incident)
