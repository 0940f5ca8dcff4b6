"""What breaks around a call: Asterisk stalls, the spool cannot be written, phones misbehave."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from native.ear import Ear
from pln_ivr.outcomes import Reason, Result, Stage
from tests.asterisk.world import World, eventually


def test_asterisk_stalls_and_comes_back(make_world: Callable[..., World]) -> None:
    """A frozen Asterisk is noticed by the watchdog; when it thaws, the waiting caller still has
    the seat and the place, and the next agent is theirs."""
    world = make_world(["101"])
    port = world.make_ready("101")
    with (
        world.phones.never("ag-101", port),
        Ear() as ear,
        world.phones.caller(hold=120.0, sound=ear) as caller,
    ):
        eventually(lambda: world.seats() == 1, 5, "the call")
        pid = world.pbx.pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            eventually(lambda: not world.ready(), 15, "the watchdog's notice")
        finally:
            os.kill(pid, signal.SIGCONT)
        eventually(world.ready, 20, "the reconnection")
        eventually(lambda: world.seats() == 1, 10, "the seat")
        heard = ear.packets
        eventually(lambda: ear.packets > heard + 50, 10, "sound after the stall")
        assert caller.hang_up().finals == {200: 1}
    assert world.ended(1)[0].outcome is Result.ABANDONED
    world.settled()


def test_recording_that_cannot_start_is_an_alarm_not_a_lost_call(
    make_world: Callable[..., World],
) -> None:
    """The spool cannot be written: by policy they talk all the same, counted and logged."""
    world = make_world(["101"], RECORDINGS__CONFIRM_SECONDS="0.5")
    port = world.make_ready("101")
    world.pbx.monitor_dir.rmdir()
    world.pbx.monitor_dir.write_text("not a folder\n")
    with (
        world.phones.answer("ag-101", port, after=0.2, talk=2.0) as agent,
        world.phones.caller(hold=60.0) as caller,
    ):
        caller.wait(60)
        agent.stop()
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
    assert world.metric("pln_ivr_recordings_unconfirmed") == 1
    assert "recording_unconfirmed" in world.log.read_text()
    eventually(lambda: "recording_not_filed" in world.log.read_text(), 30, "the alarm")
    world.settled()


def test_without_proof_nobody_talks_if_that_is_the_policy(
    make_world: Callable[..., World],
) -> None:
    world = make_world(
        ["101"], RECORDINGS__CONFIRM_SECONDS="0.3", RECORDINGS__WHEN_UNCONFIRMED="wait"
    )
    port = world.make_ready("101")
    world.pbx.monitor_dir.rmdir()
    world.pbx.monitor_dir.write_text("not a folder\n")
    with (
        world.phones.answer("ag-101", port, after=0.2) as agent,
        world.phones.caller(hold=60.0) as caller,
    ):
        eventually(lambda: agent.events() and agent.events()[-1].what == "remote-bye", 20, "BYE")
        waiting = [Stage.WAITING]
        eventually(lambda: [row.stage for row in world.calls()] == waiting, 2, "waiting on")
        caller.hang_up()
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_WAITING)
    world.settled()
