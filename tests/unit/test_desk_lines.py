"""What the desk says of its lines: who waits, where, for how long, and whether there is room."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pln_ivr.outcomes import OfferResult
from pln_ivr.queues.desk import Habits
from pln_ivr.queues.lines import Line
from tests.unit.desks import BILLING, OUTAGE, SOON, house, roster


async def test_who_talks_stands_in_no_line() -> None:
    short = Line("gangguan", frozenset({"gangguan"}), length=1)
    async with house("101") as h, h.place("first", short) as first:
        offer = await h.offer(first)
        assert h.desk.is_full(short), "who is only rung may come back"
        h.desk.begin_talking(offer)
        assert not h.desk.is_full(short)
        assert h.desk.standing("first") is None
        async with h.place("second", short):
            standing = h.desk.standing("second")
            assert standing
            assert standing.position == 1
            assert [place.call_id for place in h.desk.places()] == ["second"]
            h.desk.settle(offer, OfferResult.ANSWERED)
            assert h.desk.waiting() == {"gangguan": 1}


async def test_a_line_is_full_at_its_length_and_one_without_a_length_never() -> None:
    short = Line("gangguan", frozenset({"gangguan"}), length=2)
    async with house() as h, h.place("one", short), h.place("bill", BILLING):
        assert not h.desk.is_full(short)
        async with h.place("two", short):
            assert h.desk.is_full(short)
            assert not h.desk.is_full(OUTAGE)
        assert not h.desk.is_full(short)
        assert h.desk.waiting() == {"gangguan": 1, "tagihan": 1}


async def test_who_joined_first_stands_first_whoever_came_first() -> None:
    """As after a restart, or for who was cut off and is back."""
    before = datetime.now(UTC) - timedelta(seconds=60)
    async with (
        house() as h,
        h.place("came-first"),
        h.place("bill", BILLING),
        h.desk.join("was-cut-off", OUTAGE, before),
    ):
        places = [place.call_id for place in h.desk.places()]
        assert places == ["was-cut-off", "came-first", "bill"]
        standings = [h.desk.standing(name) for name in places]
        told = {place.call_id: standing for place, standing in h.desk.standings()}
        assert [told[name] for name in places] == standings, "all in one look, or one by one"
        assert [at.position for at in standings if at] == [1, 2, 1]
        assert h.desk.standing("nobody") is None


async def test_the_expected_wait_is_known_after_the_first_conversation() -> None:
    async with house("101", "102") as h:
        async with h.place("first") as first:
            offer = await h.offer(first)
            offer.talking_at = datetime.now(UTC) - timedelta(seconds=100)
            h.desk.begin_talking(offer)
            async with h.place("second"):
                standing = h.desk.standing("second")
                assert standing
                assert standing.expected is None
                h.desk.settle(offer, OfferResult.ANSWERED)
                standing = h.desk.standing("second")
                assert standing
                assert standing.expected == pytest.approx(50, abs=1), "two agents, 100 s a call"
                h.hire(roster("103", tagihan=9))
                assert h.desk.expected_wait(OUTAGE, 2) == pytest.approx(100, abs=1)
                h.pause("101")
                assert h.desk.expected_wait(OUTAGE, 3) == pytest.approx(300, abs=1)
                h.agents.set_reachable("102", False)
                assert h.desk.expected_wait(OUTAGE, 3) is None, "nobody works"
                assert h.desk.expected_wait(BILLING, 1) is None
        assert {agent.extension for agent in h.desk.able(OUTAGE)} == {"101", "102"}
        assert {agent.extension for agent in h.desk.able(BILLING)} == {"103"}


async def test_who_has_waited_long_goes_before_a_higher_priority() -> None:
    outage = Line("gangguan", frozenset({"gangguan"}), priority=1)
    billing = Line("tagihan", frozenset({"gangguan"}))
    before = datetime.now(UTC) - timedelta(seconds=250)
    async with (
        house(habits=Habits(ageing=120.0)) as h,
        h.place("outage", outage),
        h.desk.join("bill", billing, before),
    ):
        assert [place.call_id for place in h.desk.places()] == ["bill", "outage"]
        waiting = {p.call_id: asyncio.create_task(h.desk.next_offer(p)) for p in h.desk.places()}
        for _ in range(3):
            await asyncio.sleep(0)
        h.hire(roster("101"))
        assert (await asyncio.wait_for(waiting["bill"], SOON)).agent == "101"
        waiting["outage"].cancel()
    async with house() as h, h.place("outage", outage), h.desk.join("bill", billing, before):
        assert [place.call_id for place in h.desk.places()] == ["outage", "bill"]
