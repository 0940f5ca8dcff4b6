"""Tokens: who is known, what is remembered for how long, and who gets no answer any more."""

from __future__ import annotations

import pytest

from pln_ivr.console import auth
from pln_ivr.console.auth import FAILURE_SECONDS, FAILURES, Denial, Denied, Guard, Principal
from pln_ivr.errors import JournalError
from pln_ivr.journal.tokens import Role
from tests.unit.api_house import TOKENS, house, shown

SITI = TOKENS["agents"]
GOOD = "Bearer agents"
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Door:
    """A guard with its tokens and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tokens = dict(TOKENS)
        self.looked_up: list[str] = []
        self.denied: list[Denial] = []
        self.guard = Guard(self.find, self.denied.append, lambda: self.now)

    async def find(self, token: str) -> Principal | None:
        self.looked_up.append(token)
        return self.tokens.get(token)

    async def ask(self, authorization: str, address: str = HERE) -> Principal | Denial:
        try:
            return await self.guard.who(authorization, address)
        except Denied as denied:
            return denied.denial


@pytest.mark.parametrize(
    ("header", "who"),
    [
        ("", Denial.MISSING),
        ("Bearer agents", SITI),
        ("bearer  agents", SITI),
        ("Bearer", Denial.UNKNOWN),
        ("Bearer ", Denial.UNKNOWN),
        ("Basic agents", Denial.UNKNOWN),
        ("Bearer agents ", Denial.UNKNOWN),
        ("Bearer agents agents", Denial.UNKNOWN),
        ("Bearer agent\udcffs", Denial.UNKNOWN),
        ("Bearer agénts", Denial.UNKNOWN),
        ("Bearer " + "x" * 257, Denial.UNKNOWN),
    ],
)
async def test_a_header_is_a_known_token_or_nothing(header: str, who: Principal | Denial) -> None:
    door = Door()
    assert await door.ask(header) == who
    assert door.denied == ([who] if isinstance(who, Denial) else [])
    assert door.looked_up in ([], ["agents"]), "nonsense is not looked up"


async def test_a_token_is_looked_up_once_in_a_while() -> None:
    door = Door()
    for _ in range(3):
        assert await door.ask(GOOD) == SITI
    assert door.looked_up == ["agents"]
    del door.tokens["agents"]
    door.now = auth.REMEMBER_SECONDS - 0.1
    assert await door.ask(GOOD) == SITI
    door.now = auth.REMEMBER_SECONDS
    assert await door.ask(GOOD) is Denial.UNKNOWN
    assert await door.ask(GOOD) is Denial.UNKNOWN
    assert len(door.looked_up) == 2, "that nobody has it is remembered too"


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "REMEMBERED_TOKENS", 3)
    monkeypatch.setattr(auth, "REMEMBERED_ADDRESSES", 3)
    door = Door()
    for number in range(10):
        await door.ask(f"Bearer guess{number}", f"192.0.2.{number}")
        assert await door.ask(GOOD) == SITI, "who comes often is not forgotten for who guesses"
    assert door.looked_up.count("agents") == 1
    assert len(door.guard._known) == 3
    assert len(door.guard._failures) == 3


async def test_an_address_that_fails_too_often_gets_no_answer_for_a_while() -> None:
    door = Door()
    for number in range(FAILURES):
        door.now = float(number)
        assert await door.ask(f"Bearer guess{number}") is Denial.UNKNOWN
    looked_up = len(door.looked_up)
    assert await door.ask(GOOD) is Denial.LIMITED, "or it could go on guessing"
    assert len(door.looked_up) == looked_up
    assert await door.ask(GOOD, THERE) == SITI
    door.now = FAILURE_SECONDS
    assert await door.ask(GOOD) == SITI, "the first failure is over a minute ago"
    assert await door.ask("") is Denial.MISSING
    assert await door.ask(GOOD) is Denial.LIMITED, "and the others are not"


async def test_failures_over_a_longer_time_are_no_attack() -> None:
    door = Door()
    for number in range(3 * FAILURES):
        door.now = number * FAILURE_SECONDS / (FAILURES - 1)
        assert await door.ask("") is Denial.MISSING


async def test_a_token_that_is_revoked_or_changed_is_not_what_it_was() -> None:
    door = Door()
    assert await door.guard.still(GOOD, SITI)
    door.tokens["agents"] = Principal("siti", Role.AGENT, "105")
    assert await door.guard.still(GOOD, SITI), "for some seconds"
    door.now = auth.REMEMBER_SECONDS
    assert not await door.guard.still(GOOD, SITI)
    assert not await door.guard.still("nonsense", SITI)
    assert door.denied == []


async def test_the_journal_away_is_told_as_that_and_not_remembered() -> None:
    async def away(_token: str) -> Principal | None:
        raise JournalError("journal.url: cannot read")

    guard = Guard(away, lambda _denial: None)
    for _ in range(2):
        with pytest.raises(JournalError):
            await guard.who(GOOD, HERE)


async def test_over_http_the_limit_is_429_for_good_tokens_too() -> None:
    async with house() as (there, client):
        for number in range(FAILURES):
            async with client.get("/api/queues", headers=shown(f"guess{number}")) as answer:
                assert answer.status == 401
        async with client.get("/api/queues", headers=shown("operators")) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
            assert await answer.json() == {
                "error": "too many failures from your address; wait 60 seconds",
                "field": None,
            }
        assert there.orders == []
        assert there.denied == [Denial.UNKNOWN] * FAILURES + [Denial.LIMITED]


async def test_what_a_role_may_not_is_no_failure_of_its_address() -> None:
    async with house() as (there, client):
        for _ in range(FAILURES + 1):
            async with client.get("/api/flags", headers=shown("agents")) as answer:
                assert answer.status == 403
        async with client.get("/api/flags", headers=shown("supervisors")) as answer:
            assert answer.status == 200
        assert there.denied == [Denial.FORBIDDEN] * (FAILURES + 1)
