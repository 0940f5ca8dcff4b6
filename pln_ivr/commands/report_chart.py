"""Charts as SVG: bars, one upon the other, with lines and levels over them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 880, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 44
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
MOST_LABELS = 24
LETTER = 6.6
"""Width of a letter of the legend."""


@dataclass(frozen=True, slots=True)
class Series:
    """A value for each label, drawn in a colour."""

    name: str
    values: Sequence[float]
    colour: str


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line to compare with."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `text` says what it shows to who cannot see it."""

    title: str
    text: str
    labels: Sequence[str]
    bars: Sequence[Series] = ()
    lines: Sequence[Series] = ()
    levels: Sequence[Level] = ()
    percent: bool = False


BLUE, ORANGE, GREY, RED, GREEN = "#2b6cb0", "#c05621", "#718096", "#c53030", "#2f855a"


def svg(chart: Chart, number: int) -> str:
    """The chart as an SVG element; `number` tells apart those of one page."""
    top = nice_top(_highest(chart))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t{number} d{number}">',
        f'<title id="t{number}">{escape(chart.title)}</title>',
        f'<desc id="d{number}">{escape(chart.text)}</desc>',
        *_legend(chart),
        *_scale(top, chart.percent),
        *_bars(chart, top),
        *_lines(chart, top),
        *_levels(chart, top),
        *_labels(chart.labels),
        "</svg>",
    ]
    return "\n".join(parts)


def nice_top(highest: float) -> float:
    """The end of the scale: 1, 2 or 5 times a power of ten, and not below `highest`."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** floor(log10(highest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest * 0.999999)


def _highest(chart: Chart) -> float:
    stacks = [sum(values) for values in zip(*(bar.values for bar in chart.bars), strict=True)]
    points = [value for line in chart.lines for value in line.values]
    return max([*stacks, *points, *(level.value for level in chart.levels)], default=0.0)


def _y(value: float, top: float) -> float:
    return TOP + PLOT_HEIGHT * (1 - value / top)


def _x(place: float, places: int) -> float:
    return LEFT + PLOT_WIDTH * place / max(1, places)


def _legend(chart: Chart) -> list[str]:
    at, parts = float(LEFT), []
    for series in (*chart.bars, *chart.lines):
        parts.append(
            f'<rect x="{at:.0f}" y="8" width="10" height="10" fill="{series.colour}"/>'
            f'<text x="{at + 14:.0f}" y="17">{escape(series.name)}</text>'
        )
        at += 34 + LETTER * len(series.name)
    return parts


def _scale(top: float, percent: bool) -> list[str]:
    parts = []
    for step in range(5):
        value, y = top * step / 4, _y(top * step / 4, top)
        text = f"{value:.0%}" if percent else f"{value:,.0f}" if top >= 4 else f"{value:.2f}"
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{text}</text>'
        )
    return parts


def _bars(chart: Chart, top: float) -> list[str]:
    parts, places = [], len(chart.labels)
    width = PLOT_WIDTH / max(1, places) * 0.8
    for place in range(places):
        below = 0.0
        for series in chart.bars:
            value = series.values[place]
            if value > 0:
                y, height = _y(below + value, top), PLOT_HEIGHT * value / top
                parts.append(
                    f'<rect x="{_x(place + 0.1, places):.1f}" y="{y:.1f}" width="{width:.1f}"'
                    f' height="{height:.1f}" fill="{series.colour}"/>'
                )
            below += value
    return parts


def _lines(chart: Chart, top: float) -> list[str]:
    """Each through the middles of its own stretches: a line may be finer than the bars."""
    parts = []
    for series in chart.lines:
        places = len(series.values)
        points = " ".join(
            f"{_x(place + 0.5, places):.1f},{_y(value, top):.1f}"
            for place, value in enumerate(series.values)
        )
        parts.append(f'<polyline points="{points}" stroke="{series.colour}"/>')
        if places <= MOST_LABELS:
            parts += [
                f'<circle cx="{_x(place + 0.5, places):.1f}" cy="{_y(value, top):.1f}" r="3"'
                f' fill="{series.colour}"/>'
                for place, value in enumerate(series.values)
            ]
    return parts


def _levels(chart: Chart, top: float) -> list[str]:
    return [
        f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="end" x="{WIDTH - RIGHT}" y="{y - 4:.1f}">{escape(level.name)}</text>'
        for level in chart.levels
        for y in [_y(level.value, top)]
    ]


def _labels(labels: Sequence[str]) -> list[str]:
    """As many of them as there is room for."""
    places = len(labels)
    each = max(1, ceil(places / MOST_LABELS))
    return [
        f'<text class="middle" x="{_x(place + 0.5, places):.1f}" y="{HEIGHT - BOTTOM + 16}">'
        f"{escape(label)}</text>"
        for place, label in enumerate(labels)
        if place % each == 0
    ]
