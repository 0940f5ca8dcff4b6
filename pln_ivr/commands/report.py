"""`pln-ivr report`: how well the queues were served, and what each agent did."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from pln_ivr.commands.options import (
    DEFAULT_ZONE,
    ConfigFile,
    Period,
    Since,
    Until,
    Zone,
    period_of,
    zone_of,
)
from pln_ivr.commands.output import Format, print_json, print_table, write_csv
from pln_ivr.config import Settings, load
from pln_ivr.errors import RosterError
from pln_ivr.journal import JournalReader
from pln_ivr.journal.reports import (
    AgentFigures,
    QueueFigures,
    agent_figures,
    agents_together,
    queue_figures,
    queues_together,
)
from pln_ivr.outcomes import IncidentKind
from pln_ivr.queues.roster import load_roster


def _columns(name: str) -> list[str]:
    match name:
        case "agent":
            return ["agent", "name"]
        case "incidents":
            return list(IncidentKind)
    return [name]


QUEUE_COLUMNS = [field.name for field in fields(QueueFigures)]
AGENT_COLUMNS = [name for field in fields(AgentFigures) for name in _columns(field.name)]
WORDS = ("queue", "agent", "name")
SHARES = ("service_level", "service_share")
HEADINGS = {
    "within_target": "in time",
    "abandoned_within_target": "gave up in time",
    "service_level": "service level",
    "service_share": "target",
}
"""Shorter than the columns' names, where the table would be too wide."""


class Subject(StrEnum):
    """What a report is about."""

    QUEUES = "queues"
    AGENTS = "agents"


def report(
    subject: Annotated[Subject, typer.Argument(help="Of what.")],
    config: ConfigFile = None,
    day: Annotated[str | None, typer.Option(help="Like 2026-11-23; without it today.")] = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = DEFAULT_ZONE,
    form: Annotated[
        Format, typer.Option("--format", help="json: one object a line.")
    ] = Format.TABLE,
) -> None:
    """How the queues were served, or what the agents did, in a day or between two times.

    Counted are the calls that joined a line, the offers that were made and the incidents that
    happened in that time.
    """
    settings = load(config)
    period = period_of(day, since, until, zone_of(zone), datetime.now(UTC))
    made = _queues if subject is Subject.QUEUES else _agents
    columns, rows, total = made(settings, period)
    if form is Format.TABLE:
        print_table(
            [_heading(column) for column in columns],
            [[_cell(column, row[column]) for column in columns] for row in rows],
            title=str(period),
            figures=[_heading(column) for column in columns if column not in WORDS],
            total=[_cell(column, total[column]) for column in columns],
        )
        return
    rounded = [{column: _rounded(row[column]) for column in columns} for row in rows]
    if form is Format.JSON:
        print_json(rounded)
    else:
        write_csv(columns, rounded)


Row = dict[str, Any]
Made = tuple[list[str], list[Row], Row]
"""Columns, rows, and all rows together."""


def _queues(settings: Settings, period: Period) -> Made:
    targets = {
        name: (queue.service_seconds, queue.service_share)
        for name, queue in settings.queues.names.items()
    }
    with JournalReader(settings.journal.url) as reader:
        figures = queue_figures(reader.queued_calls(period.since, period.until), targets)
    return QUEUE_COLUMNS, [asdict(one) for one in figures], asdict(queues_together(figures))


def _agents(settings: Settings, period: Period) -> Made:
    names = _names(settings)
    with JournalReader(settings.journal.url) as reader:
        figures = agent_figures(
            reader.offers_between(period.since, period.until),
            reader.incidents(since=period.since, until=period.until),
        )

    def row(one: AgentFigures) -> Row:
        return asdict(one) | {"name": names.get(one.agent, "")} | dict(one.incidents)

    return AGENT_COLUMNS, [row(one) for one in figures], row(agents_together(figures))


def _names(settings: Settings) -> dict[str, str]:
    """Of those who are on the roster now; a report is made without it, too."""
    try:
        roster = load_roster(settings.agents.roster, settings.queues.skills)
    except RosterError:
        return {}
    return {entry.extension: entry.name for entry in roster.values()}


def _heading(column: str) -> str:
    return HEADINGS.get(column) or column.replace("_seconds", " s").replace("_", " ")


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column in SHARES:
        return f"{value:.1%}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
