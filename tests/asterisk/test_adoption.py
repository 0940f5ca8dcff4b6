"""The program dies, hangs or is replaced with callers in every stage; the next one takes over."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from native.ear import Ear
from pln_ivr.outcomes import OfferResult, Reason, Result, Stage
from tests.asterisk.sound import both_tones, from_alaw, loudness, seconds_of
from tests.asterisk.world import AGENT_HZ, CALLER_HZ, SECRET, World, eventually


@pytest.fixture
def prompts(spoken: Path) -> Path:
    """Whole, so that callers can be met in them."""
    return spoken


def stages(world: World) -> list[Stage]:
    """Of all calls that are up, in the order of their arrival."""
    return [row.stage for row in world.calls() if not row.outcome]


def kill_app(world: World) -> None:
    """As a crash would."""
    world.app.kill()
    world.app.wait()


def test_killed_with_callers_in_every_stage(make_world: Callable[..., World]) -> None:
    world = make_world(["101", "102"])
    talker, ringer = world.make_ready("101"), world.make_ready("102")
    with (
        Ear(world.agent_tone) as agent_ear,
        world.phones.answer("ag-101", talker, after=0.2, talk=120.0, sound=agent_ear) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=120.0, sound=caller_ear) as talking,
        world.phones.never("ag-102", ringer, calls=3),
    ):
        eventually(lambda: stages(world) == [Stage.TALKING], 25, "the conversation")
        with (
            Ear() as rung_ear,
            world.phones.caller(hold=120.0, sound=rung_ear) as rung,
            Ear() as waiting_ear,
            world.phones.caller(hold=120.0, sound=waiting_ear) as waiting,
        ):
            eventually(
                lambda: sorted(stages(world)) == ["ringing", "talking", "waiting"],
                30,
                "one ringing, one waiting",
            )
            with Ear() as new_ear, world.phones.caller(hold=120.0, sound=new_ear) as greeted:
                eventually(lambda: Stage.NOTICE in stages(world), 5, "the notice")
                line = [row.call_id for row in world.calls() if row.stage is Stage.WAITING]
                kill_app(world)
                heard = waiting_ear.packets, agent_ear.packets
                world.start_app()
                eventually(lambda: world.seats() == 4, 10, "four seats")
                assert world.channels() in (5, 6), "callers, the talking agent, a new ring"
                eventually(lambda: agent_ear.packets > heard[1] + 50, 5, "the conversation")
                eventually(lambda: waiting_ear.packets > heard[0] + 50, 5, "the music")
                assert loudness(from_alaw(waiting_ear.heard[-4000:])) > 100, "the music is silence"
                assert world.metric("pln_ivr_agents", state="talking") == 1
                eventually(lambda: Stage.NOTICE not in stages(world), 15, "the whole notice")
                agent.hang_up()
                talking.wait()
                for phone in (rung, waiting, greeted):
                    phone.hang_up()
    rows = {row.call_id: row for row in world.ended(4)}
    assert len(world.calls()) == 4, "one row for each call"
    talked = next(row for row in rows.values() if row.outcome is Result.ANSWERED)
    assert talked.reason is Reason.AGENT_HUNG_UP
    assert talked.talking_at
    assert talked.ended_at
    lasted = (talked.ended_at - talked.talking_at).total_seconds()
    assert abs(seconds_of(world.recording(talked)) - lasted) < 1.0, "whole, across the kill"
    assert all(
        (row.outcome, row.reason)
        in {(Result.ABANDONED, Reason.IN_WAITING), (Result.ABANDONED, Reason.IN_RINGING)}
        for row in rows.values()
        if row is not talked
    )
    assert all(row.notice_heard_at for row in rows.values()), "the notice is heard whole"
    assert line[0] in rows
    offers = [offer for row in rows.values() for offer in world.offers(row)]
    assert all(offer.result for offer in offers), "every offer is settled"
    assert sum(offer.result is OfferResult.FAILED for offer in offers) == 1, "the one that rang"
    world.settled()


def test_both_sides_hang_up_while_nobody_looks(make_world: Callable[..., World]) -> None:
    """Their rows are closed from Asterisk's own list of calls, with its times."""
    world = make_world(["101"])
    port = world.make_ready("101")
    with (
        world.phones.answer("ag-101", port, after=0.2, talk=120.0) as agent,
        world.phones.caller(hold=120.0) as talking,
    ):
        eventually(lambda: stages(world) == [Stage.TALKING], 20, "the conversation")
        with world.phones.caller(hold=4.0) as short:
            eventually(lambda: len(stages(world)) == 2, 5, "the second call")
            kill_app(world)
            short.wait(30)
        talking.hang_up()
        hung_up_at = datetime.now(UTC)
        assert agent.wait(10).count("remote-bye") == 1, "an agent is not left in silence"
        world.start_app()
        rows = world.ended(2, 20)
    outcomes = {(row.outcome, row.reason) for row in rows}
    assert outcomes == {
        (Result.ANSWERED, Reason.UNSEEN),
        (Result.ABANDONED, Reason.IN_NOTICE),
    }
    for row in rows:
        assert row.ended_at
        assert not row.fallback
    last = max(row.ended_at for row in rows if row.ended_at)
    assert abs((last - hung_up_at).total_seconds()) < 1.0, "Asterisk's time, not the restart's"
    world.settled()


def test_agent_hangs_up_while_nobody_looks(make_world: Callable[..., World]) -> None:
    """The caller is not left in silence, however long the program is away."""
    world = make_world(["101"])
    port = world.make_ready("101")
    with (
        world.phones.answer("ag-101", port, after=0.2, talk=3.0) as agent,
        world.phones.caller(hold=60.0) as caller,
    ):
        eventually(lambda: stages(world) == [Stage.TALKING], 20, "the conversation")
        kill_app(world)
        agent.wait(20)
        assert caller.wait(10).count("remote-bye") == 1
    world.start_app()
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.UNSEEN)
    assert world.recording(row).exists()
    world.settled()


def test_a_second_run_takes_over_and_loses_nobody(make_world: Callable[..., World]) -> None:
    """A rolling upgrade: the new run connects, the old one lets go of its calls and ends."""
    world = make_world(["101"])
    port = world.make_ready("101")
    with (
        Ear(world.agent_tone) as agent_ear,
        world.phones.answer("ag-101", port, after=0.2, talk=120.0, sound=agent_ear) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=120.0, sound=caller_ear) as talking,
    ):
        eventually(lambda: stages(world) == [Stage.TALKING], 20, "the conversation")
        with Ear() as ear, world.phones.caller(hold=120.0, sound=ear) as waiting:
            eventually(lambda: Stage.WAITING in stages(world), 20, "a waiting caller")
            old = world.app
            world.start_app(wait=False)
            assert old.wait(20) == 0
            eventually(lambda: world.ready() and world.seats() == 2, 15, "both seats")
            with world.phones.caller(hold=5.0) as late:
                assert late.wait().finals == {200: 1}
            agent.hang_up()
            assert talking.wait().count("remote-bye") == 1
            waiting.hang_up()
    rows = world.ended(3)
    assert len(world.calls()) == 3
    assert [row.reason for row in rows if row.outcome is Result.ANSWERED] == [Reason.AGENT_HUNG_UP]
    world.settled()


def test_told_to_leave_it_leaves_the_calls_to_the_next_run(
    make_world: Callable[..., World],
) -> None:
    world = make_world(["101"])
    with Ear() as ear, world.phones.caller(hold=120.0, sound=ear) as caller:
        eventually(lambda: Stage.WAITING in stages(world), 20, "a waiting caller")
        told = world.command("drain", "--leave", "--wait", "15")
        assert told.returncode == 0, told.stdout + told.stderr
        assert world.app.wait(10) == 0
        (row,) = world.calls()
        assert row.stage is Stage.WAITING
        assert row.outcome is None
        world.start_app()
        assert world.seats() == 1
        heard = ear.packets
        eventually(lambda: ear.packets > heard + 50, 5, "the music")
        caller.hang_up()
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_WAITING)
    world.settled()


def test_a_hung_app_loses_its_callers_to_the_dialplan(make_world: Callable[..., World]) -> None:
    """Whom nobody handles hears the notice and music all the same; when the app thaws the
    caller comes back to it, with the seat and one row."""
    world = make_world(["101"])
    world.app.send_signal(signal.SIGSTOP)
    try:
        with Ear() as ear, world.phones.caller(hold=120.0, sound=ear) as caller:
            eventually(lambda: ear.packets > 100, 20, "the fallback's notice")
            world.app.send_signal(signal.SIGCONT)
            eventually(lambda: world.seats() == 1, 10, "the seat")
            eventually(lambda: stages(world) == [Stage.WAITING], 25, "coming back")
            caller.hang_up()
    finally:
        world.app.send_signal(signal.SIGCONT)
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_WAITING)
    assert len(world.calls()) == 1
    assert world.metric("pln_ivr_leases_expired") == 1
    world.settled()


def test_without_the_app_callers_talk_to_agents_and_the_journal_learns_it(
    make_world: Callable[..., World],
) -> None:
    """Served by the native queue under the same limit, recorded; when the app is back it has a
    row for each of them, marked as fallback, the recording in the index, and who still waits
    comes to it and keeps the place."""
    world = make_world(["101", "102"], ADMISSION__CAPACITY="3")
    port, other = world.make_ready("101"), world.register("102")
    kill_app(world)
    for code in ("*11", "*12"):
        assert world.phones.dial_code("ag-102", SECRET, code, other).finals == {200: 1}
    with (
        Ear(world.agent_tone) as agent_ear,
        world.phones.answer("ag-101", port, after=0.2, talk=120.0, sound=agent_ear) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=120.0, sound=caller_ear) as talking,
    ):
        eventually(lambda: caller_ear.packets and agent_ear.packets, 25, "the conversation")
        began = time.monotonic()
        with Ear() as ear, world.phones.caller(hold=120.0, sound=ear) as waiting:
            with world.phones.caller(hold=120.0) as short:
                eventually(lambda: world.channels() == 4, 5, "a full house")
                with world.phones.caller(hold=4.0) as late:
                    assert late.wait().finals == {486: 1}, "the limit is the same"
                world.start_app()
                assert world.seats() == 3, "whom Asterisk serves has a seat too"
                with world.phones.caller(hold=4.0) as late:
                    assert late.wait().finals == {486: 1}
                assert world.metric("pln_ivr_agents", state="talking") == 1
                paused = world.metric("pln_ivr_agents", state="paused")
                assert paused == 1, "102 dialled *12 meanwhile"
                short.hang_up()
            eventually(lambda: stages(world) == [Stage.WAITING], 25, "coming back")
            lasted = time.monotonic() - began
            agent.hang_up()
            assert talking.wait().count("remote-bye") == 1
            heard = ear.packets
            eventually(lambda: ear.packets > heard + 50, 5, "the music")
            waiting.hang_up()
    rows = world.ended(5, 30)
    assert len(rows) == len(world.calls()) == 5
    told = sorted((row.outcome or "", row.reason or "", row.fallback) for row in rows)
    short_one = told.pop(0)  # in the fallback's hands, or on the way home
    assert short_one[1] in (Reason.IN_NOTICE, Reason.IN_WAITING)
    waited = told.pop(0)  # 101's phone, which has gone, may have been tried in that moment
    assert waited[1] in (Reason.IN_WAITING, Reason.IN_RINGING)
    assert (waited[0], waited[2]) == (Result.ABANDONED, False)
    assert told == [
        (Result.ANSWERED, Reason.AGENT_HUNG_UP, True),
        (Result.REJECTED, Reason.FULL, False),
        (Result.REJECTED, Reason.FULL, True),
    ]
    (talked,) = eventually(
        lambda: [row for row in world.calls() if row.recording_seconds], 30, "the recording"
    )
    assert talked.outcome is Result.ANSWERED
    assert talked.agent == "101"
    assert talked.recording_seconds
    assert lasted < talked.recording_seconds < lasted + 3
    both_tones(
        world.recording(talked), left=CALLER_HZ, right=AGENT_HZ, seconds=talked.recording_seconds
    )
    world.settled()
