"""What makes a conduct incident, at the phones, and what makes none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pln_ivr.journal import IncidentRow, JournalReader
from pln_ivr.outcomes import IncidentKind, OfferResult, TalkEnd
from tests.asterisk.softphone import Softphone
from tests.asterisk.world import SECRET, World, eventually

CUSTOMER, SITI = 440, 660


@pytest.fixture
def phones() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def incidents(world: World) -> list[IncidentRow]:
    with JournalReader(world.journal_url) as reader:
        return reader.incidents()


def agent_of(world: World, phones: ExitStack) -> Softphone:
    port = world.make_ready("101")
    return phones.enter_context(Softphone("ag-101", world.pbx.sip_port, SITI, port))


def customer_of(world: World, phones: ExitStack) -> Softphone:
    customer = phones.enter_context(Softphone("08120001111", world.pbx.sip_port, CUSTOMER))
    assert customer.call("123") == 200
    return customer


def test_hanging_up_on_a_customer_who_speaks_is_an_incident(
    make_world: Callable[..., World], phones: ExitStack
) -> None:
    world = make_world(["101"])
    agent, customer = agent_of(world, phones), customer_of(world, phones)
    assert customer.hears(SITI, within=20)
    assert agent.hears(CUSTOMER)
    agent.hang_up()
    (incident,) = eventually(lambda: incidents(world), 5, "the incident")
    (row,) = world.ended(1)
    (offer,) = world.offers(row)
    assert incident.kind is IncidentKind.HUNG_UP_ON_CUSTOMER
    assert (incident.agent, incident.call_id, incident.offer_id) == (
        "101",
        row.call_id,
        offer.offer_id,
    )
    assert incident.spoke_seconds_before == 0
    assert incident.recording == offer.recording == row.recording
    assert offer.talking_at
    assert incident.offset_seconds
    assert 0 < incident.offset_seconds <= (incident.happened_at - offer.talking_at).seconds + 1
    assert offer.talk_end is TalkEnd.AGENT_HUNG_UP
    world.settled()


def test_hanging_up_on_a_customer_who_has_finished_is_none(
    make_world: Callable[..., World], phones: ExitStack
) -> None:
    world = make_world(["101"])
    agent, customer = agent_of(world, phones), customer_of(world, phones)
    assert customer.hears(SITI, within=20)
    assert agent.hears(CUSTOMER)
    customer.be_silent()
    assert agent.loses(CUSTOMER)
    assert not agent.hears(CUSTOMER, within=3), "silent for longer than the rule's second"
    agent.hang_up()
    (row,) = world.ended(1)
    assert world.offers(row)[0].talk_end is TalkEnd.AGENT_HUNG_UP
    world.settled()
    assert incidents(world) == []


@pytest.mark.parametrize("seconds", [9.0, 10.9])
def test_who_answers_by_the_third_ring_has_missed_nothing(
    make_world: Callable[..., World], phones: ExitStack, seconds: float
) -> None:
    """The ring begins late, which is not the agent's time: the clock is the phone's own."""
    world = make_world(["101"])
    agent = agent_of(world, phones)
    agent.rings_after, agent.ring_seconds = 2.0, seconds
    customer = customer_of(world, phones)
    assert customer.hears(SITI, within=30)
    customer.hang_up()
    (row,) = world.ended(1)
    assert [offer.result for offer in world.offers(row)] == [OfferResult.ANSWERED]
    assert incidents(world) == []
    world.settled()


def test_who_answers_after_the_third_ring_is_not_there_any_more(
    make_world: Callable[..., World], phones: ExitStack
) -> None:
    world = make_world(["101"])
    agent = agent_of(world, phones)
    agent.ring_seconds = 11.5
    customer = customer_of(world, phones)
    (incident,) = eventually(lambda: incidents(world), 40, "the incident")
    assert agent.ended.wait(5), "the ringing was withdrawn"
    assert incident.rang_seconds == pytest.approx(11.0, abs=0.4)
    customer.hang_up()
    (row,) = world.ended(1)
    assert world.offers(row)[0].result is OfferResult.MISSED
    world.settled()


def test_a_phone_that_is_not_registered_is_not_rung(
    make_world: Callable[..., World], phones: ExitStack
) -> None:
    world = make_world(["101"])
    port = world.make_ready("101")
    assert world.phones.register("ag-101", SECRET, port, expires=0).finals[200] == 1
    unreachable = {"name": "pln_ivr_agents", "state": "ready_unreachable"}
    eventually(lambda: world.metric(**unreachable) == 1, 5, "the end of the registration")
    agent = phones.enter_context(Softphone("ag-101", world.pbx.sip_port, SITI, port))
    customer = customer_of(world, phones)
    eventually(lambda: world.metric("pln_ivr_waiting_calls", queue="gangguan") == 1, 20, "the line")
    time.sleep(2)  # two looks of the desk
    assert agent.calls == 0
    customer.hang_up()
    (row,) = world.ended(1)
    assert world.offers(row) == []
    assert incidents(world) == []
    world.settled()


def test_a_third_ring_missed_is_an_incident_and_the_third_of_them_a_pause(
    make_world: Callable[..., World], phones: ExitStack
) -> None:
    world = make_world(["101"], AGENTS__RING_DEADLINE_SECONDS="2", AGENTS__PAUSE_AFTER_MISSES="1")
    agent = agent_of(world, phones)
    agent.ring_seconds = 2.6
    customer = customer_of(world, phones)
    (incident,) = eventually(lambda: incidents(world), 20, "the incident")
    assert incident.kind is IncidentKind.MISSED_THIRD_RING
    assert incident.rang_seconds == pytest.approx(2.0, abs=0.4)
    assert (incident.recording, incident.agent) == (None, "101")
    eventually(lambda: world.metric("pln_ivr_agents", state="paused") == 1, 5, "the pause")
    customer.hang_up()
    world.settled()
    assert agent.calls == 1


@pytest.mark.parametrize(
    ("refusal", "result"),
    [
        ("486 Busy Here", OfferResult.BUSY),
        ("480 Temporarily Unavailable", OfferResult.UNREACHABLE),
        ("603 Decline", OfferResult.DECLINED),
        ("", OfferResult.UNREACHABLE),  # never rings at all
    ],
)
def test_a_phone_that_does_not_ring_is_nobodys_fault(
    make_world: Callable[..., World], phones: ExitStack, refusal: str, result: OfferResult
) -> None:
    world = make_world(["101"], AGENTS__DIAL_DEADLINE_SECONDS="2")
    agent = agent_of(world, phones)
    agent.refusal, agent.rings_after = refusal, math.inf
    customer = customer_of(world, phones)
    eventually(lambda: agent.calls, 20, "the offer")
    eventually(lambda: world.metric("pln_ivr_offer_seconds_count", result=result), 10, result)
    customer.hang_up()
    (row,) = world.ended(1)
    assert world.offers(row)[0].result is result
    assert incidents(world) == []
    assert world.metric("pln_ivr_agents", state="paused") == 0
    world.settled()
