"""The desk: where waiting calls and free agents meet.

A journey joins a line and awaits offers; the desk matches, reserves and hands each offer
to its journey, which rings the agent and settles the offer. The desk runs one task and
looks again at every change, and once a second while somebody waits, so that an event
that was lost can delay an offer but never prevent it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog
import uuid_utils

from pln_ivr.errors import PlnIvrError
from pln_ivr.journal.records import OfferRow
from pln_ivr.outcomes import OfferResult
from pln_ivr.queues.agents import Agents
from pln_ivr.queues.choice import FreeAgent, Match, Waiting, choose

log = structlog.get_logger("pln_ivr.desk")

LOOK_AGAIN_SECONDS = 1.0
RESERVE_SECONDS = 2.0
"""A reservation that takes longer counts as refused."""


@dataclass(slots=True)
class Offer:
    """One ringing of one agent for one call."""

    id: str
    call_id: str
    queue: str
    agent: str
    offered_at: datetime
    ringing_at: datetime | None = None
    result: OfferResult | None = None

    def row(self, node: str, ended_at: datetime | None = None) -> OfferRow:
        """The offer for the journal: at its beginning, and again at its end."""
        return OfferRow(
            offer_id=self.id,
            call_id=self.call_id,
            sequence=2 if self.result else 1,
            node=node,
            queue=self.queue,
            agent=self.agent,
            offered_at=self.offered_at,
            ringing_at=self.ringing_at,
            ended_at=ended_at,
            result=self.result,
        )


def offer_of(row: OfferRow) -> Offer:
    """An offer as the journal remembers it."""
    return Offer(row.offer_id, row.call_id, row.queue, row.agent, row.offered_at, row.ringing_at)


class Reservations(Protocol):
    """The seam for more than one node: who may bind an agent to a call."""

    async def reserve(self, match: Match) -> Offer | None:
        """Bind the agent, or None if somebody was quicker; None is normal."""

    def release(self, offer: Offer, pause: float) -> None:
        """Set the agent free. Idempotent by offer id."""


class LocalReservations:
    """One node: the agents are in this process."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    async def reserve(self, match: Match) -> Offer | None:
        """See Reservations. Compare and set, without an await in between."""
        offer = Offer(
            id=str(uuid_utils.uuid7()),
            call_id=match.call.call_id,
            queue=match.call.queue,
            agent=match.agent.extension,
            offered_at=datetime.now(UTC),
        )
        return offer if self._agents.reserve(offer.agent, offer.id) else None

    def release(self, offer: Offer, pause: float) -> None:
        """See Reservations."""
        reason = offer.result.value if offer.result else "offer_over"
        self._agents.release(offer.agent, offer.id, reason, pause)


@dataclass(slots=True)
class Place:
    """A call's place in a line. It keeps its time of joining however often it is offered."""

    call_id: str
    queue: str
    joined: datetime
    priority: int
    avoid: dict[str, float] = field(default_factory=dict)
    """Agents who just missed this call, and until when (desk clock) they are not offered it."""
    wants_offer: bool = False
    offers: asyncio.Queue[Offer] = field(default_factory=lambda: asyncio.Queue(maxsize=1))


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long an agent is spared after an offer that came to nothing, in seconds."""

    unreachable: float = 10.0
    same_call: float = 30.0
    """A call goes back to the agent who missed it only after this long, if nobody else came."""


class Desk:
    """Lines, agents and the matching of the two, on one node."""

    def __init__(
        self,
        agents: Agents,
        reservations: Reservations,
        node: str,
        write_offer: Callable[[OfferRow], None],
        on_offer_end: Callable[[Offer, float], None],
        pauses: Pauses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agents = agents
        self._reservations = reservations
        self._node = node
        self._write_offer = write_offer
        self._on_offer_end = on_offer_end
        self._pauses = pauses
        self._clock = clock
        self._places: dict[str, Place] = {}
        self._changed = asyncio.Event()

    def waiting(self) -> dict[str, int]:
        """How many calls stand in each line, those being offered included."""
        counts: dict[str, int] = {}
        for place in self._places.values():
            counts[place.queue] = counts.get(place.queue, 0) + 1
        return counts

    def change(self) -> None:
        """Something changed that may allow a match: look again soon."""
        self._changed.set()

    @asynccontextmanager
    async def join(
        self, call_id: str, queue: str, joined: datetime, priority: int = 0
    ) -> AsyncIterator[Place]:
        """A place in the line for the body's duration; an offer not taken is given back.

        `joined` (UTC) decides the place: who joined before a restart keeps it.
        """
        place = Place(call_id, queue, joined, priority)
        self._places[call_id] = place
        try:
            yield place
        finally:
            del self._places[call_id]
            while not place.offers.empty():
                self.settle(place.offers.get_nowait(), OfferResult.CALLER_GONE)

    async def next_offer(self, place: Place) -> Offer:
        """Wait, as long as it takes, for an agent. Safe to cancel."""
        place.wants_offer = True
        self.change()
        try:
            return await place.offers.get()
        finally:
            place.wants_offer = False

    def adopt(self, offer: Offer) -> None:
        """An offer of an earlier run whose conversation goes on: `settle` is owed at its end."""
        self._agents.adopt(offer.agent, offer.id)

    def lost(self, offer: Offer) -> None:
        """An offer of an earlier run that came to nothing because that run died."""
        offer.result = OfferResult.FAILED
        self._write_offer(offer.row(self._node, datetime.now(UTC)))

    def begin_talking(self, offer: Offer) -> None:
        """The agent answered and is in conversation: `settle` is still owed at its end."""
        self._agents.begin_talking(offer.agent, offer.id)

    def settle(self, offer: Offer, result: OfferResult) -> None:
        """An offer (and the conversation from it) is over. Idempotent; the first result counts."""
        if offer.result is not None:
            return
        offer.result = result
        place = self._places.get(offer.call_id)
        if place and result not in (OfferResult.ANSWERED, OfferResult.CALLER_GONE):
            place.avoid[offer.agent] = self._clock() + self._pauses.same_call
        spare = result in (OfferResult.UNREACHABLE, OfferResult.BUSY)
        self._reservations.release(offer, self._pauses.unreachable if spare else 0.0)
        ended_at = datetime.now(UTC)
        self._write_offer(offer.row(self._node, ended_at))
        self._on_offer_end(offer, (ended_at - offer.offered_at).total_seconds())
        self.change()

    async def run(self) -> None:
        """Match until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_AGAIN_SECONDS if self._places else None):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self._match()
            except PlnIvrError as error:
                log.error("matching_failed", error=str(error))

    async def _match(self) -> None:
        now = self._clock()
        free = [
            FreeAgent(agent.extension, agent.queues, agent.idle_since)
            for agent in self._agents
            if agent.free(now)
        ]
        if not free:
            return
        line = [
            self._as_waiting(place, now) for place in self._places.values() if place.wants_offer
        ]
        for match in choose(line, free):
            try:
                async with asyncio.timeout(RESERVE_SECONDS):
                    offer = await self._reservations.reserve(match)
            except TimeoutError:
                offer = None
            if offer is None:
                continue
            self._write_offer(offer.row(self._node))
            place = self._places.get(offer.call_id)
            if place is None or not place.wants_offer or place.offers.full():
                self.settle(offer, OfferResult.CALLER_GONE)
            else:
                place.wants_offer = False
                place.offers.put_nowait(offer)

    def _as_waiting(self, place: Place, now: float) -> Waiting:
        avoid = frozenset(agent for agent, until in place.avoid.items() if until > now)
        return Waiting(place.call_id, place.queue, place.joined, self._node, place.priority, avoid)
