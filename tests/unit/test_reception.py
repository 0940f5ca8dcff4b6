"""Who was cut off keeps the place in the line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from pln_ivr.ari import Channel
from pln_ivr.calls.admission import ArrivalLimit, Door, Seats
from pln_ivr.calls.call import Call, Identity
from pln_ivr.calls.codes import AgentCodes
from pln_ivr.calls.house import House, Rules
from pln_ivr.calls.reception import Reception, Refusal
from pln_ivr.outcomes import REASONS, Outcome, Reason, Result
from pln_ivr.queues.lines import Returning
from tests.unit.making import arrival, channel, event

JOINED = datetime.now(UTC) - timedelta(seconds=300)
CUT_OFF = [
    Outcome(Result.ABANDONED, Reason.IN_WAITING),
    Outcome(Result.ABANDONED, Reason.IN_RINGING),
    Outcome(Result.ANSWERED, Reason.MEDIA_LOST),
    Outcome(Result.FAILED, Reason.PBX),
]
ALL = [Outcome(result, reason) for result in Result for reason in sorted(REASONS[result])]


async def place_after(outcome: Outcome, queue: str, dialled: str = "123") -> datetime | None:
    """The place of who dials again the number whose call ended so, in this queue."""
    returning = Returning(60.0)
    house = SimpleNamespace(returning=returning, tell=lambda _: None)
    rules = Rules("gangguan", {"622150123": "tagihan"})
    reception = Reception(
        cast(House, house),
        rules,
        Door(Seats(1), ArrivalLimit(0.0, lambda: 0.0), lambda: False),
        cast(AgentCodes, None),
        Refusal(17, "reject"),
        Identity("pln-1", "run-1"),
        lambda _: None,
    )
    call = Call.arriving(arrival("call", dialled, number="0812"), "pln-1", "run-1")
    call.queue, call.queued_at, call.place_at = queue, JOINED, JOINED
    caller = Channel("c-1", lambda _: None)
    caller.feed(event("ChannelDestroyed", channel=channel("c-1"), cause=16, cause_txt=""))
    await reception._end(call, caller, outcome)
    return returning.place("0812", rules.queue(dialled), datetime.now(UTC))


@pytest.mark.parametrize("outcome", ALL, ids=lambda one: f"{one.result}-{one.reason}")
async def test_who_did_not_get_what_they_waited_for_has_the_old_place(outcome: Outcome) -> None:
    assert await place_after(outcome, "gangguan") == (JOINED if outcome in CUT_OFF else None)


@pytest.mark.parametrize("dialled", ["123", "622150123"])
@pytest.mark.parametrize("queue", ["gangguan", "tagihan", "keluhan"])
async def test_so_has_who_overflowed_or_was_transferred_to_another_line_meanwhile(
    dialled: str, queue: str
) -> None:
    assert await place_after(CUT_OFF[0], queue, dialled) == JOINED
