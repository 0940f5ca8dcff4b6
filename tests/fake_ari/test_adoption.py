"""Adoption: what an earlier run began goes on, once, and what belongs to nobody is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pln_ivr.calls.call import ADOPTED
from pln_ivr.outcomes import OfferResult, Reason, Result, Stage
from tests.fake_ari.earlier import (
    CALL,
    CALLER,
    LEG,
    OFFER,
    ROOMS,
    agent_state,
    caller,
    conversation,
    disconnect,
    in_line,
    leg,
    nobody_ready,
    offer,
    reconnect,
    row,
    seats,
    store,
    talking,
)
from tests.fake_ari.server import Asked, FakeChannel
from tests.fake_ari.world import World, eventually, world


def in_no_room(w: World) -> None:
    """A caller who is in the application and in no bridge."""
    caller(w.fake)


# -- calls of an earlier run ----------------------------------------------------------------


async def test_who_waits_keeps_the_place_and_the_music(tmp_path: Path) -> None:
    store(tmp_path, row())
    async with world(tmp_path, before=in_line) as w:
        assert seats(w) == {CALLER}
        await eventually(lambda: w.stage == "waiting", "the line")
        assert w.app.desk.waiting() == {"gangguan": 1}
        assert w.fake.channels[CALLER].bridge == "wait-gangguan"
        assert not w.asked("POST", f"channels/{CALLER}/answer")
        assert not w.asked("POST", f"channels/{CALLER}/play")
        w.agents_ready()
        ended = await w.ended()
        assert (ended.outcome, ended.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
        assert (ended.call_id, ended.queued_at) == (CALL, row().queued_at)
        assert ended.sequence > row().sequence + ADOPTED, "past what the earlier run may write"
        assert seats(w) == set()


async def test_who_was_being_greeted_hears_the_whole_notice(tmp_path: Path) -> None:
    """The prompt that still plays is stopped; who was answered is not answered again."""
    greeted = row(stage=Stage.NOTICE, notice_heard_at=None, queued_at=None, queue=None)
    store(tmp_path, greeted)
    async with world(tmp_path, before=in_no_room) as w:
        ended = await w.ended()
        stopped = w.fake.requests
        assert f"DELETE playbacks/notice-earlier-run-{CALLER}" in map(str, stopped)
        assert [a for a in stopped if f"{CALLER}/play/notice-" in a.path]
        assert not w.asked("POST", f"channels/{CALLER}/answer")
        assert ended.notice_heard_at
        assert ended.answered_at == greeted.answered_at


async def test_a_conversation_goes_on_to_its_end(tmp_path: Path) -> None:
    store(tmp_path, talking(), offer())
    async with world(tmp_path, before=conversation) as w:
        assert seats(w) == {CALLER}
        await eventually(lambda: agent_state(w) == "talking", "the agent's state")
        assert {channel.bridge for channel in w.fake.channels.values()} == {f"talk-{CALL}"}
        w.fake.hang_up(LEG)
        ended = await w.ended()
        assert (ended.call_id, ended.agent) == (CALL, "101")
        assert (ended.outcome, ended.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
        await eventually(lambda: w.rows.calls[-1].recording_seconds == 2.0, "the recording")
        (settled,) = w.rows.offers
        assert (settled.offer_id, settled.result) == (OFFER, OfferResult.ANSWERED)
        assert agent_state(w) == "wrap_up"
        await eventually(lambda: not w.fake.channels, "the end of the legs")
        assert f"talk-{CALL}" not in w.fake.bridges
        assert seats(w) == set()


async def test_a_conversation_whose_rows_died_with_the_run_gets_new_ones(tmp_path: Path) -> None:
    """The ids are in the names of the bridge and of the leg, the agent in the leg's own."""
    async with world(tmp_path, before=conversation) as w:
        assert seats(w) == {CALLER}
        assert agent_state(w) == "talking"
        w.fake.hang_up(CALLER)
        ended = await w.ended()
        assert (ended.call_id, ended.caller, ended.agent) == (CALL, "0812", "101")
        assert (ended.outcome, ended.reason) == (Result.ANSWERED, Reason.CALLER_HUNG_UP)
        assert [settled.offer_id for settled in w.rows.offers] == [OFFER]


async def test_a_caller_whom_the_agent_left_while_nobody_looked_is_let_go(tmp_path: Path) -> None:
    def alone(w: World) -> None:
        conversation(w)
        w.fake.lose(LEG)

    store(tmp_path, talking(), offer())
    async with world(tmp_path, before=alone) as w:
        ended = await w.ended()
        assert (ended.outcome, ended.reason) == (Result.ANSWERED, Reason.UNSEEN)
        await eventually(lambda: not w.fake.channels, "the end of the caller's leg")
        assert f"talk-{CALL}" not in w.fake.bridges
        assert seats(w) == set()
        await eventually(lambda: not w.app.recorder.filing, "the recording")
        assert list((tmp_path / "archive").rglob("*.opus"))


async def test_an_offer_that_rang_is_settled_and_the_caller_is_offered_again(
    tmp_path: Path,
) -> None:
    def rings(w: World) -> None:
        caller(w.fake, "wait-gangguan")
        w.fake.add(FakeChannel(LEG, "Ringing", name="PJSIP/ag-101-00000001"))

    store(tmp_path, row(stage=Stage.RINGING, agent="101"), offer())
    async with world(tmp_path, before=rings) as w:
        ended = await w.ended()
        assert ended.outcome is Result.ANSWERED
        assert [(o.offer_id == OFFER, o.result) for o in w.rows.offers] == [
            (True, OfferResult.FAILED),
            (False, OfferResult.ANSWERED),
        ]
        assert w.rows.offers[0].sequence > offer().sequence
        assert "DELETE channels/agent-offer-1" in map(str, w.fake.requests)


async def test_an_offer_of_the_earlier_run_is_settled_at_the_first_connection_only(
    tmp_path: Path,
) -> None:
    store(tmp_path, offer(call_id="of a call that has ended"))
    async with world(tmp_path) as w:
        assert [settled.result for settled in w.rows.offers] == [OfferResult.FAILED]
        await reconnect(w, await disconnect(w))
        assert len(w.rows.offers) == 1


async def test_a_channel_whose_row_is_closed_is_hung_up(tmp_path: Path) -> None:
    """The earlier run had refused or ended the call, and its last request was lost."""
    refused = row(outcome=Result.REJECTED, reason=Reason.FULL, cause=17, stage=Stage.ENDED)
    store(tmp_path, refused)
    async with world(tmp_path, before=in_no_room) as w:
        await eventually(lambda: not w.fake.channels, "the end of the channel")
        (asked,) = [a for a in w.fake.requests if str(a) == f"DELETE channels/{CALLER}"]
        assert asked.query == {"reason_code": "17"}
        assert seats(w) == set()
        assert w.rows.calls == [], "its story has been told"


# -- what belongs to nobody -----------------------------------------------------------------


async def test_unknown_legs_codes_and_bridges_are_cleared_and_nothing_else(tmp_path: Path) -> None:
    def left_behind(w: World) -> None:
        leg(w.fake, "talk-of-nobody")
        leg(w.fake, "", "agent-offer-2")
        code = FakeChannel("code", "Up", app_data="pln_ivr,code,*11,ag-101")
        stranger = FakeChannel("stranger", "Up", context="default")
        for channel in (code, stranger):
            w.fake.add(channel)
        w.fake.bridges |= {"talk-empty": "mixing", "of-somebody-else": "mixing"}

    async with world(tmp_path, before=left_behind) as w:
        assert set(w.fake.channels) == {"stranger"}
        assert set(w.fake.bridges) == {*ROOMS, "of-somebody-else"}
        assert seats(w) == set()
        assert not w.rows.calls


async def test_a_conversation_of_this_run_is_not_cleared_at_a_reconnection(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fake.on_event = lambda *_: None
        w.fake.call()
        await eventually(lambda: w.stage == "talking", "the conversation")
        await reconnect(w, await disconnect(w))
        await reconnect(w, await disconnect(w))
        assert len(w.fake.channels) == 2
        assert [bridge for bridge in w.fake.bridges if bridge.startswith("talk-")]
        w.fake.hang_up(CALLER)
        ended = await w.nothing_left()
        assert ended.reason is Reason.CALLER_HUNG_UP


# -- events that were lost ------------------------------------------------------------------


async def test_a_caller_whose_arrival_was_lost_is_served(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        connections = await disconnect(w)
        w.fake.call()
        await reconnect(w, connections)
        await w.app.upkeep.look()
        ended = await w.nothing_left()
        assert ended.outcome is Result.ANSWERED
        assert ended.notice_heard_at
        assert not w.app.upkeep.repairs


async def test_who_arrives_as_the_connection_is_made_is_not_taken_for_a_fault(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        connections = await disconnect(w)

        def arrives(asked: Asked) -> None:
            if str(asked) == "GET bridges" and CALLER not in w.fake.ever:
                w.fake.call()

        w.fake.carried_out = arrives
        await reconnect(w, connections)
        await w.app.upkeep.look()
        ended = await w.nothing_left()
        assert ended.outcome is Result.ANSWERED
        assert not w.app.upkeep.repairs


@pytest.mark.parametrize("stage", ["waiting", "talking"])
async def test_a_caller_whose_end_was_lost_leaves_at_the_reconnection(
    tmp_path: Path, stage: str
) -> None:
    """How it ended is in Asterisk's list of calls: no end is made up here."""
    async with world(tmp_path, before=nobody_ready if stage == "waiting" else lambda _: None) as w:
        w.fake.on_event = lambda *_: None
        w.fake.call()
        await eventually(lambda: w.stage == stage, stage)
        await eventually(lambda: w.fake.channels[CALLER].bridge, "the bridge")
        connections = await disconnect(w)
        w.fake.lose(CALLER)
        await reconnect(w, connections)
        await eventually(lambda: not w.app.reception.calls, "the end of the call")
        assert seats(w) == set()
        assert w.app.desk.waiting() == {}
        assert not [last for last in w.rows.calls if last.outcome]
        await eventually(lambda: not w.fake.channels, "the end of the agent's leg")


async def test_calls_that_died_with_asterisk_failed(tmp_path: Path) -> None:
    async with world(tmp_path, before=nobody_ready) as w:
        w.fake.call()
        await eventually(lambda: w.fake.channels[CALLER].bridge, "the music")
        connections = await disconnect(w)
        w.fake.lose(CALLER)
        w.fake.bridges.clear()
        w.fake.startup_time = "2026-11-23T13:00:00.000+0700"
        await reconnect(w, connections)
        ended = await w.nothing_left()
        assert (ended.outcome, ended.reason) == (Result.FAILED, Reason.PBX)
        assert "wait-gangguan" in w.fake.bridges, "the room is there again"
