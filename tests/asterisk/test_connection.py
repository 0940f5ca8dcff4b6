"""The connection to Asterisk is cut, stalls half-open or lies, with callers in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from native.ear import Ear
from native.pbx import free_port
from pln_ivr.outcomes import Reason, Result, Stage
from tests.asterisk.sound import seconds_of
from tests.asterisk.world import World, eventually
from tests.bench.proxy import Proxy


@pytest.fixture
def prompts(spoken: Path) -> Path:
    """Whole, so that callers can be met in them."""
    return spoken


@contextmanager
def through_proxy(world: World) -> Iterator[Proxy]:
    """Start the app anew so that it reaches Asterisk through a proxy."""
    world.stop_app()
    with Proxy(world.pbx.settings.http_port, free_port(), seed=1) as proxy:
        world.start_app(ARI__URL=proxy.url)
        try:
            yield proxy
        finally:
            world.stop_app()


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_calls_outlive_the_connection(make_world: Callable[..., World], fault: str) -> None:
    """Talk goes on recorded, who waits keeps seat and music, who hangs up meanwhile is told
    apart, and whom Asterisk served meanwhile is in the journal too: one row each."""
    world = make_world(["101"])
    port = world.make_ready("101")
    with (
        through_proxy(world) as proxy,
        Ear(world.agent_tone) as agent_ear,
        world.phones.answer("ag-101", port, after=0.2, talk=120.0, sound=agent_ear) as agent,
        Ear(world.caller_tone) as caller_ear,
        world.phones.caller(hold=120.0, sound=caller_ear) as talking,
    ):
        eventually(lambda: [row.stage for row in world.calls()] == [Stage.TALKING], 25, "talk")
        with Ear() as ear, world.phones.caller(hold=120.0, sound=ear) as waiting:
            with world.phones.caller(hold=5.0) as short:
                eventually(lambda: world.seats() == 3, 5, "three seats")
                getattr(proxy, fault)()
                eventually(lambda: not world.ready(), 15, "its being noticed")
                short.wait(20)
            with world.phones.caller(hold=3.0) as served:
                assert served.wait(40).finals == {200: 1}
            proxy.heal()
            eventually(world.ready, 20, "the reconnection")
            eventually(lambda: world.seats() == 2, 10, "two seats")
            heard = ear.packets
            eventually(lambda: ear.packets > heard + 50, 5, "the music")
            agent.hang_up()
            assert talking.wait().count("remote-bye") == 1
            waiting.hang_up()
        rows = world.ended(4, 30)
        assert len(world.calls()) == 4
        told = sorted((row.outcome or "", row.reason or "", row.fallback) for row in rows)
        assert told == [
            (Result.ABANDONED, Reason.IN_NOTICE, False),
            (Result.ABANDONED, Reason.IN_NOTICE, True),
            (Result.ABANDONED, Reason.IN_WAITING, False),
            (Result.ANSWERED, Reason.AGENT_HUNG_UP, False),
        ]
        talked = next(row for row in rows if row.outcome is Result.ANSWERED)
        assert talked.talking_at
        assert talked.ended_at
        lasted = (talked.ended_at - talked.talking_at).total_seconds()
        assert abs(seconds_of(world.recording(talked)) - lasted) < 1.0
        world.settled()


def _stages(world: World) -> set[str]:
    """Those of all eight calls."""
    rows = world.calls()
    return {row.stage for row in rows} if len(rows) == 8 else set()


@pytest.mark.parametrize("away", [0, 12], ids=["briefly", "longer than the lease"])
def test_callers_being_greeted_outlive_the_connection(
    make_world: Callable[..., World], away: float
) -> None:
    """Whoever was about to be answered, or hears the notice, is answered and waits; by Asterisk
    itself in the end, and then comes back."""
    world = make_world(["101"])
    with (
        through_proxy(world) as proxy,
        world.phones.caller(hold=120.0, calls=8, rate=40) as callers,
    ):
        eventually(lambda: world.seats() >= 2, 5, "the first callers")
        proxy.cut()
        eventually(lambda: not world.ready(), 15, "its being noticed")
        time.sleep(away)
        proxy.heal()
        eventually(world.ready, 20, "the reconnection")
        eventually(lambda: world.seats() == 8, 15, "eight seats")
        eventually(lambda: _stages(world) == {Stage.WAITING}, 25, "eight callers waiting")
        assert callers.hang_up().finals == {200: 8}
        told = {(row.outcome, row.reason) for row in world.ended(8, 30)}
        assert told == {(Result.ABANDONED, Reason.IN_WAITING)}
        world.settled()


def test_lies_on_the_wire_cost_events_not_calls(make_world: Callable[..., World]) -> None:
    """Events that are no events, or say what is not so, are counted and survived: upkeep finds
    what they should have told."""
    world = make_world(["101"])
    world.make_ready("101")
    with through_proxy(world) as proxy:
        proxy.corrupt(15)
        with world.phones.caller(hold=12.0, calls=10, rate=5) as callers:
            assert callers.wait(60).finals[200] == 10
        assert proxy.corrupted >= 2, "a frame changed, and one made up before it"
        eventually(lambda: world.seats() == 0, 30, "return of every seat")
        rows = world.ended(10, 30)
        assert len({row.channel_id for row in rows}) == len(world.calls()) == 10
        assert "Traceback" not in world.log.read_text()
