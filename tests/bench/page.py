"""The one-page report: a table and the curves of the day, as HTML with an SVG beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from .series import Series, coarser

WIDTH, PANEL, LEFT, RIGHT, GAP = 960, 190, 60, 150, 44
POINTS = 300
_STYLE = (
    "body{font:15px sans-serif;max-width:1000px;margin:2em auto;color:#222}"
    "table{border-collapse:collapse}td{border-bottom:1px solid #ddd;padding:3px 12px 3px 0;"
    "vertical-align:top}.bad{color:#b00020}.good{color:#06662a}"
)
Curve = tuple[str, str, Sequence[float]]
Mark = tuple[float, str]


def write(
    folder: Path,
    title: str,
    rows: Iterable[tuple[str, str]],
    faults: Sequence[str],
    series: Series,
    capacity: int,
    marks: Sequence[Mark] = (),
) -> Path:
    """Write report.html and day.svg into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = plot(series, capacity, marks)
    (folder / "day.svg").write_text(picture)
    table = "".join(f"<tr><td>{escape(n)}</td><td>{escape(v)}</td></tr>" for n, v in rows)
    verdict = "".join(f'<li class="bad">{escape(fault)}</li>' for fault in faults)
    verdict = verdict or '<li class="good">All books agree to the call; every promise held.</li>'
    file = folder / "report.html"
    file.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1><ul>{verdict}</ul>{picture}<table>{table}</table>\n"
    )
    return file


def plot(series: Series, capacity: int, marks: Sequence[Mark] = ()) -> str:
    """Two panels over one time axis: calls a second, and who is in the house."""
    seconds = max(len(series.seats), len(series.dialled), 1)
    flow: list[Curve] = [
        ("dialled a second", "#1f5fa8", series.dialled),
        ("rejected a second", "#c0392b", series.rejected),
    ]
    house: list[Curve] = [
        ("seats in use", "#1f5fa8", series.seats),
        ("waiting", "#e08e0b", series.waiting),
        ("agents talking", "#2e8b57", series.talking),
    ]
    height = 2 * PANEL + 2 * GAP + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
        *_panel(flow, 10, seconds, None, marks),
        *_panel(house, 10 + PANEL + GAP, seconds, capacity, marks),
        "</svg>",
    ]
    return "\n".join(parts)


def _panel(
    curves: Sequence[Curve], top: int, seconds: int, limit: int | None, marks: Sequence[Mark]
) -> list[str]:
    wide = WIDTH - LEFT - RIGHT
    drawn = [(name, colour, coarser(list(values), POINTS)) for name, colour, values in curves]
    most = max([1.0, float(limit or 0), *(max(values, default=0) for _, _, values in drawn)]) * 1.05
    bottom = top + PANEL
    parts = [f'<rect x="{LEFT}" y="{top}" width="{wide}" height="{PANEL}" fill="#fafafa"/>']
    for step in range(5):
        value, y = most * step / 4, bottom - PANEL * step / 4
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{y:.1f}" y2="{y:.1f}" '
                     f'stroke="#ddd"/><text x="{LEFT - 6}" y="{y + 4:.1f}" '
                     f'text-anchor="end">{value:.0f}</text>')  # fmt: skip
        parts.append(f'<text x="{LEFT + wide * step / 4:.0f}" y="{bottom + 16}" '
                     f'text-anchor="middle">{_clock(seconds * step / 4)}</text>')  # fmt: skip
    if limit is not None:
        y = bottom - PANEL * limit / most
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{y:.1f}" y2="{y:.1f}" '
                     f'stroke="#888" stroke-dasharray="5 4"/><text x="{LEFT + wide + 8}" '
                     f'y="{y + 4:.1f}" fill="#666">{limit} seats</text>')  # fmt: skip
    for at, text in marks:
        x = LEFT + wide * min(1.0, at / seconds)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" '
                     f'stroke="#a0a"><title>{escape(text)}</title></line><text x="{x + 2:.1f}" '
                     f'y="{top + 11}" fill="#a0a">{escape(text)}</text>')  # fmt: skip
    for number, (name, colour, values) in enumerate(drawn):
        across = wide * len(curves[number][2]) / seconds
        gap = across / max(1, len(values) - 1)
        points = " ".join(
            f"{LEFT + gap * n:.1f},{bottom - PANEL * value / most:.1f}"
            for n, value in enumerate(values)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                     f'stroke-width="1.5"/>')  # fmt: skip
        parts.append(f'<text x="{LEFT + wide + 8}" y="{top + 40 + 18 * number}" '
                     f'fill="{colour}">{escape(name)}</text>')  # fmt: skip
    return parts


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
