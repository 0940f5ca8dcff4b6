"""The client against the fake: connections that break, stall and come back."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from pln_ivr.ari import client as client_module
from pln_ivr.ari import connect
from pln_ivr.ari.client import Timing, backoff
from pln_ivr.ari.events import TYPES, EndpointInfo
from pln_ivr.errors import AriRefused, AriUnavailable, Gone
from tests.fake_ari.clients import QUICK, setup
from tests.fake_ari.server import APP, USER, FakeChannel, Fault
from tests.fake_ari.world import eventually

# -- the connection ------------------------------------------------------------------------


def test_pauses_double_up_to_the_longest_and_are_jittered() -> None:
    runs = [list(islice(backoff(5.0), 10)) for _ in range(20)]
    for pauses in runs:
        for pause, full in zip(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5], strict=True):
            assert full / 2 <= pause <= full
    assert len({run[0] for run in runs}) > 1, "everybody would come back at once"


@pytest.mark.parametrize("politely", [True, False])
async def test_a_lost_connection_comes_back_and_is_prepared_again(politely: bool) -> None:
    async with setup() as s:
        for count in (1, 2):
            if politely:
                await s.fake.close_sockets()
            else:
                s.fake.cut()
            await s.reconnected(count)
            assert s.ari.reconnections == count
            assert s.handler.connections == count + 1
        assert s.fake.filters == [set(TYPES)] * 3, "Asterisk forgets the filter each time"
        assert "RESTResponse" in s.fake.filters[0], "else answers over the WebSocket are lost"


async def test_while_asterisk_is_away_the_client_tries_again_with_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[float] = []

    def watched(longest: float) -> object:
        for pause in backoff(longest, 0.001):
            taken.append(pause)
            yield pause

    monkeypatch.setattr(client_module, "backoff", watched)
    async with setup() as s:
        s.fake.refuses_websocket = True
        s.fake.cut()
        await eventually(lambda: len(taken) >= 8, "eight attempts")
        assert not s.ari.ready
        assert max(taken[:2]) < max(taken[4:8]), "they grow"
        assert max(taken) <= 0.05
        s.fake.refuses_websocket = False
        await eventually(lambda: s.ari.ready, "the connection")
        assert s.ari.reconnections == 1
        s.fake.cut()
        await s.reconnected(2)
        assert taken[-1] <= 0.002, "after a success they begin anew"


async def test_not_ready_until_the_handler_has_prepared_everything() -> None:
    async with setup(start=False) as s:
        s.handler.fails = 3
        s.running = asyncio.create_task(s.ari.run(s.handler))
        await eventually(lambda: s.handler.connections == 4 and s.ari.ready, "the fourth attempt")
        assert s.fake.connections == 4
        assert s.ari.reconnections == 0, "there was no connection to lose"


async def test_a_half_open_stream_is_noticed_by_the_watchdog() -> None:
    async with setup(QUICK) as s:
        s.fake.mute_events = True
        await eventually(lambda: not s.ari.ready, "the watchdog")
        s.fake.mute_events = False
        await eventually(lambda: s.ari.ready, "the reconnection")
        assert s.fake.connections >= 2


async def test_a_stream_that_lives_is_left_alone_by_the_watchdog() -> None:
    async with setup(Timing(request=5.0, watchdog=0.1, reconnect_max=0.05)) as s:
        await eventually(
            lambda: s.meter.events["ChannelUserevent"] >= 20, "twenty rounds of the watchdog"
        )
        assert s.fake.connections == 1
        assert s.ari.reconnections == 0


async def test_a_watchdogs_request_that_is_not_answered_reconnects() -> None:
    async with setup(QUICK) as s:
        silence = Fault(silent=True)
        s.fake.fault = lambda asked: silence if asked.path.startswith("events/") else None
        await eventually(lambda: s.ari.reconnections, "the watchdog")


async def test_when_another_takes_the_name_the_client_gives_way() -> None:
    async with setup(QUICK) as s:
        s.fake.send("ApplicationReplaced")
        s.fake.mute_events = True  # the events are the other's now
        await eventually(s.ari.replaced.is_set, "the news")
        assert s.running
        await asyncio.wait_for(asyncio.shield(s.running), 8)
        assert not s.ari.ready
        assert s.fake.connections == 1, "taking the name back would go on for ever"


async def test_a_wrong_password_is_said_and_tried_again() -> None:
    async with setup(password="wrong", start=False) as s:
        s.running = asyncio.create_task(s.ari.run(s.handler))
        with pytest.raises(AriRefused) as refusal:
            await s.ari.version()
        assert refusal.value.status == 401
        assert not s.running.done()
        assert not s.ari.ready


async def test_no_asterisk_at_all() -> None:
    async with (
        setup(start=False) as s,
        connect(
            "http://127.0.0.1:9", user=USER, password="x", app=APP, meter=s.meter, timing=QUICK
        ) as nowhere,
    ):
        with pytest.raises(AriUnavailable):
            await nowhere.version()


# -- events ----------------------------------------------------------------------------------


async def test_what_cannot_be_decoded_is_counted_and_the_rest_goes_on() -> None:
    async with setup() as s:
        for text in ("{", "[]", '{"type": "StasisStart"}', '{"no": "type"}', "\x00"):
            s.fake.send_raw(text)
        s.fake.send_raw('{"type": "OfAsterisk30", "new": true}')
        s.fake.call()
        await eventually(lambda: s.handler.arrivals, "the call after them")
        assert s.ari.broken_events == 5
        assert s.fake.connections == 1
        assert sum(s.meter.events.values()) >= 2, "the unknown one is counted too"
        assert not {"OfAsterisk30"} & set(s.meter.events), "its name is no label"


async def test_a_bug_in_one_calls_handling_stops_nobody_elses_events() -> None:
    async with setup() as s:
        channel = FakeChannel("c-1", "Up")
        s.fake.add(channel)
        s.fake.enter_app(channel, "bug")
        s.fake.call("c-2")
        await eventually(lambda: s.handler.arrivals, "the next call")
        assert s.handler.arrivals[0].channel.id == "c-2"
        assert s.fake.connections == 1


async def test_events_go_to_who_follows_their_channel_and_to_nobody_else() -> None:
    async with setup() as s:
        s.follow("c-1")
        other = s.ari.channel("c-2")
        channel = s.ari.channel("c-1")
        await eventually(lambda: channel.in_app, "the arrival")
        assert not s.handler.arrivals
        s.fake.hang_up("c-1", cause=19)
        await eventually(lambda: channel.destroyed, "its end")
        assert channel.hangup
        assert (channel.hangup.by_far_end, channel.hangup.cause) == (True, 19)
        assert not other.gone
        channel.close()
        assert not s.ari.follows("c-1")


async def test_a_phones_state_goes_to_the_handler() -> None:
    async with setup() as s:
        s.fake.send(
            "EndpointStateChange",
            endpoint={"technology": "PJSIP", "resource": "ag-101", "state": "offline"},
        )
        await eventually(lambda: s.handler.endpoints, "the phone")
        assert s.handler.endpoints == [EndpointInfo("PJSIP", "ag-101", "offline")]


@pytest.mark.parametrize("restarted", [False, True])
async def test_channels_that_are_missing_after_a_reconnection_are_lost(restarted: bool) -> None:
    """If Asterisk is the same, only a phone can have ended them."""
    async with setup() as s:
        for channel_id in ("stays", "lost"):
            s.follow(channel_id)
        stays, lost = s.ari.channel("stays"), s.ari.channel("lost")
        expected = s.ari.channel("not-yet-there")
        await eventually(lambda: stays.in_app and lost.in_app, "both")
        waiting = asyncio.create_task(lost.until_in_bridge("b", 30))
        await asyncio.sleep(0)
        s.fake.bridges["talk"] = "mixing"
        s.fake.channels["stays"].bridge = "talk"
        s.fake.lose("lost")
        if restarted:
            s.fake.startup_time = "2026-11-23T12:30:00.000+0700"
        s.fake.cut()
        await s.reconnected(1)
        assert lost.hangup
        assert lost.hangup.unseen
        assert lost.hangup.lost is restarted
        assert lost.hangup.by_far_end is not restarted
        with pytest.raises(Gone):
            await waiting
        assert not stays.gone
        assert stays.bridge_id == "talk", "what was missed of the bridges is learnt"
        assert not expected.gone, "a leg that is being dialled is not lost"
