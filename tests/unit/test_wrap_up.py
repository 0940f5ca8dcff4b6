"""After the conversation: the agent's own time, and what the conversation came to."""

from __future__ import annotations

import asyncio

import pytest

from pln_ivr.outcomes import OfferResult, TalkEnd
from pln_ivr.queues import desk as desk_module
from pln_ivr.queues.agents import AgentState
from pln_ivr.queues.desk import Habits
from pln_ivr.queues.offer import Offer
from tests.fake_ari.world import eventually
from tests.unit.desks import SOON, house

WRAPPED = Habits(same_call=0.0, wrap_up=3600.0, unreachable=0.0)


async def test_a_wrap_up_ends_by_time_though_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "LOOK_AGAIN_SECONDS", 0.005)
    async with house("101", habits=Habits(wrap_up=0.02)) as h:
        async with h.place("first") as first:
            h.desk.settle(await h.talk(first), OfferResult.ANSWERED)
        assert h.states() == {AgentState.WRAP_UP: 1}
        assert [row.wrapped_up_at for row in h.rows] == [None]
        async with h.place("second") as second:
            offer = await h.offer(second)
            assert h.rows[0].wrapped_up_at, "not before the wrap-up was over"
            h.desk.settle(offer, OfferResult.MISSED)
        h.settled_once()


async def test_dialling_ready_ends_the_wrap_up_and_the_next_call_comes() -> None:
    async with house("101", habits=WRAPPED) as h:
        async with h.place("first") as first:
            h.desk.settle(await h.talk(first), OfferResult.ANSWERED)
        async with h.place("second") as second:
            waiting = asyncio.create_task(h.desk.next_offer(second))
            for _ in range(5):
                await asyncio.sleep(0)
            assert not waiting.done()
            assert h.desk.end_wrap_up("101", None, "*11")
            assert not h.desk.end_wrap_up("101", None, "*11")
            h.desk.settle(await asyncio.wait_for(waiting, SOON), OfferResult.MISSED)
        assert [row.disposition for row in h.rows] == [None, None]
        h.settled_once()


@pytest.mark.parametrize("when", ["talking", "wrap_up", "ready"])
async def test_what_a_conversation_came_to_is_said_during_it_or_after(when: str) -> None:
    async with house("101", habits=WRAPPED) as h:
        assert not h.desk.end_wrap_up("101", "selesai", "*131"), "of which conversation?"
        async with h.place() as place:
            offer = await h.talk(place)
            if when == "talking":
                assert h.desk.end_wrap_up("101", "selesai", "*131")
                assert h.states() == {AgentState.TALKING: 1}
            h.desk.settle(offer, OfferResult.ANSWERED)
        if when == "ready":
            assert h.desk.end_wrap_up("101", None, "*11")
        if when != "talking":
            assert h.desk.end_wrap_up("101", "selesai", "*131")
            assert h.states() == {AgentState.READY: 1}
        else:
            assert h.states() == {AgentState.WRAP_UP: 1}
            assert h.desk.end_wrap_up("101", None, "*11")
        assert [row.disposition for row in h.rows] == ["selesai"]
        assert h.desk.end_wrap_up("101", "tindak-lanjut", "*132"), "and may be corrected"
        assert [row.disposition for row in h.rows] == ["tindak-lanjut"]
        h.settled_once()


async def test_who_takes_over_a_conversation_has_done_with_the_one_before() -> None:
    async with house("101", habits=WRAPPED) as h:
        async with h.place() as place:
            first = await h.talk(place)
            h.desk.settle(first, OfferResult.ANSWERED)
        assert h.states() == {AgentState.WRAP_UP: 1}
        second = Offer.new("other", "gangguan", "101")
        h.desk.tell(second)
        h.desk.adopt(second)
        h.desk.begin_talking(second)
        assert first.wrapped_up_at
        assert h.states() == {AgentState.TALKING: 1}
        h.desk.settle(second, OfferResult.ANSWERED, TalkEnd.CALLER_HUNG_UP)
        assert second.wrapped_up_at is None
        assert h.desk.end_wrap_up("101", None, "*11")
        assert second.wrapped_up_at
        h.settled_once()


async def test_who_leaves_the_roster_in_the_wrap_up_is_through_with_it_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desk_module, "LOOK_AGAIN_SECONDS", 0.005)
    async with house("101", habits=Habits(wrap_up=0.05)) as h:
        async with h.place() as place:
            h.desk.settle(await h.talk(place), OfferResult.ANSWERED)
        h.agents.apply({})
        await eventually(lambda: h.rows[0].wrapped_up_at, "the end of the wrap-up")
        assert h.agents.get("101") is None
