"""Conduct incidents: each has its evidence, and what is nobody's fault makes none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pln_ivr.journal.records import IncidentRow
from pln_ivr.outcomes import IncidentKind, OfferResult, Review, TalkEnd
from pln_ivr.queues.conduct import Conduct
from pln_ivr.queues.offer import Offer

NOON = datetime(2026, 8, 4, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def rung(result: OfferResult | None, ringing_at: datetime | None = None) -> Offer:
    """An offer made at noon that ended 13 seconds later."""
    ended_at = at(13) if result else None
    return Offer(
        "o-1", "call-1", "gangguan", "101", NOON, ringing_at, ended_at=ended_at, result=result
    )


def hung_up() -> Offer:
    """A conversation that began ten seconds after noon, and whose agent ended it."""
    made = rung(OfferResult.ANSWERED, at(2))
    made.talking_at, made.recording = at(10), "archive:2026/08/04/call-1/o-1"
    made.talk_end = TalkEnd.AGENT_HUNG_UP
    return made


class Desk:
    """Whoever reads incidents."""

    def __init__(self) -> None:
        self.incidents: list[IncidentRow] = []
        self.conduct = Conduct("pln-1", self.incidents.append)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_missed_third_ring_is_an_incident_with_its_evidence(desk: Desk) -> None:
    desk.conduct.offer_ended(rung(OfferResult.MISSED, at(1.994)))
    (incident,) = desk.incidents
    assert incident.kind is IncidentKind.MISSED_THIRD_RING
    assert (incident.agent, incident.queue) == ("101", "gangguan")
    assert (incident.call_id, incident.offer_id, incident.node) == ("call-1", "o-1", "pln-1")
    assert (incident.happened_at, incident.rang_seconds) == (at(13), 11.01)
    assert (incident.review, incident.sequence) == (Review.NEW, 1), "evidence, not a verdict"
    assert incident.recording is None
    assert incident.spoke_seconds_before is None


def test_a_phone_that_never_rang_is_nobodys_fault(desk: Desk) -> None:
    desk.conduct.offer_ended(rung(OfferResult.MISSED))
    assert desk.incidents == []


@pytest.mark.parametrize(
    "result", [None, *(result for result in OfferResult if result is not OfferResult.MISSED)]
)
def test_an_offer_that_ended_in_another_way_makes_no_incident(
    desk: Desk, result: OfferResult | None
) -> None:
    desk.conduct.offer_ended(rung(result, at(2)))
    assert desk.incidents == []


@pytest.mark.parametrize(
    ("spoke_before", "found"),
    [(0.0, True), (0.9, True), (1.0, True), (1.1, False), (60.0, False), (None, False)],
)
def test_who_hangs_up_on_a_customer_who_speaks_or_has_just_spoken(
    desk: Desk, spoke_before: float | None, found: bool
) -> None:
    desk.conduct.agent_hung_up(hung_up(), spoke_before, at(70.004))
    assert bool(desk.incidents) == found
    if found:
        (incident,) = desk.incidents
        assert incident.kind is IncidentKind.HUNG_UP_ON_CUSTOMER
        assert (incident.agent, incident.queue) == ("101", "gangguan")
        assert (incident.call_id, incident.offer_id, incident.node) == ("call-1", "o-1", "pln-1")
        assert incident.spoke_seconds_before == spoke_before
        assert (incident.happened_at, incident.offset_seconds) == (at(70.004), 60.0)
        assert incident.recording == "archive:2026/08/04/call-1/o-1"
        assert incident.rang_seconds is None


def test_the_evidence_stands_without_a_recording_but_not_without_a_conversation(
    desk: Desk,
) -> None:
    offer = hung_up()
    offer.recording = None
    desk.conduct.agent_hung_up(offer, 0.0, at(70))
    assert [incident.recording for incident in desk.incidents] == [None]
    offer.talking_at = None
    desk.conduct.agent_hung_up(offer, 0.0, at(70))
    assert len(desk.incidents) == 1


def test_each_incident_is_one_of_its_own(desk: Desk) -> None:
    for _ in range(2):
        desk.conduct.offer_ended(rung(OfferResult.MISSED, at(2)))
    assert len({incident.incident_id for incident in desk.incidents}) == 2
