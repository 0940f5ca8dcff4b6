"""Pausing what MixMonitor writes, by the manager interface on a real socket that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from pln_ivr.ari.manager import Manager
from pln_ivr.errors import AriRefused, AriTimeout, AriUnavailable, Gone

OK = "Response: Success\r\nMessage: fine\r\n\r\n"
Answer = Callable[[str], str]


class Fake:
    """Answers each action as it is told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[dict[str, str]] = []
        self.cookies: list[str] = []
        self.hangs = False
        self.status = 200

    async def serve(self, request: web.Request) -> web.Response:
        fields = {key: str(value) for key, value in (await request.post()).items()}
        self.asked.append(fields)
        self.cookies.append(request.headers.get("Cookie", ""))
        if self.hangs:
            await asyncio.sleep(10)
        answer = web.Response(text=self._answer(fields["action"]), status=self.status)
        answer.set_cookie("mansession_id", "816679da")
        return answer


@asynccontextmanager
async def manager(answer: Answer = lambda _: OK) -> AsyncIterator[tuple[Manager, Fake]]:
    fake, app = Fake(answer), web.Application()
    app.router.add_post("/rawman", fake.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Manager(session, url, "pln_ivr", "a-secret"), fake
    await runner.cleanup()


async def test_it_logs_in_orders_and_logs_off() -> None:
    async with manager() as (it, fake):
        await it.mute_recording("agent-o1", True, 5)
        await it.mute_recording("agent-o1", False, 5)
    first, second = fake.asked[:3], fake.asked[3:]
    assert [one["action"] for one in first] == ["login", "MixMonitorMute", "logoff"]
    assert first[0] == {"action": "login", "username": "pln_ivr", "secret": "a-secret"}
    assert first[1]["channel"] == "agent-o1"
    assert (first[1]["state"], first[1]["direction"]) == ("1", "both")
    assert second[1]["state"] == "0"
    assert fake.cookies[:3] == ["", *["mansession_id=816679da"] * 2]


@pytest.mark.parametrize("wrong", ["login", "MixMonitorMute"])
async def test_a_refusal_says_what_was_refused_and_why(wrong: str) -> None:
    no = "Response: Error\r\nMessage: Authentication failed\r\n\r\n"
    async with manager(lambda action: no if action == wrong else OK) as (it, _):
        with pytest.raises(AriRefused, match=rf"{wrong}.*Authentication failed") as refused:
            await it.mute_recording("agent-o1", True, 5)
    assert "a-secret" not in str(refused.value)


async def test_an_asterisk_without_it_is_told_apart() -> None:
    async with manager() as (it, fake):
        fake.status = 404
        with pytest.raises(AriRefused, match=r"404 is webenabled set in manager\.conf"):
            await it.mute_recording("agent-o1", True, 5)


async def test_a_leg_that_has_hung_up_is_gone() -> None:
    no = "Response: Error\r\nMessage: No such channel\r\n\r\n"
    async with manager(lambda action: no if action == "MixMonitorMute" else OK) as (it, _):
        with pytest.raises(Gone):
            await it.mute_recording("agent-o1", True, 5)


async def test_silence_has_an_end() -> None:
    async with manager() as (it, fake):
        fake.hangs = True
        with pytest.raises(AriTimeout, match=r"within 0\.1 s"):
            await it.mute_recording("agent-o1", True, 0.1)


async def test_nobody_there() -> None:
    async with aiohttp.ClientSession() as session:
        it = Manager(session, "http://127.0.0.1:1", "pln_ivr", "a-secret")
        with pytest.raises(AriUnavailable):
            await it.mute_recording("agent-o1", True, 5)
