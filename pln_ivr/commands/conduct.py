"""`pln-ivr conduct`: incidents for people to look at, and what they make of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pln_ivr.commands.options import (
    DEFAULT_ZONE,
    ConfigFile,
    Since,
    Until,
    Zone,
    moment,
    shown,
    zone_of,
)
from pln_ivr.commands.output import print_table, write_csv
from pln_ivr.config import load
from pln_ivr.errors import ConfigError, EntryError
from pln_ivr.journal import CallRow, IncidentRow, JournalReader, SupervisionRow
from pln_ivr.journal.records import masked
from pln_ivr.journal.reviews import review_incident
from pln_ivr.outcomes import IncidentKind, Review

conduct_cli = typer.Typer(help="Conduct incidents and their review.", no_args_is_help=True)

Agent = Annotated[str | None, typer.Option(help="Only those of this extension.")]
Kind = Annotated[IncidentKind | None, typer.Option(help="Only those of this kind.")]
Reviewed = Annotated[Review | None, typer.Option("--review", help="Only in this state of review.")]

CSV_COLUMNS = [
    field.name for field in fields(IncidentRow) if field.name not in ("sequence", "node")
]


@conduct_cli.command("list")
def list_(
    config: ConfigFile = None,
    agent: Agent = None,
    kind: Kind = None,
    review: Reviewed = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = DEFAULT_ZONE,
    last: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
) -> None:
    """The last incidents, newest first."""
    place = zone_of(zone)
    begin, end = moment("--since", since, place), moment("--until", until, place)
    with JournalReader(load(config).journal.url) as reader:
        rows = reader.incidents(
            agent=agent, kind=kind, review=review, since=begin, until=end, most=last
        )
    print_table(
        [f"happened ({zone})", "incident", "kind", "agent", "queue", "evidence", "review", "by"],
        [
            [
                shown(row.happened_at, place),
                row.incident_id,
                row.kind,
                row.agent,
                row.queue,
                _evidence(row),
                row.review,
                row.reviewer or "-",
            ]
            for row in rows
        ],
    )


@conduct_cli.command()
def show(
    incident: Annotated[str, typer.Argument(metavar="ID")],
    config: ConfigFile = None,
    zone: Zone = DEFAULT_ZONE,
) -> None:
    """All that is known of one incident. The caller's number is masked."""
    place = zone_of(zone)
    with JournalReader(load(config).journal.url) as reader:
        row = reader.incident(incident)
        if row is None:
            raise EntryError(f"there is no incident {incident}; pln-ivr conduct list names them")
        call, supervisions = reader.call(row.call_id), reader.supervisions_of(row.call_id)
    for name, text in _told(row, call, supervisions, place):
        print(f"{name:<12}{text}")


@conduct_cli.command("review")
def review_(
    incident: Annotated[str, typer.Argument(metavar="ID")],
    reviewer: Annotated[str, typer.Option(help="Who reviews it.")],
    config: ConfigFile = None,
    uphold: Annotated[bool, typer.Option("--uphold", help="It was misconduct.")] = False,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="It was not; needs --note.")] = False,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Replace an earlier review.")] = False,
) -> None:
    """Uphold or dismiss an incident, in somebody's name."""
    if uphold == dismiss:
        raise ConfigError("conduct review: say either --uphold or --dismiss")
    verdict = Review.UPHELD if uphold else Review.DISMISSED
    url = load(config).journal.url
    row = review_incident(url, incident, verdict, reviewer=reviewer, note=note, again=again)
    print(f"{row.incident_id}: {row.review} by {row.reviewer}")


@conduct_cli.command("csv")
def csv_(
    config: ConfigFile = None,
    agent: Agent = None,
    kind: Kind = None,
    review: Reviewed = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = DEFAULT_ZONE,
    out: Annotated[Path | None, typer.Option(help="File; default standard output.")] = None,
) -> None:
    """All incidents as CSV, newest first, for a spreadsheet."""
    place = zone_of(zone)
    begin, end = moment("--since", since, place), moment("--until", until, place)
    with JournalReader(load(config).journal.url) as reader:
        found = reader.incidents(agent=agent, kind=kind, review=review, since=begin, until=end)
    rows = [_in_zone(row, place) for row in found]
    if out is None:
        write_csv(CSV_COLUMNS, rows)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            write_csv(CSV_COLUMNS, rows, file)
    except OSError as error:
        raise ConfigError(f"--out: cannot write {out}: {error.strerror}") from None
    print(f"{out}: {len(rows)} incidents")


def _in_zone(row: IncidentRow, zone: ZoneInfo) -> dict[str, Any]:
    values = asdict(row)
    return {
        name: value.astimezone(zone) if isinstance(value, datetime) else value
        for name, value in values.items()
        if name in CSV_COLUMNS
    }


def _evidence(row: IncidentRow) -> str:
    if row.rang_seconds is not None:
        return f"rang {row.rang_seconds:.2f} s"
    if row.spoke_seconds_before is not None:
        return f"customer spoke {row.spoke_seconds_before:.2f} s before"
    return "-"


def _told(
    row: IncidentRow, call: CallRow | None, supervisions: list[SupervisionRow], zone: ZoneInfo
) -> Iterator[tuple[str, str]]:
    """Names and texts, in the order in which one reads them."""
    yield "incident", row.incident_id
    yield "kind", row.kind
    yield "happened", f"{shown(row.happened_at, zone)} {zone.key}"
    yield "agent", row.agent
    yield "queue", row.queue
    yield "evidence", _evidence(row)
    yield "call", row.call_id
    if call:
        yield "caller", masked(call.caller)
        yield "ended", f"{call.outcome or call.stage} {call.reason or ''}".rstrip()
    yield "offer", row.offer_id
    offset = "" if row.offset_seconds is None else f" at {row.offset_seconds:.1f} s"
    yield "recording", f"{row.recording or '-'}{offset}"
    for one in supervisions:
        yield "supervisor", f"{one.supervisor} {one.mode} {shown(one.started_at, zone)}"
    yield "review", row.review
    if row.reviewer:
        yield "reviewer", f"{row.reviewer} {shown(row.reviewed_at, zone)}"
    if row.note:
        yield "note", row.note
