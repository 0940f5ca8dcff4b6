"""Tokens on a real SQLite file: shown once, found by their digest, gone when revoked."""

from __future__ import annotations

import asyncio
import hashlib
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pln_ivr.errors import EntryError, JournalError
from pln_ivr.journal import open_journal
from pln_ivr.journal.tokens import Role, TokenRow, Tokens, create_token, revoke_token
from tests.databases import Database
from tests.unit.test_journal import QUICK, Log

NOWHERE = "sqlite:///none.db"
"""For what is refused before any journal is opened."""

URLSAFE = set(string.ascii_letters + string.digits + "-_")


@pytest.fixture
def url(database: Database) -> str:
    """A journal without any token."""

    async def make() -> None:
        async with open_journal(database.url, log=Log(), limits=QUICK):
            pass

    asyncio.run(make())
    return database.url


def find(url: str, token: str) -> TokenRow | None:
    with Tokens(url) as tokens:
        return tokens.find(token)


def test_a_token_is_found_as_whom_it_was_made_for(url: str) -> None:
    before = datetime.now(UTC)
    token, row = create_token(url, "dewi", Role.SUPERVISOR, "201")
    assert find(url, token) == row
    assert (row.name, row.role, row.extension) == ("dewi", Role.SUPERVISOR, "201")
    assert row.revoked_at is None
    assert before <= row.created_at <= datetime.now(UTC)


def test_a_token_is_32_random_bytes_behind_its_prefix(url: str) -> None:
    made = {create_token(url, f"t{n}", Role.OPERATOR)[0] for n in range(5)}
    assert len(made) == 5
    for token in made:
        assert token.startswith("pln_")
        assert len(token) == len("pln_") + 43  # 32 bytes in base64, without padding
        assert set(token) <= URLSAFE


def test_only_the_digest_is_stored(database: Database, url: str) -> None:
    token, row = create_token(url, "wall-display", Role.OPERATOR)
    ((digest,),) = database.rows("SELECT digest FROM tokens")
    stored = repr([database.rows(f"SELECT * FROM {table}") for table in sorted(database.tables())])
    assert digest == hashlib.sha256(token.encode()).hexdigest()
    assert token not in stored
    assert token.removeprefix("pln_") not in stored
    assert digest not in repr(row)


def test_what_is_no_token_is_nobodys(url: str) -> None:
    token, _ = create_token(url, "dewi", Role.OPERATOR)
    with Tokens(url) as tokens:
        for shown in ("", "pln_", "x" * 100_000, "\udcff", "ключ", token.swapcase(), token + "="):
            assert tokens.find(shown) is None


def test_a_digest_is_no_token(url: str) -> None:
    token, _ = create_token(url, "dewi", Role.OPERATOR)
    assert find(url, hashlib.sha256(token.encode()).hexdigest()) is None


def test_a_revoked_token_is_nobodys_and_its_name_is_free(url: str) -> None:
    old, _ = create_token(url, "dewi", Role.SUPERVISOR, "201")
    other, _ = create_token(url, "joko", Role.AGENT, "101")
    with Tokens(url) as tokens:
        assert tokens.find(old) is not None
        revoke_token(url, "dewi")
        assert tokens.find(old) is None
        assert tokens.find(other) is not None
    new, row = create_token(url, "dewi", Role.SUPERVISOR, "202")
    assert (find(url, old), find(url, new)) == (None, row)
    with Tokens(url) as tokens:
        told = [(row.name, row.extension, row.revoked_at is None) for row in tokens.all()]
    assert told == [("dewi", "201", False), ("joko", "101", True), ("dewi", "202", True)]


def test_a_name_is_taken_as_long_as_its_token_is_valid(url: str) -> None:
    token, row = create_token(url, "dewi", Role.OPERATOR)
    with pytest.raises(EntryError, match="there is a token dewi already; revoke it first"):
        create_token(url, "dewi", Role.AGENT, "101")
    assert find(url, token) == row


def test_only_a_valid_token_can_be_revoked(url: str) -> None:
    with pytest.raises(EntryError, match="there is no token 'dewi'; pln-ivr token list"):
        revoke_token(url, "dewi")
    create_token(url, "dewi", Role.OPERATOR)
    revoke_token(url, "dewi")
    with Tokens(url) as tokens:
        (revoked,) = tokens.all()
    with pytest.raises(EntryError, match="no token"):
        revoke_token(url, "dewi")
    with Tokens(url) as tokens:
        assert tokens.all() == [revoked]


@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR])
def test_who_has_a_phone_is_told_by_the_extension(role: Role) -> None:
    with pytest.raises(EntryError, match=f"the role {role} needs the extension"):
        create_token(NOWHERE, "dewi", role)


@pytest.mark.parametrize("extension", ["", "1", "012", "ag-101", "12345678901", "٣١٤"])
def test_an_extension_is_digits(extension: str) -> None:
    with pytest.raises(EntryError, match="an extension is 2 to 10 digits"):
        create_token(NOWHERE, "dewi", Role.OPERATOR, extension)


@pytest.mark.parametrize("name", ["", "201", "dewi rahma", "-dewi", "d" * 65, "dewi\n", "é"])
def test_a_name_is_one_word_and_no_extension(name: str) -> None:
    with pytest.raises(EntryError, match="a token's name is a letter"):
        create_token(NOWHERE, name, Role.OPERATOR)


def test_tokens_are_read_and_made_while_the_program_writes(url: str) -> None:
    async def scenario() -> None:
        async with open_journal(url, log=Log(), limits=QUICK):
            token, row = await asyncio.to_thread(create_token, url, "dewi", Role.OPERATOR)
            assert await asyncio.to_thread(find, url, token) == row

    asyncio.run(scenario())


def test_without_a_journal_there_are_no_tokens(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    for act in (
        lambda: Tokens(url),
        lambda: create_token(url, "dewi", Role.OPERATOR),
        lambda: revoke_token(url, "dewi"),
    ):
        with pytest.raises(JournalError, match="there is no journal"):
            act()


def test_a_journal_that_cannot_be_written_is_one_line(database: Database, url: str) -> None:
    database.execute("DROP TABLE tokens")
    with pytest.raises(JournalError) as caught:
        create_token(url, "dewi", Role.OPERATOR)
    assert str(caught.value).startswith(f"journal.url: cannot write {database.kind}")
    assert "\n" not in str(caught.value)
    with pytest.raises(JournalError, match=r"journal\.url: cannot read"):
        find(url, "pln_x")
