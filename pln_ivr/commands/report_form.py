"""What a report is made of, before it is printed in any form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pln_ivr.commands.options import Period, shown
from pln_ivr.commands.report_chart import Chart

Row = dict[str, Any]

SHARES = ("level", "share", "of_normal_day", "of_blackout_day", "abandonment")
"""A column that ends so is a share of one."""

HEADINGS = {
    "within_target": "in time",
    "abandoned_within_target": "gave up in time",
    "service_level": "service level",
    "service_share": "target",
    "wait_90_seconds": "wait 90% s",
    "pick_up_90_seconds": "pick up 90% s",
    "of_normal_day": "of 36,000",
    "of_blackout_day": "of 80,000",
}
"""Shorter than the columns' names, or clearer."""


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows. `single`: there is one, and people read it from top to bottom."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Row]
    total: Row | None = None
    words: Sequence[str] = ()
    """Columns that are no numbers."""
    single: bool = False
    about: str = ""
    """What people should know when they read it."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report: tables, and the charts of a page."""

    title: str
    period: Period
    tables: Sequence[Table]
    charts: Sequence[Chart] = field(default=())


def heading(column: str) -> str:
    """A column's name for people."""
    return HEADINGS.get(column) or column.replace("_seconds", " s").replace("_", " ")


def cell(column: str, value: Any, zone: ZoneInfo) -> str:
    """A value for people."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return shown(value, zone)
    if column.endswith(SHARES):
        return f"{value:.1%}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """A value for programs."""
    return round(value, 3) if isinstance(value, float) else value
