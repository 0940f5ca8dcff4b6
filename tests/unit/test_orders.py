"""Orders over the console: carried out for whoever has the token, one clear line otherwise."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from pydantic import SecretStr

from pln_ivr.config import Settings
from pln_ivr.config.node import Ari, Console, Drain
from pln_ivr.console.server import serve
from pln_ivr.errors import ConfigError
from pln_ivr.orders import OrderError, ended, give

TOKEN = "only-a-test"


@pytest.fixture(autouse=True)
def _answers_are_collected() -> Iterator[None]:
    """urllib leaves the body of an HTTP error open; its warning must not reach another test."""
    yield
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


class Program:
    """A running program, as far as its console tells."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def knowing(self, token: str, bind: str = "127.0.0.1") -> Settings:
        """The settings of somebody who gives an order."""
        return Settings(
            ari=Ari(password=SecretStr(token)),
            console=Console(bind=bind, port=self.port),
            drain=Drain(deadline_seconds=90),
        )

    port = 0


@asynccontextmanager
async def program(token: str = TOKEN, port: int = 0) -> AsyncIterator[Program]:
    made = Program()
    orders = {
        "drain": lambda: made.done.append("drain"),
        "leave": lambda: made.done.append("leave"),
    }
    async with serve("127.0.0.1", port, lambda: b"", dict, orders, token) as made.port:
        yield made


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("drain", "draining: no new calls; ends within 90 s"),
        ("leave", "leaving: every call goes on and waits for the next run"),
    ],
)
@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0", ""])
async def test_an_order_with_the_token_is_carried_out(order: str, said: str, bind: str) -> None:
    async with program() as running:
        settings = running.knowing(TOKEN, bind)
        assert await asyncio.to_thread(give, settings, order) == said
        assert running.done == [order]


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (TOKEN, "another"),
        (TOKEN, ""),
        (TOKEN, TOKEN + " x"),
        (TOKEN, TOKEN[:-1]),
        ("", ""),
        ("", "x"),
    ],
)
async def test_without_the_token_nothing_happens(token: str, shown: str) -> None:
    """A program without a password takes orders from nobody."""
    async with program(token) as running:
        with pytest.raises(OrderError, match=r"^ari\.password: it is not the running program's$"):
            await asyncio.to_thread(give, running.knowing(shown), "drain")
        assert running.done == []


@pytest.mark.parametrize("token", [TOKEN, ""])
async def test_who_shows_no_token_at_all_is_refused(token: str) -> None:
    async with program(token) as running, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{running.port}/orders/drain"
        async with session.post(url) as answer:
            assert answer.status == 401
        async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 405
        assert running.done == []


@pytest.mark.parametrize("token", ["sandi-é", "sandi-Ω"])
async def test_any_password_is_a_token(token: str) -> None:
    async with program(token) as running:
        await asyncio.to_thread(give, running.knowing(token), "drain")
        assert running.done == ["drain"]


async def test_an_order_that_is_not_known_is_refused() -> None:
    async with program() as running:
        with pytest.raises(OrderError, match=r"^http://127\.0\.0\.1:\d+: HTTP 404$"):
            await asyncio.to_thread(give, running.knowing(TOKEN), "dance")
        assert running.done == []


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def test_if_nobody_listens_the_error_says_what_to_check() -> None:
    settings = Settings(console=Console(port=unused_port()))
    with pytest.raises(OrderError) as caught:
        await asyncio.to_thread(give, settings, "drain")
    text = str(caught.value)
    assert "nobody answers" in text
    assert "console.port" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
async def test_another_program_on_the_port_is_an_order_error_too(says: bytes) -> None:
    """Whatever listens there: one line, no traceback."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OrderError):
            await asyncio.to_thread(give, Settings(console=Console(port=port)), "drain")


async def test_it_has_ended_when_nobody_answers_any_more() -> None:
    async with program() as running:
        settings = running.knowing(TOKEN)
        waiting = asyncio.create_task(asyncio.to_thread(ended, settings, 20.0))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting


async def test_it_has_not_ended_while_it_answers() -> None:
    async with program() as running:
        assert not await asyncio.to_thread(ended, running.knowing(TOKEN), 0.01)


async def test_two_runs_share_the_port_for_the_handover() -> None:
    async with program() as old, program(port=old.port) as new:
        assert new.port == old.port
        await asyncio.to_thread(give, new.knowing(TOKEN), "leave")
        assert sorted(old.done + new.done) == ["leave"]


async def test_a_port_that_another_program_holds_is_told_with_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"^console\.bind, console\.port: cannot listen on"):
            async with program(port=taken.getsockname()[1]):
                pass
