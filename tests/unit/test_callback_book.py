"""Callbacks in the journal: one for each number and line, tried once at a time, counted once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pln_ivr.errors import EntryError
from pln_ivr.journal import tables
from pln_ivr.journal.callbacks import (
    CallbackBook,
    CallbackFigures,
    CallbackList,
    CallbackRow,
    Verdict,
    callbacks_together,
)
from pln_ivr.journal.custody import Someone
from pln_ivr.journal.outages import ReportBook
from pln_ivr.journal.persons import ERASED, Persons
from pln_ivr.journal.tokens import Role
from pln_ivr.outcomes import CallbackResult, CallbackStatus, ReportStatus
from tests.databases import Database
from tests.unit.pronouncing import prepare
from tests.unit.running import Run
from tests.unit.test_callbacks import NOON, callback
from tests.unit.test_outage_reports import HOUR, MINUTE, RULES, report, stored

NODE = "pln-1"


@pytest.fixture
def url(database: Database) -> str:
    return prepare(database.url)


@pytest.fixture
def book(url: str) -> Iterator[CallbackBook]:
    with CallbackBook(url) as made:
        yield made


def waiting(url: str) -> list[CallbackRow]:
    with CallbackList(url) as callbacks:
        return callbacks.last(100, waiting=True)


def verdict(**changes: object) -> Verdict:
    made = Verdict(
        result=CallbackResult.BUSY,
        status=CallbackStatus.WAITING,
        attempts=1,
        due_at=NOON + 15 * MINUTE,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_number_has_one_callback_in_a_line_with_the_older_place(
    url: str, book: CallbackBook
) -> None:
    assert book.ask(callback(1)).new
    told = book.ask(callback(2, asked_at=NOON + HOUR, place_at=NOON + HOUR))
    assert (told.new, told.asked_at) == (False, NOON)
    assert [row.place_at for row in waiting(url)] == [NOON - MINUTE]
    book.ask(callback(3, place_at=NOON - HOUR))  # e.g. who had a place by being cut off
    assert [row.place_at for row in waiting(url)] == [NOON - HOUR]
    assert book.ask(callback(4, queue="tagihan")).new
    assert book.ask(callback(5, caller="0215550123")).new
    assert [row.callback_id for row in waiting(url)] == ["callback-1", "callback-5", "callback-4"]


def test_one_attempt_at_a_time_and_only_its_own_verdict_counts(
    url: str, book: CallbackBook
) -> None:
    book.ask(callback())
    assert book.begin("callback-1", "call-a", NOON)
    assert not book.begin("callback-1", "call-b", NOON), "it is being called"
    book.settle("callback-1", "call-b", verdict(), NOON)
    assert waiting(url)[0].status is CallbackStatus.CALLING
    book.settle("callback-1", "call-a", verdict(), NOON)
    (row,) = waiting(url)
    assert (row.status, row.result, row.attempts) == (
        CallbackStatus.WAITING,
        CallbackResult.BUSY,
        1,
    )
    assert row.due_at == NOON + 15 * MINUTE
    book.settle("callback-1", "call-a", verdict(status=CallbackStatus.REACHED), NOON)
    assert waiting(url) != [], "that attempt was over"


def test_what_nobody_comes_to_expires_and_is_told_of_once_more(
    url: str, book: CallbackBook
) -> None:
    book.ask(callback(1, expires_at=NOON + HOUR))
    book.ask(callback(2, caller="0215550123"))
    book.ask(callback(3, caller="0215550124", node="another"))
    later = NOON + HOUR + MINUTE
    assert not book.begin("callback-1", "call-a", later)
    (left,) = book.changed(NODE, None, later)
    assert left.callback_id == "callback-2"
    told = {row.callback_id: row.status for row in book.changed(NODE, NOON + MINUTE, later)}
    assert told == {"callback-1": CallbackStatus.EXPIRED}


def test_a_callback_is_cancelled_or_nothing_is(url: str, book: CallbackBook) -> None:
    book.ask(callback(1))
    book.ask(callback(2, caller="0215550123"))
    with pytest.raises(EntryError, match="callback-9 is no callback that waits"):
        book.cancel(["callback-1", "callback-9"], "dewi", NOON)
    assert len(waiting(url)) == 2
    assert book.cancel(["callback-1"], "dewi", NOON) == 1
    (row,) = [row for row in stored(url, tables.callbacks) if row["callback_id"] == "callback-1"]
    assert (row["status"], row["ended_by"], row["ended_at"]) == ("cancelled", "dewi", NOON)
    assert not book.begin("callback-1", "call-a", NOON)
    book.came("callback-1", NOON)
    assert len(waiting(url)) == 1, "what is over stays as it is"


def test_figures_count_each_callback_once(url: str, book: CallbackBook) -> None:
    numbers = iter(range(215550100, 215550200))
    ends = {
        CallbackStatus.REACHED: 3,
        CallbackStatus.UNREACHED: 2,
        CallbackStatus.WAITING: 1,
    }
    for status, count in ends.items():
        for _ in range(count):
            number = next(numbers)
            row = callback(number, caller=f"0{number}")
            book.ask(row)
            book.begin(row.callback_id, "call", NOON)
            book.settle(row.callback_id, "call", verdict(status=status), NOON)
    came = callback(0, caller="0215550000", queue="tagihan")
    book.ask(came)
    book.came(came.callback_id, NOON)
    with CallbackList(url) as callbacks:
        assert callbacks.figures(NOON - HOUR, NOON) == []
        figures = callbacks.figures(NOON, NOON + HOUR)
    assert figures == [
        CallbackFigures(queue="gangguan", asked=6, reached=3, unreached=2, waiting=1),
        CallbackFigures(queue="tagihan", asked=1, reached=1, came=1),
    ]
    assert callbacks_together(figures) == CallbackFigures(
        queue="all", asked=7, reached=4, came=1, unreached=2, waiting=1
    )


# -- power that is back --------------------------------------------------------------------


def test_who_wished_it_is_to_be_called_when_power_is_back(url: str) -> None:
    with ReportBook(url, RULES) as reports:
        wished = reports.register(report(1, language="en")).report_id
        reports.register(report(2, caller="08129999"))
        reports.wish(wished)
        assert reports.restore(["Bandung"], [], "budi", NOON + HOUR) == 2
        assert reports.restore(["Bandung"], [], "budi", NOON + HOUR) == 0
    (row,) = waiting(url)
    assert (row.report_id, row.caller, row.queue, row.language) == (wished, "08123456", "", "en")
    assert (row.asked_at, row.place_at) == (NOON + HOUR, NOON)
    assert row.expires_at == NOON + HOUR + RULES.callback_lasts


def test_a_report_is_reopened_and_lasts_from_then_on(url: str) -> None:
    with ReportBook(url, replace(RULES, dispatched=True)) as reports:
        mine = reports.register(report(1)).report_id
        reports.restore([], [mine], "budi", NOON + 20 * HOUR)
        assert reports.reopen(mine, NOON + 21 * HOUR)
        assert reports.standing(NOON + 30 * HOUR).reports == {"Bandung": 1}
        assert not reports.register(report(1, NOON + 30 * HOUR)).new
        assert reports.standing(NOON + 46 * HOUR).reports == {}
        assert not reports.reopen("nobody's", NOON)
    told = {row["kind"]: row for row in stored(url, tables.dispatches)}
    assert told["outage_reopened"]["subject"] == mine


def test_a_report_made_meanwhile_stands_for_the_one_that_would_be_reopened(url: str) -> None:
    with ReportBook(url, RULES) as reports:
        first = reports.register(report(1)).report_id
        reports.restore([], [first], "budi", NOON + HOUR)
        assert reports.register(report(1, NOON + 2 * HOUR)).new
        assert reports.reopen(first, NOON + 3 * HOUR)
    states = {row["report_id"]: row["status"] for row in stored(url, tables.outage_reports)}
    assert states.pop(first) == ReportStatus.RESTORED
    assert list(states.values()) == [ReportStatus.OPEN]


# -- one person ----------------------------------------------------------------------------


def test_a_person_is_exported_and_erased_and_then_not_called(url: str, book: CallbackBook) -> None:
    book.ask(callback(1))
    book.ask(callback(2, caller="0215550123"))
    by = Someone("hana", "permintaan", Role.OPERATOR)
    with Persons(url) as persons:
        held = persons.export("+6281234567890", by)
        assert [row["callback_id"] for row in held["callbacks"]] == ["callback-1"]
        assert persons.erase("+6281234567890", by).others == 1
    rows = {row["callback_id"]: row for row in stored(url, tables.callbacks)}
    assert (rows["callback-1"]["caller"], rows["callback-1"]["status"]) == (ERASED, "cancelled")
    assert [row.callback_id for row in waiting(url)] == ["callback-2"]


# -- commands ------------------------------------------------------------------------------


def test_callbacks_are_listed_without_numbers_and_cancelled(
    pln_ivr: Run, tmp_path: Path, url: str, book: CallbackBook
) -> None:
    book.ask(callback(1))
    listed = pln_ivr(tmp_path, "callback", "list", "--waiting", JOURNAL__URL=url)
    assert "callback-1" in listed.stdout
    assert "890" in listed.stdout
    assert "081234567890" not in listed.stdout
    wrong = pln_ivr(tmp_path, "callback", "cancel", "callback-7", JOURNAL__URL=url)
    assert wrong.returncode == 1
    assert "callback-7 is no callback that waits" in wrong.stderr
    done = pln_ivr(tmp_path, "callback", "cancel", "callback-1", JOURNAL__URL=url)
    assert done.stdout == "1 will not be called\n"
    assert waiting(url) == []


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"CALLBACKS__BEGINS": "20:00"}, "must be later in the day than begins"),
        ({"CALLBACKS__BEGINS": "8"}, "callbacks.begins"),
        ({"CALLBACKS__MACHINE_DISPOSITION": "mesin"}, "is not among agents.dispositions"),
        (
            {
                "MENU__ENTRY": "utama",
                "MENU__MENUS": '{"utama": {"prompt": "menu-utama", "keys":'
                ' {"8": {"do": "callback"}, "0": {"do": "agent"}}}}',
            },
            "menu.menus.utama.keys.8: nobody can be called back without outbound.gateway",
        ),
    ],
)
def test_settings_that_cannot_be_are_told_apart(
    pln_ivr: Run, tmp_path: Path, env: dict[str, str], says: str
) -> None:
    done = pln_ivr(tmp_path, "calls", **env)
    assert done.returncode == 2
    assert says in done.stderr
