"""The desk: where waiting calls and free agents meet.

A journey joins a line and awaits offers; the desk matches, reserves and hands each offer
to its journey, which rings the agent and settles the offer. The desk runs one task and
looks again at every change, and once a second while somebody waits, so that an event
that was lost can delay an offer but never prevent it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from pln_ivr.errors import PlnIvrError
from pln_ivr.journal.records import OfferRow
from pln_ivr.outcomes import OfferResult, TalkEnd
from pln_ivr.queues.agents import Agent, Agents, AgentState
from pln_ivr.queues.choice import Claim, FreeAgent, Match, Waiting, choose, level, rank
from pln_ivr.queues.lines import Handling, Line, Standing
from pln_ivr.queues.offer import Offer, Reservations

log = structlog.get_logger("pln_ivr.desk")

LOOK_AGAIN_SECONDS = 1.0
RESERVE_SECONDS = 2.0
"""A reservation that takes longer counts as refused."""


@dataclass(slots=True)
class Place:
    """A call's place in a line. It keeps its time of joining however often it is offered."""

    call_id: str
    line: Line
    joined: datetime
    only: str | None = None
    virtual: bool = False
    """Nobody is in the house for it: somebody who is to be called back."""
    avoid: dict[str, float] = field(default_factory=dict)
    """Agents who just missed this call, and until when (desk clock) they are not offered it."""
    wants_offer: bool = False
    offers: asyncio.Queue[Offer] = field(default_factory=lambda: asyncio.Queue(maxsize=1))


@dataclass(frozen=True, slots=True)
class Habits:
    """How agents are treated after an offer. Times in seconds."""

    unreachable: float = 10.0
    """No offer for so long to a phone that could not be reached or was busy."""
    same_call: float = 30.0
    """A call goes back to the agent who missed it only after this long, if nobody else came."""
    wrap_up: float = 0.0
    pause_after_misses: int = 0
    ageing: float = 0.0
    """See choice.rank."""


class Desk:
    """Lines, agents and the matching of the two, on one node."""

    def __init__(
        self,
        agents: Agents,
        reservations: Reservations,
        lines: Mapping[str, Line],
        node: str,
        write_offer: Callable[[OfferRow], None],
        on_offer_end: Callable[[Offer], None],
        habits: Habits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_offer_end` hears of each offer once, when it and its conversation are over."""
        self.lines = lines
        self._agents = agents
        self._reservations = reservations
        self._node = node
        self._write_offer = write_offer
        self._on_offer_end = on_offer_end
        self._habits = habits
        self._clock = clock
        self._places: dict[str, Place] = {}
        self._handling = Handling()
        self._last: dict[str, Offer] = {}
        """Each agent's latest conversation: what a disposition and the wrap-up belong to."""
        self._changed = asyncio.Event()

    # -- what can be asked ---------------------------------------------------------------

    def waiting(self) -> dict[str, int]:
        """How many calls stand in each line, those being offered included, and those who are to be
        called back left out."""
        here = (place for place in self._places.values() if not place.virtual)
        return dict(Counter(place.line.name for place in here))

    def is_full(self, line: Line) -> bool:
        """Whether no other call may join."""
        return 0 < line.length <= self.waiting().get(line.name, 0)

    def places(self) -> list[Place]:
        """Every place, in the order in which they will be served."""
        now = datetime.now(UTC)
        return sorted(self._places.values(), key=lambda place: self._rank(place, now))

    def standing(self, call_id: str) -> Standing | None:
        """Where a waiting call stands in its line; None if it does not wait."""
        place = self._places.get(call_id)
        if place is None or place.only:
            return None
        now, line = datetime.now(UTC), place.line
        own = self._rank(place, now)
        position = 1 + sum(
            self._rank(other, now) < own
            for other in self._places.values()
            if other.line.name == line.name and other is not place
        )
        return Standing(position, self.expected_wait(line, position))

    def standings(self) -> list[tuple[Place, Standing]]:
        """Every call's standing, in the order in which they will be served: all in one look,
        since a full house has hundreds."""
        working = {name: self.working(line) for name, line in self.lines.items()}
        ahead: Counter[str] = Counter()
        found = []
        for place in self.places():
            name = place.line.name
            ahead[name] += 1
            if not place.only:
                wait = self._handling.expected_wait(name, ahead[name], working[name])
                found.append((place, Standing(ahead[name], wait)))
        return found

    def expected_wait(self, line: Line, position: int) -> float | None:
        """Seconds until the call at this position is taken, see `lines`."""
        return self._handling.expected_wait(line.name, position, self.working(line))

    def working(self, line: Line) -> int:
        return sum(agent.works and agent.reachable for agent in self.able(line))

    def able(self, line: Line) -> list[Agent]:
        """The agents who can do this line's calls, whatever they are doing."""
        return [agent for agent in self._agents if level(self._as_free(agent), line.skills)]

    # -- for journeys ----------------------------------------------------------------------

    def change(self) -> None:
        """Something changed that may allow a match: look again soon."""
        self._changed.set()

    @asynccontextmanager
    async def join(
        self,
        call_id: str,
        line: Line,
        joined: datetime,
        only: str | None = None,
        virtual: bool = False,
    ) -> AsyncIterator[Place]:
        """A place in the line for the body's duration; an offer not taken is given back.

        `joined` (UTC) decides the place: who joined before a restart keeps it. `only` is the
        one agent whom the call is for; `virtual`: see Place.
        """
        place = Place(call_id, line, joined, only, virtual)
        self._places[call_id] = place
        try:
            yield place
        finally:
            self._places.pop(call_id, None)
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

    def offered(self, place: Place) -> Offer | None:
        """An offer that came in the moment in which `next_offer` was given up."""
        return None if place.offers.empty() else place.offers.get_nowait()

    async def engage(self, call_id: str, line: Line, extension: str, claim: Claim) -> Offer | None:
        """An offer of a call that stands in no line to this agent now; None if that cannot be."""
        agent = self._agents.get(extension)
        if agent is None or not agent.accepts(claim, self._clock()):
            return None
        self.end_wrap_up(extension, None, "engaged")
        call = Waiting(call_id, line.name, datetime.now(UTC), self._node, line.skills)
        offer = await self._reserve(Match(call, self._as_free(agent), claim))
        if offer:
            self._write_offer(offer.row(self._node))
        return offer

    def adopt(self, offer: Offer) -> None:
        """An offer whose agent talks already, to an earlier run's knowledge or as a supervisor
        who took over: `settle` is owed at its end, and the conversation before is wrapped up."""
        agent, before = self._agents.get(offer.agent), self._last.get(offer.agent)
        wraps_up = agent is not None and agent.wrap_up_until is not None
        self._agents.adopt(offer.agent, offer.id)  # who is off the roster is kept by it
        if before and wraps_up:
            self._wrapped_up(before)
        self._last[offer.agent] = offer

    def lost(self, offer: Offer) -> None:
        """An offer of an earlier run that came to nothing because that run died."""
        offer.result = OfferResult.ANSWERED if offer.talking_at else OfferResult.FAILED
        offer.ended_at = datetime.now(UTC)
        if offer.talking_at:
            offer.talked_until, offer.talk_end = offer.ended_at, TalkEnd.UNSEEN
        self.tell(offer)

    def begin_talking(self, offer: Offer) -> None:
        """The agent answered and is in conversation, so the call stands in no line any more:
        `settle` is still owed at its end."""
        self._places.pop(offer.call_id, None)
        offer.talking_at = offer.talking_at or datetime.now(UTC)
        self._last[offer.agent] = offer
        self._agents.begin_talking(offer.agent, offer.id)
        self.tell(offer)

    def hold(self, offer: Offer, on_hold: bool) -> None:
        """The customer hears music, or the agent again."""
        self._agents.hold(offer.agent, offer.id, on_hold)

    def tell(self, offer: Offer) -> None:
        """The offer's story has grown."""
        self._write_offer(offer.row(self._node))

    def settle(self, offer: Offer, result: OfferResult, talk_end: TalkEnd | None = None) -> None:
        """An offer (and the conversation from it) is over. Idempotent; the first result counts."""
        if offer.result is not None:
            return
        offer.result, offer.ended_at = result, datetime.now(UTC)
        talked = offer.talking_at is not None
        if talked:
            offer.talked_until, offer.talk_end = offer.ended_at, talk_end or TalkEnd.FAILED
        place = self._places.get(offer.call_id)
        if place and result not in (OfferResult.ANSWERED, OfferResult.CALLER_GONE):
            place.avoid[offer.agent] = self._clock() + self._habits.same_call
        spare = result in (OfferResult.UNREACHABLE, OfferResult.BUSY)
        if result is OfferResult.MISSED:
            self._agents.missed(offer.agent, self._habits.pause_after_misses)
        self._reservations.release(
            offer,
            self._habits.unreachable if spare else 0.0,
            self._habits.wrap_up if talked else 0.0,
        )
        self.tell(offer)
        self._on_offer_end(offer)
        if talked and not self._habits.wrap_up:
            self._wrapped_up(offer)
        self.change()

    # -- wrap-up ---------------------------------------------------------------------------

    def end_wrap_up(self, extension: str, disposition: str | None, reason: str) -> bool:
        """The agent is through with the last conversation, and says what it came to; False if
        there is none to say it of."""
        offer = self._last.get(extension)
        wrapping = self._agents.end_wrap_up(extension, reason)
        if offer is None or not (wrapping or disposition):
            return False
        offer.disposition = disposition or offer.disposition
        if wrapping:
            self._wrapped_up(offer)
        else:
            self.tell(offer)
        return True

    def _wrapped_up(self, offer: Offer) -> None:
        offer.wrapped_up_at = datetime.now(UTC)
        if offer.talking_at:
            busy = (offer.wrapped_up_at - offer.talking_at).total_seconds()
            self._handling.add(offer.queue, busy)
        self.tell(offer)
        self.change()

    # -- matching --------------------------------------------------------------------------

    async def run(self) -> None:
        """Match until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            for extension in self._agents.expire():
                if extension in self._last:
                    self._wrapped_up(self._last[extension])
            try:
                await self._match()
            except PlnIvrError as error:
                log.error("matching_failed", error=str(error))

    async def _match(self) -> None:
        now = self._clock()
        free = [self._as_free(agent) for agent in self._agents if agent.accepts(Claim.NAMED, now)]
        if not free:
            return
        line = [
            self._as_waiting(place, now) for place in self._places.values() if place.wants_offer
        ]
        for match in choose(line, free, datetime.now(UTC), self._habits.ageing):
            offer = await self._reserve(match)
            if offer is None:
                continue
            self._write_offer(offer.row(self._node))
            place = self._places.get(offer.call_id)
            if place is None or not place.wants_offer or place.offers.full():
                self.settle(offer, OfferResult.CALLER_GONE)
            else:
                place.wants_offer = False
                place.offers.put_nowait(offer)

    async def _reserve(self, match: Match) -> Offer | None:
        try:
            async with asyncio.timeout(RESERVE_SECONDS):
                return await self._reservations.reserve(match)
        except TimeoutError:
            return None

    def _rank(self, place: Place, now: datetime) -> tuple[int, datetime, str]:
        return rank(self._as_waiting(place, self._clock()), now, self._habits.ageing)

    def _as_waiting(self, place: Place, now: float) -> Waiting:
        avoid = frozenset(agent for agent, until in place.avoid.items() if until > now)
        line = place.line
        return Waiting(
            place.call_id,
            line.name,
            place.joined,
            self._node,
            line.skills,
            line.priority,
            avoid,
            place.only,
        )

    @staticmethod
    def _as_free(agent: Agent) -> FreeAgent:
        only_named = agent.state is not AgentState.READY
        return FreeAgent(agent.extension, agent.skills, agent.idle_since, only_named)
