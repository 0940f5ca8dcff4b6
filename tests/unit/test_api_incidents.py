"""The API on a real journal: its tokens let in, its incidents are listed and reviewed."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pln_ivr.console import auth, examples
from pln_ivr.console.auth import Principal, finder
from pln_ivr.console.evidence import JournalEvidence
from pln_ivr.console.views import FlagView, IncidentView
from pln_ivr.journal import FlagRow
from pln_ivr.journal.tokens import Role, Tokens, create_token, revoke_token
from pln_ivr.outcomes import IncidentKind
from tests.unit.api_house import Client, House, served, shown
from tests.unit.test_journal_migration import holding
from tests.unit.test_journal_questions import incident

MISSED, HUNG_UP = IncidentKind.MISSED_THIRD_RING, IncidentKind.HUNG_UP_ON_CUSTOMER
ROWS = [
    incident("i1", kind=MISSED, agent="101", happened_at=examples.TIME),
    incident("i2", kind=HUNG_UP, agent="102", happened_at=examples.TIME + timedelta(hours=1)),
    incident("i3", kind=MISSED, agent="102", happened_at=examples.TIME + timedelta(hours=2)),
]


class Asking:
    """A supervisor with a token of the journal."""

    def __init__(self, client: Client, url: str) -> None:
        self.client = client
        self.url = url
        self.token, _ = create_token(url, "dewi", Role.SUPERVISOR, "201")

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.client.get(f"/api{path}", headers=shown(self.token)) as answer:
            return answer.status, await answer.json()

    async def review(self, incident_id: str, **body: Any) -> tuple[int, Any]:
        path = f"/api/incidents/{incident_id}/review"
        async with self.client.post(path, json=body, headers=shown(self.token)) as answer:
            return answer.status, await answer.json()


@pytest_asyncio.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    url = f"sqlite:///{tmp_path}/journal.db"
    async with holding(url, *ROWS):
        house = House()
        with Tokens(url) as tokens:
            api = dataclasses.replace(house.api, evidence=JournalEvidence(url), find=finder(tokens))
            async with served(house, api) as client:
                yield Asking(client, url)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["i3", "i2", "i1"]),
        ("?limit=2", ["i3", "i2"]),
        ("?agent=102", ["i3", "i2"]),
        ("?kind=missed_third_ring", ["i3", "i1"]),
        ("?kind=missed_third_ring&agent=101", ["i1"]),
        ("?since=2026-11-26T03:30:00Z", ["i3", "i2"]),
        ("?until=2026-11-26T11:30:00%2B08:00", ["i1"]),
        ("?review=upheld", []),
    ],
)
async def test_incidents_are_found_newest_first(
    asking: Asking, query: str, found: list[str]
) -> None:
    status, answer = await asking.get(f"/incidents{query}")
    assert (status, [one["incident_id"] for one in answer]) == (200, found)


async def test_a_review_is_in_the_name_of_the_token_and_replaced_only_on_purpose(
    asking: Asking,
) -> None:
    status, done = await asking.review("i1", review="upheld", note="terdengar jelas")
    assert (status, done["review"], done["reviewer"]) == (200, "upheld", "dewi")
    assert done["note"] == "terdengar jelas"
    assert await asking.get("/incidents/i1") == (200, done)
    assert await asking.review("i1", review="dismissed", note="bukan dia") == (
        409,
        {"error": "it was upheld by dewi; set again to replace that", "field": None},
    )
    assert await asking.get("/incidents/i1") == (200, done)
    status, done = await asking.review("i1", review="dismissed", note="bukan dia", again=True)
    assert (status, done["review"]) == (200, "dismissed")
    status, answer = await asking.get("/incidents?review=dismissed")
    assert (status, answer) == (200, [done])


async def test_an_incident_that_is_not_there(asking: Asking) -> None:
    nothing = (404, {"error": "there is no such incident", "field": None})
    assert await asking.get("/incidents/i9") == nothing
    assert await asking.review("i9", review="upheld") == nothing


async def test_a_token_lets_in_until_it_is_revoked(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBER_SECONDS", 0.0)
    with Tokens(asking.url) as tokens:
        assert await finder(tokens)(asking.token) == Principal("dewi", Role.SUPERVISOR, "201")
    assert (await asking.get("/incidents"))[0] == 200
    revoke_token(asking.url, "dewi")
    assert (await asking.get("/incidents"))[0] == 401


async def test_a_journal_that_cannot_be_read_is_503(tmp_path: Path) -> None:
    nowhere = JournalEvidence(f"sqlite:///{tmp_path}/none.db")
    house = House()
    headers = shown("supervisors")
    async with served(house, dataclasses.replace(house.api, evidence=nowhere)) as client:
        for path in ("/incidents", "/incidents/i1"):
            async with client.get(f"/api{path}", headers=headers) as answer:
                assert answer.status == 503
        body, path = {"review": "upheld"}, "/api/incidents/i1/review"
        async with client.post(path, json=body, headers=headers) as answer:
            text = "the journal did not answer as it should; try again"
            assert (answer.status, await answer.json()) == (503, {"error": text, "field": None})


async def test_rows_of_the_journal_are_shown_as_they_are() -> None:
    flag = FlagRow(
        flag_id="f-1",
        sequence=2,
        node="pln-1",
        call_id="c-1",
        offer_id="o-1",
        agent="101",
        raised_at=examples.TIME,
        taken_by="201",
    )
    assert FlagView.of(flag) == FlagView(
        flag_id="f-1", call_id="c-1", agent="101", raised_at=examples.TIME, taken_by="201"
    )
    row = incident(
        examples.INCIDENT_ID,
        queue="gangguan",
        call_id=examples.CALL_ID,
        offer_id=examples.OFFER_ID,
        happened_at=examples.TIME,
        rang_seconds=11.0,
    )
    assert IncidentView.of(row) == examples.INCIDENT
