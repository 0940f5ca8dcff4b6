"""Journeys against the fake: whoever goes or fails at whatever moment, nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pln_ivr.config.agents import Agents
from pln_ivr.outcomes import OfferResult, Reason, Result
from pln_ivr.queues.agents import Wish
from tests.archiving import recordings_of
from tests.fake_ari.earlier import nobody_ready
from tests.fake_ari.server import Asked, Fault, Json
from tests.fake_ari.world import World, eventually, world

CALLER = "caller-1"
MOST = 54
"""More requests and events than one call ever makes; the loops below end before."""


async def test_a_whole_call(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fake.call()
        row = await w.nothing_left()
        assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
        assert row.notice_heard_at
        assert row.talking_at
        assert row.agent == "101"
        (offer,) = w.rows.offers
        assert offer.result is OfferResult.ANSWERED
        assert offer.ringing_at
        await eventually(lambda: w.rows.calls[-1].recording_seconds, "the recording")
        assert w.rows.calls[-1].recording_seconds == 1.0
        assert w.rows.calls[-1].outcome is Result.ANSWERED
        (file,) = recordings_of(tmp_path / "archive", row.recording)
        assert file.suffix == ".opus"
        assert len(w.fake.requests) < MOST


async def test_a_seat_is_kept_until_asterisk_has_no_such_channel_any_more(tmp_path: Path) -> None:
    """Or the next caller would come in while the last one is being taken down: 721."""
    async with world(tmp_path) as w:
        nobody_ready(w)
        caller = w.fake.call()
        await eventually(lambda: w.stage == "waiting", "the line")
        w.fake.send("ChannelHangupRequest", channel=caller.json(), cause=16)
        await eventually(lambda: not w.app.desk.waiting(), "the place in the line")
        await asyncio.sleep(0.05)
        assert w.app.seats.held() == {caller.id}
        w.fake.hang_up(caller.id)
        await eventually(lambda: not w.app.seats.held(), "the seat")
        assert (await w.nothing_left()).outcome is Result.ABANDONED


async def test_a_bridge_that_is_gone_when_two_are_to_meet_is_made_again(tmp_path: Path) -> None:
    """Asterisk may still be taking down the one of the conversation before, of the same name."""
    async with world(tmp_path) as w:

        def vanish(asked: Asked) -> None:
            if asked.path.startswith("bridges/talk-") and asked.path.endswith("addChannel"):
                w.fake.before = lambda _: None
                w.fake.bridges = {
                    name: kind
                    for name, kind in w.fake.bridges.items()
                    if not name.startswith("talk-")
                }

        w.fake.before = vanish
        w.fake.call()
        await eventually(lambda: w.stage == "talking", "the conversation")
        w.fake.hang_up(CALLER)
        assert (await w.nothing_left()).outcome is Result.ANSWERED
        assert [offer.result for offer in w.rows.offers] == [OfferResult.ANSWERED]


Hangs = Callable[[World, int], None]


def before_request(w: World, number: int) -> None:
    """The caller hangs up as the request arrives: Asterisk knows no such channel."""

    def before(asked: Asked) -> None:
        if asked.number == number:
            w.fake.hang_up(CALLER)

    w.fake.before = before


def before_answer(w: World, number: int) -> None:
    """The caller hangs up when the request was carried out: the event overtakes the answer."""

    def carried_out(asked: Asked) -> None:
        if asked.number == number:
            w.fake.hang_up(CALLER)

    w.fake.carried_out = carried_out


def after_answer(w: World, number: int) -> None:
    """The caller hangs up right after the answer."""

    def answered(asked: Asked) -> None:
        if asked.number == number:
            w.fake.hang_up(CALLER)

    w.fake.answered = answered


def after_event(w: World, number: int) -> None:
    """The caller hangs up right after an event."""
    then = w.fake.on_event

    def on_event(count: int, event: Json) -> None:
        then(count, event)
        if count == number:
            w.fake.hang_up(CALLER)

    w.fake.on_event = on_event


@pytest.mark.parametrize("hangs", [before_request, before_answer, after_answer, after_event])
async def test_a_caller_who_goes_at_any_moment_leaves_nothing_behind(
    tmp_path: Path, hangs: Hangs
) -> None:
    reasons = set()
    for number in range(MOST):
        async with world(tmp_path / str(number)) as w:
            hangs(w, number)
            w.fake.call()
            row = await w.nothing_left()
            assert row.outcome in (Result.ABANDONED, Result.ANSWERED), number
            assert (row.outcome is Result.ANSWERED) == (row.talking_at is not None), number
            talks = [offer for offer in w.rows.offers if offer.result is OfferResult.ANSWERED]
            assert len(talks) == (row.talking_at is not None), "journal tells two stories"
            reasons.add(row.reason)
            if row.reason is Reason.AGENT_HUNG_UP and CALLER not in _far_ends(w):
                break  # the call is over before its caller would have gone
    else:
        pytest.fail("the call never came to its own end")
    assert reasons >= {Reason.IN_NOTICE, Reason.IN_RINGING, Reason.AGENT_HUNG_UP}


@pytest.mark.parametrize("hangs", [before_request, before_answer, after_answer, after_event])
async def test_a_caller_who_goes_while_nobody_is_ready_leaves_nothing_behind(
    tmp_path: Path, hangs: Hangs
) -> None:
    for number in range(MOST):
        async with world(tmp_path / str(number)) as w:
            for extension in ("101", "102"):
                w.app.agents.wish(extension, Wish.PAUSED, "*12")
            hangs(w, number)
            w.fake.call()
            await eventually(lambda: not w.fake.channels or _in_room(w), "the music")
            stayed = CALLER in w.fake.channels
            w.fake.hang_up(CALLER)
            row = await w.nothing_left()
            assert row.outcome is Result.ABANDONED, number
            assert not w.rows.offers
            if stayed:
                assert row.reason is Reason.IN_WAITING
                break
    else:
        pytest.fail("the caller never came to wait")


@pytest.mark.parametrize("hangs", [before_request, before_answer, after_answer, after_event])
async def test_a_caller_who_goes_while_offers_are_missed_leaves_nothing_behind(
    tmp_path: Path, hangs: Hangs
) -> None:
    for number in range(MOST):
        agents = Agents(ring_deadline_seconds=0.01)
        async with world(tmp_path / str(number), agents=agents) as w:
            w.fake.on_originate = w.agent_rings
            hangs(w, number)
            w.fake.call()
            await eventually(
                lambda: CALLER not in w.fake.channels or _both_missed(w), "two missed offers"
            )
            stayed = CALLER in w.fake.channels
            w.fake.hang_up(CALLER)
            row = await w.nothing_left()
            assert row.outcome is Result.ABANDONED, number
            assert {offer.result for offer in w.rows.offers} <= {
                OfferResult.MISSED,
                OfferResult.CALLER_GONE,
            }
            if stayed:
                break
    else:
        pytest.fail("the caller never came to wait")


def _both_missed(w: World) -> bool:
    return len(w.rows.offers) == 2 and w.stage == "waiting" and not w.legs()


def _in_room(w: World) -> bool:
    """The caller hears music, and we know it."""
    return w.ari.follows(CALLER) and w.ari.channel(CALLER).bridge_id == "wait-gangguan"


def _far_ends(w: World) -> set[str]:
    """Who hung up at the phone."""
    return {
        event["channel"]["id"]
        for event in w.fake.events
        if event["type"] == "ChannelHangupRequest" and not event.get("soft")
    }


FAULTS = {
    "500": Fault(status=500, message="Internal error"),
    "404": Fault(status=404),
    "409": Fault(status=409, message="Channel not in Stasis application"),
    "lost": Fault(silent=True),
    "done but unanswered": Fault(silent=True, done=True),
}


def at(number: int, fault: Fault) -> Callable[[Asked], Fault | None]:
    """This fault at this request only."""
    return lambda asked: fault if asked.number == number else None


@pytest.mark.parametrize("name", FAULTS)
async def test_asterisk_failing_at_any_request_harms_nothing_but_that_call(
    tmp_path: Path, name: str
) -> None:
    for number in range(MOST):
        async with world(tmp_path / str(number), request_seconds=0.15) as w:
            w.fake.fault = at(number, FAULTS[name])
            w.fake.call()
            row = await w.ended()
            hit = w.fake.requests[w.fake._first_request :][number:]
            what = f"{name} at {number}: {hit[0] if hit else 'nothing'}"
            w.nothing_held()
            assert row.outcome is not Result.REJECTED, what
            assert (row.outcome is Result.ANSWERED) == (row.talking_at is not None), what
            await _gone_after_reconnecting(w)
            if not hit:
                assert row.reason is Reason.AGENT_HUNG_UP
                break
    else:
        pytest.fail("the call never came to its own end")


async def _gone_after_reconnecting(w: World) -> None:
    """What a refused request left in Asterisk is cleared at the next connection.

    Except for a phone that rings: Asterisk's own limit ends that.
    """
    for leg in w.legs():
        if not leg.app_data:
            w.fake.hang_up(leg.id)
    w.fake.fault = lambda _: None
    w.fake.hang_up(CALLER)
    connections = w.fake.connections
    w.fake.cut()
    await eventually(lambda: w.fake.connections > connections and w.ari.ready, "reconnection")
    await eventually(lambda: not w.fake.channels, f"the end of {w.fake.channels}")
    assert not [bridge for bridge in w.fake.bridges if bridge.startswith("talk-")]
    w.nothing_held()


async def test_the_connection_cut_at_any_request_ends_in_order(tmp_path: Path) -> None:
    for number in range(MOST):
        async with world(tmp_path / str(number), request_seconds=0.3) as w:
            w.fake.fault = at(number, Fault(cut=True))
            w.fake.call()
            row = await w.ended()
            hit = w.fake.requests[w.fake._first_request :][number:]
            assert row.outcome in (Result.ANSWERED, Result.FAILED), number
            w.nothing_held()
            await _gone_after_reconnecting(w)
            if not hit:
                break
    else:
        pytest.fail("the call never came to its own end")
