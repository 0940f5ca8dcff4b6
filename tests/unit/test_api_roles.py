"""Every route of the API with every role, written down once more than in the table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pln_ivr.console.api import ROUTES
from pln_ivr.console.auth import Denial, May, Principal
from pln_ivr.journal.tokens import Role
from tests.unit.api_house import Client, House, house, shown

ALL = {"agents", "supervisors", "operators"}
WATCHERS = {"supervisors", "operators"}
OPERATORS = {"operators"}

OWN, OTHER, OWN_SUPERVISOR = "101", "102", "201"
DRAFT = {"cause": "gangguan", "expires_at": "2026-11-26T12:00:00+07:00"}
TRANSFER = {"target_kind": "queue", "target": "tagihan"}

MAY: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/agents", None, WATCHERS),
    ("GET", f"/agents/{OWN}", None, ALL),
    ("GET", f"/agents/{OTHER}", None, WATCHERS),
    ("PUT", f"/agents/{OWN}/wish", {"wish": "ready"}, ALL),
    ("PUT", f"/agents/{OTHER}/wish", {"wish": "ready"}, WATCHERS),
    ("POST", f"/agents/{OWN}/wrap-up", {}, ALL),
    ("POST", f"/agents/{OTHER}/wrap-up", {}, WATCHERS),
    ("POST", f"/agents/{OWN}/call-out", None, {"agents", "operators"}),
    ("POST", f"/agents/{OTHER}/call-out", None, OPERATORS),
    ("PUT", f"/agents/{OWN}/recording-pause", {"on": True}, ALL),
    ("PUT", f"/agents/{OTHER}/recording-pause", {"on": False}, WATCHERS),
    ("PUT", f"/agents/{OWN}/hold", {"on": True}, {"agents", "operators"}),
    ("PUT", f"/agents/{OTHER}/hold", {"on": True}, OPERATORS),
    ("PUT", f"/agents/{OWN_SUPERVISOR}/hold", {"on": True}, WATCHERS),
    ("POST", f"/agents/{OWN}/transfer", TRANSFER, {"agents", "operators"}),
    ("POST", f"/agents/{OTHER}/transfer", TRANSFER, OPERATORS),
    ("POST", f"/agents/{OWN}/transfer/complete", None, {"agents", "operators"}),
    ("POST", f"/agents/{OTHER}/transfer/complete", None, OPERATORS),
    ("POST", f"/agents/{OWN}/transfer/cancel", None, {"agents", "operators"}),
    ("POST", f"/agents/{OTHER}/transfer/cancel", None, OPERATORS),
    ("POST", f"/agents/{OWN}/flag", None, {"agents", "operators"}),
    ("POST", f"/agents/{OTHER}/flag", None, OPERATORS),
    ("DELETE", f"/agents/{OWN}/flag", None, {"agents", "operators"}),
    ("DELETE", f"/agents/{OTHER}/flag", None, OPERATORS),
    ("GET", "/callbacks", None, WATCHERS),
    ("DELETE", "/callbacks/b-1", None, WATCHERS),
    ("GET", "/queues", None, ALL),
    ("GET", "/waiting", None, WATCHERS),
    ("GET", "/conversations", None, WATCHERS),
    (
        "POST",
        "/conversations/c-1/supervision",
        {"mode": "listen", "supervisor": OWN_SUPERVISOR},
        WATCHERS,
    ),
    (
        "POST",
        "/conversations/c-1/supervision",
        {"mode": "listen", "supervisor": "202"},
        OPERATORS,
    ),
    ("DELETE", f"/agents/{OWN}/supervision", None, OPERATORS),
    ("DELETE", f"/agents/{OWN_SUPERVISOR}/supervision", None, WATCHERS),
    ("GET", "/flags", None, WATCHERS),
    ("POST", "/flags/f-1/take", {"supervisor": OWN_SUPERVISOR}, WATCHERS),
    ("POST", "/flags/f-1/take", {"supervisor": "202"}, OPERATORS),
    ("GET", "/incidents", None, WATCHERS),
    ("GET", "/incidents/i-1", None, WATCHERS),
    ("POST", "/incidents/i-1/review", {"review": "upheld"}, WATCHERS),
    ("GET", "/outages", None, ALL),
    ("POST", "/outages/restorations", {"areas": ["Bandung"]}, WATCHERS),
    ("GET", "/statements/live", None, ALL),
    ("GET", "/statements", None, WATCHERS),
    ("GET", "/statements/7", None, WATCHERS),
    ("POST", "/statements", DRAFT, WATCHERS),
    ("POST", "/statements/7/approval", {}, WATCHERS),
    ("POST", "/statements/7/publication", None, WATCHERS),
    ("POST", "/statements/7/renewal", {"until": "2026-11-26T12:00:00+07:00"}, WATCHERS),
    ("POST", "/statements/7/withdrawal", {"note": "menyala"}, WATCHERS),
    ("GET", "/recordings", None, WATCHERS),
    ("POST", "/recordings/search", {"caller": "08123"}, WATCHERS),
    ("GET", "/recordings/r-1", None, WATCHERS),
    ("GET", "/recordings/r-1/accesses", None, WATCHERS),
    ("GET", "/recordings/r-1/sound?reason=ulasan", None, WATCHERS),
    ("GET", "/events", None, WATCHERS),
    ("GET", "/openapi.json", None, ALL),
]


@pytest_asyncio.fixture
async def asked() -> AsyncIterator[tuple[House, Client]]:
    async with house() as made:
        yield made


@pytest.mark.parametrize(("method", "path", "body", "may"), MAY)
async def test_each_role_may_what_it_may_and_nothing_else(
    asked: tuple[House, Client], method: str, path: str, body: Any, may: set[str]
) -> None:
    there, client = asked
    for token in sorted(ALL):
        there.orders.clear()
        async with client.request(method, f"/api{path}", json=body, headers=shown(token)) as answer:
            if token in may and path.endswith("102"):
                assert answer.status == 404, "the house has no agent 102 to show"
            elif token in may:
                assert answer.status == 200, await answer.text()
            else:
                assert answer.status == 403
                assert await answer.json() == {
                    "error": "this token may not do that",
                    "field": None,
                }
                assert there.orders == [], "and nothing was done"
    assert there.denied == [Denial.FORBIDDEN] * (3 - len(may))


@pytest.mark.parametrize(("method", "path", "body", "may"), MAY)
async def test_nobody_may_anything_without_a_token_that_somebody_has(
    asked: tuple[House, Client], method: str, path: str, body: Any, may: set[str]
) -> None:
    there, client = asked
    answers = []
    for token in ("", "nobodys"):
        async with client.request(method, f"/api{path}", json=body, headers=shown(token)) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="pln_ivr"'
            answers.append(await answer.text())
    assert answers[0] == answers[1], "which of the two it was is nobody's business"
    assert there.denied == [Denial.MISSING, Denial.UNKNOWN]
    assert there.orders == []


def test_every_route_is_asked_for_above() -> None:
    asked_for = {
        (method, "/".join(_NAMES.get(part, part) for part in path.partition("?")[0].split("/")))
        for method, path, _, _ in MAY
    }
    assert asked_for == {(route.method, route.path) for route in ROUTES}


_NAMES = {
    OWN: "{extension}",
    OTHER: "{extension}",
    OWN_SUPERVISOR: "{extension}",
    "c-1": "{call_id}",
    "b-1": "{callback_id}",
    "f-1": "{flag_id}",
    "i-1": "{incident_id}",
    "7": "{version}",
    "r-1": "{recording_id}",
}


@pytest.mark.parametrize("may", May)
def test_a_token_without_an_extension_has_no_own_one(may: May) -> None:
    for role in (Role.AGENT, Role.SUPERVISOR):
        principal = Principal("x", role)
        free = may.allows(principal, "101")
        assert may.allows(principal, None) == free, "as for any other extension"


@pytest.mark.parametrize("path", ["/nothing", "/agents/101/dance", "/"])
async def test_what_there_is_is_for_those_with_a_token(
    asked: tuple[House, Client], path: str
) -> None:
    _, client = asked
    async with client.get(f"/api{path}") as answer:
        assert answer.status == 401
    async with client.get(f"/api{path}", headers=shown("agents")) as answer:
        assert (answer.status, await answer.json()) == (
            404,
            {"error": "Not Found", "field": None},
        )


async def test_another_method_is_refused_with_those_that_there_are(
    asked: tuple[House, Client],
) -> None:
    _, client = asked
    async with client.post("/api/queues", headers=shown("agents")) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
        assert (await answer.json())["error"] == "Method Not Allowed"
