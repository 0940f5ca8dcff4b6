"""The day of the blackout in small: the same bench, whose books must agree to the call."""

from __future__ import annotations

from pathlib import Path

from tests.bench.blackout import replay, report
from tests.bench.day import Day

SMALL = Day(calls=600, minutes=0.6, capacity=30, agents=5, seed=4)


def test_blackout_in_small(tmp_path: Path) -> None:
    outcome = replay(SMALL, tmp_path)
    report(outcome, tmp_path / "report")
    assert outcome.faults == []
    assert outcome.books.sipp.finals[486] > 0, "the house must have been full"
    assert outcome.talks > 0
    assert (tmp_path / "report/report.html").exists()
