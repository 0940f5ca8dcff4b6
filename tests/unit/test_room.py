"""The waiting room's comfort: stopped means that no request of it is under way any more."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from pln_ivr.ari import Channel
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.room import Comfort, WaitingRoom, _see_through
from tests.unit.making import arrival


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
        await _see_through(self._enter())

    async def _enter(self) -> None:
        self.entering.set()
        await self.go_on.wait()
        self.entered = True


class NoPrompts:
    def __init__(self) -> None:
        self.played: list[str] = []

    async def play(self, channel: Channel, name: str) -> bool:
        self.played.append(name)
        return True


@pytest.fixture
def caller() -> Channel:
    made = Channel("c-1", lambda _: None)
    made.feed(arrival("call", "123"))
    return made


def comfort(room: SlowRoom, prompts: NoPrompts, caller: Channel) -> Comfort:
    return Comfort(cast(WaitingRoom, room), cast(Prompts, prompts), caller, "gangguan")


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
