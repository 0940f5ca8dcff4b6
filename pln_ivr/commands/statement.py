"""`pln-ivr statement`: management's word on an outage, from the draft to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from pln_ivr.commands.options import DEFAULT_ZONE, ConfigFile, Zone, moment, shown, zone_of
from pln_ivr.commands.output import print_table
from pln_ivr.config import load
from pln_ivr.errors import ConfigError
from pln_ivr.journal.statements import (
    StatementRow,
    Statements,
    approve_statement,
    publish_statement,
    renew_statement,
    withdraw_statement,
)
from pln_ivr.outages.drafting import Draft, DraftError, latest_expiry, make_draft
from pln_ivr.rules import draft_rules

statement_cli = typer.Typer(
    help="Statements on outages: drafted, approved by somebody else, live.", no_args_is_help=True
)

Version = Annotated[int, typer.Argument(metavar="VERSION", help="As statement list shows it.")]
By = Annotated[str, typer.Option(help="Who does it.")]
_OPTIONS = {
    "areas": "--area",
    "cause": "--cause",
    "restoration_at": "--restored",
    "expires_at": "--until",
    "text": "--text",
    "recording": "--recording",
}


@statement_cli.command()
def draft(
    cause: Annotated[str, typer.Option(help="Why, in a few words that can be spoken.")],
    until: Annotated[
        str, typer.Option(help="Nobody hears it from then on, like 2026-11-23T18:00.")
    ],
    by: By,
    area: Annotated[list[str] | None, typer.Option(help="Where; none: everywhere.")] = None,
    restored: Annotated[str | None, typer.Option(help="When power is expected back.")] = None,
    text: Annotated[str, typer.Option(help="The words, instead of those made of the rest.")] = "",
    recording: Annotated[
        Path | None, typer.Option(help="Somebody speaking --text: wav, flac or alaw.")
    ] = None,
    config: ConfigFile = None,
    zone: Zone = DEFAULT_ZONE,
) -> None:
    """Write a statement, and speak it; nobody hears it yet."""
    settings, place = load(config), zone_of(zone)
    expires_at = moment("--until", until, place)
    assert expires_at is not None
    wanted = Draft(
        areas=tuple(area or ()),
        cause=cause,
        restoration_at=moment("--restored", restored, place),
        expires_at=expires_at,
        text=text,
        recording=recording,
    )
    try:
        row = make_draft(settings.journal.url, wanted, draft_rules(settings), by, datetime.now(UTC))
    except DraftError as error:
        raise ConfigError(f"{_OPTIONS[error.field]}: {error}") from None
    print(f"statement {row.version}: {row.status}\n{row.text}")


@statement_cli.command()
def approve(
    version: Version,
    by: By,
    publish: Annotated[bool, typer.Option("--publish", help="And put it live.")] = False,
    config: ConfigFile = None,
) -> None:
    """Stand for a draft of somebody else's."""
    url = load(config).journal.url
    row = approve_statement(url, version, by)
    _say(publish_statement(url, version, by) if publish else row)


@statement_cli.command()
def publish(version: Version, by: By, config: ConfigFile = None) -> None:
    """Have every caller hear an approved one, those who wait at once."""
    _say(publish_statement(load(config).journal.url, version, by))


@statement_cli.command()
def renew(
    version: Version,
    until: Annotated[str, typer.Option(help="Nobody hears it from then on.")],
    by: By,
    config: ConfigFile = None,
    zone: Zone = DEFAULT_ZONE,
) -> None:
    """Have a live one go on, in the same words."""
    settings = load(config)
    expires_at = moment("--until", until, zone_of(zone))
    assert expires_at is not None
    latest = latest_expiry(draft_rules(settings), datetime.now(UTC))
    if expires_at > latest:
        raise ConfigError(f"--until: at most {shown(latest, zone_of(zone))} {zone} for now")
    _say(renew_statement(settings.journal.url, version, expires_at, by))


@statement_cli.command()
def withdraw(
    version: Version,
    by: By,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    config: ConfigFile = None,
) -> None:
    """Have nobody hear it from now on; a draft is given up."""
    _say(withdraw_statement(load(config).journal.url, version, by, note))


@statement_cli.command("list")
def list_(
    last: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    config: ConfigFile = None,
    zone: Zone = DEFAULT_ZONE,
) -> None:
    """The last statements, the newest first."""
    place = zone_of(zone)
    with Statements(load(config).journal.url) as statements:
        rows = statements.last(last, datetime.now(UTC))
    print_table(
        ["version", "status", "areas", "cause", f"until ({zone})", "drafted", "approved", "ended"],
        [
            [
                str(row.version),
                row.status,
                ", ".join(row.areas) or "everywhere",
                row.cause,
                shown(row.expires_at, place),
                row.drafted_by,
                row.approved_by or "-",
                shown(row.ended_at, place),
            ]
            for row in rows
        ],
    )


@statement_cli.command()
def show(version: Version, config: ConfigFile = None, zone: Zone = DEFAULT_ZONE) -> None:
    """All that is known of one statement, and how many callers have heard it."""
    with Statements(load(config).journal.url) as statements:
        row, (heard, whole) = statements.one(version, datetime.now(UTC)), statements.heard(version)
    for name, words in _told(row, zone_of(zone)):
        print(f"{name:<12}{words}")
    print(f"{'heard':<12}{heard} callers, {whole} of them to the end")


@statement_cli.command()
def audio(
    version: Version,
    out: Annotated[Path, typer.Option(help="File: headerless A-law, 8 kHz.")],
    config: ConfigFile = None,
) -> None:
    """Store what callers hear in a file, to listen to before it is approved."""
    with Statements(load(config).journal.url) as statements:
        sound = statements.audio(version)
    try:
        out.write_bytes(sound)
    except OSError as error:
        raise ConfigError(f"--out: cannot write {out}: {error.strerror}") from None
    print(f"{out}: play it with: play -t raw -e a-law -b 8 -r 8000 -c 1 {out}")


def _say(row: StatementRow) -> None:
    print(f"statement {row.version}: {row.status}")


def _told(row: StatementRow, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """Names and texts, in the order in which one reads them."""
    yield "statement", f"{row.version}, {row.status}"
    yield "text", row.text
    yield "spoken by", "a person" if row.recorded else "the voice"
    yield "areas", ", ".join(row.areas) or "everywhere"
    yield "cause", row.cause
    yield "restored", shown(row.restoration_at, zone) if row.restoration_at else "not known"
    yield "until", f"{shown(row.expires_at, zone)} {zone.key}"
    for step, who, at in (
        ("drafted", row.drafted_by, row.drafted_at),
        ("approved", row.approved_by, row.approved_at),
        ("live", row.live_by, row.live_at),
        ("renewed", row.renewed_by, row.renewed_at),
        ("ended", row.ended_by, row.ended_at),
    ):
        if who:
            yield step, f"{who} {shown(at, zone)}"
    if row.note:
        yield "note", row.note
