"""`pln-ivr recordings`: the recordings of conversations, and whether all of them are there."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import Progress

from pln_ivr.commands.custody import delete_, export_, hold_, play_, purge_, release_
from pln_ivr.commands.options import (
    DEFAULT_ZONE,
    ConfigFile,
    Period,
    Since,
    Until,
    Zone,
    moment,
    period_of,
    shown,
    zone_of,
)
from pln_ivr.commands.output import print_json, print_table
from pln_ivr.config import Settings, load
from pln_ivr.journal.catalogue import Catalogue, Entry, Wanted
from pln_ivr.journal.custody import AccessRow
from pln_ivr.journal.records import masked
from pln_ivr.outcomes import IncidentKind, RecordingFault, Result
from pln_ivr.recordings.sealing import new_key
from pln_ivr.recordings.stores import open_store
from pln_ivr.recordings.verify import Account, Finding, Places, verify
from pln_ivr.rules import archive_of

recordings_cli = typer.Typer(help="Recordings of conversations.", no_args_is_help=True)

MEANINGS = {
    Finding.MISSING: "conversations without file",
    Finding.STRAY: "files without conversation",
    Finding.ALTERED: "altered files",
}


@recordings_cli.callback()
def _recordings() -> None:
    """Recordings of conversations."""


recordings_cli.command("play")(play_)
recordings_cli.command("export")(export_)
recordings_cli.command("hold")(hold_)
recordings_cli.command("release")(release_)
recordings_cli.command("delete")(delete_)
recordings_cli.command("purge")(purge_)


@recordings_cli.command("list")
def list_(
    config: ConfigFile = None,
    day: Annotated[str | None, typer.Option(help="Like 2026-11-23.")] = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = DEFAULT_ZONE,
    queue: Annotated[str | None, typer.Option(help="Of this queue.")] = None,
    agent: Annotated[str | None, typer.Option(help="Of this extension.")] = None,
    caller: Annotated[str | None, typer.Option(help="Of this number, or its last digits.")] = None,
    outcome: Annotated[Result | None, typer.Option(help="Of calls that ended so.")] = None,
    incident: Annotated[IncidentKind | None, typer.Option(help="With such an incident.")] = None,
    fault: Annotated[RecordingFault | None, typer.Option(help="Odd in this way.")] = None,
    held: Annotated[bool, typer.Option("--held", help="On legal hold.")] = False,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted ones as well.")] = False,
    last: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Recordings, newest first. Callers' numbers are masked."""
    place = zone_of(zone)
    begin, end = moment("--since", since, place), moment("--until", until, place)
    if day is not None:
        period = period_of(day, since, until, place, datetime.now(UTC))
        begin, end = period.since, period.until
    wanted = Wanted(
        since=begin,
        until=end,
        queue=queue,
        agent=agent,
        caller=caller,
        outcome=outcome,
        incident=incident,
        fault=fault,
        held=held,
        deleted=deleted,
        most=last,
    )
    with Catalogue(load(config).journal.url) as catalogue:
        entries = catalogue.find(wanted)
    if as_json:
        print_json([_entry(entry) for entry in entries])
    else:
        print_table(_headings(zone), [_line(entry, place) for entry in entries])


@recordings_cli.command("accesses")
def accesses_(
    recording: Annotated[str | None, typer.Argument(metavar="[ID]")] = None,
    config: ConfigFile = None,
    day: Annotated[str | None, typer.Option(help="Like 2026-11-23; without it today.")] = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = DEFAULT_ZONE,
) -> None:
    """Who had access to a recording, or to any in a time; when and why."""
    place = zone_of(zone)
    with Catalogue(load(config).journal.url) as catalogue:
        if recording is not None:
            rows = catalogue.accesses_of(recording)
        else:
            period = period_of(day, since, until, place, datetime.now(UTC))
            rows = catalogue.accesses_between(period.since, period.until)
    print_table(
        [f"at ({zone})", "who", "role", "act", "recording", "reason"],
        [
            [
                shown(row.accessed_at, place),
                row.who,
                row.role,
                row.act,
                row.recording_id,
                row.reason,
            ]
            for row in rows
        ],
    )


@recordings_cli.command("verify")
def verify_(
    config: ConfigFile = None,
    day: Annotated[str | None, typer.Option(help="Like 2026-11-23.")] = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = DEFAULT_ZONE,
    quick: Annotated[bool, typer.Option("--quick", help="Lengths only, no hashes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Does each conversation have its file, each file its conversation, unaltered?

    Of yesterday and today if no time is given. Ends with 1 if anything was found that may
    not be; it changes nothing.
    """
    settings = load(config)
    now = datetime.now(UTC)
    period = _period(day, since, until, zone, now)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("hashes", total=None)
        account = verify(
            places_of(settings),
            period.since,
            period.until,
            hashes=not quick,
            progress=lambda done, all_: bar.update(task, completed=done, total=all_),
        )
    if as_json:
        print(json.dumps(_as_json(account, period)))
    else:
        _show(account, period)
    if not account.healthy:
        raise typer.Exit(1)


@recordings_cli.command("new-key")
def new_key_(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its name, like 2026-11.")],
) -> None:
    """A new key for the file that recordings.keys names; its first line is the current key."""
    print(new_key(key_id))


def places_of(settings: Settings) -> Places:
    """Where the journal, the spool and the archive are."""
    recordings = settings.recordings
    store = open_store(archive_of(recordings))
    return Places(settings.journal.url, recordings.spool, store)


def _period(
    day: str | None, since: str | None, until: str | None, zone: str, now: datetime
) -> Period:
    place = zone_of(zone)
    if day is since is until is None:
        midnight = datetime.combine(now.astimezone(place).date() - timedelta(days=1), time(), place)
        return Period(midnight.astimezone(UTC), now, place)
    return period_of(day, since, until, place, now)


def _counts(account: Account) -> dict[str, int]:
    return {
        "conversations": account.conversations,
        "filed": account.filed,
        "waiting in the spool": account.waiting,
        "not recorded, by policy": account.unrecorded,
        "deleted": account.deleted,
        "filed without proof, by an earlier version": account.unproven,
        **{f"to listen to: {fault}": account.faults[fault] for fault in RecordingFault},
        **{MEANINGS[what]: account.count(what) for what in Finding},
    }


def _show(account: Account, period: Period) -> None:
    print_table(
        ["what", "count"],
        [[name, str(count)] for name, count in _counts(account).items()],
        title=str(period),
        figures=["count"],
    )
    for one in account.found:
        print(f"{one.what:<8} {one.recording}: {one.text}")


def _as_json(account: Account, period: Period) -> dict[str, object]:
    return {
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "conversations": account.conversations,
        "filed": account.filed,
        "waiting": account.waiting,
        "unrecorded": account.unrecorded,
        "deleted": account.deleted,
        "unproven": account.unproven,
        "faults": {fault: account.faults[fault] for fault in RecordingFault},
        **{str(what): account.count(what) for what in Finding},
        "found": [asdict(one) for one in account.found],
    }


def _which(row: AccessRow) -> tuple[str, str]:
    return row.recording_id, row.reason


def _headings(zone: str) -> list[str]:
    return [
        f"began ({zone})",
        "recording",
        "caller",
        "queue",
        "agent",
        "outcome",
        "s",
        "odd",
        "incidents",
        "state",
    ]


def _line(entry: Entry, zone: ZoneInfo) -> list[str]:
    row = entry.recording
    return [
        shown(row.began_at, zone),
        row.recording_id,
        masked(entry.caller),
        row.queue or "-",
        row.agent or "-",
        entry.outcome or "-",
        f"{row.seconds:.1f}",
        row.faults.replace(",", " ") or "-",
        " ".join(entry.incidents) or "-",
        "deleted" if row.deleted_at else "held" if row.held_at else "",
    ]


def _entry(entry: Entry) -> dict[str, object]:
    row = asdict(entry.recording)
    del row["sequence"], row["node"]
    return row | {
        "caller": masked(entry.caller),
        "outcome": entry.outcome,
        "reason": entry.reason,
        "incidents": entry.incidents,
    }
