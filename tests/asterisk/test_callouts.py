"""An agent calls the customer of the last conversation, at real phones."""

from __future__ import annotations

from collections.abc import Callable

from native.pbx import free_port
from pln_ivr.journal import CallRow
from pln_ivr.outcomes import Direction, OfferResult, Reason, Result, TalkEnd
from tests.asterisk.softphone import Softphone
from tests.asterisk.sound import channels, seconds_of_tone
from tests.asterisk.talk import SITI, Talk
from tests.asterisk.world import SECRET, World, eventually

AGAIN = 990
"""The tone of the customer's phone when it is called."""


def after_a_talk(talks: Callable[..., Talk], **env: str) -> tuple[Talk, Softphone]:
    """A conversation that is over, and the customer's phone, which can be called now."""
    port = free_port()
    talk = talks(OUTBOUND__GATEWAY=f"127.0.0.1:{port}", **env)
    talk.customer.hang_up()
    talk.world.ended(1)
    return talk, talk.enter(Softphone("08120001111", talk.world.pbx.sip_port, AGAIN, port))


def dial_14(world: World) -> None:
    result = world.phones.dial_code("ag-101", SECRET, "*14", free_port())
    assert result.finals[200] == 1, result


def placed(world: World, number: int) -> CallRow:
    """That call of those that were placed, once it has ended."""
    rows = world.ended(1 + number)
    return [row for row in rows if row.direction is Direction.OUTBOUND][number - 1]


def test_the_agent_calls_the_customer_and_they_talk(talks: Callable[..., Talk]) -> None:
    talk, called = after_a_talk(talks, AGENTS__WRAP_UP_SECONDS="60")
    called.ring_seconds = 2.0
    dial_14(talk.world)
    assert called.answered.wait(15)
    assert talk.world.seats() == 1
    assert talk.agent.hears(AGAIN, within=20), "after the notice"
    assert called.hears(SITI)
    called.hang_up()
    row = placed(talk.world, 1)
    assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.CALLER_HUNG_UP)
    (first,) = [other for other in talk.world.calls() if other.direction is Direction.INBOUND]
    assert (row.caller, row.queue, row.regarding) == (first.caller, first.queue, first.call_id)
    assert row.notice_heard_at
    assert row.queued_at is None
    (offer,) = talk.world.offers(row)
    assert (offer.result, offer.talk_end) == (OfferResult.ANSWERED, TalkEnd.CALLER_HUNG_UP)
    customer, agent = channels(talk.world.recording(row))
    assert seconds_of_tone(customer, AGAIN) > 0.5
    assert seconds_of_tone(agent, SITI) > 0.5
    talk.ended()


def test_a_customer_who_is_not_there_is_told_apart(talks: Callable[..., Talk]) -> None:
    talk, called = after_a_talk(talks, OUTBOUND__RING_SECONDS="2")
    world = talk.world
    cases = [
        ("486 Busy Here", 0.3, Reason.CUSTOMER_BUSY),
        ("603 Decline", 0.3, Reason.CUSTOMER_NO_ANSWER),
        ("404 Not Found", 0.3, Reason.CUSTOMER_UNREACHABLE),
        ("", 60.0, Reason.CUSTOMER_NO_ANSWER),
    ]
    for number, (refusal, rings, reason) in enumerate(cases, 1):
        called.refusal, called.ring_seconds = refusal, rings
        dial_14(world)
        row = placed(world, number)
        assert (row.outcome, row.reason) == (Result.UNREACHED, reason)
        (offer,) = world.offers(row)
        assert (offer.result, offer.talking_at, row.recording) == (
            OfferResult.NOT_REACHED,
            None,
            None,
        )
        assert called.calls == number
    assert called.ended.wait(5), "the ringing was withdrawn"
    world.settled()


def test_an_agent_who_leaves_takes_the_call_along(talks: Callable[..., Talk]) -> None:
    talk, called = after_a_talk(talks)
    world = talk.world
    called.ring_seconds = 60.0
    dial_14(world)
    eventually(lambda: called.calls, 15, "the customer's ringing")
    talk.agent.hang_up()
    assert called.ended.wait(5)
    row = placed(world, 1)
    assert (row.outcome, row.reason) == (Result.UNREACHED, Reason.AGENT_GONE)
    talk.agent.refusal = "603 Decline"
    dial_14(world)
    row = placed(world, 2)
    assert (row.outcome, row.reason) == (Result.UNREACHED, Reason.AGENT_GONE)
    assert world.offers(row)[0].result is OfferResult.DECLINED
    assert called.calls == 1, "nobody is rung for an agent who is not there"
    world.settled()


def test_a_crash_while_the_customer_is_rung_leaves_nothing(talks: Callable[..., Talk]) -> None:
    talk, called = after_a_talk(talks)
    world = talk.world
    called.ring_seconds = 60.0
    dial_14(world)
    eventually(lambda: called.calls, 15, "the customer's ringing")
    world.app.kill()
    world.app.wait()
    world.start_app()
    assert called.ended.wait(10), "nobody is called for a program that is gone"
    row = placed(world, 1)
    assert row.outcome is Result.UNREACHED
    eventually(lambda: world.seats() == 0, 10, "return of every seat")
    eventually(lambda: world.channels() == 0, 10, "the end of every channel")
