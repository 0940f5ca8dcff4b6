"""Requests against the fake: each failure has its error, and none hangs."""

from __future__ import annotations

import asyncio
import json

import pytest

from pln_ivr.ari.client import Timing
from pln_ivr.errors import AriError, AriRefused, AriTimeout, AriUnavailable, Gone
from tests.fake_ari.clients import setup
from tests.fake_ari.server import Asked, Fault
from tests.fake_ari.world import eventually


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=500, message="Internal"), AriRefused),
        (Fault(status=503, message="Busy"), AriRefused),
        (Fault(status=401, message="Authentication required"), AriRefused),
        (Fault(status=404), Gone),
        (Fault(status=409), Gone),
        (Fault(silent=True), AriTimeout),
    ],
)
@pytest.mark.parametrize("operation", ["play", "add_to_bridge"])
async def test_each_failure_has_its_error(
    fault: Fault, error: type[AriError], operation: str
) -> None:
    timing = Timing(request=0.05, watchdog=60.0, reconnect_max=0.05)
    async with setup(timing) as s:
        s.fake.fault = lambda _: fault
        play = s.ari.play("c-1", "sound:x", "p-1")
        add = s.ari.add_to_bridge("b-1", ["c-1", "c-2"])
        request, other = (play, add) if operation == "play" else (add, play)
        other.close()
        with pytest.raises(error) as caught:
            await request
        assert type(caught.value) is error
        assert "\n" not in str(caught.value)
        transport = "websocket" if operation == "play" else "http"
        assert s.meter.requests[transport, error.__name__] == 1


@pytest.mark.parametrize("reset", [False, True])
async def test_a_request_whose_connection_is_cut_is_tried_once_more(reset: bool) -> None:
    async with setup() as s:
        cuts = 1

        def once(asked: Asked) -> Fault | None:
            nonlocal cuts
            cuts -= 1
            return Fault(cut=True, reset=reset) if cuts >= 0 else None

        s.fake.fault = once
        await s.ari.set_global("CAPACITY", "5")
        assert s.fake.globals["CAPACITY"] == "5"
        assert len(s.fake.requests[-2:]) == 2

        cuts = 100
        with pytest.raises(AriUnavailable):
            await s.ari.set_global("CAPACITY", "6")
        assert s.fake.globals["CAPACITY"] == "5"
        assert cuts == 98, "twice is enough"


async def test_answers_over_the_websocket_may_come_in_any_order() -> None:
    async with setup() as s:
        silence = Fault(silent=True)
        s.fake.fault = lambda _: silence
        requests = [
            asyncio.create_task(s.ari.play(f"c-{n}", "sound:x", f"p-{n}")) for n in range(5)
        ]
        await eventually(
            lambda: sum("/play/" in asked.path for asked in s.fake.requests) == 5, "five requests"
        )
        ids = {asked.path.split("/")[1]: asked.id for asked in s.fake.requests[-5:]}
        for n in (3, 0, 4, 1, 2):
            body = json.dumps({"message": f"about {n}"})
            socket = s.fake.sockets[-1]
            s.fake.answer_websocket(socket, ids[f"c-{n}"], 404 if n == 4 else 201, body)
        answers = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(answer) for answer in answers[:4]] == [type(None)] * 4
        assert isinstance(answers[4], Gone)
        assert "about 4" in str(answers[4])


async def test_an_answer_to_nobody_is_ignored() -> None:
    async with setup() as s:
        s.fake.answer_websocket(s.fake.sockets[-1], "9999", 200, "")
        await s.ari.send_user_event("still-there")
        await eventually(lambda: s.meter.events["ChannelUserevent"], "the next event")
        assert s.fake.connections == 1


async def test_requests_under_way_are_told_at_once_when_the_websocket_breaks() -> None:
    async with setup() as s:
        s.fake.fault = lambda _: Fault(silent=True)
        request = asyncio.create_task(s.ari.play("c-1", "sound:x", "p-1"))
        await eventually(lambda: s.fake.requests[s.fake._first_request :], "the request")
        s.fake.fault = lambda _: None
        s.fake.cut()
        with pytest.raises(AriUnavailable):
            await request


async def test_a_websocket_that_takes_nothing_any_more_does_not_hold_requests() -> None:
    """The peer's buffers are full: the request cannot even be sent."""
    timing = Timing(request=0.2, watchdog=60.0, reconnect_max=0.05)
    async with setup(timing) as s:
        transport = s.fake.transport()
        transport.pause_reading()
        media = "sound:" + "x" * 4_000_000
        requests = [asyncio.create_task(s.ari.play(f"c-{n}", media, f"p-{n}")) for n in range(4)]
        done, pending = await asyncio.wait(requests, timeout=2)
        transport.resume_reading()
        for request in pending:
            request.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        assert not pending, "requests hang past their deadline"
        assert all(isinstance(request.exception(), AriTimeout) for request in done)


async def test_while_there_is_no_websocket_requests_go_over_http() -> None:
    async with setup() as s:
        s.follow("c-1")
        s.fake.refuses_websocket = True
        s.fake.cut()
        await eventually(lambda: not s.ari.ready and not s.ari._stream, "the loss")
        await s.ari.hang_up("c-1")
        assert s.fake.requests[-1].transport == "http"
        assert not s.fake.channels


@pytest.mark.parametrize("body", ["<html>hello</html>", "{}", "null", "[1]", '{"system": 5}', ""])
async def test_an_answer_that_is_no_aris_is_an_error_of_ours(body: str) -> None:
    async with setup() as s:
        s.fake.fault = lambda _: Fault(body=body)
        for ask in (s.ari.version, s.ari.list_channels):
            with pytest.raises(AriError):
                await ask()


async def test_what_is_gone_already_is_no_error_to_remove() -> None:
    async with setup() as s:
        await s.ari.hang_up("nobody")
        await s.ari.destroy_bridge("none")
        await s.ari.stop_playback("none")
        await s.ari.delete_object("auth", "ag-999")
        await s.ari.create_bridge("b-1", "holding")
        await s.ari.create_bridge("b-1", "holding")
        s.fake.fault = lambda _: Fault(status=404)
        assert await s.ari.list_endpoints("PJSIP") == ()


async def test_ids_are_quoted_in_paths() -> None:
    async with setup() as s:
        for send in (
            s.ari.hang_up("PJSIP a?b&c%20"),
            s.ari.delete_object("auth", "PJSIP a?b&c%20"),
        ):
            await send
            assert s.fake.requests[-1].path.endswith("/PJSIP a?b&c%20")
