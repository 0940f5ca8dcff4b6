"""The feed: a snapshot, then events; nobody waits for a slow client, and all end at once."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from msgspec import Struct, json
from msgspec.structs import replace

from pln_ivr.console import auth, examples, feed, server
from pln_ivr.console.events import EVENTS, Snapshot, event_of
from pln_ivr.console.views import FlagView
from pln_ivr.errors import JournalError
from pln_ivr.journal import (
    AgentStateRow,
    CallRow,
    FlagRow,
    IncidentRow,
    MarkRow,
    OfferRow,
    RecordingPauseRow,
    Row,
    SupervisionRow,
)
from pln_ivr.outcomes import IncidentKind, Stage, Supervision
from tests.fake_ari.world import eventually
from tests.unit.api_house import Client, House, house, served, shown

LARGE = "x" * 200_000
LONG_SECONDS = 30.0
"""What must come at once is not waited for longer, on a machine that has other work."""


def flag(flag_id: str) -> FlagView:
    """An event whose number can be told."""
    return FlagView(flag_id=flag_id, call_id="c", agent="101", raised_at=examples.TIME)


class Listener:
    """Somebody who reads the feed."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._content = answer.content

    async def block(self) -> dict[str, str]:
        """The next block: an event's fields, or a comment as the field ""; {} at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(LONG_SECONDS):
            while line := (await self._content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name.rstrip(":")] = value
        return fields

    async def until_end(self) -> None:
        """Read to the end of the feed."""
        while await self.block():
            pass

    async def event(self) -> tuple[str, int, Struct]:
        """The next event, decoded as its kind says."""
        fields = await self.block()
        data = json.decode(fields["data"], type=EVENTS[fields["event"]])
        return fields["event"], int(fields["id"]), data

    async def flag(self) -> str:
        """The id of the flag that the next event is about."""
        _, _, data = await self.event()
        assert isinstance(data, FlagView)
        return data.flag_id


@asynccontextmanager
async def listening(client: Client, token: str = "supervisors") -> AsyncIterator[Listener]:
    """A feed that is open and has told its snapshot."""
    async with client.get("/api/events", headers=shown(token), read_bufsize=2**20) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        listener = Listener(answer)
        kind, _, _ = await listener.event()
        assert kind == "snapshot"
        yield listener


@asynccontextmanager
async def deaf(client: Client) -> AsyncIterator[socket.socket]:
    """A feed that is open and never read."""
    loop, wanted = asyncio.get_running_loop(), client.server
    with socket.socket() as line:
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(line, (str(wanted.host), wanted.port))
        head = "GET /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operators\r\n\r\n"
        await loop.sock_sendall(line, head.encode())
        yield line


async def test_a_snapshot_first_and_then_what_happens_in_order() -> None:
    async with house() as (there, client):
        there.feed.publish("flag", flag("before"))
        async with client.get("/api/events", headers=shown("supervisors")) as answer:
            listener = Listener(answer)
            snapshot = Snapshot(
                agents=[examples.AGENT],
                queues=[examples.QUEUE],
                waiting=[examples.WAITING],
                conversations=[examples.CONVERSATION],
                flags=[examples.FLAG],
            )
            assert await listener.event() == ("snapshot", 1, snapshot)
            there.feed.publish("flag", flag("f-1"))
            there.feed.publish("incident", examples.INCIDENT)
            assert await listener.event() == ("flag", 2, flag("f-1"))
            assert await listener.event() == ("incident", 3, examples.INCIDENT)
        [only] = there.feed._clients
        await eventually(lambda: only.gone, "the server has seen it go")
        there.feed.publish("flag", flag("f-2"))
        await eventually(lambda: len(there.feed) == 0, "the client is forgotten")
        assert there.slow == 0


async def test_a_quiet_feed_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "KEEP_ALIVE_SECONDS", 0.02)
    async with house() as (there, client), listening(client) as listener:
        assert await listener.block() == {"": "here"}
        assert await listener.block() == {"": "here"}
        there.feed.publish("flag", flag("f-1"))
        while (block := await listener.block()) == {"": "here"}:
            pass
        assert block["event"] == "flag"


async def test_the_queues_are_told_when_there_is_something_new_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "QUEUE_SECONDS", 0.005)
    now = [examples.QUEUE, replace(examples.QUEUE, name="tagihan")]
    async with house() as (there, client):
        watching = asyncio.create_task(there.feed.watch(lambda: now))
        async with listening(client) as listener:
            assert [(await listener.event())[2] for _ in range(2)] == now
            now[1] = replace(now[1], waiting=7)
            kind, _, told = await listener.event()
            assert (kind, told) == ("queue", now[1])
        watching.cancel()


async def test_who_is_too_slow_is_cut_off_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "MOST_CHUNKS", 8)
    async with house() as (there, client), listening(client) as listener, deaf(client) as line:
        await eventually(lambda: len(there.feed) == 2, "both are there")
        for number in range(1000):
            there.feed.publish("flag", flag(f"{number}{LARGE}"))
            assert await listener.flag() == f"{number}{LARGE}", "who reads misses nothing"
            if there.slow:
                break
        assert (there.slow, len(there.feed)) == (1, 1)
        there.feed.publish("flag", flag("last"))
        assert await listener.flag() == "last"
        assert await _until_cut(line)
    assert there.slow == 1


async def test_a_burst_is_no_slowness_until_the_queue_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "MOST_CHUNKS", 8)
    async with house() as (there, client):
        async with listening(client) as listener:
            for number in range(8):
                there.feed.publish("flag", flag(str(number)))
            assert [await listener.flag() for _ in range(8)] == list("01234567")
            for number in range(9):
                there.feed.publish("flag", flag(str(number)))
            assert (there.slow, len(there.feed)) == (1, 0)
            with pytest.raises(aiohttp.ClientPayloadError):
                await listener.until_end()
        async with listening(client):
            assert len(there.feed) == 1, "it comes again, and has a snapshot"


async def test_who_takes_nothing_at_all_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "WRITE_SECONDS", 0.1)
    async with house() as (there, client), deaf(client) as line:
        await eventually(lambda: len(there.feed) == 1, "it is there")
        there.feed.publish("flag", flag(LARGE * 100))
        await eventually(lambda: there.slow == 1, "it is cut off")
        assert await _until_cut(line)
        assert len(there.feed) == 0


async def test_feeds_are_bounded_and_one_that_has_gone_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "MOST_CLIENTS", 2)
    async with house() as (there, client), listening(client):
        async with listening(client):
            async with client.get("/api/events", headers=shown("operators")) as answer:
                assert answer.status == 503
                assert (await answer.json())["error"].startswith("there are as many feeds as")
            assert len(there.feed) == 2

        # nothing is published, so nobody notices by writing
        await eventually(
            lambda: any(one.gone for one in there.feed._clients), "the server has seen it go"
        )
        async with listening(client):
            assert len(there.feed) == 2
        assert there.slow == 0


async def test_a_token_that_is_revoked_ends_its_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "KEEP_ALIVE_SECONDS", 0.02)
    monkeypatch.setattr(auth, "REMEMBER_SECONDS", 0.0)
    async with house() as (there, client), listening(client) as listener:
        assert await listener.block() == {"": "here"}
        del there.tokens["supervisors"]
        await listener.until_end()
        await eventually(lambda: len(there.feed) == 0, "it is over")


async def test_a_journal_that_is_away_ends_no_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "KEEP_ALIVE_SECONDS", 0.02)
    monkeypatch.setattr(auth, "REMEMBER_SECONDS", 0.0)
    async with house() as (there, client), listening(client) as listener:
        there.tokens_fault = JournalError("journal.url: cannot read")
        for _ in range(3):
            assert await listener.block() == {"": "here"}
        assert there.looked_up.count("supervisors") > 1


async def test_all_feeds_end_at_once_when_the_server_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "SHUTDOWN_SECONDS", 10 * LONG_SECONDS)
    there = House()
    serving = server.serve("127.0.0.1", 0, bytes, dict, {}, "", there.api)
    port = await serving.__aenter__()
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/api/events"
        answers = [await session.get(url, headers=shown("operators")) for _ in range(3)]
        listeners = [Listener(answer) for answer in answers]
        for listener in listeners:
            assert (await listener.event())[0] == "snapshot"
        there.feed.publish("flag", flag("last"))
        began = time.monotonic()
        await serving.__aexit__(None, None, None)
        assert time.monotonic() - began < LONG_SECONDS
        for listener in listeners:
            assert await listener.flag() == "last"
            assert await listener.block() == {}, "a proper end, not a cut"
        assert len(there.feed) == 0


async def test_not_even_a_deaf_client_delays_the_end() -> None:
    there = House()
    async with served(there) as client, deaf(client) as line:
        await eventually(lambda: len(there.feed) == 1, "it is there")
        there.feed.publish("flag", flag(LARGE * 100))
        [only] = there.feed._clients
        await eventually(lambda: only._writing, "what it does not take is being written")
        began = time.monotonic()
        await client.close()
        assert time.monotonic() - began < LONG_SECONDS, "aiohttp itself would wait for 60 s"
        assert await _until_cut(line)
    assert there.slow == 0, "it was we who went"


async def test_who_comes_after_the_end_is_refused() -> None:
    async with house() as (there, client):
        there.feed.close()
        there.feed.close()
        async with client.get("/api/events", headers=shown("operators")) as answer:
            assert answer.status == 503


async def _until_cut(line: socket.socket) -> bool:
    """Read what came; True if it ends in the middle."""
    loop, last = asyncio.get_running_loop(), b""
    async with asyncio.timeout(LONG_SECONDS):
        while came := await loop.sock_recv(line, 2**20):
            last = came
    return not last.endswith(b"0\r\n\r\n")


HEAD: dict[str, Any] = {"sequence": 1, "node": "pln-1"}
IDS: dict[str, Any] = {"call_id": "c-1", "offer_id": "o-1", "agent": "101", "queue": "q"}
NUMBER = "081234567890"
ROWS: list[tuple[Row, str]] = [
    (
        AgentStateRow(
            **HEAD,
            change_id="x",
            agent="101",
            state="ready",
            reason="*11",
            changed_at=examples.TIME,
        ),
        "agent",
    ),
    (
        CallRow(
            **HEAD,
            call_id="c-1",
            incarnation="i",
            channel_id="ch",
            caller=NUMBER,
            dialled="123",
            stage=Stage.WAITING,
            started_at=examples.TIME,
        ),
        "call",
    ),
    (OfferRow(**HEAD, **IDS, offered_at=examples.TIME), "offer"),
    (
        FlagRow(
            **HEAD,
            flag_id="f-1",
            call_id="c-1",
            offer_id="o-1",
            agent="101",
            raised_at=examples.TIME,
        ),
        "flag",
    ),
    (
        SupervisionRow(
            **HEAD,
            supervision_id="s-1",
            call_id="c-1",
            offer_id="o-1",
            supervisor="201",
            ordered_by="budi",
            mode=Supervision.LISTEN,
            started_at=examples.TIME,
        ),
        "supervision",
    ),
    (
        RecordingPauseRow(
            **HEAD,
            pause_id="p-1",
            call_id="c-1",
            offer_id="o-1",
            agent="101",
            ordered_by="budi",
            began_at=examples.TIME,
        ),
        "recording_pause",
    ),
    (
        IncidentRow(
            **HEAD,
            **IDS,
            incident_id="i-1",
            kind=IncidentKind.MISSED_THIRD_RING,
            happened_at=examples.TIME,
        ),
        "incident",
    ),
]


@pytest.mark.parametrize(("row", "kind"), ROWS, ids=[kind for _, kind in ROWS])
def test_a_row_is_an_event_without_the_number(row: Row, kind: str) -> None:
    made = event_of(row)
    assert made is not None
    assert made[0] == kind
    assert type(made[1]) is EVENTS[kind]
    assert NUMBER[:-3] not in json.encode(made[1]).decode()


async def test_rows_and_reviews_are_told() -> None:
    async with house() as (there, client):
        there.feed.tell(ROWS[0][0])
        async with listening(client) as listener:
            for row, kind in ROWS:
                there.feed.tell(row)
                assert (await listener.event())[0] == kind
            url, body = "/api/incidents/i-1/review", {"review": "upheld"}
            async with client.post(url, json=body, headers=shown("supervisors")) as answer:
                assert answer.status == 200
            assert (await listener.event())[2] == examples.INCIDENT


def test_every_kind_of_event_can_come_and_a_mark_is_none() -> None:
    by_others = {"snapshot", "queue", "statements"}
    assert {kind for _, kind in ROWS} | by_others == set(EVENTS)
    assert event_of(MarkRow(mark="cdr", sequence=1, position="7")) is None
