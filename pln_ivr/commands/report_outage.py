"""`pln-ivr report outage`: what callers were told, who heard it, and what they did then."""

from __future__ import annotations

from dataclasses import asdict, fields

from pln_ivr.commands.report_callbacks import callbacks_table
from pln_ivr.commands.report_chart import BLUE, GREEN, GREY, ORANGE, Chart, Series
from pln_ivr.commands.report_form import Report, Row, Table
from pln_ivr.commands.report_making import Making
from pln_ivr.journal.counting import Counting
from pln_ivr.journal.outage import MenuFigures, VersionFigures, menu_figures, version_figures
from pln_ivr.journal.statements import StatementRow, Statements

HEARD = [field.name for field in fields(VersionFigures)]
STATEMENTS = ["version", "status", "areas", "cause", "live_at", "over_at", *HEARD[1:]]
MENU = ["came", "hung_up", "abandonment"]
CHOICES = ["statement", "path", "end", "calls"]
EVERYWHERE = "everywhere"


def outage_report(making: Making) -> Report:
    """The statements that were live, and who heard them."""
    since, until = making.period.since, making.period.until
    with Statements(making.url) as statements:
        live = statements.live_between(since, until, making.now)
    with Counting(making.url) as counting:
        hearers = counting.hearers(since, until)
        menu = menu_figures(counting.choices(since, until))
    figures = [version_figures(row.version, hearers) for row in live]
    return Report(
        "What callers were told",
        making.period,
        [
            Table(
                "statements",
                STATEMENTS,
                [_row(*one) for one in zip(live, figures, strict=True)],
                words=STATEMENTS[1:6],
                about="Who heard two versions is counted with both.",
            ),
            Table("menu", MENU, [{name: getattr(menu, name) for name in MENU}], single=True),
            Table(
                "choices",
                CHOICES,
                [one._asdict() for one in menu.choices],
                words=["path", "end"],
                about="The newest statement that the callers had heard, and what they chose.",
            ),
            callbacks_table(making),
        ],
        [_heard(figures), _chosen(menu)],
    )


def _row(statement: StatementRow, figures: VersionFigures) -> Row:
    over_at = statement.ended_at or statement.expires_at
    return asdict(figures) | {
        "status": str(statement.status),
        "areas": ", ".join(statement.areas) or EVERYWHERE,
        "cause": statement.cause,
        "live_at": statement.live_at,
        "over_at": over_at,
    }


def _heard(figures: list[VersionFigures]) -> Chart:
    return Chart(
        "What became of who heard a statement",
        "; ".join(f"version {one.version}: {one.heard:,} heard it" for one in figures) or "Nobody.",
        [str(one.version) for one in figures],
        bars=[
            Series("hung up in it", [one.in_statement for one in figures], BLUE),
            Series("informed", [one.informed for one in figures], GREEN),
            Series("gave up later", [one.in_menu + one.in_line for one in figures], ORANGE),
            Series("answered", [one.answered for one in figures], GREY),
        ],
    )


def _chosen(menu: MenuFigures) -> Chart:
    by_path: dict[str, int] = {}
    for choice in menu.choices:
        name = choice.path or choice.end
        by_path[name] = by_path.get(name, 0) + choice.calls
    return Chart(
        "What callers chose",
        f"{menu.hung_up:,} of {menu.came:,} callers hung up in the menu.",
        list(by_path),
        bars=[Series("calls", list(by_path.values()), BLUE)],
    )
