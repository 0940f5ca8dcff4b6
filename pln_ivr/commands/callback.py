"""`pln-ivr callback`: who is to be called back, and who is to be called no more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pln_ivr.commands.options import DEFAULT_ZONE, ConfigFile, Zone, shown, zone_of
from pln_ivr.commands.output import print_table
from pln_ivr.config import load
from pln_ivr.journal.callbacks import CallbackBook, CallbackList
from pln_ivr.journal.records import masked

BY = "command line"
"""Who cancelled it, in the journal."""

callback_cli = typer.Typer(help="Customers who are to be called back.", no_args_is_help=True)


@callback_cli.command("list")
def list_(
    last: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Those that are not over, in their order.")
    ] = False,
    config: ConfigFile = None,
    zone: Zone = DEFAULT_ZONE,
) -> None:
    """The last callbacks, the newest first. Customers' numbers are masked."""
    place = zone_of(zone)
    with CallbackList(load(config).journal.url) as callbacks:
        rows = callbacks.last(last, waiting)
    print_table(
        ["id", "queue", "customer", "status", f"place ({zone})", f"asked ({zone})",
         f"next ({zone})", "attempts", "last result"],
        [
            [
                row.callback_id,
                row.queue or "power is back",
                masked(row.caller),
                row.status,
                shown(row.place_at, place),
                shown(row.asked_at, place),
                shown(row.due_at, place) if row.waits else "-",
                str(row.attempts),
                row.result or "-",
            ]
            for row in rows
        ],
        figures=["attempts"],
    )  # fmt: skip


@callback_cli.command()
def cancel(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="As callback list shows them.")],
    config: ConfigFile = None,
) -> None:
    """Have these customers called no more; a call that is under way goes on."""
    with CallbackBook(load(config).journal.url) as book:
        print(f"{book.cancel(ids, BY, datetime.now(UTC))} will not be called")
