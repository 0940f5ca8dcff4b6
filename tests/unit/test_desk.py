"""The desk in a real event loop, with reservations that behave, and with hostile ones."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from pln_ivr.errors import PlnIvrError
from pln_ivr.journal import OfferRow
from pln_ivr.outcomes import OfferResult
from pln_ivr.queues import desk as desk_module
from pln_ivr.queues.agents import Agents, AgentState
from pln_ivr.queues.choice import Match
from pln_ivr.queues.desk import Desk, LocalReservations, Offer, Pauses, Reservations
from pln_ivr.queues.roster import RosterEntry
from tests.fake_ari.world import eventually

SOON = 8.0


class House:
    """A desk, its agents (all ready) and what was told of its offers."""

    def __init__(self, *extensions: str, pauses: Pauses | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.begun: list[OfferRow] = []
        self.rows: list[OfferRow] = []
        self.ends: Counter[str] = Counter()
        self.agents = Agents(loop.time, lambda *_: self.desk.change())
        self.reservations: Reservations = LocalReservations(self.agents)
        self.desk = Desk(
            self.agents,
            self,
            "pln-1",
            lambda row: (self.rows if row.result else self.begun).append(row),
            lambda offer, _: self.ends.update([offer.id]),
            pauses or Pauses(unreachable=0.0, same_call=0.0),
            loop.time,
        )
        self.agents.apply(
            {e: RosterEntry(e, "Agent", frozenset({"gangguan"}), "secret") for e in extensions}
        )
        for extension in extensions:
            self.agents.set_reachable(extension, True)
            self.agents.wish(extension, True, "*11")

    async def reserve(self, match: Match) -> Offer | None:
        """To whatever reservations the test chose."""
        return await self.reservations.reserve(match)

    def release(self, offer: Offer, pause: float) -> None:
        self.reservations.release(offer, pause)

    def states(self) -> Counter[AgentState]:
        return Counter(agent.state for agent in self.agents)

    def settled_once(self) -> None:
        """Every offer that ever was has one beginning and one end, and holds nobody."""
        assert set(self.ends.values()) <= {1}
        assert sorted(row.offer_id for row in self.begun) == sorted(self.ends)
        assert sorted(row.offer_id for row in self.rows) == sorted(self.ends)
        assert not {AgentState.OFFERED, AgentState.TALKING} & set(self.states())
        assert self.desk.waiting() == {}


@asynccontextmanager
async def house(*extensions: str, pauses: Pauses | None = None) -> AsyncIterator[House]:
    made = House(*extensions, pauses=pauses)
    running = asyncio.create_task(made.desk.run())
    try:
        yield made
    finally:
        running.cancel()
        (end,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(end, asyncio.CancelledError)


async def test_a_waiting_call_gets_the_agent_and_gives_her_back() -> None:
    async with house("101") as h:
        async with h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
            offer = await asyncio.wait_for(h.desk.next_offer(place), SOON)
            assert (offer.agent, offer.call_id, offer.queue) == ("101", "call", "gangguan")
            assert h.states() == {AgentState.OFFERED: 1}
            assert h.desk.waiting() == {"gangguan": 1}
            h.desk.begin_talking(offer)
            assert h.states() == {AgentState.TALKING: 1}
            h.desk.settle(offer, OfferResult.ANSWERED)
            h.desk.settle(offer, OfferResult.FAILED)
        assert [row.result for row in h.rows] == [OfferResult.ANSWERED]
        h.settled_once()


async def test_an_agent_who_comes_later_is_offered_at_once() -> None:
    async with house() as h, h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
        waiting = asyncio.create_task(h.desk.next_offer(place))
        await asyncio.sleep(0)
        h.agents.apply({"101": RosterEntry("101", "A", frozenset({"gangguan"}), "s")})
        h.agents.set_reachable("101", True)
        h.agents.wish("101", True, "*11")
        offer = await asyncio.wait_for(waiting, SOON)
        h.desk.settle(offer, OfferResult.MISSED)


async def test_a_change_that_nobody_told_is_noticed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desk_module, "LOOK_AGAIN_SECONDS", 0.01)
    async with house("101") as h, h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
        h.agents.set_reachable("101", False)
        waiting = asyncio.create_task(h.desk.next_offer(place))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        h.agents.set_reachable("101", True)
        h.desk.settle(await asyncio.wait_for(waiting, SOON), OfferResult.MISSED)


async def test_a_call_keeps_its_place_after_a_missed_offer_and_goes_to_another_agent() -> None:
    async with house("101", "102", pauses=Pauses(same_call=3600.0)) as h:
        async with h.desk.join("first", "gangguan", datetime.now(UTC)) as first:
            offer = await asyncio.wait_for(h.desk.next_offer(first), SOON)
            h.agents.wish("102", False, "*12")
            async with h.desk.join("second", "gangguan", datetime.now(UTC)) as second:
                h.desk.settle(offer, OfferResult.MISSED)
                waiting = asyncio.create_task(h.desk.next_offer(first))
                other = await asyncio.wait_for(h.desk.next_offer(second), SOON)
                assert other.agent == "101", "the first call avoids who missed it"
                assert not waiting.done()
                h.agents.wish("102", True, "*11")
                again = await asyncio.wait_for(waiting, SOON)
                assert again.agent == "102"
                h.desk.settle(again, OfferResult.ANSWERED)
                h.desk.settle(other, OfferResult.ANSWERED)
        h.settled_once()


@pytest.mark.parametrize(
    ("result", "spared"),
    [
        (OfferResult.UNREACHABLE, True),
        (OfferResult.BUSY, True),
        (OfferResult.MISSED, False),
        (OfferResult.CALLER_GONE, False),
        (OfferResult.ANSWERED, False),
    ],
)
async def test_only_a_phone_that_could_not_ring_is_spared_for_a_while(
    result: OfferResult, spared: bool
) -> None:
    async with house("101", pauses=Pauses(unreachable=3600.0, same_call=0.0)) as h:
        async with h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
            h.desk.settle(await asyncio.wait_for(h.desk.next_offer(place), SOON), result)
        agent = h.agents.get("101")
        assert agent
        assert agent.state is AgentState.READY
        assert agent.free(asyncio.get_running_loop().time()) is not spared


async def test_a_caller_who_leaves_as_the_offer_arrives_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house("101") as h:
        async with h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
            waiting = asyncio.create_task(h.desk.next_offer(place))
            put = place.offers.put_nowait

            def put_and_leave(offer: Offer) -> None:
                put(offer)
                waiting.cancel()

            monkeypatch.setattr(place.offers, "put_nowait", put_and_leave)
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert h.states() == {AgentState.OFFERED: 1}
        assert [row.result for row in h.rows] == [OfferResult.CALLER_GONE]
        h.settled_once()


class Slow(LocalReservations):
    """Binds the agent, then takes its time to say so."""

    def __init__(self, agents: Agents) -> None:
        super().__init__(agents)
        self.bound = asyncio.Event()
        self.go_on = asyncio.Event()

    async def reserve(self, match: Match) -> Offer | None:
        offer = await super().reserve(match)
        self.bound.set()
        await self.go_on.wait()
        return offer


async def test_a_caller_who_leaves_while_an_offer_is_being_made_gives_it_back() -> None:
    async with house("101") as h:
        h.reservations = slow = Slow(h.agents)
        async with h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
            waiting = asyncio.create_task(h.desk.next_offer(place))
            await asyncio.wait_for(slow.bound.wait(), SOON)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        slow.go_on.set()
        await eventually(lambda: h.rows, "the offer was not settled")
        assert [row.result for row in h.rows] == [OfferResult.CALLER_GONE]
        h.settled_once()


async def test_who_waits_no_more_but_has_not_left_is_not_given_an_offer_to_keep() -> None:
    async with house("101") as h:
        h.reservations = slow = Slow(h.agents)
        async with h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
            waiting = asyncio.create_task(h.desk.next_offer(place))
            await asyncio.wait_for(slow.bound.wait(), SOON)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            slow.go_on.set()
            await eventually(lambda: h.rows, "the offer's end")
            assert h.states() == {AgentState.READY: 1}
        h.settled_once()


async def test_a_call_that_leaves_and_the_next_of_the_same_place_do_not_mix() -> None:
    """The caller gave up waiting for this offer and asked again: the offer is not lost."""
    async with house("101") as h:
        h.reservations = slow = Slow(h.agents)
        async with h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
            waiting = asyncio.create_task(h.desk.next_offer(place))
            await asyncio.wait_for(slow.bound.wait(), SOON)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            again = asyncio.create_task(h.desk.next_offer(place))
            await asyncio.sleep(0)
            slow.go_on.set()
            h.desk.settle(await asyncio.wait_for(again, SOON), OfferResult.ANSWERED)
        h.settled_once()


class Hostile:
    """Yields, is late, refuses one in five, fails one in ten, and never binds an agent twice."""

    def __init__(self, agents: Agents, seed: int) -> None:
        self._inner = LocalReservations(agents)
        self._random = random.Random(seed)
        self._bound: dict[str, str] = {}
        self.given = 0
        self.failed = 0

    async def reserve(self, match: Match) -> Offer | None:
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)
        dice = self._random.random()
        if dice < 0.2:
            return None
        if dice < 0.3:
            self.failed += 1
            raise PlnIvrError("the reservation's database is away")
        if dice < 0.35:
            await asyncio.sleep(3600)  # past any deadline
        if dice < 0.5:
            await asyncio.sleep(0.002)
        offer = await self._inner.reserve(match)
        if offer:
            assert offer.agent not in self._bound, "an agent in two offers"
            self._bound[offer.agent] = offer.id
            self.given += 1
        return offer

    def release(self, offer: Offer, pause: float) -> None:
        assert self._bound.get(offer.agent) == offer.id, "released twice or by a stranger"
        del self._bound[offer.agent]
        self._inner.release(offer, pause)


async def caller(h: House, name: str, dice: random.Random) -> str:
    """Waits, talks or misses, gives up now and then; returns how it ended."""
    async with h.desk.join(name, "gangguan", datetime.now(UTC), priority=dice.randrange(2)) as place:
        while True:
            patience = 0.001 if dice.random() < 0.2 else SOON
            try:
                async with asyncio.timeout(patience):
                    offer = await h.desk.next_offer(place)
            except TimeoutError:
                return "gave up" if patience < SOON else "starved"
            result = OfferResult.FAILED
            try:
                await asyncio.sleep(dice.choice([0, 0, 0.001]))
                result = dice.choice(
                    [OfferResult.ANSWERED, OfferResult.MISSED, OfferResult.UNREACHABLE]
                )
                if result is OfferResult.ANSWERED:
                    h.desk.begin_talking(offer)
                    await asyncio.sleep(dice.choice([0, 0.001]))
                    return "talked"
            finally:
                h.desk.settle(offer, result)


@pytest.mark.parametrize("seed", range(6))
async def test_hostile_reservations_lose_nothing_and_starve_nobody(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "LOOK_AGAIN_SECONDS", 0.005)
    monkeypatch.setattr(desk_module, "RESERVE_SECONDS", 0.02)
    dice = random.Random(seed)
    async with house("101", "102", "103") as h:
        h.reservations = hostile = Hostile(h.agents, seed)
        ends = Counter(await asyncio.gather(*(caller(h, f"call-{n}", dice) for n in range(40))))
        assert ends["starved"] == 0
        assert ends["talked"] > 5
        await eventually(lambda: len(h.rows) == hostile.given, "an offer was never settled")
        h.settled_once()
        assert hostile.given == len(h.ends)
        assert hostile.failed, "this seed proves little"


async def test_reservations_that_hang_are_given_up_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desk_module, "LOOK_AGAIN_SECONDS", 0.005)
    monkeypatch.setattr(desk_module, "RESERVE_SECONDS", 0.01)

    class HangsTwice(LocalReservations):
        hangs = 2

        async def reserve(self, match: Match) -> Offer | None:
            self.hangs -= 1
            if self.hangs >= 0:
                await asyncio.Event().wait()
            return await super().reserve(match)

    async with house("101") as h:
        h.reservations = HangsTwice(h.agents)
        async with h.desk.join("call", "gangguan", datetime.now(UTC)) as place:
            offer = await asyncio.wait_for(h.desk.next_offer(place), SOON)
            h.desk.settle(offer, OfferResult.ANSWERED)
        h.settled_once()
