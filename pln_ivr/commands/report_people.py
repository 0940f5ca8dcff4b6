"""`pln-ivr report queues` and `agents`: how the queues were served, what each agent did."""

from __future__ import annotations

from dataclasses import asdict, fields

from pln_ivr.commands.report_callbacks import CALLBACKS, callbacks_by_queue
from pln_ivr.commands.report_chart import BLUE, GREEN, GREY, ORANGE, RED, Chart, Series
from pln_ivr.commands.report_form import Report, Row, Table
from pln_ivr.commands.report_making import Making
from pln_ivr.config import Settings
from pln_ivr.errors import RosterError
from pln_ivr.journal import JournalReader
from pln_ivr.journal.counting import Counting
from pln_ivr.journal.reports import (
    AgentFigures,
    AgentTally,
    QueueFigures,
    QueueTally,
    agents_together,
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


QUEUE_COLUMNS = [field.name for field in fields(QueueFigures) if field.name != "waits"] + [
    "median_wait_seconds",
    "wait_90_seconds",
    *CALLBACKS,
]
AGENT_COLUMNS = [name for field in fields(AgentFigures) for name in _columns(field.name)]


def queues_report(making: Making) -> Report:
    """The calls that joined a line."""
    with Counting(making.url) as counting:
        calls = counting.queued_between(making.period.since, making.period.until)
        tally = QueueTally(making.targets)
        for call in making.followed("calls", calls):
            if call.queued is not None:
                tally.add(call.queue, call.outcome, call.queued, call.talking, call.ended)
    figures = tally.figures()
    total = queues_together(figures)
    called = callbacks_by_queue(making)
    rows = [_queue_row(one) | called[one.queue] for one in figures]
    last = _queue_row(total) | called[total.queue]
    table = Table("queues", QUEUE_COLUMNS, rows, last, words=["queue"])
    return Report("Queues", making.period, [table], [_levels(figures, total), _ends(figures)])


def agents_report(making: Making) -> Report:
    """The offers that were made, and the incidents."""
    names = _names(making.settings)
    since, until = making.period.since, making.period.until
    tally = AgentTally()
    with Counting(making.url) as counting:
        for one in making.followed("offers", counting.offers_between(since, until)):
            tally.add(
                one.agent,
                one.result,
                one.talking,
                one.talked_until,
                one.wrapped_up,
                one.held_seconds,
            )
    with JournalReader(making.url) as reader:
        figures = tally.figures(reader.incidents(since=since, until=until))

    def row(one: AgentFigures) -> Row:
        return asdict(one) | {"name": names.get(one.agent, "")} | dict(one.incidents)

    total = agents_together(figures)
    table = Table(
        "agents",
        AGENT_COLUMNS,
        [row(one) for one in figures],
        row(total),
        words=["agent", "name"],
        about="An incident is evidence for a person to review, never a verdict.",
    )
    return Report("Agents", making.period, [table], [_offers(figures, total)])


def _queue_row(one: QueueFigures) -> Row:
    return {column: getattr(one, column) for column in QUEUE_COLUMNS if column not in CALLBACKS}


def _levels(figures: list[QueueFigures], total: QueueFigures) -> Chart:
    together = "-" if total.service_level is None else f"{total.service_level:.1%}"
    return Chart(
        "Service level",
        f"The share that was answered in time, and each queue's target; all together {together}.",
        [one.queue for one in figures],
        bars=[Series("service level", [one.service_level or 0 for one in figures], BLUE)],
        lines=[Series("target", [one.service_share or 0 for one in figures], ORANGE)],
        percent=True,
    )


def _ends(figures: list[QueueFigures]) -> Chart:
    words = (("answered", GREEN), ("abandoned", ORANGE), ("released", GREY), ("failed", RED))
    return Chart(
        "What became of the calls",
        "; ".join(f"{one.queue}: {one.answered:,} of {one.queued:,} answered" for one in figures),
        [one.queue for one in figures],
        bars=[
            Series(name, [getattr(one, name) for one in figures], colour) for name, colour in words
        ],
    )


def _offers(figures: list[AgentFigures], total: AgentFigures) -> Chart:
    others = [one.offered - one.answered - one.missed for one in figures]
    return Chart(
        "Offers",
        f"{total.answered:,} of {total.offered:,} offers were answered, {total.missed:,} missed.",
        [one.agent for one in figures],
        bars=[
            Series("answered", [one.answered for one in figures], GREEN),
            Series("missed", [one.missed for one in figures], RED),
            Series("others", others, GREY),
        ],
    )


def _names(settings: Settings) -> dict[str, str]:
    """Of those who are on the roster now; a report is made without it, too."""
    try:
        roster = load_roster(settings.agents.roster, settings.queues.skills)
    except RosterError:
        return {}
    return {entry.extension: entry.name for entry in roster.values()}
