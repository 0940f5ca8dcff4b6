"""The day of the blackout in small: the same bench, whose books must agree to the call, and whose
reports must agree with Asterisk's own list of calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.world import REPO
from tests.bench.accounts import Books, Cdr, at_capacity_seconds
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
    (journal,) = tmp_path.rglob("journal.db")
    the_reports_agree(journal, outcome.books)


def the_reports_agree(journal: Path, books: Books) -> None:
    """Busies in both ways, arrivals and seats: the reports' word against Asterisk's list.

    A call begins and ends some ms later for us than for Asterisk. Together that is the most by
    which seats' seconds, and those at capacity, may differ.
    """
    cdr = books.cdr
    theirs = {key: (line.started, line.ended) for key, line in cdr.items() if line.answered}
    ours = {row.channel: (row.started, row.ended) for row in books.journal if row.channel in theirs}
    late = sum(abs(ours[key][end] - span[end]) for key, span in theirs.items() for end in (0, 1))
    attempts, refused = len(cdr), len(cdr) - len(theirs)
    for seats in (SMALL.capacity, SMALL.capacity - 10):
        busies = report_of("busies", journal, seats, cdr)["busies"]
        assert (busies["arrivals"], busies["rejected"]) == (attempts, refused)
        assert busies["busy_share"] == pytest.approx(refused / attempts, abs=1e-3)
        expected = at_capacity_seconds(theirs.values(), seats)
        assert expected > 0
        assert busies["at_capacity_seconds"] == pytest.approx(expected, abs=late)
        by_our_times = at_capacity_seconds(ours.values(), seats)
        assert busies["at_capacity_seconds"] == pytest.approx(by_our_times, abs=0.01)
    whole = report_of("day", journal, SMALL.capacity, cdr)
    day = whole["day"]
    assert sum(one["arrivals"] for one in whole["course"]) == day["arrivals"] == attempts
    assert day["seats_most"] == SMALL.capacity
    since, until = (datetime.fromisoformat(whole[word]) for word in ("since", "until"))
    length = (until - since).total_seconds()
    expected = sum(ended - began for began, ended in theirs.values())
    assert day["seats_average"] * length == pytest.approx(expected, abs=late + 0.001 * length)


def report_of(subject: str, journal: Path, seats: int, cdr: Mapping[str, Cdr]) -> dict[str, Any]:
    """As JSON, from the first call's beginning to the last one's end."""
    first = min(line.started for line in cdr.values()) - 1
    last = max(line.ended for line in cdr.values()) + 1
    times = (
        *("--since", datetime.fromtimestamp(first, UTC).isoformat()),
        *("--until", datetime.fromtimestamp(last, UTC).isoformat()),
    )
    done = subprocess.run(
        [sys.executable, "-m", "pln_ivr", "report", subject, *times, "--format", "json"],
        cwd=REPO,
        env=os.environ
        | {
            "PLN_IVR_JOURNAL__URL": f"sqlite:///{journal}",
            "PLN_IVR_ADMISSION__CAPACITY": str(seats),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    whole: dict[str, Any] = json.loads(done.stdout)
    return whole
