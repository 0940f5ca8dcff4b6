"""One channel: what its events mean, and waits that never outlive it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from pln_ivr.ari.channel import Channel, Hangup
from pln_ivr.errors import AriTimeout, Gone
from tests.unit.making import arrival, bridge, event, playback
from tests.unit.making import channel as info

SOON = 5.0
"""A deadline that is never reached unless something is broken."""
NEVER = asyncio.Event


@pytest.fixture
def channel() -> Channel:
    made = Channel("c-1", lambda _: None)
    made.feed(arrival("call", "123"))
    return made


def by_caller(channel: Channel) -> None:
    """The far end hangs up."""
    channel.feed(event("ChannelHangupRequest", channel=info(), cause=16))


async def parked(channel: Channel) -> asyncio.Task[None]:
    """A task inside present(), at an await."""
    inside = asyncio.Event()

    async def body() -> None:
        async with channel.present():
            inside.set()
            await NEVER().wait()

    task = asyncio.create_task(body())
    await inside.wait()
    return task


# -- present -----------------------------------------------------------------------------


async def test_present_cancels_the_body_and_raises_gone(channel: Channel) -> None:
    task = await parked(channel)
    by_caller(channel)
    with pytest.raises(Gone):
        await task
    assert not task.cancelled()
    assert task.cancelling() == 0, "nothing of the cancellation may be left in the task"


async def test_present_leaves_an_outer_cancellation_alone(channel: Channel) -> None:
    task = await parked(channel)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_an_outer_cancellation_wins_over_the_hangup_of_the_same_moment(
    channel: Channel,
) -> None:
    task = await parked(channel)
    task.cancel()
    by_caller(channel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_hangup_first_and_the_outer_cancellation_in_the_same_moment(
    channel: Channel,
) -> None:
    task = await parked(channel)
    by_caller(channel)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_present_around_a_channel_that_has_gone_does_not_run_the_body(
    channel: Channel,
) -> None:
    by_caller(channel)
    with pytest.raises(Gone):
        async with channel.present():
            pytest.fail("the body ran")


async def test_present_lets_the_bodys_own_end_through(channel: Channel) -> None:
    async with channel.present():
        pass
    with pytest.raises(KeyError):
        async with channel.present():
            raise KeyError
    by_caller(channel)  # must not cancel anybody any more
    await asyncio.sleep(0)


async def test_an_error_of_the_body_while_it_is_cancelled_is_not_hidden(
    channel: Channel,
) -> None:
    async def body() -> None:
        async with channel.present():
            try:
                await NEVER().wait()
            finally:
                raise KeyError("in the clean-up")

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    by_caller(channel)
    with pytest.raises(KeyError):
        await task
    assert task.cancelling() == 0


async def test_present_with_a_task_group_inside_ends_its_tasks(channel: Channel) -> None:
    ended: list[str] = []
    inside = asyncio.Event()

    async def worker(name: str) -> None:
        try:
            await NEVER().wait()
        finally:
            ended.append(name)

    async def body() -> None:
        async with channel.present(), asyncio.TaskGroup() as group:
            group.create_task(worker("a"))
            group.create_task(worker("b"))
            await asyncio.sleep(0)
            inside.set()
            await NEVER().wait()

    task = asyncio.create_task(body())
    await inside.wait()
    by_caller(channel)
    with pytest.raises(Gone):
        await task
    assert sorted(ended) == ["a", "b"]


async def test_present_inside_a_task_group_fails_only_as_gone(channel: Channel) -> None:
    inside = asyncio.Event()

    async def body() -> None:
        async with channel.present():
            inside.set()
            await NEVER().wait()

    async def several() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(body())
            await inside.wait()
            by_caller(channel)

    with pytest.raises(ExceptionGroup) as failure:
        await several()
    assert failure.group_contains(Gone)


async def test_present_within_a_timeout_gives_the_timeout(channel: Channel) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), channel.present():
            await NEVER().wait()


async def test_a_timeout_within_present_stays_a_timeout(channel: Channel) -> None:
    async with channel.present():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await NEVER().wait()


async def test_present_twice_nested_raises_gone_once(channel: Channel) -> None:
    other = Channel("c-2", lambda _: None)

    async def body() -> None:
        async with channel.present(), other.present():
            await NEVER().wait()

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    by_caller(channel)
    with pytest.raises(Gone):
        await task
    assert task.cancelling() == 0


# -- waits -------------------------------------------------------------------------------


async def test_a_playback_that_ended_before_the_wait_is_not_missed(channel: Channel) -> None:
    channel.expect_playback("p-1")
    channel.feed(event("PlaybackFinished", playback=playback()))
    assert await channel.playback_ended("p-1", SOON) == "done"


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
async def test_waiting_for_the_end_of_a_playback(channel: Channel, state: str) -> None:
    channel.expect_playback("p-1")
    waiting = asyncio.create_task(channel.playback_ended("p-1", SOON))
    await asyncio.sleep(0)
    channel.feed(event("PlaybackFinished", playback=playback("other")))
    await asyncio.sleep(0)
    assert not waiting.done()
    channel.feed(event("PlaybackFinished", playback=playback(state=state)))
    assert await waiting == state


async def press(channel: Channel, key: str, at: str = "1") -> None:
    await asyncio.sleep(0)
    channel.feed(event("ChannelDtmfReceived", channel=info(), digit=key, timestamp=at))


async def test_a_key_ends_the_wait_for_a_playback_if_that_is_wanted(channel: Channel) -> None:
    channel.expect_playback("p-1")
    wait = asyncio.create_task(channel.playback_ended("p-1", SOON, or_key=True))
    await press(channel, "5")
    assert await wait == ""
    assert channel.party.take_key() == "5", "it is left to be taken"
    deaf = asyncio.create_task(channel.playback_ended("p-1", SOON))
    await press(channel, "6", "2")
    assert not deaf.done()
    channel.feed(event("PlaybackFinished", playback=playback("p-1")))
    assert await deaf == "done"


async def test_a_key_pressed_before_ends_it_at_once_and_an_end_before_wins(
    channel: Channel,
) -> None:
    channel.expect_playback("p-1")
    await press(channel, "5")
    assert await channel.playback_ended("p-1", SOON, or_key=True) == ""
    channel.feed(event("PlaybackFinished", playback=playback("p-1")))
    assert await channel.playback_ended("p-1", SOON, or_key=True) == "done"


async def test_a_key_in_time_or_none(channel: Channel) -> None:
    assert await channel.next_key_within(0.01) is None
    wait = asyncio.create_task(channel.next_key_within(SOON))
    await press(channel, "#")
    assert await wait == "#"
    await press(channel, "1", "2")
    channel.party.forget_keys()
    assert not channel.party.pressed
    by_caller(channel)
    with pytest.raises(Gone):
        await channel.next_key_within(SOON)


async def test_a_playback_that_nobody_expects_is_forgotten(channel: Channel) -> None:
    channel.feed(event("PlaybackFinished", playback=playback()))
    channel.expect_playback("p-1")
    with pytest.raises(AriTimeout):
        await channel.playback_ended("p-1", 0.01)
    channel.forget_playback("p-1")
    channel.forget_playback("p-1")


async def test_a_wait_ends_with_gone_when_the_channel_does(channel: Channel) -> None:
    channel.expect_playback("p-1")
    waits = [
        asyncio.create_task(channel.until_in_bridge("b-1", SOON)),
        asyncio.create_task(channel.playback_ended("p-1", SOON)),
    ]
    await asyncio.sleep(0)
    by_caller(channel)
    for wait in waits:
        with pytest.raises(Gone):
            await wait


async def test_a_wait_ends_with_timeout_when_nothing_happens(channel: Channel) -> None:
    with pytest.raises(AriTimeout, match="entering a bridge: nothing within"):
        await channel.until_in_bridge("b-1", 0.01)
    assert not channel.gone


async def test_what_already_holds_is_returned_even_after_the_end(channel: Channel) -> None:
    channel.feed(event("ChannelEnteredBridge", channel=info(), bridge=bridge("b-1")))
    by_caller(channel)
    await channel.until_in_bridge("b-1", SOON)


async def test_a_cancelled_wait_leaves_nothing_behind(channel: Channel) -> None:
    waiting = asyncio.create_task(channel.until_gone())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not channel._waiters
    channel.feed(event("ChannelStateChange", channel=info(state="Up")))


async def test_entering_one_bridge_and_leaving_the_one_before_in_either_order(
    channel: Channel,
) -> None:
    channel.feed(event("ChannelEnteredBridge", channel=info(), bridge=bridge("old")))
    channel.feed(event("ChannelEnteredBridge", channel=info(), bridge=bridge("new")))
    channel.feed(event("ChannelLeftBridge", channel=info(), bridge=bridge("old")))
    assert channel.bridge_id == "new"
    channel.feed(event("ChannelLeftBridge", channel=info(), bridge=bridge("new")))
    assert channel.bridge_id is None


async def test_waiting_for_the_last_event_gives_up_without_an_error(channel: Channel) -> None:
    by_caller(channel)
    await channel.until_destroyed(0.01)
    assert not channel.destroyed
    waiting = asyncio.create_task(channel.until_destroyed(SOON))
    await asyncio.sleep(0)
    channel.feed(event("ChannelDestroyed", channel=info(), cause=16))
    await waiting
    assert channel.destroyed


def test_the_ringing_clock_starts_at_the_first_ringing() -> None:
    leg = Channel("c-1", lambda _: None)
    leg.feed(event("ChannelStateChange", channel=info(state="Down")))
    assert leg.ringing_since is None
    leg.feed(event("ChannelStateChange", channel=info(state="Ringing")))
    first = leg.ringing_since
    assert first is not None
    leg.feed(event("ChannelStateChange", channel=info(state="Ringing")))
    assert leg.ringing_since == first


# -- who ended it --------------------------------------------------------------------------


FAR = {"cause": 16}
SOFT = {"cause": 32, "soft": True}
DEVICE = {"cause": 1, "soft": True}


def end(channel: Channel, *steps: tuple[str, Mapping[str, object]]) -> Hangup:
    for name, fields in steps:
        channel.feed(event(name, channel=info(), **fields))
    assert channel.hangup is not None
    return channel.hangup


def test_the_far_end_hung_up(channel: Channel) -> None:
    hangup = end(
        channel,
        ("ChannelHangupRequest", FAR),
        ("ChannelHangupRequest", SOFT),
        ("StasisEnd", {}),
        ("ChannelDestroyed", {"cause": 16, "tech_cause": 0}),
    )
    assert hangup == Hangup(by_far_end=True, cause=16)


def test_we_hung_up_and_the_flag_is_not_taken_for_a_cause(channel: Channel) -> None:
    assert end(channel, ("ChannelHangupRequest", SOFT)) == Hangup(by_far_end=False)
    assert end(channel, ("ChannelDestroyed", {"cause": 17})) == Hangup(by_far_end=False, cause=17)


def test_rtp_stopped(channel: Channel) -> None:
    hangup = end(channel, ("ChannelHangupRequest", DEVICE), ("ChannelDestroyed", {"cause": 44}))
    assert hangup == Hangup(by_far_end=False, media_lost=True, cause=44)


def test_a_phone_that_refuses_is_destroyed_without_a_request() -> None:
    leg = Channel("c-1", lambda _: None)
    hangup = end(leg, ("ChannelDestroyed", {"cause": 17, "tech_cause": 486}))
    assert hangup == Hangup(by_far_end=True, cause=17, tech_cause=486)


def test_leaving_the_application_is_an_end_that_the_far_end_did_not_make(
    channel: Channel,
) -> None:
    assert channel.in_app
    assert end(channel, ("StasisEnd", {})) == Hangup(by_far_end=False, left=True)
    assert not channel.in_app


def test_a_channel_that_is_missing_after_a_reconnection_is_lost(channel: Channel) -> None:
    channel.lose(pbx_restarted=True)
    assert channel.hangup == Hangup(by_far_end=False, lost=True, unseen=True)
    assert channel.gone
    assert channel.destroyed


def test_closing_says_whom_to_forget() -> None:
    forgotten: list[str] = []
    leg = Channel("c-9", forgotten.append)
    leg.close()
    leg.close()
    assert set(forgotten) == {"c-9"}
