"""The dashboards' pictures in docs/pictures, from a real house on a small blackout day.

A real Prometheus watches it, and each panel is drawn from the panel's own query, at the place where
Grafana has it. The names of agents and callers are the bench's.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

from rich.console import Console

from grafana.panels import COLUMNS, DASHBOARDS, Dashboard, Panel, places
from native.root import LauncherError
from tests.asterisk.world import REPO
from tests.monitoring.prometheus import Curve, Prometheus

from .day import Day
from .house import open_house
from .load import LoadError
from .traffic import traffic

DAY = Day(calls=2400, minutes=2.5, capacity=30, agents=10, seed=4)
"""Arrivals must not fall below one a second: SIPp knows whole ones only."""
POINTS = 100
CELL, ROW, GAP, HEAD, LEGEND = 40, 22, 6, 20, 14
"""Pixels: a column and a row of Grafana's grid, between panels, a title, a legend's line."""
LONG = 16
"""Characters of a name of which not three fit beside each other."""
COLOURS = ("#1f5fa8", "#e08e0b", "#2e8b57", "#c0392b", "#7d3c98", "#148f9f", "#8d6e63", "#5d6d7e")
_STEPS = (1, 2, 2.5, 5, 10)
Named = list[tuple[str, Curve]]

console = Console()


def watch_a_day(day: Day, folder: Path) -> dict[str, str]:
    """Live through it; each dashboard's picture by its uid, as SVG."""
    with open_house(
        "pictures", day.capacity, day.agents, day.factor / 3,
        AGENTS__WRAP_UP_SECONDS=f"{day.wrap_up:.2f}", ADMISSION__UPKEEP_SECONDS=f"{day.upkeep:.2f}",
    ) as house:  # fmt: skip
        targets = {"pln-ivr": house.console_port, "asterisk": house.pbx.settings.http_port}
        with Prometheus(folder / "prometheus", targets) as prometheus:
            start = time.time()
            with traffic(day, house) as under_way:
                under_way.drive(lambda _: None)
                under_way.finish(60.0, lambda _: None)
            return {each.uid: draw(each, prometheus, start, time.time()) for each in DASHBOARDS}


def draw(dashboard: Dashboard, prometheus: Prometheus, start: float, end: float) -> str:
    """One dashboard between two times."""
    at = places(dashboard.panels)
    bottom = max(y + panel.height for panel, (_, y) in zip(dashboard.panels, at, strict=True))
    wide, high = COLUMNS * CELL, bottom * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" font-family="sans-serif" font-size="11">',
        f"<title>{escape(dashboard.title)}</title>",
        f'<rect width="{wide}" height="{high}" fill="#eee"/>',
    ]
    for panel, (x, y) in zip(dashboard.panels, at, strict=True):
        curves = _curves(panel, prometheus, start, end)
        box = (x * CELL + GAP / 2, y * ROW + GAP / 2, panel.width * CELL - GAP)
        parts += _panel(panel, curves, box, panel.height * ROW - GAP, (start, end))
    return "\n".join([*parts, "</svg>", ""])


def _curves(panel: Panel, prometheus: Prometheus, start: float, end: float) -> Named:
    found: Named = []
    for legend, query in panel.queries.items():
        looked = query.replace("$__rate_interval", "15s")
        curves = prometheus.during(looked, start, end, (end - start) / POINTS)
        found += [(_named(legend, json.loads(labels)), curve) for labels, curve in curves.items()]
    return sorted(found, key=lambda named: -max(value for _, value in named[1]))


def _named(legend: str, labels: dict[str, str]) -> str:
    """The legend with the series' own labels in it."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)


def _panel(
    panel: Panel,
    curves: Named,
    box: tuple[float, float, float],
    high: float,
    times: tuple[float, float],
) -> list[str]:
    x, y, wide = box
    parts = [
        f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" fill="#fff"/>'
        f'<text x="{x + 8:g}" y="{y + 15:g}" font-weight="bold">{escape(panel.title)}</text>'
    ]
    if panel.stat:
        return [*parts, _figure(panel, curves, (x, y, wide), high)]
    beside = 2 if any(len(name) > LONG for name, _ in curves) else 3
    lines = -(-len(curves) // beside)
    inner = (x + 44, y + HEAD + 4, wide - 56, high - HEAD - 26 - LEGEND * lines)
    parts += _axes(panel, curves, inner, times)
    for number, (name, curve) in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        across = x + 8 + number % beside * (wide - 12) / beside
        down = y + high - LEGEND * (lines - number // beside) + 8
        parts.append(f'<text x="{across:.0f}" y="{down:.0f}" fill="{colour}">{escape(name)}</text>')
        parts.append(_line(curve, inner, times, _top(curves), colour))
    return parts


def _figure(panel: Panel, curves: Named, box: tuple[float, float, float], high: float) -> str:
    """The highest value of the time: of a day, the latest says little."""
    x, y, wide = box
    value = max((value for _, curve in curves for _, value in curve), default=0.0)
    colour = "#c0392b" if panel.red is not None and value >= panel.red else "#06662a"
    return (
        f'<text x="{x + wide / 2:g}" y="{y + high / 2 + 16:g}" font-size="28" fill="{colour}" '
        f'text-anchor="middle">{_text(value, panel.unit)}</text><text x="{x + wide - 6:g}" '
        f'y="{y + high - 5:g}" font-size="9" fill="#888" text-anchor="end">highest</text>'
    )


def _axes(
    panel: Panel,
    curves: Named,
    inner: tuple[float, float, float, float],
    times: tuple[float, float],
) -> list[str]:
    left, top, wide, high = inner
    most, parts = _top(curves), []
    for step in range(3):
        at, value = top + high - high * step / 2, most * step / 2
        parts.append(f'<path d="M{left:g} {at:.0f}h{wide:g}" stroke="#ddd"/><text x="{left - 4:g}" '
                     f'y="{at + 4:.0f}" text-anchor="end" fill="#666">{_text(value, panel.unit)}'
                     "</text>")  # fmt: skip
    for step in range(3):
        seconds = (times[1] - times[0]) * step / 2
        parts.append(f'<text x="{left + wide * step / 2:.0f}" y="{top + high + 14:.0f}" '
                     f'text-anchor="middle" fill="#666">{_clock(seconds)}</text>')  # fmt: skip
    return parts


def _line(
    curve: Curve,
    inner: tuple[float, float, float, float],
    times: tuple[float, float],
    most: float,
    colour: str,
) -> str:
    left, top, wide, high = inner
    scale = wide / (times[1] - times[0])
    points = " ".join(
        f"{left + (at - times[0]) * scale:.0f},{top + high - high * value / most:.0f}"
        for at, value in curve
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _top(curves: Named) -> float:
    """A round number that no curve exceeds."""
    most = max((value for _, curve in curves for _, value in curve), default=0.0)
    if most <= 0:
        return 1.0
    scale = 10.0 ** (len(f"{most:.0f}") - 1) if most >= 1 else 10.0 ** -len(f"{1 / most:.0f}")
    return next(step * scale for step in _STEPS if most <= step * scale * 1.0001)


def _text(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value * 100:.0f} %"
    if unit == "bytes":
        return f"{value / 2**30:.0f} GiB"
    suffix = {"s": " s", "reqps": "/s"}.get(unit, "")
    return f"{value:.3g}{suffix}" if value < 1000 else f"{value:.0f}{suffix}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="tests/bench/pictures", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPO / "docs/pictures", help="folder")
    choice = parser.parse_args(arguments)
    console.print(f"{DAY.calls} callers in {DAY.minutes:g} min, watched by Prometheus")
    try:
        with tempfile.TemporaryDirectory(prefix="pln-pictures-") as folder:
            pictures = watch_a_day(DAY, Path(folder))
    except (LauncherError, LoadError, RuntimeError) as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 1
    choice.out.mkdir(parents=True, exist_ok=True)
    for uid, picture in pictures.items():
        file = choice.out / f"{uid}.svg"
        file.write_text(picture)
        console.print(f"{file}: {len(picture)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
