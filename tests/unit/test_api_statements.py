"""The API's statements on a real journal: two people's word, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from pln_ivr.console.auth import finder
from pln_ivr.errors import PromptError
from pln_ivr.journal.tokens import Role, Tokens, create_token
from pln_ivr.outages.drafting import DraftRules
from pln_ivr.speech import Voice
from pln_ivr.statements import JournalStatements
from tests.unit.api_house import Client, House, served, shown
from tests.unit.pronouncing import live, prepare


def soon(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


class Asking:
    """Two supervisors with tokens of the journal."""

    def __init__(self, client: Client, url: str) -> None:
        self.client = client
        self.url = url
        self.looks = 0
        self.voice_fault: Exception | None = None
        self.tokens = {
            name: create_token(url, name, Role.SUPERVISOR, extension)[0]
            for name, extension in (("rina", "201"), ("budi", "202"))
        }

    async def look(self) -> None:
        self.looks += 1

    def voice(self) -> Voice:
        if self.voice_fault:
            raise self.voice_fault
        return Voice()

    async def ask(self, who: str, method: str, path: str, **body: Any) -> tuple[int, Any]:
        headers = shown(self.tokens[who])
        async with self.client.request(
            method, f"/api/statements{path}", json=body or None, headers=headers
        ) as answer:
            return answer.status, await answer.json()

    async def draft(self, who: str = "rina", **body: Any) -> tuple[int, Any]:
        made = {"cause": "gangguan transmisi", "expires_at": soon(2)}
        return await self.ask(who, "POST", "", **(made | body))


@pytest_asyncio.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    url = prepare(f"sqlite:///{tmp_path}/journal.db")
    house = House()
    made: list[Asking] = []

    async def look() -> None:
        await made[0].look()

    rules = DraftRules((), ZoneInfo("Asia/Jakarta"), timedelta(hours=24), lambda: made[0].voice())
    statements = JournalStatements(url, rules, look)
    with Tokens(url) as tokens:
        api = dataclasses.replace(house.api, statements=statements, find=finder(tokens))
        async with served(house, api) as client:
            made.append(Asking(client, url))
            yield made[0]


async def test_one_drafts_and_another_one_puts_it_live(asking: Asking) -> None:
    status, draft = await asking.draft(areas=["Bandung"], restoration_at=soon(1))
    assert (status, draft["version"], draft["status"], draft["drafted_by"]) == (
        200,
        1,
        "draft",
        "rina",
    )
    assert "di Bandung" in draft["text"]
    status, refused = await asking.ask("rina", "POST", "/1/approval")
    assert (status, refused["error"]) == (
        409,
        "statement 1 was drafted by rina; somebody else must approve it",
    )
    assert await asking.ask("budi", "GET", "/live") == (200, [])
    status, up = await asking.ask("budi", "POST", "/1/approval", publish=True)
    assert (status, up["status"], up["approved_by"], up["live_by"]) == (200, "live", "budi", "budi")
    assert asking.looks >= 1, "this node does not wait for its next look"
    assert await asking.ask("rina", "GET", "/live") == (200, [up])
    status, longer = await asking.ask("rina", "POST", "/1/renewal", until=soon(5))
    assert (status, longer["renewed_by"]) == (200, "rina")
    status, over = await asking.ask("budi", "POST", "/1/withdrawal", note=" menyala ")
    assert (status, over["status"], over["note"]) == (200, "withdrawn", "menyala")
    assert await asking.ask("rina", "GET", "/live") == (200, [])
    assert await asking.ask("rina", "GET", "?limit=5") == (200, [over])
    assert await asking.ask("rina", "GET", "/1") == (200, over)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cause": ""}, "cause"),
        ({"expires_at": "2019-08-04T12:00:00+07:00"}, "expires_at"),
        ({"expires_at": "2099-08-04T12:00:00+07:00"}, "expires_at"),
        ({"restoration_at": "2019-08-04T12:00:00+07:00"}, "restoration_at"),
        ({"areas": ["a", "a"]}, "areas"),
        ({"text": "x" * 1001}, "text"),
    ],
)
async def test_what_makes_no_sense_names_its_field(
    asking: Asking, body: dict[str, Any], field: str
) -> None:
    status, answer = await asking.draft(**body)
    assert (status, answer["field"]) == (422, field)
    assert await asking.ask("rina", "GET", "") == (200, [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"expires_at": "2026-02-30T12:00:00+07:00"}, "expires_at"),
        ({"expires_at": "2026-11-26T12:00:00"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"cause": 5}, "cause"),
        ({"why": "x"}, "why"),
    ],
)
async def test_what_cannot_be_read_names_its_field(
    asking: Asking, body: dict[str, Any], field: str
) -> None:
    status, answer = await asking.draft(**body)
    assert (status, answer["field"]) == (400, field)


async def test_what_is_not_there_and_what_stands_elsewhere(asking: Asking) -> None:
    for path in ("/9", "/9/approval", "/9/publication", "/9/withdrawal"):
        method = "GET" if path == "/9" else "POST"
        status, answer = await asking.ask("budi", method, path)
        assert (status, answer["error"]) == (404, "there is no such statement")
    for none in ("x", "-1", "1" * 12, "٣"):
        status, answer = await asking.ask("budi", "GET", f"/{none}")
        assert (status, answer["field"]) == (422, "version")
    await asking.draft()
    status, answer = await asking.ask("budi", "POST", "/1/publication")
    assert (status, answer["error"]) == (409, "statement 1 is draft, and must be approved for that")
    version = live(asking.url)
    status, answer = await asking.ask(
        "budi", "POST", f"/{version}/renewal", until="2099-01-01T00:00:00Z"
    )
    assert (status, answer["field"]) == (422, "until")


async def test_without_a_voice_it_says_so(asking: Asking) -> None:
    asking.voice_fault = PromptError("espeak-ng is not installed: apt install espeak-ng")
    status, answer = await asking.draft()
    assert (status, answer["error"]) == (
        409,
        "it cannot be spoken: espeak-ng is not installed: apt install espeak-ng",
    )
