"""What operations does to a running system, with callers in it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from native.ear import Ear
from pln_ivr.outcomes import Reason, Result, Stage
from tests.asterisk.sound import seconds_of
from tests.asterisk.world import SECRET, World, eventually


@pytest.fixture
def prompts(spoken: Path) -> Path:
    """Whole, so that callers can be met in them."""
    return spoken


def in_stage(world: World, stage: Stage, count: int = 1) -> Callable[[], bool]:
    """Whether so many calls are in this stage."""
    return lambda: sum(row.stage is stage for row in world.calls()) >= count


def test_one_more_than_the_capacity_hears_busy(make_world: Callable[..., World]) -> None:
    world = make_world(["101"], ADMISSION__CAPACITY="3")
    with world.phones.caller(hold=6.0, calls=3, rate=20) as house:
        eventually(lambda: world.seats() == 3, 5, "a full house")
        with world.phones.caller(hold=6.0) as late:
            assert late.wait().finals == {486: 1}
        assert house.wait().finals == {200: 3}
    with world.phones.caller(hold=0.5) as next_one:
        assert next_one.wait().finals == {200: 1}, "the seats must have been given back"
    rows = world.ended(5)
    rejected = [row for row in rows if row.outcome is Result.REJECTED]
    assert [(row.reason, row.cause) for row in rejected] == [(Reason.FULL, 17)]
    assert world.metric("pln_ivr_calls_total", outcome="rejected", reason="full") == 1
    world.settled()


def test_720_callers_at_once_and_the_721st(make_world: Callable[..., World]) -> None:
    """The promise itself, with every caller hearing sound and one more dialling in."""
    world = make_world(["101"])
    with world.phones.caller(hold=30.0, calls=720, rate=60, timeout=110) as house:
        eventually(lambda: world.seats() == 720, 40, "a full house")
        eventually(lambda: world.channels() == 720, 10, "as many channels as seats")
        with world.phones.caller(hold=5.0, calls=5, rate=10) as late:
            assert late.wait().finals == {486: 5}
        assert world.seats() == 720
        seen = house.wait(110)
    assert seen.finals == {200: 720}
    assert seen.failed == 0
    rows = world.ended(725, 30)
    assert sum(row.outcome is Result.REJECTED for row in rows) == 5
    assert sum(row.outcome is Result.ABANDONED for row in rows) == 720
    world.settled()


def test_sigterm_lets_the_conversation_finish(make_world: Callable[..., World]) -> None:
    """New calls are turned away with 503; who talks goes on talking; then the app exits 0.
    Agents who were ready are ready again after the start, without dialling."""
    world = make_world(["101"], ADMISSION__CAPACITY="10")
    port = world.make_ready("101")
    with (
        Ear(world.agent_tone) as agent_ear,
        world.phones.answer("ag-101", port, after=0.2, talk=8.0, sound=agent_ear) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=60.0, sound=caller_ear) as caller,
    ):
        eventually(in_stage(world, Stage.TALKING), 20, "a conversation")
        world.app.send_signal(signal.SIGTERM)
        eventually(lambda: not world.ready(), 5, "the drain")
        with world.phones.caller(hold=5.0) as late:
            assert late.wait().finals == {503: 1}
        assert caller.wait(30).finals == {200: 1}
        agent.stop()
    assert world.app.wait(30) == 0
    rows = world.ended(2)
    assert {(row.outcome, row.reason) for row in rows} == {
        (Result.ANSWERED, Reason.AGENT_HUNG_UP),
        (Result.REJECTED, Reason.DRAINING),
    }
    talked = next(row for row in rows if row.outcome is Result.ANSWERED)
    assert seconds_of(world.recording(talked)) > 6
    world.start_app()
    assert world.metric("pln_ivr_agents", state="ready") == 1


def test_drain_deadline_ends_what_is_left_with_an_apology(
    make_world: Callable[..., World],
) -> None:
    world = make_world(["101"], DRAIN__DEADLINE_SECONDS="1")
    with Ear() as ear, world.phones.caller(hold=60.0, sound=ear) as caller:
        eventually(in_stage(world, Stage.WAITING), 20, "a waiting caller")
        world.app.send_signal(signal.SIGTERM)
        seen = caller.wait(40)
    assert seen.count("remote-bye") == 1
    assert world.app.wait(30) == 0
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.FAILED, Reason.SHUTDOWN)


def test_asterisk_restarts_under_the_running_app(make_world: Callable[..., World]) -> None:
    """Killed, with callers in it: they end as failed/pbx, and the next caller is served by
    the same agents, pushed anew, with no restart of the app."""
    world = make_world(["101"])
    port = world.make_ready("101")
    with world.phones.caller(hold=60.0, calls=3, rate=20) as lost:
        eventually(lambda: world.seats() == 3, 10, "three calls")
        world.pbx.kill()
        eventually(lambda: not world.ready(), 10, "the app's notice of it")
        world.pbx.start()
        lost.stop()
    eventually(world.ready, 20, "the reconnection")
    eventually(lambda: world.seats() == 0, 15, "return of every seat")
    rows = world.ended(3)
    assert {(row.outcome, row.reason) for row in rows} == {(Result.FAILED, Reason.PBX)}
    world.register("101")
    with (
        world.phones.answer("ag-101", port, after=0.2, talk=2.0) as agent,
        world.phones.caller(hold=60.0) as caller,
    ):
        assert caller.wait(40).finals == {200: 1}
        agent.stop()
    assert world.ended(4)[-1].outcome is Result.ANSWERED
    world.settled()


def test_sighup_takes_a_new_roster_and_refuses_a_wrong_one(
    make_world: Callable[..., World],
) -> None:
    world = make_world(["101"])
    world.write_roster(["101", "102"])
    world.app.send_signal(signal.SIGHUP)
    eventually(lambda: "roster_loaded" in world.log.read_text(), 5, "the new roster")
    world.make_ready("102")
    world.roster.write_text('[[agents]]\nextension = "not a number"\n')
    world.app.send_signal(signal.SIGHUP)
    eventually(lambda: "roster_refused" in world.log.read_text(), 5, "the refusal")
    assert world.metric("pln_ivr_agents", state="ready") == 1
    world.write_roster(["101"])
    world.app.send_signal(signal.SIGHUP)
    eventually(lambda: world.metric("pln_ivr_agents", state="ready") == 0, 5, "102's leaving")
    port = world.agent_ports["102"]
    result = eventually(
        lambda: world.phones.register("ag-102", SECRET, port).finals[200] == 0, 5, "no register"
    )
    assert result


def test_check_says_what_is_wrong(make_world: Callable[..., World]) -> None:
    world = make_world(["101"])
    good = world.command("check")
    assert good.returncode == 0, good.stdout
    assert "asterisk" in good.stdout
    bad = world.command("check", ARI__PASSWORD="wrong")
    assert bad.returncode == 1
    assert "FAIL  asterisk" in bad.stdout
    assert "ari.password" in bad.stdout
    assert "Traceback" not in bad.stdout + bad.stderr


def test_wrong_password_is_one_clear_line_in_the_log(make_world: Callable[..., World]) -> None:
    world = make_world(["101"])
    world.stop_app()
    world.start_app(wait=False, ARI__PASSWORD="wrong")
    eventually(lambda: "ari.password must match" in world.log.read_text(), 10, "the cure")
    assert "Traceback" not in world.log.read_text()
