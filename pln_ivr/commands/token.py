"""`pln-ivr token`: who may use the console, and as what."""

from __future__ import annotations

import sys
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from pln_ivr.commands.options import DEFAULT_ZONE, ConfigFile, Zone, shown, zone_of
from pln_ivr.commands.output import print_table
from pln_ivr.config import load
from pln_ivr.journal.tokens import Role, TokenRow, Tokens, create_token, revoke_token

token_cli = typer.Typer(help="Tokens for people and programs.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, in one word.")]


@token_cli.command()
def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="What its holder may do.")],
    extension: Annotated[
        str | None, typer.Option(help="The holder's phone; agents and supervisors have one.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Print a new token, for the only time: the journal keeps no more than its digest."""
    token, _ = create_token(load(config).journal.url, name, role, extension)
    print(token)
    print(f"this is {name}'s token; it cannot be shown again", file=sys.stderr)


@token_cli.command("list")
def list_(config: ConfigFile = None, zone: Zone = DEFAULT_ZONE) -> None:
    """Every token by name, revoked ones among them, oldest first."""
    place = zone_of(zone)
    with Tokens(load(config).journal.url) as tokens:
        rows = tokens.all()
    print_table(
        ["name", "role", "extension", f"created ({zone})", "revoked"],
        [_line(row, place) for row in rows],
    )


@token_cli.command()
def revoke(name: Name, config: ConfigFile = None) -> None:
    """From now on nobody is let in with this token."""
    revoke_token(load(config).journal.url, name)
    print(f"{name}: revoked")


def _line(row: TokenRow, zone: ZoneInfo) -> list[str]:
    return [
        row.name,
        row.role,
        row.extension or "-",
        shown(row.created_at, zone),
        shown(row.revoked_at, zone),
    ]
