"""How commands print: tables for people, CSV and JSON lines for programs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TextIO

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

WIDEST = 10_000


class Format(StrEnum):
    """Forms of a report."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def print_table(
    headings: Sequence[str],
    rows: Collection[Sequence[str]],
    *,
    title: str | None = None,
    figures: Collection[str] = (),
    total: Sequence[str] = (),
) -> None:
    """A table of texts; `figures` are the headings of numbers, `total` is a last row apart. It is
    wider than the terminal rather than cut a word or a number short."""
    table = Table(title=title, title_justify="left")
    for heading in headings:
        justify: Literal["right", "left"] = "right" if heading in figures else "left"
        table.add_column(heading.replace(" ", "\n"), justify=justify)
    for row in rows:
        table.add_row(*row)
    if total:
        table.add_section()
        table.add_row(*total)
    # Names and notes are anybody's text: nothing in them is markup.
    console = Console(markup=False, emoji=False, highlight=False)
    roomy = console.options.update(max_width=WIDEST)
    console.width = max(console.width, Measurement.get(console, roomy, table).maximum)
    console.print(table)


def print_json(rows: Collection[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        print(json.dumps(dict(row), default=str))


def write_csv(
    names: Sequence[str], rows: Collection[Mapping[str, Any]], file: TextIO | None = None
) -> None:
    """A line of names and a line for each row, to `file` or standard output."""
    writer = csv.DictWriter(file or sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _text(value) for name, value in row.items()})


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
