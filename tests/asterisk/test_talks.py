"""What agents and supervisors can do in a conversation, heard at the phones."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pln_ivr.outcomes import OfferResult, Reason, Result, TalkEnd
from tests.asterisk.sound import channels, seconds_of_tone
from tests.asterisk.talk import BUDI, CHIEF, CUSTOMER, SITI, Talk
from tests.asterisk.world import eventually


def test_on_hold_the_customer_hears_music_and_the_recording_goes_on(
    talks: Callable[..., Talk],
) -> None:
    talk = talks()
    talk.agent.hold()
    eventually(lambda: talk.world.metric("pln_ivr_agents", state="on_hold") == 1, 5, "the state")
    assert talk.customer.loses(SITI), "the words and the music of the hold instead"
    time.sleep(2)
    assert talk.customer.loses(SITI, within=0.5)
    talk.agent.hold(False)
    assert talk.customer.hears(SITI)
    assert talk.agent.hears(CUSTOMER)
    talk.ended()
    (row,) = talk.world.ended(1)
    (offer,) = eventually(
        lambda: [o for o in talk.world.offers(row) if o.recording_seconds], 10, "the recording"
    )
    assert offer.held_seconds > 1
    assert offer.talk_end is TalkEnd.CALLER_HUNG_UP
    customer, agent = channels(talk.world.recording(row))
    assert seconds_of_tone(customer, CUSTOMER) > offer.held_seconds, "recorded through the hold"
    assert seconds_of_tone(agent, SITI) > 0.5


def test_keys_send_the_customer_on_to_another_agent(talks: Callable[..., Talk]) -> None:
    talk = talks("102")
    other = talk.phone("102", BUDI)
    talk.agent.press("*2102#")
    assert talk.agent.ended.wait(5), "the first agent is out"
    assert talk.customer.hears(BUDI, within=15)
    assert other.hears(CUSTOMER)
    talk.ended()
    (row,) = talk.world.ended(1)
    assert (row.outcome, row.agent) == (Result.ANSWERED, "102")
    told = [(o.agent, o.result, o.talk_end) for o in talk.world.offers(row)]
    assert told == [
        ("101", OfferResult.ANSWERED, TalkEnd.TRANSFERRED),
        ("102", OfferResult.ANSWERED, TalkEnd.CALLER_HUNG_UP),
    ]
    eventually(
        lambda: all(o.recording_seconds for o in talk.world.offers(row)), 15, "both recordings"
    )


def test_a_transfer_that_is_refused_changes_nothing(talks: Callable[..., Talk]) -> None:
    talk = talks("102")
    talk.agent.press("*2102#")  # not ready
    talk.agent.press("*2199#")  # no such agent
    talk.agent.press("*4*5")  # consults nobody
    assert talk.customer.hears(SITI)
    assert not talk.agent.ended.is_set()
    talk.ended()


def test_a_queue_takes_the_customer_who_is_sent_on_to_it(talks: Callable[..., Talk]) -> None:
    talk = talks()
    talk.agent.press("*21#")  # gangguan: nobody else serves it, so 101 gets the customer again
    assert talk.customer.loses(SITI)
    assert talk.customer.hears(SITI, within=15)
    talk.ended()
    (row,) = talk.world.ended(1)
    assert [o.agent for o in talk.world.offers(row)] == ["101", "101"]


def test_a_colleague_is_consulted_and_takes_the_customer(talks: Callable[..., Talk]) -> None:
    talk = talks("102")
    other = talk.phone("102", BUDI)
    talk.agent.press("*3102#")
    assert talk.agent.hears(BUDI, within=10)
    assert other.hears(SITI)
    assert talk.customer.loses(SITI), "the customer is aside"
    talk.agent.press("*4")
    assert talk.agent.ended.wait(5)
    assert talk.customer.hears(BUDI)
    assert other.hears(CUSTOMER)
    other.hang_up()
    (row,) = talk.world.ended(1)
    assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
    ends = [(o.agent, o.talk_end) for o in talk.world.offers(row)]
    assert ends == [("101", TalkEnd.TRANSFERRED), ("102", TalkEnd.AGENT_HUNG_UP)]
    talk.ended()


@pytest.mark.parametrize("who", ["key", "colleague", "agent", "customer"])
def test_a_consultation_that_ends_otherwise(talks: Callable[..., Talk], who: str) -> None:
    talk = talks("102")
    other = talk.phone("102", BUDI)
    talk.agent.press("*3102#")
    assert talk.agent.hears(BUDI, within=10)
    match who:
        case "key":
            talk.agent.press("*5")
        case "colleague":
            other.hang_up()
        case "agent":
            talk.agent.hang_up()
        case "customer":
            talk.customer.hang_up()
    if who in ("key", "colleague"):
        assert talk.customer.hears(SITI)
        assert talk.agent.hears(CUSTOMER)
    assert other.ended.wait(5)
    talk.ended()
    (row,) = talk.world.ended(1)
    assert row.outcome is Result.ANSWERED
    assert dict((o.agent, o.talk_end) for o in talk.world.offers(row))["102"] is TalkEnd.CONSULTED


def test_a_colleague_who_does_not_pick_up_has_missed_nothing(
    talks: Callable[..., Talk],
) -> None:
    talk = talks("102", AGENTS__RING_DEADLINE_SECONDS="1.5", AGENTS__PAUSE_AFTER_MISSES="1")
    other = talk.phone("102", BUDI)
    other.ring_seconds = 60.0
    talk.agent.press("*3102#")
    assert other.ended.wait(15), "rung, and given up"
    assert other.calls == 1
    assert talk.customer.hears(SITI)
    assert talk.agent.hears(CUSTOMER)
    talk.ended()
    (row,) = talk.world.ended(1)
    results = {offer.agent: offer.result for offer in talk.world.offers(row)}
    assert results["102"] is OfferResult.NO_ANSWER
    assert talk.world.metric("pln_ivr_agents", state="paused") == 0
    assert talk.world.metric("pln_ivr_conduct_incidents_total", kind="missed_third_ring") == 0


@pytest.mark.parametrize("keys", ["*2901#", "*3901#"])
def test_a_supervisor_who_takes_no_calls_takes_this_one(
    talks: Callable[..., Talk], keys: str
) -> None:
    talk = talks("901")
    chief = talk.phone("901", CHIEF, ready=False)
    talk.agent.press(keys)
    if keys.startswith("*3"):
        assert talk.agent.hears(CHIEF, within=10)
        talk.agent.press("*4")
    assert talk.agent.ended.wait(10)
    assert talk.customer.hears(CHIEF, within=15)
    assert chief.hears(CUSTOMER)
    talk.ended()
    (row,) = talk.world.ended(1)
    ends = [(offer.agent, offer.talk_end) for offer in talk.world.offers(row)]
    assert ends == [("101", TalkEnd.TRANSFERRED), ("901", TalkEnd.CALLER_HUNG_UP)]


def test_a_white_flag_brings_a_supervisor_whom_the_agent_alone_hears(
    talks: Callable[..., Talk],
) -> None:
    talk = talks("901", AGENTS__FLAG_RINGS_SUPERVISORS="true")
    chief = talk.phone("901", CHIEF, ready=False)
    talk.agent.press("*9")
    assert chief.answered.wait(10)
    assert talk.agent.hears(CUSTOMER, CHIEF)
    assert chief.hears(CUSTOMER, SITI)
    assert talk.customer.hears(SITI), "the customer hears nothing of it"
    chief.hang_up()
    assert talk.agent.hears(CUSTOMER)
    talk.agent.press("*9")
    eventually(lambda: talk.world.metric("pln_ivr_white_flags_total", result="helped") == 1, 5)
    talk.ended()
    (row,) = talk.world.ended(1)
    customer, _ = channels(talk.world.recording(row))
    assert seconds_of_tone(customer, CHIEF) == 0, "a whisper is in no recording of the customer"
