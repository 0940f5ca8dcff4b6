"""A report as one HTML page that needs nothing besides itself: to read, to print, to send. Pure."""

from __future__ import annotations

from datetime import datetime
from html import escape

from pln_ivr.commands.options import shown
from pln_ivr.commands.report_chart import svg
from pln_ivr.commands.report_form import Report, Row, Table, cell, heading

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a202c; background: #fff;
  margin: 2em auto; padding: 0 1em; max-width: 62em; }
h1 { font-size: 1.6em; margin: 0; } h2 { font-size: 1.15em; margin: 2em 0 .4em; }
p, figcaption { margin: .2em 0 .6em; color: #4a5568; }
figure { margin: 1.5em 0; break-inside: avoid; }
figcaption b { color: #1a202c; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: #2d3748; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .grid { stroke: #e2e8f0; } svg .level { stroke: #1a202c; stroke-dasharray: 5 4; }
svg polyline { fill: none; stroke-width: 2; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92em; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .6em; border-bottom: 1px solid #e2e8f0; text-align: right;
  vertical-align: top; }
th { font-weight: 600; } .word { text-align: left; } tfoot td { font-weight: 600; }
tr { break-inside: avoid; } thead { display: table-header-group; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } .wide { overflow: visible; } }
"""


def page(report: Report, made_at: datetime) -> str:
    """The whole page."""
    zone = report.period.zone
    figures = [
        f"<figure>{svg(chart, number)}"
        f"<figcaption><b>{escape(chart.title)}.</b> {escape(chart.text)}</figcaption></figure>"
        for number, chart in enumerate(report.charts)
    ]
    first, *others = [_table(report, table) for table in report.tables]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.title)}, {escape(str(report.period))}</title>",
        f"<style>{STYLE}</style></head><body><main>",
        f"<h1>{escape(report.title)}</h1>",
        f"<p>{escape(str(report.period))}; made at {shown(made_at, zone)}</p>",
        first,
        *figures,
        *others,
        "</main></body></html>",
    ]
    return "\n".join(parts)


def _table(report: Report, table: Table) -> str:
    about = f"<p>{escape(table.about)}</p>" if table.about else ""
    body = _single(report, table) if table.single else _rows(report, table)
    name = escape(heading(table.name))
    return f'<h2>{name}</h2>{about}<div class="wide"><table>{body}</table></div>'


def _single(report: Report, table: Table) -> str:
    (row,) = table.rows
    return "".join(
        f'<tr><th scope="row" class="word">{escape(heading(column))}</th>'
        f"<td>{escape(cell(column, row[column], report.period.zone))}</td></tr>"
        for column in table.columns
    )


def _rows(report: Report, table: Table) -> str:
    heads = "".join(
        f'<th scope="col"{_class(table, column)}>{escape(heading(column))}</th>'
        for column in table.columns
    )
    body = "".join(f"<tr>{_cells(report, table, row)}</tr>" for row in table.rows)
    foot = (
        f"<tfoot><tr>{_cells(report, table, table.total)}</tr></tfoot>"
        if table.total is not None
        else ""
    )
    return f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>{foot}"


def _cells(report: Report, table: Table, row: Row) -> str:
    return "".join(
        f"<td{_class(table, column)}>{escape(cell(column, row[column], report.period.zone))}</td>"
        for column in table.columns
    )


def _class(table: Table, column: str) -> str:
    return ' class="word"' if column in table.words else ""
