"""`pln-ivr report`: a day, its queues and agents, its busies, its statements."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from pln_ivr.commands.options import (
    DEFAULT_ZONE,
    ConfigFile,
    Since,
    Until,
    Zone,
    period_of,
    zone_of,
)
from pln_ivr.commands.output import print_json, print_table, write_csv
from pln_ivr.commands.report_day import busies_report, day_report
from pln_ivr.commands.report_form import Report, Row, Table, cell, heading, plain
from pln_ivr.commands.report_making import Making, progress_on_terminal
from pln_ivr.commands.report_outage import outage_report
from pln_ivr.commands.report_page import page
from pln_ivr.commands.report_people import agents_report, queues_report
from pln_ivr.config import load
from pln_ivr.errors import ConfigError


class Subject(StrEnum):
    """What a report is about."""

    DAY = "day"
    QUEUES = "queues"
    AGENTS = "agents"
    BUSIES = "busies"
    OUTAGE = "outage"


class Form(StrEnum):
    """Forms of a report."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


MAKERS: dict[Subject, Callable[[Making], Report]] = {
    Subject.DAY: day_report,
    Subject.QUEUES: queues_report,
    Subject.AGENTS: agents_report,
    Subject.BUSIES: busies_report,
    Subject.OUTAGE: outage_report,
}


def report(
    subject: Annotated[Subject, typer.Argument(help="Of what.")],
    config: ConfigFile = None,
    day: Annotated[str | None, typer.Option(help="Like 2026-11-23; without it today.")] = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = DEFAULT_ZONE,
    form: Annotated[
        Form, typer.Option("--format", help="html: a page with charts, complete in itself.")
    ] = Form.TABLE,
    table: Annotated[
        str | None, typer.Option(help="Which of its tables, for csv; without it the first.")
    ] = None,
) -> None:
    """What happened in a day or between two times: all of it, how the queues were served, what the
    agents did, who heard busy, what callers were told in an outage.

    As json, queues and agents are one object a line, the others one object with all their tables.
    """
    settings = load(config)
    now = datetime.now(UTC)
    period = period_of(day, since, until, zone_of(zone), now)
    with progress_on_terminal() as progress:
        made = MAKERS[subject](Making(settings, period, now, progress))
    match form:
        case Form.TABLE:
            print(made.period)
            for one in made.tables:
                _show(made, one)
        case Form.CSV:
            chosen = _chosen(made, table)
            write_csv(chosen.columns, [_plain(chosen, row) for row in chosen.rows])
        case Form.JSON:
            _print_json(made)
        case Form.HTML:
            print(page(made, now))


def _show(made: Report, table: Table) -> None:
    zone = made.period.zone
    if table.single:
        (row,) = table.rows
        print_table(
            ["figure", "value"],
            [[heading(column), cell(column, row[column], zone)] for column in table.columns],
            title=heading(table.name),
            figures=["value"],
        )
        return
    print_table(
        [heading(column) for column in table.columns],
        [[cell(column, row[column], zone) for column in table.columns] for row in table.rows],
        title=heading(table.name),
        figures=[heading(column) for column in table.columns if column not in table.words],
        total=[cell(c, table.total[c], zone) for c in table.columns] if table.total else (),
    )


def _chosen(made: Report, name: str | None) -> Table:
    if name is None:
        return made.tables[0]
    for table in made.tables:
        if table.name == name:
            return table
    names = ", ".join(table.name for table in made.tables)
    raise ConfigError(f"--table: this report has no {name!r}; it has {names}")


def _print_json(made: Report) -> None:
    if len(made.tables) == 1:
        (table,) = made.tables
        print_json([_plain(table, row) for row in table.rows])
        return
    whole: dict[str, Any] = {"since": made.period.since, "until": made.period.until}
    for table in made.tables:
        rows = [_plain(table, row) for row in table.rows]
        whole[table.name] = rows[0] if table.single else rows
    print(json.dumps(whole, default=_iso))


def _plain(table: Table, row: Row) -> Row:
    return {column: plain(row[column]) for column in table.columns}


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
