"""Who runs a command that is not for everybody: shown by a token, as to the API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pln_ivr.errors import ConfigError, EntryError
from pln_ivr.journal.tokens import Role, TokenRow, Tokens

TokenFile = Annotated[
    Path | None,
    typer.Option(help="File with your token; without it you are asked for it."),
]
Reason = Annotated[str, typer.Option(help="Why; it is journalled.")]


def holder(url: str, token_file: Path | None, *roles: Role) -> TokenRow:
    """Whose token is shown. Raises ConfigError if none is, EntryError if it is nobody's or the
    role may not, and JournalError."""
    with Tokens(url) as tokens:
        found = tokens.find(_shown(token_file))
    if found is None:
        raise EntryError("nobody has this token; pln-ivr token list names those that there are")
    if found.role not in roles:
        raise EntryError(
            f"{found.name} is {found.role}; this is for the roles {' and '.join(roles)}"
        )
    return found


def _shown(token_file: Path | None) -> str:
    if token_file is not None:
        try:
            return token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--token-file: cannot read {token_file}: {error}") from None
    if not sys.stdin.isatty():
        raise ConfigError("--token-file: name a file with your token; see pln-ivr token create")
    return str(typer.prompt("token", hide_input=True, err=True)).strip()
