"""`pln-ivr person`: what is held about one number, a copy of it, and its erasure (UU 27/2022)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from pln_ivr.commands.custody import library_of
from pln_ivr.commands.options import DEFAULT_ZONE, ConfigFile, Zone, shown, zone_of
from pln_ivr.commands.output import print_table
from pln_ivr.config import load
from pln_ivr.errors import ConfigError, EntryError
from pln_ivr.journal.custody import Someone
from pln_ivr.journal.persons import ROLE, Erasure, Persons
from pln_ivr.journal.records import masked

person_cli = typer.Typer(help="What is held about one phone number.", no_args_is_help=True)

Number = Annotated[
    str, typer.Argument(metavar="NUMBER", help="Like 081234567890; - has you asked for it.")
]
Reason = Annotated[str, typer.Option(help="Why: who asked, when; it is journalled.")]
By = Annotated[str, typer.Option(help="Your name; it is journalled.")]


@person_cli.command()
def export(
    number: Number,
    reason: Reason,
    by: By,
    out: Annotated[Path, typer.Option(help="A new file, which you alone can read.")],
    config: ConfigFile = None,
) -> None:
    """All that the journal holds about a number, as JSON: calls, offers, the names of
    recordings and everything else about those calls."""
    settings = load(config)
    number, someone = _asked(number), _someone(by, reason)
    with _new_file(out) as file, Persons(settings.journal.url) as persons:
        held = persons.export(number, someone)
        whole: dict[str, Any] = {"number": number, "exported_at": datetime.now(UTC)} | held
        json.dump(whole, file, default=_text, indent=1, ensure_ascii=False)
    print(f"{masked(number)}: {len(held['calls'])} calls, in {out}")


@person_cli.command()
def erase(
    number: Number,
    reason: Reason,
    by: By,
    config: ConfigFile = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without it you are told what would be done.")
    ] = False,
) -> None:
    """Replace a number wherever the journal has it, for good, and delete the recordings of its
    calls that are on no legal hold. What the accounts need stays, without the person."""
    settings = load(config)
    number, someone = _asked(number), _someone(by, reason)
    with Persons(settings.journal.url) as persons:
        erasure = persons.erase(number, someone, only_look=not yes)
    removed = 0
    if yes:
        library = library_of(settings)
        for row in erasure.recordings:
            library.remove(row)
            removed += 1
    _tell(masked(number), erasure, removed, done=yes)


@person_cli.command("log")
def log_(config: ConfigFile = None, zone: Zone = DEFAULT_ZONE) -> None:
    """Who exported or erased what, when and why. Numbers are masked."""
    place = zone_of(zone)
    with Persons(load(config).journal.url) as persons:
        rows = persons.accesses()
    print_table(
        [f"at ({zone})", "act", "person", "by", "why", "calls", "recordings"],
        [
            [shown(row.accessed_at, place), row.act, row.person, row.who, row.reason,
             str(row.calls), str(row.recordings)]
            for row in rows
        ],
        figures=["calls", "recordings"],
    )  # fmt: skip


def _tell(who: str, erasure: Erasure, removed: int, *, done: bool) -> None:
    act = "erased" if done else "would be erased"
    print(f"{who}: {erasure.calls} calls and {erasure.others} other rows {act}")
    if done:
        print(f"{removed} recordings deleted, their files are gone")
    else:
        print(f"{len(erasure.recordings)} recordings would be deleted; --yes does it")
    if erasure.held:
        print(
            f"on legal hold, and left as they are: {len(erasure.held_calls)} calls,"
            f" recordings {', '.join(erasure.held)}"
        )


def _asked(number: str) -> str:
    """The number; asked for if it is not to be seen among the machine's processes."""
    return str(typer.prompt("number", err=True)).strip() if number == "-" else number


def _someone(by: str, reason: str) -> Someone:
    if not by.strip() or not by.isprintable():
        raise EntryError("--by: say who you are: a name, on one line")
    return Someone(by.strip(), ROLE, reason)


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """A file that nobody but its owner can read; gone again if its content fails. Raises
    ConfigError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"--out: {path} is there already; name another file") from None
    except OSError as error:
        raise ConfigError(f"--out: cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
    except BaseException as error:
        path.unlink()
        if isinstance(error, OSError):
            raise ConfigError(f"--out: cannot write {path}: {error.strerror}") from None
        raise


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
