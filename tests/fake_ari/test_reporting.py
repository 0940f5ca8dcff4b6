"""A caller reports an outage, against the fake: right and wrong keys, and whoever goes in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pln_ivr import kept_open
from pln_ivr.config.menu import Menu
from pln_ivr.config.outages import Outages
from pln_ivr.journal import schema, tables
from pln_ivr.outcomes import MenuEnd, Reason, ReportEnd, Result
from tests.fake_ari.earlier import CALLER
from tests.fake_ari.server import Asked
from tests.fake_ari.test_journey import after_event, before_request
from tests.fake_ari.test_menu import said
from tests.fake_ari.world import World, eventually, world

NUMBER = "512345678901"
OUTAGES = Outages(prefixes={"51": "Bandung", "53": "Depok"})
TO_REPORT = "11"
"""What is pressed in the menu that there is by default."""

SOON = 0.3
"""Nobody is waited for any longer."""

MOST = 200
"""More requests and events than one call ever makes."""


def menu(seconds: float = SOON) -> Menu:
    return Menu().model_copy(update={"no_input_seconds": seconds})


@asynccontextmanager
async def house(
    folder: Path, seconds: float = SOON, outages: Outages = OUTAGES, **options: Any
) -> AsyncIterator[World]:
    """One that takes reports, and nobody in it."""
    async with world(folder, menu=menu(seconds), outages=outages, **options) as w:
        await eventually(lambda: w.app.reports.is_open, "the reports' journal")
        yield w


def reports(w: World) -> list[Mapping[str, Any]]:
    engine = schema.create_engine(schema.parse_url(w.settings.journal.url))
    with engine.connect() as connection:
        query = sa.select(tables.outage_reports).order_by(tables.outage_reports.c.reported_at)
        rows: list[Mapping[str, Any]] = [dict(row) for row in connection.execute(query).mappings()]
    engine.dispose()
    return rows


def ends(w: World) -> dict[str, float]:
    """How wishes to report ended."""
    return {
        end: count
        for end in ReportEnd
        if (count := w.figure(f'pln_ivr_outage_reports_total{{end="{end}"}}'))
    }


async def reported(w: World, keys: str, caller: str = CALLER) -> None:
    """A caller presses this in the menu, and the call is over."""
    w.fake.call(caller)
    w.fake.press(caller, keys)
    await eventually(lambda: w.rows.calls and w.rows.calls[-1].channel_id == caller, "the call")
    await eventually(lambda: not w.app.reception.calls, "the call's end")


async def test_a_report_is_registered_read_back_and_needs_no_agent(tmp_path: Path) -> None:
    async with house(tmp_path, seconds=30.0) as w:
        w.fake.call()
        w.fake.press(CALLER, TO_REPORT)
        await eventually(lambda: said(w)[-1:] == ["report-ask"], "the question")
        w.fake.press(CALLER, f"{NUMBER}#")
        await eventually(lambda: said(w)[-1:] == [CORRECT], "the number read back")
        assert said(w)[-14:-1] == ["report-read-back", *(f"digit-{digit}" for digit in NUMBER)]
        assert reports(w) == [], "nobody has said yet that it is right"
        w.fake.press(CALLER, "1")
        await eventually(lambda: said(w)[-1:] == ["report-offer-agent"], "the last word")
        assert said(w)[-2] == "report-registered"
        w.fake.press(CALLER, "#")
        ended = await w.nothing_left()
        assert (ended.outcome, ended.reason) == (Result.RELEASED, Reason.REPORTED)
        assert (ended.menu_path, ended.menu_end) == (
            "gangguan/report/registered",
            MenuEnd.LET_GO,
        )
        assert said(w)[-1] == "goodbye"
        (row,) = reports(w)
        assert (row["customer"], row["area"], row["call_id"]) == (NUMBER, "Bandung", ended.call_id)
        assert row["caller"] == ended.caller
        assert ends(w) == {ReportEnd.REGISTERED: 1}


async def test_who_calls_again_is_known_and_hears_since_when_and_how_many_have_reported(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as w:
        await reported(w, f"{TO_REPORT}{NUMBER}#1")
        w.fake.call("other", number="0822222222")
        w.fake.press("other", f"{TO_REPORT}510000000001#1")
        await eventually(lambda: not w.app.reception.calls, "the neighbour's end")
        w.fake.call("again")
        w.fake.press("again", TO_REPORT)
        await eventually(lambda: "report-correct" in said(w, "again"), "the question")
        assert said(w, "again")[-6:] == [
            "report-known",
            *(f"digit-{d}" for d in NUMBER[-4:]),
            CORRECT,
        ]
        w.fake.press("again", "1")
        await eventually(lambda: not w.app.reception.calls, "the end")
        at = said(w, "again").index("report-today")
        assert said(w, "again")[at + 5 : at + 8] == [
            "report-neighbours",
            "digit-1",
            "report-offer-agent",
        ]
        assert [row["repeats"] for row in reports(w)] == [1, 0]
        assert ends(w) == {ReportEnd.REGISTERED: 2, ReportEnd.REPEATED: 1}


CORRECT = "report-correct"


async def test_who_reports_for_another_number_keys_it(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        await reported(w, f"{TO_REPORT}{NUMBER}#1")
        await reported(w, f"{TO_REPORT}2531111111111#1", "again")
        assert [row["area"] for row in reports(w)] == ["Bandung", "Depok"]


@pytest.mark.parametrize(
    ("keys", "end", "menu_end"),
    [
        pytest.param("#", ReportEnd.AGENT, MenuEnd.AGENT, id="hash at once"),
        pytest.param(f"{NUMBER}#0", ReportEnd.AGENT, MenuEnd.AGENT, id="an agent instead"),
        pytest.param(f"{NUMBER}#10", ReportEnd.REGISTERED, MenuEnd.AGENT, id="an agent after it"),
        pytest.param("", ReportEnd.NO_INPUT, MenuEnd.NO_INPUT, id="nothing"),
    ],
)
async def test_there_is_a_way_to_an_agent_everywhere(
    tmp_path: Path, keys: str, end: ReportEnd, menu_end: MenuEnd
) -> None:
    async with house(tmp_path) as w:
        w.fake.call()
        # The last key is pressed when it is asked for: what is pressed ahead of that is forgotten.
        w.fake.press(CALLER, TO_REPORT + keys.removesuffix("0"))
        if keys.endswith("0"):
            last = "report-offer-agent" if end is ReportEnd.REGISTERED else "report-correct"
            await eventually(lambda: said(w)[-1:] == [last], "the question")
            w.fake.press(CALLER, "0")
        ended = await w.nothing_left()
        assert (ended.outcome, ended.queue) == (Result.ANSWERED, "gangguan")
        assert (ended.menu_path, ended.menu_end) == (f"gangguan/report/{end}", menu_end)
        assert ends(w) == {end: 1}
        assert len(reports(w)) == (end is ReportEnd.REGISTERED)


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        pytest.param(f"{NUMBER}1", "report-not-twelve", id="too many"),
        pytest.param(f"{NUMBER[:11]}#", "report-not-twelve", id="too few"),
        pytest.param(NUMBER[:5], "report-not-twelve", id="too late"),
        pytest.param("54" + NUMBER[2:] + "#", "report-unknown", id="unknown prefix"),
    ],
)
async def test_who_keys_no_number_is_told_why_and_has_an_agent_after_three(
    tmp_path: Path, wrong: str, answer: str
) -> None:
    async with house(tmp_path) as w:
        w.fake.call()
        w.fake.press(CALLER, TO_REPORT)
        for number in range(3):
            await eventually(
                lambda n=number: said(w).count("report-ask") == n + 1,  # type: ignore[misc]
                "the question",
            )
            w.fake.press(CALLER, wrong)
        ended = await w.nothing_left()
        assert said(w).count(answer) == 2
        assert (ended.outcome, ended.queue) == (Result.ANSWERED, "gangguan")
        assert (ended.menu_path, ended.menu_end) == ("gangguan/report/invalid", MenuEnd.INVALID)
        assert reports(w) == []
        assert ends(w) == {ReportEnd.INVALID: 1}


async def test_a_star_begins_the_number_again_and_two_the_whole_question(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        w.fake.call()
        w.fake.press(CALLER, f"{TO_REPORT}99*{NUMBER}#")
        await eventually(lambda: said(w)[-1:] == [CORRECT], "the number read back")
        w.fake.press(CALLER, "2")
        await eventually(lambda: said(w)[-1:] == ["report-ask"], "the question")
        w.fake.press(CALLER, "530000000001#1")
        ended = await w.nothing_left()
        assert ended.menu_path == "gangguan/report/registered"
        assert [row["customer"] for row in reports(w)] == ["530000000001"]


async def test_a_number_needs_no_hash(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        w.fake.call()
        w.fake.press(CALLER, f"{TO_REPORT}{NUMBER}")
        await eventually(lambda: said(w)[-1:] == [CORRECT], "the number read back")
        w.fake.press(CALLER, "#")  # a moment too late to end it
        await eventually(lambda: said(w).count(CORRECT) == 2, "the number read back again")
        w.fake.press(CALLER, "1")
        await w.nothing_left()
        assert ends(w) == {ReportEnd.REGISTERED: 1}


async def test_without_the_journal_callers_get_an_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_open, "ANSWER_SECONDS", 0.05)
    async with house(tmp_path) as w, w.app.reports._book._turn:  # it is busy for as long as this
        w.fake.call()
        w.fake.press(CALLER, f"{TO_REPORT}{NUMBER}#1")
        ended = await w.nothing_left()
        assert (ended.outcome, ended.queue) == (Result.ANSWERED, "gangguan")
        assert ended.menu_path == "gangguan/report/unavailable"
        assert ends(w) == {ReportEnd.UNAVAILABLE: 1}


async def test_where_there_is_no_table_of_areas_any_number_will_do(tmp_path: Path) -> None:
    few = Outages(cluster_reports=2)
    async with house(tmp_path, outages=few) as w:
        await reported(w, f"{TO_REPORT}{NUMBER}#1")
        w.fake.call("other", number="0822222222")
        w.fake.press("other", f"{TO_REPORT}999999999999#1")
        await eventually(lambda: len(reports(w)) == 2, "the second report")
        await eventually(lambda: not w.app.reception.calls, "the end")
        await w.app.reports.look()
        shown = w.metrics.render().decode()
        assert 'pln_ivr_outage_reports_open{area="all"} 2.0' in shown
        assert 'pln_ivr_outage_clusters{area="all"} 2.0' in shown


async def test_keys_stand_in_no_log_no_figure_and_no_row_of_the_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path) as w:
        await reported(w, f"{TO_REPORT}{NUMBER}#1")
        assert len(reports(w)) == 1
        told = capsys.readouterr()
        for text in (told.out, told.err, w.metrics.render().decode(), repr(w.rows.all)):
            assert NUMBER not in text
            assert NUMBER[-4:] not in text


@pytest.mark.parametrize("hangs", [before_request, after_event])
async def test_a_caller_who_goes_at_any_moment_of_it_leaves_nothing_behind(
    tmp_path: Path, hangs: Any
) -> None:
    told = set()
    for number in range(1, MOST, 5):
        async with house(tmp_path / str(number), seconds=10.0) as w:
            answers = {"menu-utama": "1", "menu-gangguan": "1", "report-ask": f"{NUMBER}#"}
            answers |= {CORRECT: "1", "report-offer-agent": "0"}
            w.fake.carried_out = lambda asked, w=w, answers=answers: _answer(w, asked, answers)  # type: ignore[misc]
            hangs(w, number)
            w.fake.call()
            ended = await w.nothing_left()
            told.add((ended.reason, next(iter(ends(w)), None)))
            assert sum(ends(w).values()) <= 1
            assert len(reports(w)) <= 1
            if ended.reason in (Reason.IN_WAITING, Reason.IN_RINGING) or ended.talking_at:
                break
    else:
        pytest.fail("the call never came to its own end")
    assert told >= {
        (Reason.IN_MENU, None),
        (Reason.IN_MENU, ReportEnd.HUNG_UP),
        (Reason.REPORTED, ReportEnd.REGISTERED),
    }
    assert (Reason.IN_MENU, ReportEnd.REGISTERED) not in told, "told to hang up is not giving up"


def _answer(w: World, asked: Asked, answers: Mapping[str, str]) -> None:
    """The caller presses what a prompt asks for."""
    keys = answers.get(asked.query.get("media", "").removeprefix("sound:pln/"))
    if keys and CALLER in w.fake.channels:
        w.fake.press(CALLER, keys)
