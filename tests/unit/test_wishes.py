"""The crowd of tests/bench/served: the same callers whatever there is to be had."""

from __future__ import annotations

import pytest

from tests.bench.day import TICK_MS, Day
from tests.bench.served import VARIANTS, Served, table
from tests.bench.wishes import AREA, Offered, Wish, fields, wishes

DAY = Day(400, 2, 60, 9, 804)
LISTENED, LONGEST = 3.0, 60.0


def crowd(offered: Offered) -> list[list[str]]:
    return [line.split(";") for line in fields(DAY, offered, LISTENED, LONGEST)]


@pytest.mark.parametrize("offered", VARIANTS, ids=lambda offered: offered.name)
def test_the_same_callers_call_and_press_only_what_means_something(offered: Offered) -> None:
    assert [line[0] for line in crowd(offered)] == [line.split(";")[0] for line in DAY.callers()]
    for line, wish in zip(crowd(offered), wishes(DAY), strict=True):
        number, patience, _, _, at, keys = line
        assert int(patience) * TICK_MS / 1000 <= LONGEST or wish is Wish.REPORT
        assert bool(keys) == (int(at) > 0)
        if keys:
            assert int(at) * TICK_MS / 1000 > LISTENED, "not before the statement is over"
            assert offered.reports
        if not offered.callbacks:
            assert not keys.startswith("2")
        if wish is Wish.REPORT and offered.reports:
            assert keys == f"1{AREA}{int(number) % 10**8:010d}#1"


def test_a_seed_is_a_crowd() -> None:
    assert wishes(DAY) == wishes(DAY)
    assert wishes(DAY) != wishes(Day(400, 2, 60, 9, 805))
    assert set(wishes(DAY)) == set(Wish)


def test_the_table_has_a_row_for_each_day() -> None:
    day = Served(VARIANTS[1], 10, 9, 0, 0, 0, 2, 1, 1, 9, 12, [])
    head, rule, row = table([day]).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row == "| statement | 10 | 12 | 9 | 0 | 0 | 0 | 2 | 1 | 1 | 9 (90%) |"
