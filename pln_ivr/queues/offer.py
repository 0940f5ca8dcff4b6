"""The offer: one ringing of one agent for one call, and the conversation that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Protocol

import uuid_utils

from pln_ivr.journal.records import OfferRow
from pln_ivr.outcomes import OfferResult, TalkEnd
from pln_ivr.queues.agents import Agents
from pln_ivr.queues.choice import Match

ADOPTED = 1000
"""How far an adopted offer's row leaps ahead of the versions of the run that had it before."""


@dataclass(slots=True)
class Offer:
    """What `records.OfferRow` says of it, and grows with. Times are UTC."""

    id: str
    call_id: str
    queue: str
    agent: str
    offered_at: datetime
    ringing_at: datetime | None = None
    ended_at: datetime | None = None
    result: OfferResult | None = None
    talking_at: datetime | None = None
    talked_until: datetime | None = None
    talk_end: TalkEnd | None = None
    held_seconds: float = 0.0
    recording: str | None = None
    recording_seconds: float | None = None
    wrapped_up_at: datetime | None = None
    disposition: str | None = None
    sequence: int = field(default=0)

    @classmethod
    def new(cls, call_id: str, queue: str, agent: str) -> Offer:
        """An offer that begins now."""
        return cls(str(uuid_utils.uuid7()), call_id, queue, agent, datetime.now(UTC))

    @classmethod
    def of(cls, row: OfferRow) -> Offer:
        """The offer of an earlier run, as the journal remembers it."""
        values = {f.name: getattr(row, f.name) for f in fields(cls) if hasattr(row, f.name)}
        return cls(**values | {"id": row.offer_id, "sequence": row.sequence + ADOPTED})

    def row(self, node: str) -> OfferRow:
        """The next version of the offer's row in the journal."""
        self.sequence += 1
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "id"}
        return OfferRow(offer_id=self.id, node=node, **values)


class Reservations(Protocol):
    """The seam for more than one node: who may bind an agent to a call."""

    async def reserve(self, match: Match) -> Offer | None:
        """Bind the agent, or None if somebody was quicker; None is normal."""

    def release(self, offer: Offer, pause: float, wrap_up: float) -> None:
        """Set the agent free. Idempotent by offer id. See Agents.release."""


class LocalReservations:
    """One node: the agents are in this process."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    async def reserve(self, match: Match) -> Offer | None:
        """See Reservations. Compare and set, without an await in between."""
        offer = Offer.new(match.call.call_id, match.call.queue, match.agent.extension)
        return offer if self._agents.reserve(offer.agent, offer.id, match.claim) else None

    def release(self, offer: Offer, pause: float, wrap_up: float) -> None:
        """See Reservations."""
        reason = offer.result.value if offer.result else "offer_over"
        self._agents.release(offer.agent, offer.id, reason, pause, wrap_up)
