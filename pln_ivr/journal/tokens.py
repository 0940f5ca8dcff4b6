"""Tokens: what people and programs show to be let in. Blocking.

A token is 32 random bytes, and only its SHA-256 is stored, so that whoever reads the database
can show none. A slow hash would add nothing: it makes guessing dear where people choose the
secret, and 256 random bits are guessed by nobody, however fast the hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import uuid_utils

from pln_ivr.errors import EntryError
from pln_ivr.journal import tables
from pln_ivr.journal.access import Access

PREFIX = "pln_"
"""Begins every token, so that one is known for what it is where it should not be."""

TOKEN_BYTES = 32
# Not only digits: the journal tells who ordered something by a token's name or an extension.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_EXTENSION = re.compile(r"[1-9][0-9]{1,9}")


class Role(StrEnum):
    """What a token's holder may do."""

    AGENT = "agent"  # what concerns the own phone
    SUPERVISOR = "supervisor"  # conversations, white flags, incidents
    OPERATOR = "operator"  # the service itself


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One token, without anything that could be shown in its place."""

    token_id: str
    name: str
    role: Role
    extension: str | None  # the holder's phone
    created_at: datetime
    revoked_at: datetime | None = None


_COLUMNS = [tables.tokens.c[name] for name in TokenRow.__slots__]


class Tokens(Access):
    """The tokens there are. Reads only, also while others are being created or revoked."""

    def __init__(self, url: str) -> None:
        """``url`` is ``journal.url``. Raises JournalError, see Access."""
        super().__init__(url)

    def find(self, token: str) -> TokenRow | None:
        """Whose token this is; None if it is nobody's or revoked. Raises JournalError.

        The look-up goes by the digest. How long it takes may tell something of digests, but
        from these nobody comes to a token.
        """
        table = tables.tokens
        query = sa.select(*_COLUMNS).where(
            table.c.digest == _digest(token), table.c.revoked_at.is_(None)
        )
        return next((_token(row) for row in self._rows(query)), None)

    def all(self) -> list[TokenRow]:
        """Every token, revoked ones among them, oldest first. Raises JournalError."""
        table = tables.tokens
        query = sa.select(*_COLUMNS).order_by(table.c.created_at, table.c.token_id)
        return [_token(row) for row in self._rows(query)]


def create_token(
    url: str, name: str, role: Role, extension: str | None = None
) -> tuple[str, TokenRow]:
    """A new token, in clear text for the only time, and its row.

    Raises EntryError if the name is none or taken, or the extension is missing or none, and
    JournalError.
    """
    _check(name, role, extension)
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    row = TokenRow(
        token_id=str(uuid_utils.uuid7()),
        name=name,
        role=role,
        extension=extension,
        created_at=datetime.now(UTC),
    )
    values = {column: getattr(row, column) for column in TokenRow.__slots__}
    with Access(url, read_only=False) as journal, journal.changing() as connection:
        try:
            connection.execute(sa.insert(tables.tokens), values | {"digest": _digest(token)})
        except sa.exc.IntegrityError:
            raise EntryError(
                f"there is a token {name} already; revoke it first or choose another name"
            ) from None
    return token, row


def revoke_token(url: str, name: str) -> None:
    """From now on the token of that name is nobody's.

    Raises EntryError if there is none that is not revoked, and JournalError.
    """
    table = tables.tokens
    revoked = (
        sa.update(table)
        .where(table.c.name == name, table.c.revoked_at.is_(None))
        .values(revoked_at=datetime.now(UTC))
    )
    with Access(url, read_only=False) as journal, journal.changing() as connection:
        if connection.execute(revoked).rowcount == 0:
            raise EntryError(f"there is no token {name!r}; pln-ivr token list names them")


def _check(name: str, role: Role, extension: str | None) -> None:
    if not _NAME.fullmatch(name):
        raise EntryError(
            f"a token's name is a letter, then letters, digits or . _ -; {name!r} is none"
        )
    if extension is None and role is not Role.OPERATOR:
        raise EntryError(f"the role {role} needs the extension of the holder's phone")
    if extension is not None and not _EXTENSION.fullmatch(extension):
        raise EntryError(f"an extension is 2 to 10 digits, like 101; {extension!r} is none")


def _digest(token: str) -> str:
    # What comes over the wire may hold anything.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _token(row: Mapping[str, Any]) -> TokenRow:
    return TokenRow(**{**row, "role": Role(row["role"])})
