"""Every way a call can end; the phones are the referee."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from native.ear import Ear
from native.phones import Phone
from pln_ivr.journal import CallRow
from pln_ivr.outcomes import OfferResult, Reason, Result, Stage
from tests.asterisk.world import World, eventually


def until_stage(world: World, stage: Stage, seconds: float = 20.0) -> CallRow:
    """The newest call, once it is in this stage."""

    def look() -> CallRow | None:
        rows = [row for row in world.calls() if row.stage is stage]
        return rows[-1] if rows else None

    row = eventually(look, seconds, f"stage {stage}")
    assert row
    return row


def saw(phone: Phone, what: str) -> Callable[[], bool]:
    """Whether the phone has seen this."""
    return lambda: any(event.what == what for event in phone.events())


def test_caller_hangs_up_in_the_notice(make_world: Callable[..., World]) -> None:
    world = make_world(["101"])
    with world.phones.caller(hold=1.0) as caller:
        assert caller.wait().finals == {200: 1}
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_NOTICE)
    assert row.notice_heard_at is None
    world.settled()


def test_caller_hangs_up_while_waiting(make_world: Callable[..., World]) -> None:
    """Music is RTP like any other, and whoever comes into the empty room hears it again."""
    world = make_world(["101"])
    with world.phones.caller(hold=60.0) as caller:
        until_stage(world, Stage.WAITING)
        caller.hang_up()
    with Ear() as ear, world.phones.caller(hold=10.0, sound=ear) as caller:
        caller.wait()
    told, music = world.ended(2)
    for row in (told, music):
        assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_WAITING)
        assert row.notice_heard_at
        assert row.queue == "gangguan"
    assert ear.packets > 50 * 8
    assert len(set(ear.heard[-160 * 100 :])) > 10, "the music is silence"
    world.settled()


def test_caller_hangs_up_while_the_agent_is_rung(make_world: Callable[..., World]) -> None:
    world = make_world(["101"])
    port = world.make_ready("101")
    # The agent is rung for up to 11 s, at once after the notice.
    with world.phones.never("ag-101", port) as agent, world.phones.caller(hold=60.0) as caller:
        until_stage(world, Stage.RINGING)
        caller.hang_up()
        eventually(saw(agent, "cancelled"), 5, "the CANCEL at the agent's phone")
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_RINGING)
    assert [offer.result for offer in world.offers(row)] == [OfferResult.CALLER_GONE]
    assert world.metric("pln_ivr_agents", state="ready") == 1, "the agent must be free again"
    world.settled()


def test_caller_hangs_up_in_the_conversation(make_world: Callable[..., World]) -> None:
    world = make_world(["101"])
    port = world.make_ready("101")
    with (
        Ear(world.agent_tone) as agent_ear,
        world.phones.answer("ag-101", port, after=0.5, sound=agent_ear) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=8.0, sound=caller_ear) as caller,
    ):
        caller.wait()
        eventually(saw(agent, "remote-bye"), 5, "the BYE at the agent's phone")
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.CALLER_HUNG_UP)
    assert [offer.result for offer in world.offers(row)] == [OfferResult.ANSWERED]
    world.recording(row)
    assert world.metric("pln_ivr_agents", state="wrap_up") == 1
    world.settled()


@pytest.mark.parametrize("milliseconds", [1, 20, 300])
def test_caller_cancels_early(make_world: Callable[..., World], milliseconds: int) -> None:
    """Most early CANCELs lose the race against the answer; none may leak anything."""
    world = make_world(["101"])
    with world.phones.caller(hold=milliseconds / 1000, calls=20, rate=50) as callers:
        callers.wait()
    rows = world.ended(20)
    assert {row.outcome for row in rows} == {Result.ABANDONED}
    world.settled()


def test_agent_does_not_answer_and_the_next_one_does(make_world: Callable[..., World]) -> None:
    """The clock starts at the phone's ringing; the CANCEL comes at the end of the third ring."""
    world = make_world(["101", "102"], AGENTS__RING_DEADLINE_SECONDS="3")
    first, second = world.make_ready("101"), world.make_ready("102")
    with (
        world.phones.never("ag-101", first) as sleeper,
        world.phones.answer("ag-102", second, after=0.5, talk=2.0) as worker,
        world.phones.caller(hold=60.0) as caller,
    ):
        assert caller.wait(60).finals == {200: 1}
        worker.stop()
        eventually(saw(sleeper, "cancelled"), 5, "the CANCEL at the phone that was not answered")
    row = world.ended(1)[0]
    missed, answered = world.offers(row)
    assert (missed.agent, missed.result) == ("101", OfferResult.MISSED)
    assert (answered.agent, answered.result) == ("102", OfferResult.ANSWERED)
    assert row.agent == "102"
    assert missed.ringing_at
    assert missed.ended_at
    rung = (missed.ended_at - missed.ringing_at).total_seconds()
    assert 3.0 <= rung < 4.0
    world.settled()


def test_busy_and_unreachable_phones(make_world: Callable[..., World]) -> None:
    """486 is no missed call; nor is a phone that was switched off without a word."""
    world = make_world(["101", "102", "103"])
    busy, dead, good = (world.make_ready(agent) for agent in ("101", "102", "103"))
    assert dead  # registered and ready, but nothing listens at its port any more
    with (
        world.phones.reject("ag-101", busy) as rejecting,
        world.phones.answer("ag-103", good, after=0.2, talk=1.0) as agent,
        world.phones.caller(hold=60.0) as caller,
    ):
        caller.wait(60)
        agent.stop()
        rejecting.stop()
    row = world.ended(1)[0]
    results = {offer.agent: offer.result for offer in world.offers(row)}
    assert results == {
        "101": OfferResult.BUSY,
        "102": OfferResult.UNREACHABLE,
        "103": OfferResult.ANSWERED,
    }
    world.settled()


def test_two_calls_and_one_agent(make_world: Callable[..., World]) -> None:
    """First come, first served; the second is served when the first is done, never before."""
    world = make_world(["101"])
    port = world.make_ready("101")
    with (
        world.phones.answer("ag-101", port, after=0.2, talk=3.0, calls=2) as agent,
        world.phones.caller(hold=60.0, caller="0811") as first,
    ):
        time.sleep(1.0)  # the order of arrival is the point
        with world.phones.caller(hold=60.0, caller="0812") as second:
            first.wait(60)
            second.wait(60)
        agent.wait(60)
    one, two = world.ended(2)
    assert (one.caller, two.caller) == ("0811", "0812")
    assert {one.outcome, two.outcome} == {Result.ANSWERED}
    assert one.ended_at
    assert two.talking_at
    assert two.talking_at > one.ended_at
    world.settled()
