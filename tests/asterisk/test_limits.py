"""Who is not let in, and by whom: seats, arrivals, the dialplan, a drain, a full disk."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from native.ear import Ear
from pln_ivr.outcomes import Reason, Result, Stage
from tests.asterisk.world import World, eventually


@pytest.fixture
def prompts(spoken: Path) -> Path:
    """Whole, so that callers can be met in them."""
    return spoken


def test_no_more_arrivals_a_second_than_allowed(make_world: Callable[..., World]) -> None:
    """A burst of one second's worth comes in, the others hear busy, with a reason of its own."""
    world = make_world(["101"], ADMISSION__ARRIVALS_PER_SECOND="5")
    with world.phones.caller(hold=2.0, calls=40, rate=100) as burst:
        finals = burst.wait().finals
    assert 5 <= finals[200] <= 10
    assert finals[486] == 40 - finals[200]
    reasons = Counter(row.reason for row in world.ended(40))
    assert reasons[Reason.ARRIVAL_LIMIT] == finals[486]
    world.settled()


def test_a_swamped_app_is_spared_by_the_dialplan(make_world: Callable[..., World]) -> None:
    """The app hangs. Up to the capacity and a margin its callers wait for it, the dialplan
    refuses the others at once; when the lease is over the capacity is served, the rest hear
    busy. Every one of them is in the journal once."""
    world = make_world(["101"], ADMISSION__CAPACITY="5")
    world.app.send_signal(signal.SIGSTOP)
    try:
        with world.phones.caller(hold=8.0, calls=75, rate=100, timeout=60) as rush:
            eventually(lambda: world.channels() == 55, 5, "capacity and margin")
            finals = rush.wait(60).finals
    finally:
        world.app.send_signal(signal.SIGCONT)
    assert finals == {200: 5, 486: 70}
    # The thawed app first believes what it reads late; Asterisk's list then corrects it.
    told = {(Result.REJECTED, Reason.FULL): 70, (Result.ABANDONED, Reason.IN_NOTICE): 5}
    eventually(
        lambda: Counter((row.outcome, row.reason) for row in world.calls()) == told,
        30,
        "the true story of all 75",
    )
    world.settled()


def test_without_the_app_a_storm_gets_the_capacity_and_no_more(
    make_world: Callable[..., World],
) -> None:
    world = make_world(["101"], ADMISSION__CAPACITY="40")
    world.app.kill()
    world.app.wait()
    with world.phones.caller(hold=6.0, calls=200, rate=200, timeout=60) as storm:
        eventually(lambda: world.channels() >= 40, 5, "a full house")
        finals = storm.wait(60).finals
    assert finals == {200: 40, 486: 160}
    world.start_app()
    rows = world.ended(200, 30)
    assert len(rows) == len(world.calls()) == 200
    assert all(row.fallback for row in rows)
    told = Counter((row.outcome, row.reason) for row in rows)
    assert told == {
        (Result.REJECTED, Reason.FULL): 160,
        (Result.ABANDONED, Reason.IN_NOTICE): 40,
    }
    world.settled()


def test_a_drain_may_leave_new_calls_to_the_dialplan(make_world: Callable[..., World]) -> None:
    world = make_world(["101"], DRAIN__NEW_CALLS="fallback")
    with Ear() as ear, world.phones.caller(hold=120.0, sound=ear) as waiting:
        eventually(
            lambda: [row.stage for row in world.calls()] == [Stage.WAITING], 20, "a waiting caller"
        )
        told = world.command("drain")
        assert told.returncode == 0, told.stderr
        assert "draining" in told.stdout
        with Ear() as late_ear, world.phones.caller(hold=8.0, sound=late_ear) as late:
            assert late.wait(30).finals == {200: 1}
        assert late_ear.packets > 300, "the fallback's notice"
        assert waiting.hang_up().finals == {200: 1}
    assert world.app.wait(20) == 0
    world.start_app()
    rows = world.ended(2, 20)
    assert {(row.outcome, row.fallback) for row in rows} == {
        (Result.ABANDONED, False),
        (Result.ABANDONED, True),
    }
    world.settled()


def test_who_has_not_the_password_gives_no_orders(make_world: Callable[..., World]) -> None:
    world = make_world(["101"])
    told = world.command("drain", ARI__PASSWORD="wrong")
    assert told.returncode == 1
    assert "ari.password" in told.stderr
    assert "Traceback" not in told.stderr
    assert world.ready()


def test_a_full_disk_costs_the_recording_not_the_call(make_world: Callable[..., World]) -> None:
    """Nothing is begun to be recorded, they talk all the same, there is an alarm for it."""
    world = make_world(["101"], DISK__RESERVE_MB="1000000000")
    port = world.make_ready("101")
    with (
        world.phones.answer("ag-101", port, after=0.2, talk=2.0) as agent,
        world.phones.caller(hold=60.0) as caller,
    ):
        assert caller.wait(60).finals == {200: 1}
        agent.stop()
    row = world.ended(1)[0]
    assert (row.outcome, row.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
    assert row.recording is None
    assert world.metric("pln_ivr_recordings_unconfirmed") == 1
    assert world.metric("pln_ivr_disk_low") == 1
    assert not list(world.pbx.monitor_dir.rglob("*.raw"))
    assert "full: " in world.log.read_text()
    assert "recording refused" not in "".join(world.pbx.complaints())
    world.settled()


def test_a_full_disk_may_close_the_house(make_world: Callable[..., World]) -> None:
    world = make_world(["101"])
    world.stop_app()
    world.start_app(wait=False, DISK__RESERVE_MB="1000000000", ADMISSION__WHEN_DISK_FULL="reject")
    eventually(lambda: "ari_connected" in world.log.read_text().splitlines()[-1], 10, "a start")
    assert not world.ready()
    eventually(lambda: world.metric("pln_ivr_disk_low") == 1, 10, "the measurement")
    with world.phones.caller(hold=2.0) as caller:
        assert caller.wait().finals == {486: 1}
    assert world.ended(1)[0].reason is Reason.DISK_FULL
    world.settled()


def test_what_is_too_small_is_a_line_that_names_the_setting(
    make_world: Callable[..., World],
) -> None:
    world = make_world(["101"], ADMISSION__CAPACITY="3000")
    line = eventually(
        lambda: [text for text in world.log.read_text().splitlines() if "resource_short" in text],
        5,
        "the line",
    )[0]
    assert "RTP ports: 6002 needed, 4000 there; raise PLN_RTP_START and PLN_RTP_END" in line
    assert world.metric("pln_ivr_resources_short") >= 1
    bad = world.command("check")
    assert bad.returncode == 1
    assert "FAIL  resources: " in bad.stdout
    assert "PLN_RTP_END" in bad.stdout
