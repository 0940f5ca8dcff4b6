"""Announce and release against the fake: who may not stay gets what can be had without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pln_ivr.calls.prompts import IN_TURN
from pln_ivr.config.menu import Menu
from pln_ivr.config.outages import Outages
from pln_ivr.config.release import Release
from pln_ivr.journal import CallRow
from pln_ivr.outcomes import BriefEnd, Reason, ReportEnd, Result, Stage
from tests.fake_ari.earlier import (
    CALL,
    CALLER,
    caller,
    disconnect,
    nobody_ready,
    reconnect,
    row,
    seats,
    store,
)
from tests.fake_ari.test_journey import Hangs, after_event, before_request
from tests.fake_ari.test_reporting import NUMBER, reports
from tests.fake_ari.test_statements import heard, publish, said
from tests.fake_ari.world import World, eventually, world
from tests.unit.pronouncing import live, prepare

PATIENT, HASTY = 60.0, 0.05
MOST = 80
"""More requests and events than one call ever makes."""

CHOICES = ["release-report", "release-wait"]
WAITING = "waiting-1"
"""The caller who has the only seat to stay in."""


def half(**changes: Any) -> Release:
    """Half of the seats are for brief visits."""
    return Release(share=0.5, key_seconds=PATIENT).model_copy(update=changes)


@asynccontextmanager
async def crowded(folder: Path, release: Release, **options: Any) -> AsyncIterator[World]:
    """Two seats, a statement, nobody to talk with, and a caller who waits in the one seat that
    there is to stay in."""
    options = {"capacity": 2, "menu": Menu(entry=""), "outages": Outages(), **options}
    async with world(folder, release=release, **options) as w:
        await eventually(lambda: w.app.reports.is_open, "the reports' journal")
        nobody_ready(w)
        await publish(w)
        w.fake.call(WAITING, number="0899999999")
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 1}, "the one who waits")
        w.fake.count_from_here()
        yield w


def latest(w: World, channel: str = CALLER) -> CallRow:
    """The newest row of one caller's call."""
    return [row for row in w.rows.calls if row.channel_id == channel][-1]


async def ended(w: World, channel: str = CALLER) -> CallRow:
    """One caller's call is over, and its seat is free."""
    await eventually(
        lambda: any(r.ended_at for r in w.rows.calls if r.channel_id == channel), "the call's end"
    )
    await eventually(lambda: channel not in seats(w), "the seat")
    return latest(w, channel)


def ends(w: World) -> dict[str, float]:
    """How brief visits ended."""
    return {
        end: count
        for end in BriefEnd
        if (count := w.figure(f'pln_ivr_brief_visits_total{{end="{end}"}}'))
    }


async def test_who_cannot_stay_hears_the_statement_and_the_choices_and_is_let_go(
    tmp_path: Path,
) -> None:
    async with crowded(tmp_path, half(key_seconds=HASTY)) as w:
        assert w.figure("pln_ivr_outage_mode") == 1
        assert (w.figure("pln_ivr_seats_staying"), w.figure("pln_ivr_seats_to_stay")) == (1, 1)
        w.fake.call()
        row = await ended(w)
        assert said(w) == ["notice", "statement-1", *CHOICES, *CHOICES, "goodbye"]
        assert (row.outcome, row.reason) == (Result.RELEASED, Reason.ANNOUNCED)
        assert row.queued_at is None
        stages = [told.stage for told in w.rows.calls if told.channel_id == CALLER]
        assert stages == [Stage.NOTICE, Stage.STATEMENT, Stage.RELEASE, Stage.ENDED]
        assert ends(w) == {BriefEnd.ANNOUNCED: 1}
        assert seats(w) == {WAITING}, "who waited was left alone"


async def test_without_a_statement_everybody_stays(tmp_path: Path) -> None:
    async with world(tmp_path, capacity=2, release=half()) as w:
        nobody_ready(w)
        for number in range(2):
            w.fake.call(f"c{number}", number=f"081{number}")
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 2}, "both in the line")
        assert w.figure("pln_ivr_outage_mode") == 0
        assert w.figure("pln_ivr_seats_to_stay") == 2


async def test_while_there_is_room_a_visit_is_as_ever(tmp_path: Path) -> None:
    """Nobody notices the outage mode but for the statement, until so many wait."""
    async with world(tmp_path, capacity=2, release=half(), menu=Menu()) as w:
        nobody_ready(w)
        await publish(w)
        w.fake.call()
        await eventually(lambda: w.stage == "menu", "the menu")
        w.fake.press(CALLER, "2")
        await eventually(lambda: w.app.desk.waiting() == {"tagihan": 1}, "the line")


async def test_the_mode_begins_and_ends_with_the_statement_and_drops_nobody(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, capacity=4, release=half()) as w:
        nobody_ready(w)
        for number in range(3):
            w.fake.call(f"c{number}", number=f"081{number}")
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 3}, "three in the line")
        await publish(w)
        assert (w.figure("pln_ivr_seats_staying"), w.figure("pln_ivr_seats_to_stay")) == (3, 2)
        await eventually(lambda: len(heard(w)) == 3, "their hearing it")
        assert w.app.desk.waiting() == {"gangguan": 3}
        w.fake.call()
        await eventually(lambda: w.stage == "release", "the choices")
        w.app.bulletin._live = []
        w.fake.press(CALLER, "0")
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 4}, "the fourth in the line")
        assert ends(w) == {BriefEnd.WAITS: 1}


async def test_who_wants_to_wait_is_told_that_nobody_can_and_may_report(tmp_path: Path) -> None:
    async with crowded(tmp_path, half()) as w:
        w.fake.call()
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        w.fake.press(CALLER, "0")
        await eventually(lambda: "release-no-room" in said(w), "the refusal")
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices again")
        w.fake.press(CALLER, "1")
        await eventually(lambda: said(w)[-1:] == ["report-ask"], "the question")
        w.fake.press(CALLER, f"{NUMBER}#")
        await eventually(lambda: said(w)[-1:] == ["report-correct"], "the number read back")
        w.fake.press(CALLER, "1")
        await eventually(lambda: said(w)[-1:] == ["report-offer-agent"], "the last word")
        w.fake.press(CALLER, "0")
        row = await ended(w)
        assert said(w)[-2:] == ["release-no-room", "goodbye"]
        assert (row.outcome, row.reason) == (Result.RELEASED, Reason.REPORTED)
        assert [report["call_id"] for report in reports(w)] == [row.call_id]
        assert ends(w) == {BriefEnd.REPORTED: 1}


async def test_who_hangs_up_after_the_report_has_reported(tmp_path: Path) -> None:
    async with crowded(tmp_path, half()) as w:
        w.fake.call()
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        w.fake.press(CALLER, f"1{NUMBER}#1")
        await eventually(lambda: said(w)[-1:] == ["report-offer-agent"], "the last word")
        w.fake.hang_up(CALLER)
        row = await ended(w)
        assert (row.outcome, row.reason) == (Result.RELEASED, Reason.REPORTED)
        assert ends(w) == {BriefEnd.REPORTED: 1}


async def test_who_insists_on_an_agent_in_vain_is_counted_so(tmp_path: Path) -> None:
    async with crowded(tmp_path, half()) as w:
        w.fake.call()
        for times in (1, 2):
            await eventually(lambda: said(w).count(CHOICES[-1]) == times, "the choices")  # noqa: B023
            w.fake.press(CALLER, "0")
        row = await ended(w)
        assert (row.outcome, row.reason) == (Result.RELEASED, Reason.NO_ROOM)
        assert said(w)[-2:] == ["release-no-room", "goodbye"]


async def test_who_presses_zero_once_there_is_room_waits_in_the_line(tmp_path: Path) -> None:
    async with crowded(tmp_path, half()) as w:
        w.fake.call()
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        w.fake.hang_up(WAITING)
        await ended(w, WAITING)
        w.fake.press(CALLER, "0")
        await eventually(lambda: w.fake.channels[CALLER].bridge == "wait-gangguan", "the music")
        assert latest(w).queue == "gangguan"
        assert w.figure("pln_ivr_seats_staying") == 1
        w.fake.hang_up(CALLER)
        row = await ended(w)
        assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_WAITING)


async def test_the_house_takes_no_more_than_its_seats_on_brief_visits_either(
    tmp_path: Path,
) -> None:
    async with crowded(tmp_path, half()) as w:
        w.fake.call()
        await eventually(lambda: w.stage == "release", "the choices")
        w.fake.call("third", number="0877777777")
        row = await ended(w, "third")
        assert (row.outcome, row.reason) == (Result.REJECTED, Reason.FULL)


@pytest.mark.parametrize("keys", ["7", "*", "#", "9999"])
async def test_keys_that_mean_nothing_end_in_goodbye_too(tmp_path: Path, keys: str) -> None:
    async with crowded(tmp_path, half(key_seconds=HASTY)) as w:
        w.fake.call()
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        w.fake.press(CALLER, keys)
        row = await ended(w)
        assert (row.outcome, row.reason) == (Result.RELEASED, Reason.ANNOUNCED)
        assert said(w).count("menu-invalid") == 1, "what comes with it is forgotten"


async def test_what_was_pressed_for_the_menu_is_no_choice_here(tmp_path: Path) -> None:
    """Who knows the menu presses 1 1 in the notice; here the second would begin a number."""
    async with crowded(tmp_path, half(key_seconds=HASTY)) as w:
        w.fake.call()
        w.fake.press(CALLER, "11")
        row = await ended(w)
        assert row.reason is Reason.ANNOUNCED
        assert "report-ask" not in said(w)


async def test_a_brief_visit_has_an_end_whatever_is_being_keyed(tmp_path: Path) -> None:
    async with crowded(tmp_path, half(longest_seconds=0.5)) as w:
        w.fake.call()
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        w.fake.press(CALLER, "1123")
        row = await ended(w)
        assert (row.outcome, row.reason) == (Result.RELEASED, Reason.ANNOUNCED)
        assert said(w)[-1] == "goodbye"
        assert reports(w) == []
        assert w.figure(f'pln_ivr_outage_reports_total{{end="{ReportEnd.HUNG_UP}"}}') == 1


@pytest.mark.parametrize("hangs", [before_request, after_event])
async def test_a_caller_who_goes_at_any_moment_of_it_leaves_nothing_behind(
    tmp_path: Path, hangs: Hangs
) -> None:
    prepare(f"sqlite:///{tmp_path}/journal.db")
    reasons = set()
    for number in range(MOST):
        release = half(key_seconds=HASTY, tries=1)
        async with world(tmp_path / str(number), capacity=2, release=release) as w:
            w.app.seats.hold("somebody-else")
            await publish(w)
            w.fake.count_from_here()
            hangs(w, number)
            w.fake.call()
            row = await ended(w)
            reasons.add(row.reason)
            assert seats(w) == {"somebody-else"}
            assert w.figure("pln_ivr_seats_staying") == 1
            if row.reason is Reason.ANNOUNCED:
                break
    else:
        pytest.fail("the visit never came to its end")
    assert reasons >= {Reason.IN_NOTICE, Reason.IN_STATEMENT, Reason.IN_RELEASE}


async def test_a_lost_connection_has_the_choices_said_again(tmp_path: Path) -> None:
    async with crowded(tmp_path, half(), request_seconds=0.5) as w:
        w.fake.call()
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        connections = await disconnect(w)
        w.fake.press(CALLER, "7")
        await reconnect(w, connections)
        w.fake.press(CALLER, "7")
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices again")
        w.fake.hang_up(CALLER)
        row = await ended(w)
        assert (row.outcome, row.reason) == (Result.ABANDONED, Reason.IN_RELEASE)


@pytest.mark.parametrize("stage", [Stage.STATEMENT, Stage.RELEASE])
async def test_a_new_run_goes_on_with_a_brief_visit_where_it_fits(
    tmp_path: Path, stage: Stage
) -> None:
    """One who waits and one on a brief visit, of a run that died: both are back where they were."""
    waits = row(call_id="call-w", channel_id=WAITING)
    told = row(stage=stage, queued_at=None, queue=None, statement=1)
    store(tmp_path, waits, told)
    live(f"sqlite:///{tmp_path}/journal.db")

    def before(w: World) -> None:
        nobody_ready(w)
        caller(w.fake, "wait-gangguan", WAITING)
        caller(w.fake).playing = f"{IN_TURN[2]}-earlier-run-{CALLER}"

    async with world(tmp_path, capacity=2, release=half(), before=before) as w:
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        assert latest(w).call_id == CALL
        assert w.app.desk.waiting() == {"gangguan": 1}
        assert (w.figure("pln_ivr_seats_staying"), w.figure("pln_ivr_seats_in_use")) == (1, 2)
        stopped = f"DELETE playbacks/{IN_TURN[2]}-earlier-run-{CALLER}"
        assert stopped in map(str, w.fake.requests)
        w.fake.press(CALLER, "0")
        await eventually(lambda: "release-no-room" in said(w), "the refusal")
        w.fake.hang_up(WAITING)
        await eventually(lambda: seats(w) == {CALLER}, "the seat")
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices again")
        w.fake.press(CALLER, "0")
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 1}, "the line")


async def test_a_brief_visit_whose_statement_ended_meanwhile_may_stay(tmp_path: Path) -> None:
    """The run died in the choices; what it was saying is stopped all the same."""
    store(tmp_path, row(stage=Stage.RELEASE, queued_at=None, queue=None, statement=1))

    def before(w: World) -> None:
        nobody_ready(w)
        caller(w.fake).playing = f"{IN_TURN[2]}-earlier-run-{CALLER}"

    async with world(tmp_path, capacity=1, release=half(), before=before) as w:
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        assert f"DELETE playbacks/{IN_TURN[2]}-earlier-run-{CALLER}" in map(str, w.fake.requests)
        w.fake.press(CALLER, "0")
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 1}, "the line")


class Callbacks:
    """Notes callbacks, or not."""

    def __init__(self, notes: bool) -> None:
        self.notes = notes
        self.asked: list[str] = []

    async def offer(self, call: Any, caller: Any, queue: str) -> bool:
        await asyncio.sleep(0)
        self.asked.append(queue)
        return self.notes


@pytest.mark.parametrize(("notes", "reason"), [(True, Reason.CALLBACK), (False, Reason.ANNOUNCED)])
async def test_a_callback_is_offered_where_there_is_somebody_who_calls(
    tmp_path: Path, notes: bool, reason: Reason
) -> None:
    async with crowded(tmp_path, half(tries=3)) as w:
        callbacks = Callbacks(notes)
        w.app.reception._house.releasing._callbacks = callbacks
        w.fake.call()
        await eventually(lambda: said(w)[-1:] == [CHOICES[-1]], "the choices")
        assert "release-callback" in said(w)
        w.fake.press(CALLER, "2")
        if not notes:
            for times in (2, 3):
                await eventually(lambda: said(w).count(CHOICES[-1]) == times, "the others")  # noqa: B023
                w.fake.press(CALLER, "2")
            assert said(w).count("release-callback") == 1
        row = await ended(w)
        assert (row.outcome, row.reason) == (Result.RELEASED, reason)
        assert callbacks.asked == ["gangguan"]
