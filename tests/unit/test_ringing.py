"""Ringing: whose time is whose, around the deadline."""

from __future__ import annotations

import asyncio
from typing import cast

from pln_ivr.ari import Channel, Client
from pln_ivr.outcomes import OfferResult
from pln_ivr.queues.offer import Offer
from pln_ivr.queues.phones import Phones
from pln_ivr.queues.ringing import Ring, RingTimes, ring
from tests.unit.making import arrival, channel, event

DEADLINE = 0.1


class Dials:
    """Asterisk, as far as ringing asks it for anything."""

    async def originate(self, *_: object, **__: object) -> None: ...

    def address(self, extension: str) -> str:
        return extension


async def rung(*moments: tuple[float, str]) -> OfferResult:
    """What becomes of an offer whose leg tells so much, so late (in deadlines)."""
    leg, caller = Channel("agent-1", lambda _: None), Channel("c-1", lambda _: None)
    dials = Dials()
    ringing = asyncio.create_task(
        ring(
            cast(Client, dials),
            cast(Phones, dials),
            Offer.new("call", "gangguan", "101"),
            leg,
            Ring(caller, "", "recording"),
            RingTimes(dial=5.0, ring=DEADLINE),
        )
    )
    loop = asyncio.get_running_loop()
    for at, what in moments:
        told = (
            arrival("agent", channel_id="agent-1")
            if what == "enters"
            else event("ChannelStateChange", channel=channel("agent-1", what))
        )
        loop.call_later(at * DEADLINE, leg.feed, told)
    return await asyncio.wait_for(ringing, 10)


async def test_who_picks_up_by_the_deadline_is_in_time_however_long_the_dialplan_takes() -> None:
    assert await rung((0, "Ringing"), (0.5, "Up"), (1.5, "enters")) is OfferResult.ANSWERED


async def test_who_picks_up_after_it_is_not() -> None:
    assert await rung((0, "Ringing"), (3, "Up"), (3.1, "enters")) is OfferResult.MISSED
