"""What the API orders of the floor and the journal, and how it says no."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from msgspec.json import decode, encode

from pln_ivr.console import examples, routes
from pln_ivr.console.auth import Principal
from pln_ivr.console.routes import BODY_BYTES
from pln_ivr.console.views import IncidentFilters
from pln_ivr.errors import (
    AriRefused,
    AriTimeout,
    Gone,
    JournalError,
    OrderRefused,
    RefusalKind,
)
from pln_ivr.journal.tokens import Role
from pln_ivr.outcomes import IncidentKind, Review, Supervision
from tests.unit.api_house import Client, House, house, served, shown

OPERATOR = "node-red"


async def ask(
    client: Client, line: str, body: Any = None, token: str = "operators"
) -> tuple[int, Any]:
    """One request, like "PUT /agents/101/wish"; status and answer."""
    method, _, path = line.partition(" ")
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    async with client.request(method, f"/api{path}", data=data, headers=shown(token)) as answer:
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


ORDERS: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("PUT /agents/101/wish", {"wish": "ready"}, ("set_wish", "101", "ready", "", OPERATOR)),
    (
        "PUT /agents/101/wish",
        {"wish": "paused", "pause": "salat"},
        ("set_wish", "101", "paused", "salat", OPERATOR),
    ),
    ("POST /agents/101/wrap-up", None, ("wrap_up", "101", None, OPERATOR)),
    (
        "POST /agents/101/wrap-up",
        {"disposition": "selesai"},
        ("wrap_up", "101", "selesai", OPERATOR),
    ),
    ("POST /agents/101/call-out", None, ("call_out", "101")),
    ("PUT /agents/101/hold", {"on": False}, ("hold", "101", False)),
    (
        "PUT /agents/101/recording-pause",
        {"on": True},
        ("pause_recording", "101", True, OPERATOR),
    ),
    (
        "POST /agents/101/transfer",
        {"target_kind": "queue", "target": "tagihan"},
        ("transfer", "101", "queue", "tagihan", False),
    ),
    (
        "POST /agents/101/transfer",
        {"target_kind": "agent", "target": "102", "attended": True},
        ("transfer", "101", "agent", "102", True),
    ),
    ("POST /agents/101/transfer/complete", None, ("complete_transfer", "101")),
    ("POST /agents/101/transfer/cancel", {}, ("cancel_transfer", "101")),
    ("POST /agents/101/flag", None, ("raise_flag", "101")),
    ("DELETE /agents/101/flag", None, ("lower_flag", "101")),
    (
        "POST /conversations/c-1/supervision",
        {"mode": "whisper", "supervisor": "201"},
        ("supervise", "c-1", "201", Supervision.WHISPER, OPERATOR),
    ),
    ("DELETE /agents/201/supervision", None, ("end_supervision", "201", OPERATOR)),
    ("POST /flags/f-1/take", {"supervisor": "201"}, ("take_flag", "f-1", "201", OPERATOR)),
    (
        "POST /incidents/i-1/review",
        {"review": "upheld", "note": "didengar"},
        ("review", "i-1", Review.UPHELD, OPERATOR, "didengar", False),
    ),
    (
        "POST /incidents/i-1/review",
        {"review": "dismissed", "note": " salah sambung\n", "again": True},
        ("review", "i-1", Review.DISMISSED, OPERATOR, "salah sambung", True),
    ),
    ("GET /incidents", None, ("incidents", IncidentFilters())),
    (
        "GET /incidents?agent=101&kind=missed_third_ring&review=new&limit=5"
        "&since=2026-11-26T07:00:00%2B07:00",
        None,
        (
            "incidents",
            IncidentFilters(
                agent="101",
                kind=IncidentKind.MISSED_THIRD_RING,
                review=Review.NEW,
                limit=5,
                since=datetime(2026, 11, 26, tzinfo=UTC),
            ),
        ),
    ),
]


@pytest.mark.parametrize(("line", "body", "order"), ORDERS)
async def test_an_order_reaches_who_carries_it_out(
    line: str, body: Any, order: tuple[Any, ...]
) -> None:
    async with house() as (there, client):
        status, _ = await ask(client, line, body)
        assert (status, there.orders) == (200, [order])


READS: list[tuple[str, Any]] = [
    ("GET /agents", [examples.AGENT]),
    ("GET /agents/101", examples.AGENT),
    ("GET /queues", [examples.QUEUE]),
    ("GET /waiting", [examples.WAITING]),
    ("GET /conversations", [examples.CONVERSATION]),
    ("GET /flags", [examples.FLAG]),
    ("GET /incidents", [examples.INCIDENT]),
    ("GET /incidents/i-1", examples.INCIDENT),
    ("POST /agents/101/flag", {"flag_id": examples.FLAG_ID}),
    ("DELETE /agents/101/flag", {"ok": True}),
]


@pytest.mark.parametrize(("line", "answer"), READS)
async def test_the_answer_is_what_the_floor_says(line: str, answer: Any) -> None:
    async with house() as (_, client):
        assert await ask(client, line) == (200, decode(encode(answer)))


async def test_there_is_no_such_agent() -> None:
    async with house() as (_, client):
        assert await ask(client, "GET /agents/999") == (
            404,
            {"error": "there is no agent of this extension", "field": None},
        )


WISH, SEND = "PUT /agents/101/wish", "POST /agents/101/transfer"
NOT_JSON = "the body must be one JSON object, in UTF-8"
FAULTS: list[tuple[str, Any, int, str, str | None]] = [
    (WISH, None, 400, "wish is missing", "wish"),
    (WISH, b"{", 400, NOT_JSON, None),
    (WISH, b'{"wish": "ready"} {}', 400, NOT_JSON, None),
    (WISH, b'{"wish": "\xff"}', 400, NOT_JSON, None),
    (WISH, b"\xff\xfe{\x00}\x00", 400, NOT_JSON, None),
    (WISH, [], 400, "the body must be one JSON object", None),
    (
        WISH,
        {"wish": "ready", "pauze": "salat"},
        400,
        "there is no field pauze; known are: wish, pause",
        "pauze",
    ),
    (
        WISH,
        {"wish": "gone"},
        400,
        "wish must be one of: logged_out, paused, ready",
        "wish",
    ),
    (WISH, {"wish": "paused", "pause": 1}, 400, "pause: Expected str, got int", "pause"),
    (
        WISH,
        {"wish": "ready", "pause": "salat"},
        422,
        "pause belongs to the wish paused only",
        "pause",
    ),
    ("PUT /agents/101/hold", {"on": "yes"}, 400, "on: Expected bool, got str", "on"),
    ("PUT /agents/101/hold", {"on": 1}, 400, "on: Expected bool, got int", "on"),
    (SEND, {"target_kind": "queue"}, 400, "target is missing", "target"),
    (
        SEND,
        {"target_kind": "phone", "target": "0812"},
        400,
        "target_kind must be one of: agent, queue",
        "target_kind",
    ),
    (
        SEND,
        {"target_kind": "queue", "target": ""},
        400,
        "target: Expected str of length >= 1",
        "target",
    ),
    (
        "POST /conversations/c-1/supervision",
        {"mode": "shout"},
        400,
        "mode must be one of: listen, whisper, barge, take_over",
        "mode",
    ),
    (
        "POST /flags/f-1/take",
        None,
        422,
        "this token has no extension of its own: name the supervisor",
        "supervisor",
    ),
    (
        "POST /agents/101/flag",
        {"why": "x"},
        400,
        "there is no field why; none belongs here",
        "why",
    ),
    (
        "POST /incidents/i-1/review",
        {"review": "new"},
        400,
        "review must be one of: dismissed, upheld",
        "review",
    ),
    (
        "POST /incidents/i-1/review",
        {"review": "upheld", "note": "x" * 2001},
        400,
        "note: Expected str of length <= 2000",
        "note",
    ),
    (
        "POST /incidents/i-1/review",
        {"review": "dismissed", "note": " "},
        422,
        "a dismissal needs a note that says why",
        "note",
    ),
    ("GET /queues?name=x", None, 400, "there is no field name; none belongs here", "name"),
    ("GET /incidents?limit=0", None, 400, "limit: Expected int >= 1", "limit"),
    ("GET /incidents?limit=many", None, 400, "limit: Expected int, got str", "limit"),
    (
        "GET /incidents?review=bad",
        None,
        400,
        "review must be one of: new, upheld, dismissed",
        "review",
    ),
    (
        "GET /incidents?since=2026-11-26T07:00:00",
        None,
        400,
        "since: Expected datetime with a timezone component",
        "since",
    ),
    (
        "GET /incidents?agent=1&agent=2",
        None,
        400,
        "agent is given more than once",
        "agent",
    ),
]


@pytest.mark.parametrize(("line", "body", "status", "text", "field"), FAULTS)
async def test_a_mistake_is_named_with_what_would_be_right(
    line: str, body: Any, status: int, text: str, field: str | None
) -> None:
    async with house() as (there, client):
        assert await ask(client, line, body) == (status, {"error": text, "field": field})
        assert there.orders == [], "and nothing was done"


async def test_a_made_up_name_comes_back_short_and_in_one_line() -> None:
    async with house() as (_, client):
        status, answer = await ask(client, WISH, {"a\nb" + "c" * 5000: 1})
        assert (status, answer["field"]) == (400, "a b" + "c" * 61)
        assert len(answer["error"]) < 150


async def test_a_body_is_bounded_in_size() -> None:
    async with house() as (there, client):
        fits = b'{"wish": "ready"}'.ljust(BODY_BYTES)
        assert (await ask(client, WISH, fits))[0] == 200
        assert await ask(client, WISH, fits + b" ") == (
            413,
            {"error": "the body may have at most 16384 bytes", "field": None},
        )
        assert len(there.orders) == 1


async def test_a_body_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS", 0.05)
    hang = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await hang.wait()

    async with house() as (_, client):
        sending = client.put("/api/agents/101/wish", data=slowly(), headers=shown("operators"))
        async with sending as answer:
            assert answer.status == 408
            assert (await answer.json())["error"] == "the body did not come in time"
        hang.set()


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (OrderRefused(RefusalKind.NOT_FOUND, "no such flag is up"), 404, "no such flag is up"),
        (OrderRefused(RefusalKind.CONFLICT, "taken by 202"), 409, "taken by 202"),
        (OrderRefused(RefusalKind.INVALID, "101 is no supervisor"), 422, "101 is no supervisor"),
        (Gone("no such channel"), 409, "somebody hung up in that moment"),
        (
            AriTimeout("POST /channels: no answer"),
            503,
            "Asterisk did not answer as it should; try again",
        ),
        (
            AriRefused(500, "POST /channels", "secret"),
            503,
            "Asterisk did not answer as it should; try again",
        ),
        (
            JournalError("journal.url: cannot read /secret"),
            503,
            "the journal did not answer as it should; try again",
        ),
        (ZeroDivisionError("secret"), 500, "a fault of ours; the log has it"),
    ],
)
@pytest.mark.parametrize("line", ["GET /flags", "POST /flags/f-1/take", "GET /incidents"])
async def test_a_refusal_is_one_line_and_never_a_traceback(
    line: str, fault: Exception, status: int, text: str
) -> None:
    async with served(House(fault=fault)) as client:
        with structlog.testing.capture_logs() as lines:
            answer = await ask(client, line, token="supervisors")
        assert answer == (status, {"error": text, "field": None})
        logged = [entry["event"] for entry in lines]
        unavailable = ["api_unavailable"] if status == 503 else []
        assert logged == (["api_failed"] if status == 500 else unavailable)


async def test_the_log_has_who_ordered_what_and_not_who_looked() -> None:
    async with house() as (_, client):
        with structlog.testing.capture_logs() as lines:
            await ask(client, "GET /agents")
            await ask(client, WISH, {"wish": "ready"})
            await ask(client, WISH, {"wish": "x"})
    assert lines == [
        {
            "event": "ordered",
            "log_level": "info",
            "by": OPERATOR,
            "order": "PUT /agents/{extension}/wish",
            "of": {"extension": "101"},
        }
    ]


async def test_supervisors_come_to_their_own_phone_unless_an_operator_sends_them() -> None:
    async with house() as (there, client):
        supervise = "POST /conversations/c-1/supervision"
        for line in (supervise, "POST /flags/f-1/take"):
            body = {"mode": "listen"} if line == supervise else {}
            assert (await ask(client, line, body, "supervisors"))[0] == 200
            assert (await ask(client, line, body | {"supervisor": "202"}, "supervisors"))[0] == 403
        assert there.orders == [
            ("supervise", "c-1", "201", Supervision.LISTEN, "budi"),
            ("take_flag", "f-1", "201", "budi"),
        ]
        there.tokens["phoneless"] = Principal("tia", Role.SUPERVISOR)
        assert (await ask(client, supervise, {"mode": "barge"}, "phoneless"))[0] == 422
