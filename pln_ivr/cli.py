"""The command line: arguments, exit codes, and one line with the cure for each error."""

from __future__ import annotations

import asyncio
import gc
import sys
from dataclasses import asdict
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from pln_ivr import __version__, checks, orders, service
from pln_ivr.calls.prompt_files import build_prompts
from pln_ivr.commands.callback import callback_cli
from pln_ivr.commands.conduct import conduct_cli
from pln_ivr.commands.dispatch import dispatch_cli
from pln_ivr.commands.options import ConfigFile
from pln_ivr.commands.output import print_json
from pln_ivr.commands.person import person_cli
from pln_ivr.commands.recordings import recordings_cli
from pln_ivr.commands.report import report
from pln_ivr.commands.statement import statement_cli
from pln_ivr.commands.token import token_cli
from pln_ivr.config import Settings, load
from pln_ivr.config.reference import reference
from pln_ivr.errors import ConfigError, PlnIvrError
from pln_ivr.journal import CallRow, JournalReader
from pln_ivr.journal.records import masked
from pln_ivr.logs import set_up
from pln_ivr.rules import menu_of, require_prompts, texts_of


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    FAILED = 1
    WRONG_SETTING = 2  # also what typer uses for wrong arguments


cli = typer.Typer(
    help="The ARI application behind 123.", no_args_is_help=True, pretty_exceptions_enable=False
)
prompts_cli = typer.Typer(help="What callers hear.", no_args_is_help=True)
cli.add_typer(prompts_cli, name="prompts")
cli.add_typer(conduct_cli, name="conduct")
cli.add_typer(token_cli, name="token")
cli.add_typer(person_cli, name="person")
cli.add_typer(recordings_cli, name="recordings")
cli.add_typer(statement_cli, name="statement")
cli.add_typer(dispatch_cli, name="dispatch")
cli.add_typer(callback_cli, name="callback")


@cli.command()
def serve(config: ConfigFile = None) -> None:
    """Take calls until SIGTERM, then drain. SIGHUP reloads the roster."""
    settings = load(config)
    set_up(settings.log)
    # What is loaded by now stays: the collector need not look at it again at every call.
    gc.collect()
    gc.freeze()
    uvloop.run(service.run(settings))


@cli.command()
def check(config: ConfigFile = None) -> None:
    """Check settings, roster, prompts and the connection to Asterisk, each with a verdict."""
    verdicts = asyncio.run(checks.check_all(config))
    for verdict in verdicts:
        print(f"{'ok  ' if verdict.ok else 'FAIL'}  {verdict.subject}: {verdict.text}")
    if not all(verdict.ok for verdict in verdicts):
        raise typer.Exit(Exit.FAILED)


@cli.command()
def calls(
    config: ConfigFile = None,
    last: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """The last calls from the journal, newest first. Callers' numbers are masked."""
    with JournalReader(load(config).journal.url) as reader:
        rows = reader.last_calls(last)
    if as_json:
        print_json([asdict(row) | {"caller": masked(row.caller)} for row in rows])
    else:
        Console().print(_table(rows))


@cli.command()
def drain(
    config: ConfigFile = None,
    leave: Annotated[
        bool, typer.Option("--leave", help="Stop now; the next run takes over every call.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the end.")] = 0.0,
) -> None:
    """Have the running program stop: no new calls, conversations may finish."""
    settings = load(config)
    print(orders.give(settings, "leave" if leave else "drain"))
    if wait and not orders.ended(settings, wait):
        print(f"still running after {wait:g} s")
        raise typer.Exit(Exit.FAILED)


@prompts_cli.command("build")
def prompts_build(
    config: ConfigFile = None,
    out: Annotated[Path | None, typer.Option(help="Folder; default prompts.folder.")] = None,
    texts: Annotated[Path | None, typer.Option(help="Texts; default prompts.texts.")] = None,
    studio: Annotated[Path | None, typer.Option(help="Studio recordings.")] = None,
) -> None:
    """Speak the prompts' texts, and the settings' information, into the trunk's codec; a studio
    recording replaces one."""
    settings = load(config)
    folder, studio = out or settings.prompts.folder, studio or settings.prompts.studio
    for spoken in texts_of(settings, texts):
        place = folder / spoken.language
        print(f"{place}: {build_prompts(spoken, place, studio)}")
    require_prompts(menu_of(settings.menu), folder, bool(settings.outbound.gateway))


@cli.command()
def settings() -> None:
    """Every setting, its default and what it means, as a TOML file."""
    print(reference(), end="")


@cli.command()
def version() -> None:
    """The version of this program."""
    print(__version__)


cli.command()(report)


def _table(rows: list[CallRow]) -> Table:
    table = Table("began (UTC)", "caller", "outcome", "reason", "queue", "agent", "s", "recording")
    for row in rows:
        seconds = f"{(row.ended_at - row.started_at).total_seconds():.1f}" if row.ended_at else "…"
        recording = f"{row.recording_seconds:.1f} s" if row.recording_seconds else "-"
        table.add_row(
            f"{row.started_at:%Y-%m-%d %H:%M:%S}",
            masked(row.caller),
            row.outcome or row.stage,
            row.reason or "",
            row.queue or "-",
            row.agent or "-",
            seconds,
            recording if row.recording else "-",
        )
    return table


def main() -> None:
    """Run the command line; a mistake of the user's ends with its cure, not a traceback."""
    try:
        cli()
    except PlnIvrError as error:
        print(f"pln-ivr: {error}", file=sys.stderr)
        sys.exit(Exit.WRONG_SETTING if isinstance(error, ConfigError) else Exit.FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["Settings", "cli", "main"]
