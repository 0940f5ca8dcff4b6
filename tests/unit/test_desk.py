"""The desk in a real event loop, with reservations that behave, and with hostile ones."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from pln_ivr.errors import PlnIvrError
from pln_ivr.outcomes import OfferResult, TalkEnd
from pln_ivr.queues import desk as desk_module
from pln_ivr.queues.agents import MISSED, Agents, AgentState, Wish
from pln_ivr.queues.choice import Claim, Match
from pln_ivr.queues.desk import Habits
from pln_ivr.queues.offer import LocalReservations, Offer
from pln_ivr.queues.roster import Role, RosterEntry
from tests.fake_ari.world import eventually
from tests.unit.desks import BILLING, OUTAGE, SOON, WORK, House, house, roster


async def test_a_waiting_call_gets_the_agent_and_gives_her_back() -> None:
    async with house("101") as h:
        async with h.place() as place:
            offer = await h.offer(place)
            assert (offer.agent, offer.call_id, offer.queue) == ("101", "call", "gangguan")
            assert h.states() == {AgentState.OFFERED: 1}
            assert h.desk.waiting() == {"gangguan": 1}
            h.desk.begin_talking(offer)
            assert h.states() == {AgentState.TALKING: 1}
            assert h.desk.waiting() == {}
            h.desk.settle(offer, OfferResult.ANSWERED, TalkEnd.CALLER_HUNG_UP)
            h.desk.settle(offer, OfferResult.FAILED)
        (row,) = h.rows
        assert (row.result, row.talk_end) == (OfferResult.ANSWERED, TalkEnd.CALLER_HUNG_UP)
        assert row.talking_at
        assert row.ended_at
        assert row.wrapped_up_at
        assert row.talking_at <= row.ended_at <= row.wrapped_up_at
        assert row.talked_until == row.ended_at
        h.settled_once()


async def test_an_agent_who_comes_later_is_offered_at_once() -> None:
    async with house() as h, h.place() as place:
        waiting = asyncio.create_task(h.desk.next_offer(place))
        await asyncio.sleep(0)
        h.hire(roster("101"))
        offer = await asyncio.wait_for(waiting, SOON)
        h.desk.settle(offer, OfferResult.MISSED)


async def test_a_change_that_nobody_told_is_noticed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desk_module, "LOOK_AGAIN_SECONDS", 0.01)
    async with house("101") as h, h.place() as place:
        h.agents.set_reachable("101", False)
        waiting = asyncio.create_task(h.desk.next_offer(place))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        h.agents.set_reachable("101", True)
        h.desk.settle(await asyncio.wait_for(waiting, SOON), OfferResult.MISSED)


async def test_a_call_keeps_its_place_after_a_missed_offer_and_goes_to_another_agent() -> None:
    async with house("101", "102", habits=Habits(same_call=3600.0)) as h:
        async with h.place("first") as first:
            offer = await h.offer(first)
            h.pause("102")
            async with h.place("second") as second:
                h.desk.settle(offer, OfferResult.MISSED)
                waiting = asyncio.create_task(h.desk.next_offer(first))
                other = await h.offer(second)
                assert other.agent == "101", "the first call avoids who missed it"
                assert not waiting.done()
                h.ready("102")
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
    async with house("101", habits=Habits(unreachable=3600.0, same_call=0.0)) as h:
        async with h.place() as place:
            h.desk.settle(await h.offer(place), result)
        agent = h.agents.get("101")
        assert agent
        assert agent.state is AgentState.READY
        assert agent.accepts(Claim.LINE, asyncio.get_running_loop().time()) is not spared


async def test_a_caller_who_leaves_as_the_offer_arrives_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house("101") as h:
        async with h.place() as place:
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


async def test_a_call_goes_to_who_can_do_it_and_the_better_one_first() -> None:
    async with house() as h:
        h.hire(roster("101", gangguan=1) | roster("102", gangguan=5) | roster("103", tagihan=9))
        async with h.place("first") as first, h.place("second") as second:
            assert (await h.offer(first)).agent == "102"
            assert (await h.offer(second)).agent == "101"
        async with h.place("bill", BILLING) as place:
            assert (await h.offer(place)).agent == "103"


async def test_a_call_for_one_agent_waits_for_that_one() -> None:
    async with house("101", "102") as h, h.place(only="102") as place:
        h.pause("102")
        waiting = asyncio.create_task(h.desk.next_offer(place))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert h.desk.standing("call") is None, "in no order of a line"
        h.ready("102")
        assert (await asyncio.wait_for(waiting, SOON)).agent == "102"


async def test_a_supervisor_who_is_not_ready_takes_calls_by_name_only() -> None:
    async with house() as h:
        h.hire({"901": RosterEntry("901", "Chief", {"gangguan": 9}, Role.SUPERVISOR)})
        h.agents.wish("901", Wish.LOGGED_OUT, "*10")
        async with h.place("any") as anybody, h.place("named", only="901") as named:
            waiting = asyncio.create_task(h.desk.next_offer(anybody))
            offer = await h.offer(named)
            assert offer.agent == "901"
            assert not waiting.done()
            h.desk.begin_talking(offer)
            h.desk.settle(offer, OfferResult.ANSWERED)
            assert h.states() == {AgentState.LOGGED_OUT: 1}
            asked = await h.desk.engage("call", OUTAGE, "901", Claim.NAMED)
            assert asked
            h.desk.settle(asked, OfferResult.NO_ANSWER)
            waiting.cancel()
        h.settled_once()


async def test_an_agents_own_wish_needs_a_free_phone_only_and_ends_the_wrap_up() -> None:
    async with house("101", habits=Habits(wrap_up=3600.0)) as h, h.place() as place:
        offer = await h.talk(place)
        assert await h.desk.engage("own", OUTAGE, "101", Claim.OWN) is None, "talking"
        h.desk.settle(offer, OfferResult.ANSWERED)
        assert h.states() == {AgentState.WRAP_UP: 1}
        assert await h.desk.engage("own", OUTAGE, "101", Claim.NAMED) is None
        own = await h.desk.engage("own", OUTAGE, "101", Claim.OWN)
        assert own
        assert [row.wrapped_up_at is None for row in h.rows] == [False]
        h.agents.wish("101", Wish.LOGGED_OUT, "*10")
        h.desk.settle(own, OfferResult.NO_ANSWER)
        again = await h.desk.engage("own", OUTAGE, "101", Claim.OWN)
        assert again, "whatever the agent wishes of the lines"
        h.desk.settle(again, OfferResult.NO_ANSWER)
        h.settled_once()


async def test_only_missed_rings_pause_an_agent_and_the_last_of_them_at_once() -> None:
    habits = Habits(unreachable=0.0, same_call=0.0, pause_after_misses=2)
    async with house("101", habits=habits) as h, h.place() as place:
        for result in (OfferResult.MISSED, OfferResult.BUSY, OfferResult.DECLINED):
            h.desk.settle(await h.offer(place), result)
            assert h.states() == {AgentState.READY: 1}
        h.desk.settle(await h.offer(place), OfferResult.MISSED)
        agent = h.agents.get("101")
        assert agent
        assert (agent.state, agent.pause) == (AgentState.PAUSED, MISSED)


async def test_a_consultation_takes_a_free_agent_or_nobody() -> None:
    async with house("101", "102") as h, h.place() as place:
        talking = await h.talk(place)
        other = "102" if talking.agent == "101" else "101"
        assert await h.desk.engage("call", OUTAGE, talking.agent, Claim.NAMED) is None
        assert await h.desk.engage("call", OUTAGE, "999", Claim.NAMED) is None
        h.pause(other)
        assert await h.desk.engage("call", OUTAGE, other, Claim.NAMED) is None
        h.ready(other)
        asked = await h.desk.engage("call", OUTAGE, other, Claim.NAMED)
        assert asked
        assert (asked.agent, asked.call_id) == (other, "call")
        assert h.states() == {AgentState.TALKING: 1, AgentState.OFFERED: 1}
        h.desk.settle(asked, OfferResult.MISSED)
        h.desk.settle(talking, OfferResult.ANSWERED)
        h.settled_once()


async def test_hold_is_the_state_of_the_agent_who_talks() -> None:
    async with house("101") as h, h.place() as place:
        offer = await h.talk(place)
        h.desk.hold(offer, True)
        assert h.states() == {AgentState.ON_HOLD: 1}
        h.desk.hold(offer, False)
        assert h.states() == {AgentState.TALKING: 1}
        h.desk.settle(offer, OfferResult.ANSWERED)
        h.desk.hold(offer, True)
        assert h.states() == {AgentState.READY: 1}, "a late word of a conversation that is over"


@pytest.mark.parametrize("talked", [False, True])
async def test_an_offer_that_died_with_an_earlier_run_is_told_and_holds_nobody(
    talked: bool,
) -> None:
    async with house("101") as h:
        offer = Offer.new("call", "gangguan", "101")
        offer.talking_at = offer.offered_at if talked else None
        h.desk.lost(offer)
        (row,) = h.rows
        assert row.result is (OfferResult.ANSWERED if talked else OfferResult.FAILED)
        assert (row.talk_end, row.talked_until) == (
            (TalkEnd.UNSEEN, row.ended_at) if talked else (None, None)
        )
        assert h.states() == {AgentState.READY: 1}


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
        async with h.place() as place:
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
        async with h.place() as place:
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
        async with h.place() as place:
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

    def release(self, offer: Offer, pause: float, wrap_up: float) -> None:
        assert self._bound.get(offer.agent) == offer.id, "released twice or by a stranger"
        del self._bound[offer.agent]
        self._inner.release(offer, pause, wrap_up)


async def caller(h: House, name: str, dice: random.Random) -> str:
    """Waits, talks or misses, gives up now and then; returns how it ended."""
    async with h.place(name, dice.choice([OUTAGE, BILLING])) as place:
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
    habits = Habits(unreachable=0.0, same_call=0.0, wrap_up=0.002)
    async with house("101", habits=habits) as h:
        h.hire(roster("102", tagihan=1) | roster("103", gangguan=1, tagihan=2))
        h.reservations = hostile = Hostile(h.agents, seed)
        ends = Counter(await asyncio.gather(*(caller(h, f"call-{n}", dice) for n in range(40))))
        assert ends["starved"] == 0
        assert ends["talked"] > 5
        await eventually(lambda: len(h.rows) == hostile.given, "an offer was never settled")
        await eventually(lambda: not WORK & set(h.states()), "the end of the last wrap-up")
        talks = [row for row in h.rows if row.talking_at]
        assert all(row.wrapped_up_at for row in talks)
        assert {row.queue for row in talks} == {"gangguan", "tagihan"}, "this seed proves little"
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
        async with h.place() as place:
            offer = await h.offer(place)
            h.desk.settle(offer, OfferResult.ANSWERED)
        h.settled_once()
