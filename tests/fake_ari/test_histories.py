"""Histories: whatever happens in whatever order, and whatever of it we are not told of, once we
have looked at Asterisk's lists the seats are its customers; and when they have left, nothing is."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pln_ivr.errors import AriError
from pln_ivr.queues.agents import AgentState
from tests.fake_ari.earlier import disconnect, nobody_ready, outside, reconnect, seats, store
from tests.fake_ari.server import FakeChannel
from tests.fake_ari.world import World, eventually, world

CAPACITY = 3
LOOKS = 3
"""What is found is put right at a look, and what that leaves at the next ones."""

Happenings = list[tuple[Callable[..., object], int]]


class History:
    """What can happen. Each method is one thing; `which` chooses among those it can happen to."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.fake = w.fake
        self.numbers = count(1)
        self.gone: list[FakeChannel] = []

    @property
    def customers(self) -> dict[str, FakeChannel]:
        """Whoever is there of those who called."""
        return {name: c for name, c in self.fake.channels.items() if name.startswith("caller-")}

    def pick(self, which: int, wanted: Callable[[FakeChannel], bool]) -> FakeChannel | None:
        among = [channel for channel in self.customers.values() if wanted(channel)]
        return among[which % len(among)] if among else None

    async def call(self, which: int) -> None:
        self.fake.call(f"caller-{next(self.numbers)}")

    async def call_untold(self, which: int) -> None:
        await self._untold(self.call, which)

    async def call_outside(self, which: int) -> None:
        """Somebody whom the dialplan serves: no event tells of them."""
        outside(self.fake, f"caller-{next(self.numbers)}")

    async def come_back(self, which: int) -> None:
        channel = self.pick(which, lambda c: not c.app_data and c.state == "Up")
        if channel:
            self.fake.enter_app(channel, "return", "123", "1795491525")

    async def come_back_untold(self, which: int) -> None:
        await self._untold(self.come_back, which)

    async def lease_expires(self, which: int) -> None:
        channel = self.pick(which, lambda c: bool(c.app_data) and c.state == "Up")
        if channel and not channel.bridge.startswith("talk-"):
            self.fake.lease_expires(channel.id)

    async def hang_up(self, which: int) -> None:
        channel = self.pick(which, lambda _: True)
        if channel:
            self.gone.append(channel)
            self.fake.hang_up(channel.id)

    async def hang_up_untold(self, which: int) -> None:
        await self._untold(self.hang_up, which)

    async def end_is_told_again(self, which: int) -> None:
        if self.gone:
            said = self.gone[which % len(self.gone)].json()
            self.fake.send("ChannelHangupRequest", channel=said, cause=16)
            self.fake.send("StasisEnd", channel=said)
            self.fake.send("ChannelDestroyed", channel=said, cause=16, cause_txt="")

    async def start_is_told_again(self, which: int) -> None:
        channel = self.pick(which, lambda c: bool(c.app_data) and self.w.ari.follows(c.id))
        if channel:
            _, *args = channel.app_data.split(",")
            self.fake.send("StasisStart", channel=channel.json(), args=args)

    async def agent_hangs_up(self, which: int) -> None:
        for leg in self.w.legs():
            self.fake.hang_up(leg.id)

    async def agent_hangs_up_untold(self, which: int) -> None:
        await self._untold(self.agent_hangs_up, which)

    async def agents_ready(self, which: int) -> None:
        self.w.agents_ready()

    async def agents_away(self, which: int) -> None:
        nobody_ready(self.w)

    async def cut(self, which: int) -> None:
        """The connection breaks; `which` things are missed before it is there again."""
        connections = await disconnect(self.w)
        if which % 2:
            await self.hang_up(which)
        if which % 3 == 0:
            await self.call(which)
        await reconnect(self.w, connections)

    async def cut_unnoticed(self, which: int) -> None:
        """It breaks, and is there again as soon as we can."""
        self.fake.cut()

    async def pause(self, which: int) -> None:
        await asyncio.sleep(0.002 * (which % 10))

    async def upkeep(self, which: int) -> None:
        with suppress(AriError):
            await self.w.app.upkeep.look()

    async def _untold(self, happens: Callable[[int], object], which: int) -> None:
        self.fake.mute_events = True
        try:
            done = happens(which)
            assert asyncio.iscoroutine(done)
            await done
        finally:
            self.fake.mute_events = False


HAPPENINGS = [
    History.call,
    History.call_untold,
    History.call_outside,
    History.come_back,
    History.come_back_untold,
    History.lease_expires,
    History.hang_up,
    History.hang_up_untold,
    History.end_is_told_again,
    History.start_is_told_again,
    History.agent_hangs_up,
    History.agent_hangs_up_untold,
    History.agents_ready,
    History.agents_away,
    History.cut,
    History.cut_unnoticed,
    History.pause,
    History.upkeep,
]
HISTORIES = st.lists(
    st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 29)), min_size=3, max_size=14
)


UNTOLD = {
    History.call_untold,
    History.call_outside,
    History.come_back_untold,
    History.hang_up_untold,
    History.agent_hangs_up_untold,
    History.cut,
    History.cut_unnoticed,
}
TOLD = st.lists(
    st.tuples(
        st.sampled_from([happens for happens in HAPPENINGS if happens not in UNTOLD]),
        st.integers(0, 29),
    ),
    min_size=3,
    max_size=14,
)
"""Histories of which every event reaches us."""


async def _look(w: World) -> None:
    """Reconnect and look at Asterisk's lists, as upkeep does soon after each connection."""
    await reconnect(w, await disconnect(w))
    for _ in range(LOOKS):
        await w.app.upkeep.look()


def _agree(history: History) -> bool:
    return seats(history.w) == set(history.customers)


async def _live_through(folder: Path, happenings: Happenings, told: bool) -> None:
    store(folder)
    async with world(folder, capacity=CAPACITY, request_seconds=1.0) as w:
        w.fake.on_event = lambda *_: None
        w.rows.also = partial(store, folder)
        history = History(w)
        for happens, which in happenings:
            done = happens(history, which)
            assert asyncio.iscoroutine(done)
            await done
        await eventually(lambda: w.ari.ready, "the connection")
        if not told:
            await _look(w)
        await eventually(
            partial(_agree, history), f"seats {sorted(seats(w))} for {sorted(history.customers)}", 3
        )
        for channel in list(history.customers):
            w.fake.hang_up(channel)
        await eventually(lambda: not seats(w), "the last seat", 3)
        await eventually(lambda: not w.app.reception.calls, "the last call", 3)
        if told:
            await eventually(lambda: not w.legs(), "the last leg", 3)
            await w.app.upkeep.look()
            assert not w.app.upkeep.repairs, "in a healthy house nothing is ever found"
        else:
            await _look(w)
        _nothing_is_left(w)


def _nothing_is_left(w: World) -> None:
    assert seats(w) == set()
    assert w.app.desk.waiting() == {}
    assert not w.legs()
    assert not [bridge for bridge in w.fake.bridges if bridge.startswith("talk-")]
    assert not [channel for channel in w.fake.ever if w.ari.follows(channel)]
    busy = {agent.state for agent in w.app.agents} & {AgentState.OFFERED, AgentState.TALKING}
    assert not busy, "an agent is stuck"
    settled = [row.offer_id for row in w.rows.offers]
    assert sorted(settled) == sorted({row.offer_id for row in w.rows.begun})
    ends: dict[str, set[object]] = {}
    for row in w.rows.calls:
        if row.outcome:
            ends.setdefault(row.call_id, set()).add((row.outcome, row.reason))
    assert all(len(told) == 1 for told in ends.values()), "one call, one end"


CALM = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@CALM
@given(happenings=HISTORIES)
def test_after_any_history_the_seats_are_the_customers(happenings: Happenings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live_through(Path(folder), happenings, told=False))


@CALM
@given(happenings=TOLD)
def test_if_we_are_told_of_everything_there_is_nothing_to_repair(happenings: Happenings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live_through(Path(folder), happenings, told=True))
