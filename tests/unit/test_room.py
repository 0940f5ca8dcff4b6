"""The waiting room's comfort: stopped means that no request of it is under way any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from pln_ivr.ari import Channel
from pln_ivr.background import see_through
from pln_ivr.calls.announcing import News
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.room import Comfort, WaitingRoom
from pln_ivr.queues.lines import Line, Standing
from tests.fake_ari.world import eventually
from tests.unit.making import arrival

QUIET = Line("gangguan", frozenset({"gangguan"}))


class SlowRoom:
    """Entering takes until the test lets it end."""

    def __init__(self) -> None:
        self.entering = asyncio.Event()
        self.go_on = asyncio.Event()
        self.entered = False

    async def lease(self, caller: Channel) -> None: ...

    def holds(self, caller: Channel, queue: str) -> bool:
        return False

    async def enter(self, caller: Channel, queue: str) -> None:
        await see_through(self._enter())

    async def _enter(self) -> None:
        self.entering.set()
        await self.go_on.wait()
        self.entered = True


class OpenRoom(SlowRoom):
    """Entering takes no time."""

    def holds(self, caller: Channel, queue: str) -> bool:
        return self.entered

    async def enter(self, caller: Channel, queue: str) -> None:
        self.entered = True

    async def until_ready(self) -> None: ...


class NoPrompts:
    def __init__(self) -> None:
        self.played: list[str] = []

    async def play(self, channel: Channel, name: str) -> bool:
        self.played.append(name)
        return True


class NoNews:
    async def tell(self) -> bool:
        return False

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.fixture
def caller() -> Channel:
    made = Channel("c-1", lambda _: None)
    made.feed(arrival("call", "123"))
    return made


def comfort(
    room: SlowRoom,
    prompts: NoPrompts,
    caller: Channel,
    announce_seconds: float = 0.0,
    standing: Callable[[], Standing | None] = lambda: None,
) -> Comfort:
    line = replace(QUIET, announce_seconds=announce_seconds)
    return Comfort(
        cast(WaitingRoom, room),
        cast(Prompts, prompts),
        caller,
        line,
        standing,
        cast(News, NoNews()),
    )


async def test_stopping_waits_for_the_request_under_way_even_if_stopped_twice(
    caller: Channel,
) -> None:
    room = SlowRoom()
    music = comfort(room, NoPrompts(), caller)
    music.start()
    await room.entering.wait()
    first = asyncio.create_task(music.stop())
    await asyncio.sleep(0)
    first.cancel()  # the caller hangs up while the journey waits for the stop
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(music.stop())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not second.done()
    room.go_on.set()
    await second
    assert room.entered


async def test_who_was_told_to_wait_is_not_told_again(caller: Channel) -> None:
    room, prompts = SlowRoom(), NoPrompts()
    music = comfort(room, prompts, caller)
    room.go_on.set()
    for _ in range(2):
        room.entering.clear()
        music.start()
        await room.entering.wait()
        await music.stop()
    await music.stop()
    assert prompts.played == ["please-wait"]


class Standings:
    """Where the caller stands each time it is asked, and how often it was; nowhere in the end."""

    def __init__(self, *standings: Standing | None) -> None:
        self._left = list(standings)
        self.asked = 0

    def __call__(self) -> Standing | None:
        self.asked += 1
        return self._left.pop(0) if self._left else None


async def announced(music: Comfort, standings: Standings, times: int) -> None:
    """Until the caller's place was asked for so many times."""
    music.start()
    await eventually(lambda: standings.asked >= times, "the announcement")
    await music.stop()


async def test_the_caller_is_told_again_and_again_and_never_anything_worse(
    caller: Channel,
) -> None:
    room, prompts = OpenRoom(), NoPrompts()
    standings = Standings(Standing(3, 100.0), None, Standing(4, 1000.0), Standing(2, 50.0))
    music = comfort(room, prompts, caller, 0.002, standings)
    await announced(music, standings, 7)
    assert prompts.played == ["please-wait", "position-3", "wait-2", "position-2", "wait-1"]


async def test_what_was_told_holds_after_an_agent_was_rung_in_vain(caller: Channel) -> None:
    room, prompts = OpenRoom(), NoPrompts()
    standings = Standings(Standing(1, 30.0), Standing(2, 200.0))
    music = comfort(room, prompts, caller, 0.002, standings)
    await announced(music, standings, 1)
    await announced(music, standings, 3)
    assert prompts.played == ["please-wait", "position-1", "wait-1"]


@pytest.mark.parametrize("announce_seconds", [0.0, 3600.0])
async def test_nothing_is_told_before_it_is_time_or_if_it_never_is(
    caller: Channel, announce_seconds: float
) -> None:
    room, prompts = OpenRoom(), NoPrompts()
    standings = Standings(Standing(1, 30.0))
    music = comfort(room, prompts, caller, announce_seconds, standings)
    music.start()
    await eventually(lambda: room.entered, "the music")
    for _ in range(10):
        await asyncio.sleep(0)
    await music.stop()
    assert standings.asked == 0
    assert prompts.played == ["please-wait"]


async def test_the_caller_is_not_told_more_often_than_is_set(caller: Channel) -> None:
    standings, seconds, began = Standings(), 0.02, time.monotonic()
    music = comfort(OpenRoom(), NoPrompts(), caller, seconds, standings)
    await announced(music, standings, 3)
    assert standings.asked <= (time.monotonic() - began) / seconds
