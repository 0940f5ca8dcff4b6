"""Callers whom Asterisk serves by itself: counted, taken back, and told of once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pln_ivr.config.node import Drain
from pln_ivr.outcomes import Reason, Result, Stage
from tests.fake_ari.earlier import (
    BEGAN,
    CALL,
    CALLER,
    agent_state,
    disconnect,
    nobody_ready,
    outside,
    reconnect,
    row,
    seats,
    store,
)
from tests.fake_ari.server import Asked, FakeChannel
from tests.fake_ari.world import World, eventually, world

SINCE = str(int(BEGAN.timestamp()))
MEMBERS = "PJSIP/ag-101,PJSIP/ag-102"


def comes_back(w: World, channel_id: str = CALLER) -> None:
    """The native queue is closed: the dialplan hands the caller to the application."""
    w.fake.enter_app(w.fake.channels[channel_id], "return", "123", SINCE)


def calls(w: World) -> set[str]:
    """The ids of all calls that the journal was told of."""
    return {row.call_id for row in w.rows.calls}


def served_outside(w: World) -> None:
    """A caller is in the native queue; nobody is ready here."""
    nobody_ready(w)
    outside(w.fake)


def paused(w: World) -> dict[str, str]:
    """Whether each member of the native queue rests."""
    return {
        name.split(",")[2].rstrip(")"): value
        for name, value in w.fake.globals.items()
        if name.startswith("QUEUE_MEMBER(fallback,paused,")
    }


# -- who is outside of the application ------------------------------------------------------


async def test_who_is_served_by_asterisk_has_a_seat_until_the_end(tmp_path: Path) -> None:
    async with world(tmp_path, before=served_outside, capacity=1) as w:
        assert seats(w) == {CALLER}
        assert w.app.reception.calls == 0
        w.fake.call("another")
        await eventually(lambda: "another" not in w.fake.channels, "the refusal")
        w.fake.hang_up(CALLER)
        await eventually(lambda: not seats(w), "the seat")
        assert calls(w) == {w.rows.calls[0].call_id}, "its story is in Asterisk's list of calls"
        assert w.rows.calls[0].channel_id == "another"


async def test_who_comes_back_keeps_the_seat_and_the_place(tmp_path: Path) -> None:
    async with world(tmp_path, before=served_outside) as w:
        comes_back(w)
        await eventually(lambda: w.stage == "waiting", "the line")
        assert seats(w) == {CALLER}
        assert w.app.desk.waiting() == {"gangguan": 1}
        w.agents_ready()
        ended = await w.nothing_left()
        assert ended.outcome is Result.ANSWERED
        assert ended.queued_at == ended.answered_at == datetime.fromtimestamp(int(SINCE), UTC)
        assert not w.asked("POST", "/answer")
        assert not [a for a in w.asked("POST", "/play/") if "notice" in a.path], "heard there"


async def test_who_comes_back_and_was_not_counted_has_a_seat_in_a_full_house_too(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, before=nobody_ready, capacity=0) as w:
        outside(w.fake)
        comes_back(w)
        await eventually(lambda: w.stage == "waiting", "the line")
        assert seats(w) == {CALLER}
        w.fake.hang_up(CALLER)
        ended = await w.nothing_left()
        assert (ended.outcome, ended.reason) == (Result.ABANDONED, Reason.IN_WAITING)


async def test_an_end_outside_that_nobody_told_us_of_is_found_by_upkeep(tmp_path: Path) -> None:
    async with world(tmp_path, before=served_outside) as w:
        w.fake.lose(CALLER)
        await w.app.upkeep.look()
        await eventually(lambda: not seats(w), "the seat")
        assert not w.ari.follows(CALLER)


async def test_an_agents_phone_that_asterisks_queue_uses_gets_no_offer(tmp_path: Path) -> None:
    def busy(w: World) -> None:
        outside(w.fake)
        w.fake.add(FakeChannel("member", "Up", context="fallback", name="PJSIP/ag-101-00000007"))

    async with world(tmp_path, before=busy) as w:
        assert agent_state(w) == "talking"
        assert seats(w) == {CALLER}, "an agent's leg is no customer"
        w.fake.hang_up("member")
        await eventually(lambda: agent_state(w) == "ready", "the phone")


async def test_an_agents_phone_whose_end_was_lost_is_free_after_the_reconnection(
    tmp_path: Path,
) -> None:
    def busy(w: World) -> None:
        w.fake.add(FakeChannel("member", "Up", context="fallback", name="PJSIP/ag-101-00000007"))

    async with world(tmp_path, before=busy) as w:
        connections = await disconnect(w)
        w.fake.lose("member")
        await reconnect(w, connections)
        await w.app.upkeep.look()
        assert agent_state(w) == "ready"


# -- one caller, one call -------------------------------------------------------------------


async def test_who_comes_back_after_a_restart_is_still_the_same_call(tmp_path: Path) -> None:
    """The earlier run had this caller, died, and the lease expired."""
    store(tmp_path, row())
    async with world(tmp_path, before=served_outside) as w:
        comes_back(w)
        await eventually(lambda: w.stage == "waiting", "the line")
        w.fake.hang_up(CALLER)
        await w.ended()
        assert calls(w) == {CALL}


def between_list_and_events(w: World, what: str) -> None:
    """Do this to the caller once Asterisk has listed its channels at the next connection."""
    listed = 0

    def carried_out(asked: Asked) -> None:
        nonlocal listed
        listed += str(asked) == "GET bridges"
        if listed == 2 and str(asked) == "GET bridges":  # the first is of the client itself
            if what == "return":
                comes_back(w)
            else:
                w.fake.enter_app(w.fake.channels[CALLER], "call", "123")

    w.fake.carried_out = carried_out


@pytest.mark.parametrize("what", ["call", "return"])
async def test_who_comes_in_as_the_connection_is_made_is_one_call(
    tmp_path: Path, what: str
) -> None:
    async with world(tmp_path, before=nobody_ready) as w:
        connections = await disconnect(w)
        outside(w.fake)
        between_list_and_events(w, what)
        await reconnect(w, connections)
        await eventually(lambda: w.stage == "waiting", "the line")
        w.fake.hang_up(CALLER)
        await eventually(lambda: not w.app.reception.calls, "the end")
        assert len(calls(w)) == 1


async def test_who_was_just_arriving_when_the_channels_were_listed_is_a_new_caller(
    tmp_path: Path,
) -> None:
    def arriving(w: World) -> None:
        w.fake.add(FakeChannel(CALLER, "Ring", caller="0812", context="customer"))

    async with world(tmp_path, before=arriving) as w:
        w.fake.enter_app(w.fake.channels[CALLER], "call", "123")
        ended = await w.ended()
        assert ended.outcome is Result.ANSWERED
        assert w.asked("POST", f"channels/{CALLER}/answer")
        assert [a for a in w.asked("POST", "/play/") if "notice" in a.path]


async def test_who_was_adopted_is_not_admitted_once_more(tmp_path: Path) -> None:
    """The caller's return is told between the WebSocket and the list, and is in both."""
    store(tmp_path, row())
    async with world(tmp_path, before=nobody_ready) as w:
        connections = await disconnect(w)
        outside(w.fake)

        def first_request(asked: Asked) -> None:
            if str(asked) == "GET asterisk/info":
                comes_back(w)

        w.fake.before = first_request
        await reconnect(w, connections)
        await eventually(lambda: w.stage == "waiting", "the line")
        assert w.app.reception.calls == 1
        w.fake.hang_up(CALLER)
        await eventually(lambda: not w.app.reception.calls, "the end")


# -- leases ---------------------------------------------------------------------------------


async def test_a_caller_whose_lease_expired_comes_back_as_the_same_call(tmp_path: Path) -> None:
    """Asterisk did not hear from us in time and serves the caller: no end, no second call."""
    async with world(tmp_path, before=nobody_ready) as w:
        w.fake.call()
        await eventually(lambda: w.fake.channels[CALLER].bridge == "wait-gangguan", "the music")
        w.fake.lease_expires(CALLER)
        await eventually(lambda: w.app.reception.leases_expired == 1, "the expired lease")
        await eventually(lambda: w.app.desk.waiting() == {}, "the line without the caller")
        assert seats(w) == {CALLER}
        w.agents_ready()
        await asyncio.sleep(0.05)
        assert not w.legs(), "whom Asterisk serves is not offered to anybody"
        comes_back(w)
        ended = await w.nothing_left()
        assert ended.outcome is Result.ANSWERED
        assert len(calls(w)) == 1
        assert len([a for a in w.asked("POST", "/play/") if "notice" in a.path]) == 1


@pytest.mark.parametrize("lost", [False, True])
async def test_whoever_hangs_up_there_leaves_the_end_to_asterisks_list(
    tmp_path: Path, lost: bool
) -> None:
    async with world(tmp_path, before=nobody_ready) as w:
        w.fake.call()
        await eventually(lambda: w.fake.channels[CALLER].bridge == "wait-gangguan", "the music")
        w.fake.lease_expires(CALLER)
        await eventually(lambda: w.app.reception.leases_expired == 1, "the expired lease")
        if lost:
            w.fake.lose(CALLER)
            await w.app.upkeep.look()
        else:
            w.fake.hang_up(CALLER)
        await eventually(lambda: not w.app.reception.calls, "the end")
        assert seats(w) == set()
        assert w.rows.calls[-1].stage is Stage.WAITING
        assert w.rows.calls[-1].outcome is None


async def test_a_lease_that_expires_in_a_prompt_or_while_a_phone_rings_is_no_end(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.fake.on_originate = w.agent_rings
        w.fake.call()
        await eventually(lambda: w.stage == "ringing", "the ringing")
        w.fake.lease_expires(CALLER)
        await eventually(lambda: not w.legs(), "the end of the ringing")
        await eventually(lambda: agent_state(w) == "ready", "the end of the offer")
        assert seats(w) == {CALLER}
        w.fake.on_originate = w.agent_answers
        comes_back(w)
        ended = await w.nothing_left()
        assert ended.outcome is Result.ANSWERED


async def test_who_is_back_before_the_end_of_the_lease_was_noticed_waits_on(tmp_path: Path) -> None:
    """After the program was frozen, both events come at once."""
    async with world(tmp_path) as w:
        nobody_ready(w)
        w.fake.call()
        await eventually(lambda: w.stage == "waiting", "the line")
        w.fake.lease_expires(CALLER)
        comes_back(w)
        await eventually(lambda: w.app.reception.leases_expired, "the end of the lease")
        w.agents_ready()
        ended = await w.nothing_left()
        assert ended.outcome is Result.ANSWERED


# -- draining -------------------------------------------------------------------------------


async def test_connected_asterisks_own_queue_rests(tmp_path: Path) -> None:
    def served(w: World) -> None:
        w.fake.globals |= {"FALLBACK_OPEN": "1", "FALLBACK_MEMBERS": MEMBERS}

    async with world(tmp_path, before=served) as w:
        assert w.fake.globals["FALLBACK_OPEN"] == "0"
        assert paused(w) == {"PJSIP/ag-101": "1", "PJSIP/ag-102": "1"}


async def test_draining_into_the_fallback_opens_it_and_sends_callers_there(tmp_path: Path) -> None:
    async with world(tmp_path, drain=Drain(new_calls="fallback")) as w:
        w.fake.globals["FALLBACK_MEMBERS"] = MEMBERS
        await w.app.begin_draining()
        assert w.fake.globals["FALLBACK_OPEN"] == "1"
        assert paused(w) == {"PJSIP/ag-101": "0", "PJSIP/ag-102": "0"}
        w.fake.call()
        await eventually(lambda: w.asked("POST", f"channels/{CALLER}/continue"), "the dialplan")
        (asked,) = w.asked("POST", f"channels/{CALLER}/continue")
        assert (asked.query["context"], asked.query["extension"]) == ("fallback", "123")
        assert w.rows.calls == [], "Asterisk tells this story"
        assert not w.asked("DELETE", f"channels/{CALLER}")


async def test_a_reconnection_does_not_close_the_fallback_of_a_drain(tmp_path: Path) -> None:
    async with world(tmp_path, drain=Drain(new_calls="fallback")) as w:
        w.fake.globals["FALLBACK_MEMBERS"] = MEMBERS
        await w.app.begin_draining()
        await reconnect(w, await disconnect(w))
        await w.app.upkeep.look()
        assert w.fake.globals["FALLBACK_OPEN"] == "1"
        assert set(paused(w).values()) == {"0"}


async def test_draining_by_rejection_leaves_the_fallback_closed(tmp_path: Path) -> None:
    async with world(tmp_path, drain=Drain(new_calls="reject")) as w:
        w.fake.globals["FALLBACK_MEMBERS"] = MEMBERS
        await w.app.begin_draining()
        assert w.fake.globals["FALLBACK_OPEN"] == "0"
        w.fake.call()
        await eventually(lambda: not w.fake.channels, "the refusal")
        assert w.rows.calls[-1].reason is Reason.DRAINING


async def test_a_drain_waits_for_who_comes_back_meanwhile(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fake.on_event = lambda *_: None
        w.fake.call("first")
        await eventually(lambda: w.stage == "talking", "the conversation")
        drained = asyncio.create_task(w.app.reception.drain(5.0))
        await eventually(lambda: w.app.reception.draining, "draining")
        outside(w.fake)
        comes_back(w)
        await eventually(lambda: w.app.reception.calls == 2, "both")
        w.fake.hang_up("first")
        await eventually(lambda: w.app.reception.calls == 1, "the end of the first")
        await asyncio.sleep(0.05)
        early = drained.done()
        w.fake.hang_up(CALLER)
        assert await drained
        assert not early
