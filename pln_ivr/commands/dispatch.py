"""`pln-ivr dispatch`: what the field dispatch has been told, and what it has not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pln_ivr.commands.options import DEFAULT_ZONE, ConfigFile, Zone, shown, zone_of
from pln_ivr.commands.output import print_table
from pln_ivr.config import load
from pln_ivr.errors import ConfigError
from pln_ivr.journal.dispatches import Dispatches, Outbox

dispatch_cli = typer.Typer(
    help="Reports of outages on their way to the field dispatch.", no_args_is_help=True
)


@dispatch_cli.command("list")
def list_(
    last: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    dead: Annotated[bool, typer.Option("--dead", help="Dead letters only.")] = False,
    config: ConfigFile = None,
    zone: Zone = DEFAULT_ZONE,
) -> None:
    """The last deliveries, the newest first."""
    place = zone_of(zone)
    with Dispatches(load(config).journal.url) as dispatches:
        rows = dispatches.last(last, dead)
    print_table(
        ["id", "of", "state", f"since ({zone})", "attempts", f"next ({zone})", "last error"],
        [
            [
                row.dispatch_id,
                row.kind,
                row.state,
                shown(row.created_at, place),
                str(row.attempts),
                shown(row.due_at, place) if row.state == "waiting" else "-",
                row.error or "-",
            ]
            for row in rows
        ],
        figures=["attempts"],
    )


@dispatch_cli.command()
def retry(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="As dispatch list shows them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    config: ConfigFile = None,
) -> None:
    """Try dead letters again, as if they were new."""
    if bool(ids) == every:
        raise ConfigError("dispatch retry: give ids of dead letters, or --all")
    with Outbox(load(config).journal.url) as outbox:
        print(f"{outbox.retry(ids or [], datetime.now(UTC))} will be tried again")
