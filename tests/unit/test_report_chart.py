"""Charts: what is drawn is what was counted, and words are only words."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pln_ivr.commands.report_chart import (
    BLUE,
    MOST_LABELS,
    ORANGE,
    PLOT_HEIGHT,
    RED,
    Chart,
    Level,
    Series,
    nice_top,
    svg,
)


def drawn(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(svg(chart, 1))


def heights(element: ElementTree.Element, colour: str) -> list[float]:
    bars = [one for one in element.iter("rect") if one.get("fill") == colour]
    return [float(bar.get("height", 0)) for bar in bars[1:]]  # the first is the legend's


def test_bars_are_as_high_as_their_values_and_stand_upon_each_other() -> None:
    chart = Chart("Calls", "Text", ["a", "b"], [Series("in", [1, 4], BLUE),
                                                Series("out", [1, 1], RED)])  # fmt: skip
    element = drawn(chart)
    assert heights(element, BLUE) == [PLOT_HEIGHT / 5, PLOT_HEIGHT * 4 / 5]
    assert heights(element, RED) == [PLOT_HEIGHT / 5] * 2
    tops = [float(bar.get("y", 0)) for bar in element.iter("rect") if bar.get("fill") == RED][1:]
    bottoms = [float(bar.get("y", 0)) for bar in element.iter("rect") if bar.get("fill") == BLUE]
    assert [top + PLOT_HEIGHT / 5 for top in tops] == pytest.approx(bottoms[1:], abs=0.2)


def test_a_line_may_be_finer_than_the_bars() -> None:
    line = Series("most", [1, 2, 3, 4, 5, 6, 7, 8], ORANGE)
    (points,) = drawn(Chart("Seats", "Text", ["a", "b"], lines=[line])).iter("polyline")
    assert len((points.get("points") or "").split()) == 8


def test_a_chart_says_what_it_shows_and_words_are_no_markup() -> None:
    chart = Chart("A & B", "<script>", ["<b>"], [Series("<i>", [1], BLUE)], levels=[Level("&", 1)])
    element = drawn(chart)
    assert (element.findtext("title"), element.findtext("desc")) == ("A & B", "<script>")
    assert element.get("role") == "img"
    assert {one.text for one in element.iter("text")} >= {"<b>", "<i>", "&"}
    assert list(element.iter("script")) == []


def test_there_are_no_more_labels_than_there_is_room_for() -> None:
    days = [str(day) for day in range(100)]
    element = drawn(Chart("Days", "Text", days, [Series("calls", [1] * 100, BLUE)]))
    assert sum(one.text in days and one.get("class") == "middle" for one in element.iter("text")) \
        <= MOST_LABELS  # fmt: skip


def test_without_anything_to_draw_there_is_still_a_chart() -> None:
    assert drawn(Chart("Nothing", "Nobody.", [], [Series("calls", [], BLUE)])).tag == "svg"


@settings(deadline=None)
@given(st.floats(1e-6, 1e9))
def test_the_scale_ends_at_a_round_number_not_far_above(highest: float) -> None:
    top = nice_top(highest)
    assert highest <= top * 1.00001
    assert top <= highest * 2.5 * 1.00001
    assert f"{top:e}"[:8] in ("1.000000", "2.000000", "5.000000")
