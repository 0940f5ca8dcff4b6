"""The offer and its row in the journal."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from pln_ivr.journal import OfferRow
from pln_ivr.outcomes import OfferResult, TalkEnd
from pln_ivr.queues.offer import ADOPTED, Offer

NOON = datetime(2026, 8, 4, 12, tzinfo=UTC)


def whole() -> Offer:
    """An offer of which everything is known."""
    minutes = [NOON + timedelta(minutes=n) for n in range(6)]
    return Offer(
        id="o-1",
        call_id="call-1",
        queue="gangguan",
        agent="101",
        offered_at=minutes[0],
        ringing_at=minutes[1],
        ended_at=minutes[4],
        result=OfferResult.ANSWERED,
        talking_at=minutes[2],
        talked_until=minutes[3],
        talk_end=TalkEnd.TRANSFERRED,
        held_seconds=2.5,
        recording="archive:o-1.wav",
        recording_seconds=59.5,
        wrapped_up_at=minutes[5],
        disposition="selesai",
    )


def test_a_row_says_all_that_is_known_of_the_offer() -> None:
    offer = whole()
    row = offer.row("pln-1")
    assert (row.offer_id, row.node, row.sequence) == ("o-1", "pln-1", 1)
    defaults = {f.name: f.default for f in dataclasses.fields(OfferRow)}
    unsaid = [name for name, value in defaults.items() if getattr(row, name) == value]
    assert unsaid == [], "a column that the offer does not fill"


def test_each_row_is_the_next_version() -> None:
    offer = Offer.new("call-1", "gangguan", "101")
    assert [offer.row("pln-1").sequence for _ in range(3)] == [1, 2, 3]
    assert offer.row("pln-1").result is None
    assert Offer.new("call-1", "gangguan", "101").id != offer.id


def test_an_offer_of_an_earlier_run_goes_on_past_whatever_that_run_may_still_write() -> None:
    offer = whole()
    row = offer.row("pln-1")
    adopted = Offer.of(row)
    assert dataclasses.replace(adopted, sequence=1) == offer
    assert adopted.row("pln-1").sequence == row.sequence + ADOPTED + 1
