"""A whole visit to 123: notice, waiting, ringing, talking, recorded, journalled."""

from __future__ import annotations

from collections.abc import Callable

from native.ear import Ear
from pln_ivr.outcomes import OfferResult, Reason, Result
from tests.asterisk.sound import both_tones
from tests.asterisk.world import AGENT_HZ, CALLER_HZ, World, eventually


def test_caller_and_agent_talk_and_are_recorded(make_world: Callable[..., World]) -> None:
    world = make_world(["101", "102"])
    port = world.make_ready("101")
    with (
        Ear(world.agent_tone) as agent_ear,
        world.phones.answer("ag-101", port, after=1.0, talk=5.0, sound=agent_ear) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=60.0, sound=caller_ear) as caller,
    ):
        seen = caller.wait(90)
        agent.stop()
    assert seen.finals == {200: 1}
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
    assert (row.queue, row.agent, row.dialled) == ("gangguan", "101", "123")
    times = [row.started_at, row.answered_at, row.notice_heard_at, row.queued_at]
    times += [row.offered_at, row.talking_at, row.ended_at]
    assert times == sorted(times, key=lambda time: time.timestamp() if time else -1.0)
    assert [offer.result for offer in world.offers(row)] == [OfferResult.ANSWERED]
    assert caller_ear.packets > 50 * 8
    assert agent_ear.packets > 50 * 4
    both_tones(world.recording(row), left=CALLER_HZ, right=AGENT_HZ, seconds=5.0)
    filed = eventually(lambda: world.ended(1)[0].recording_seconds, 10, "the length's entry")
    assert filed is not None
    assert abs(filed - 5.0) < 1.0
    world.settled()
    assert world.pbx.complaints() == []
