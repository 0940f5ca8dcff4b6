"""A desk with agents at their phones, and what was told of its offers, for tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pln_ivr.journal import OfferRow
from pln_ivr.queues.agents import Agents, AgentState, Wish
from pln_ivr.queues.choice import Match
from pln_ivr.queues.desk import Desk, Habits, Place
from pln_ivr.queues.lines import Line
from pln_ivr.queues.offer import LocalReservations, Offer, Reservations
from pln_ivr.queues.roster import Roster, RosterEntry

SOON = 8.0
OUTAGE = Line("gangguan", frozenset({"gangguan"}))
BILLING = Line("tagihan", frozenset({"tagihan"}))
WORK = {AgentState.OFFERED, AgentState.TALKING, AgentState.ON_HOLD, AgentState.WRAP_UP}


def roster(*extensions: str, **levels: int) -> Roster:
    """These agents, all of them with the same skills."""
    skills = levels or {"gangguan": 1}
    return {e: RosterEntry(e, "Agent", skills, secret="secret") for e in extensions}


class House:
    """A desk, its agents (all ready) and what was told of its offers."""

    def __init__(self, *extensions: str, habits: Habits | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.told: list[OfferRow] = []
        self.ends: Counter[str] = Counter()
        self.agents = Agents(loop.time, lambda *_: self.desk.change())
        self.reservations: Reservations = LocalReservations(self.agents)
        self.desk = Desk(
            self.agents,
            self,
            {line.name: line for line in (OUTAGE, BILLING)},
            "pln-1",
            self.told.append,
            lambda offer: self.ends.update([offer.id]),
            habits or Habits(unreachable=0.0, same_call=0.0),
            loop.time,
        )
        self.hire(roster(*extensions))

    def hire(self, entries: Roster) -> None:
        """These agents besides those who are there, ready at their phones."""
        there = {agent.extension: agent for agent in self.agents}
        old = {e: RosterEntry(e, a.name, a.skills, a.role) for e, a in there.items()}
        self.agents.apply(old | entries)
        for extension in entries:
            self.agents.set_reachable(extension, True)
            self.ready(extension)

    def ready(self, extension: str) -> None:
        assert self.agents.wish(extension, Wish.READY, "*11")

    def pause(self, extension: str) -> None:
        assert self.agents.wish(extension, Wish.PAUSED, "*12")

    async def reserve(self, match: Match) -> Offer | None:
        """To whatever reservations the test chose."""
        return await self.reservations.reserve(match)

    def release(self, offer: Offer, pause: float, wrap_up: float) -> None:
        self.reservations.release(offer, pause, wrap_up)

    @asynccontextmanager
    async def place(
        self, name: str = "call", line: Line = OUTAGE, only: str | None = None
    ) -> AsyncIterator[Place]:
        """A call that joins now."""
        async with self.desk.join(name, line, datetime.now(UTC), only) as place:
            yield place

    async def offer(self, place: Place) -> Offer:
        """The next one, soon."""
        return await asyncio.wait_for(self.desk.next_offer(place), SOON)

    async def talk(self, place: Place) -> Offer:
        """The next offer, taken."""
        offer = await self.offer(place)
        self.desk.begin_talking(offer)
        return offer

    @property
    def begun(self) -> list[OfferRow]:
        """Offers as they were made."""
        return [row for row in self.told if row.sequence == 1]

    @property
    def rows(self) -> list[OfferRow]:
        """The latest word on each offer that is over."""
        last = {row.offer_id: row for row in self.told}
        return [row for row in last.values() if row.result]

    def states(self) -> Counter[AgentState]:
        return Counter(agent.state for agent in self.agents)

    def settled_once(self) -> None:
        """Every offer that ever was has one beginning and one end, and holds nobody."""
        assert set(self.ends.values()) <= {1}
        assert sorted(row.offer_id for row in self.begun) == sorted(self.ends)
        assert sorted(row.offer_id for row in self.rows) == sorted(self.ends)
        for offer in self.ends:
            versions = [row for row in self.told if row.offer_id == offer]
            assert [row.sequence for row in versions] == list(range(1, len(versions) + 1))
            assert len({(row.result, row.ended_at) for row in versions if row.result}) == 1
        assert not WORK & set(self.states())
        assert self.desk.waiting() == {}


@asynccontextmanager
async def house(*extensions: str, habits: Habits | None = None) -> AsyncIterator[House]:
    made = House(*extensions, habits=habits)
    running = asyncio.create_task(made.desk.run())
    try:
        yield made
    finally:
        running.cancel()
        (end,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(end, asyncio.CancelledError)
