"""Customers are called back, against the fake: who is not there, and who dies meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pln_ivr.journal.callbacks import CallbackBook, CallbackRow
from pln_ivr.outcomes import CallbackResult, CallbackStatus, Direction, OfferResult, Reason, Result
from pln_ivr.queues.agents import AgentState
from tests.fake_ari.customers import (
    ALWAYS,
    NUMBER,
    asked_back,
    attempts,
    callbacks,
    customers,
    house,
    nobody_works,
    somebody_works,
)
from tests.fake_ari.earlier import row as call_row
from tests.fake_ari.earlier import store
from tests.fake_ari.server import Asked
from tests.fake_ari.test_menu import said
from tests.fake_ari.world import World, eventually

FIRST = ALWAYS.model_copy(update={"first": "customer"})


async def noted(w: World, *numbers: str) -> None:
    """These callers have asked, in this order, while nobody works."""
    nobody_works(w)
    for number in numbers or (NUMBER,):
        await asked_back(w, caller=f"asks-{number}", number=number)


async def until(w: World, status: CallbackStatus) -> CallbackRow:
    await eventually(lambda: callbacks(w)[0].status is status, f"a callback that is {status}")
    return callbacks(w)[0]


# -- agent first ---------------------------------------------------------------------------


async def test_the_agent_is_rung_then_the_customer_and_they_talk(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        phones = customers(w)
        await noted(w)
        somebody_works(w)
        row = await until(w, CallbackStatus.REACHED)
        assert (row.result, row.attempts) == (CallbackResult.TALKED, 1)
        (called,) = phones.calls
        assert said(w, called.id) == ["callback-greeting", "notice"]
        ended = next(r for r in w.rows.calls if r.call_id == row.last_call_id and r.ended_at)
        assert (ended.outcome, ended.direction) == (Result.ANSWERED, Direction.OUTBOUND)
        assert (ended.regarding, ended.caller) == (row.call_id, NUMBER)
        assert ended.recording
        assert ended.queued_at is None, "the visit stood in the line already"
        assert attempts(w) == {CallbackResult.TALKED: 1}
        assert w.app.seats.in_use == 0


async def test_the_oldest_place_is_served_first_among_callers_and_callbacks(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        customers(w)
        await noted(w, "081234567801", "081234567802")
        w.fake.call("waits", number="081234567803")
        w.fake.press("waits", "0")
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 1}, "the line")
        await eventually(lambda: len(w.app.desk.places()) == 3, "three places")
        assert [place.virtual for place in w.app.desk.places()] == [True, True, False]
        assert w.app.desk.waiting() == {"gangguan": 1}, "the others are not in the house"
        somebody_works(w)
        await eventually(lambda: len(w.rows.offers) == 3, "three conversations", 15.0)
        order = [offer.call_id for offer in w.rows.offers]
        first, second = callbacks(w)
        assert order[:2] == [first.last_call_id, second.last_call_id]


@pytest.mark.parametrize(
    ("does", "result", "offer"),
    [
        ("busy", CallbackResult.BUSY, OfferResult.NOT_REACHED),
        ("unknown", CallbackResult.UNREACHABLE, OfferResult.NOT_REACHED),
    ],
)
async def test_who_is_not_there_is_tried_so_often_and_keeps_the_place_meanwhile(
    tmp_path: Path, does: str, result: CallbackResult, offer: OfferResult
) -> None:
    async with house(tmp_path) as w:
        phones = customers(w, does)
        await noted(w)
        place = callbacks(w)[0].place_at
        somebody_works(w)
        row = await until(w, CallbackStatus.UNREACHED)
        assert (row.result, row.attempts, row.place_at) == (result, 3, place)
        assert len(phones.calls) == 3
        assert attempts(w) == {result: 3}
        assert {one.result for one in w.rows.offers} == {offer}


async def test_a_leg_that_ends_before_its_events_are_told_is_an_attempt(tmp_path: Path) -> None:
    """Asterisk tells nobody why; the seat is free at once all the same."""
    async with house(tmp_path) as w:
        customers(w)
        await noted(w)

        def over(asked: Asked) -> None:
            source = asked.query.get("eventSource", "").removeprefix("channel:")
            if source.startswith("out-"):
                del w.fake.channels[source]

        w.fake.before = over
        somebody_works(w)
        row = await until(w, CallbackStatus.UNREACHED)
        assert (row.result, row.attempts) == (CallbackResult.UNREACHABLE, 3)
        assert w.app.seats.in_use == 0


async def test_what_is_the_carriers_doing_does_not_count(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        phones = customers(w, "trunk")
        await noted(w)
        somebody_works(w)
        await eventually(lambda: len(phones.calls) >= 4, "more attempts than the limit", 20.0)
        phones.does = "answers"
        row = await until(w, CallbackStatus.REACHED)
        assert row.attempts == 1
        assert attempts(w)[CallbackResult.TRUNK_REFUSED] >= 4


async def test_nobody_is_called_at_forbidden_hours_or_into_the_last_seats(tmp_path: Path) -> None:
    hour = datetime.now(ZoneInfo("Asia/Jakarta")).hour
    over, to_come = ("00:00", f"{hour:02}:00"), ("12:00", "13:00")
    begins, ends = over if hour else to_come
    night = ALWAYS.model_copy(update={"begins": begins, "ends": ends})
    for folder, callbacks_, capacity in (("a", night, 10), ("b", ALWAYS, 1)):
        async with house(tmp_path / folder, callbacks=callbacks_, capacity=capacity) as w:
            phones = customers(w)
            await noted(w)
            if folder == "b":
                w.app.seats.take("somebody")
            somebody_works(w)
            await asyncio.sleep(2.5)
            assert phones.calls == []
            assert not w.rows.offers
            if folder == "b":
                w.app.seats.give("somebody")
                await until(w, CallbackStatus.REACHED)


async def test_a_customer_who_calls_in_that_moment_is_not_dialled(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        phones = customers(w)
        await noted(w)
        w.fake.on_originate = w.agent_rings
        somebody_works(w)
        await eventually(w.legs, "the agent's ringing")
        w.fake.call("again")
        w.fake.press("again", "0")
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 1}, "the line")
        w.fake.on_originate = phones.dialled
        w.pick_up(w.legs()[0])
        row = await until(w, CallbackStatus.REACHED)
        assert row.result is CallbackResult.CAME
        assert phones.calls == []
        both = {CallbackResult.GAVE_WAY: 1, CallbackResult.CAME: 1}
        await eventually(lambda: attempts(w) == both, "both counted")


# -- customer first ------------------------------------------------------------------------


async def test_who_presses_has_the_next_agent(tmp_path: Path) -> None:
    async with house(tmp_path, callbacks=FIRST) as w:
        phones = customers(w, callback_press="1")
        await noted(w)
        place = callbacks(w)[0].place_at
        somebody_works(w)
        row = await until(w, CallbackStatus.REACHED)
        ended = next(r for r in w.rows.calls if r.call_id == row.last_call_id and r.ended_at)
        assert (ended.outcome, ended.place_at, ended.queued_at) == (Result.ANSWERED, place, None)
        words = said(w, phones.calls[0].id)
        assert words[:3] == ["callback-greeting", "callback-press", "notice"]


async def test_a_machine_never_meets_an_agent_and_has_a_message_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pln_ivr.calls.outbound.reaching.LISTEN_SECONDS", 0.05)
    once = FIRST.model_copy(update={"attempts": 1})
    async with house(tmp_path, callbacks=once) as w:
        phones = customers(w)
        await noted(w)
        somebody_works(w)
        row = await until(w, CallbackStatus.UNREACHED)
        assert row.result is CallbackResult.MACHINE
        words = said(w, phones.calls[0].id)
        assert words == ["callback-greeting", "callback-press"] * 3 + ["callback-missed"]
        assert not w.rows.offers
        ended = w.rows.calls[-1]
        assert (ended.outcome, ended.reason) == (Result.UNREACHED, Reason.MACHINE)


async def test_no_more_customers_are_dialled_than_there_will_be_agents(tmp_path: Path) -> None:
    async with house(tmp_path, callbacks=FIRST) as w:
        phones = customers(w, "silent")
        await noted(w, *(f"08123456780{number}" for number in range(5)))
        somebody_works(w)
        await eventually(lambda: phones.calls, "the first")
        await asyncio.sleep(2.5)
        assert len(phones.calls) == 1


# -- a crash -------------------------------------------------------------------------------


def left_calling(folder: Path, age: timedelta = timedelta(minutes=1)) -> None:
    """What an earlier run has left: a callback that is being tried."""
    now = datetime.now(UTC)
    with CallbackBook(f"sqlite:///{folder}/journal.db") as book:
        book.ask(
            CallbackRow(
                callback_id="left",
                call_id="visit",
                node="pln-1",
                caller=NUMBER,
                queue="gangguan",
                language="",
                place_at=now - age,
                asked_at=now - age,
                due_at=now - age,
                expires_at=now + timedelta(hours=1),
                changed_at=now - age,
            )
        )
        assert book.begin("left", "call-of-earlier-run", now - age)


@pytest.mark.parametrize(
    ("ended", "status", "result"),
    [
        (
            {"outcome": Result.UNREACHED, "reason": Reason.CUSTOMER_NO_ANSWER},
            CallbackStatus.UNREACHED,
            CallbackResult.NO_ANSWER,
        ),
        (
            {"outcome": Result.FAILED, "reason": Reason.PBX},
            CallbackStatus.UNREACHED,
            CallbackResult.INTERRUPTED,
        ),
        (
            {"outcome": Result.ANSWERED, "reason": Reason.UNSEEN, "talked": 60},
            CallbackStatus.REACHED,
            CallbackResult.TALKED,
        ),
    ],
)
async def test_what_a_crash_left_is_settled_from_the_journal(
    tmp_path: Path, ended: dict[str, object], status: CallbackStatus, result: CallbackResult
) -> None:
    now = datetime.now(UTC)
    talked = ended.pop("talked", None)
    store(
        tmp_path,
        call_row(
            call_id="call-of-earlier-run",
            channel_id="out-call-of-earlier-run",
            direction=Direction.OUTBOUND,
            ended_at=now,
            talking_at=now - timedelta(seconds=60) if talked else None,
            **ended,
        ),
    )
    left_calling(tmp_path)
    once = ALWAYS.model_copy(update={"attempts": 1})
    async with house(tmp_path, callbacks=once) as w:
        phones = customers(w)
        row = await until(w, status)
        assert (row.result, row.attempts) == (result, 1)
        assert phones.calls == []


async def test_a_call_that_may_go_on_is_not_made_twice_until_it_counts_as_lost(
    tmp_path: Path,
) -> None:
    for age, status in (
        (timedelta(minutes=1), CallbackStatus.CALLING),
        (timedelta(minutes=11), CallbackStatus.REACHED),
    ):
        folder = tmp_path / str(age.seconds)
        store(folder)
        left_calling(folder, age)
        async with house(folder) as w:
            phones = customers(w)
            if status is CallbackStatus.CALLING:
                await asyncio.sleep(2.5)
                assert phones.calls == []
            row = await until(w, status)
            if status is CallbackStatus.REACHED:
                assert row.attempts == 2, "the one that was lost counts"
                assert attempts(w)[CallbackResult.INTERRUPTED] == 1


async def test_while_the_journal_cannot_be_written_nobody_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as w:
        phones = customers(w)
        await noted(w)
        monkeypatch.setattr("pln_ivr.kept_open.ANSWER_SECONDS", 0.05)
        async with w.app.callbacks._book._turn:
            somebody_works(w)
            await asyncio.sleep(1.5)
            assert phones.calls == []
            assert {agent.state for agent in w.app.agents} <= {
                AgentState.READY,
                AgentState.PAUSED,
                AgentState.OFFERED,
            }


async def test_with_asterisk_away_nobody_is_called_and_afterwards_they_are(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        phones = customers(w)
        await noted(w)
        w.app.reception.close()
        somebody_works(w)
        await asyncio.sleep(2.0)
        assert phones.calls == []
        w.app.reception.open()
        await until(w, CallbackStatus.REACHED)


# -- power that is back --------------------------------------------------------------------

IDPEL = "512345678901"


async def wished(w: World, keys: str = "1") -> None:
    """A caller reports an outage and presses this when asked about a call."""
    w.fake.call()
    w.fake.press("caller-1", f"11{IDPEL}#1")
    await eventually(lambda: "report-call-me" in said(w), "the question")
    w.fake.press("caller-1", keys)
    await eventually(lambda: not w.app.reception.calls, "the call's end")


async def test_who_wished_it_is_told_and_may_reopen_the_report(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        phones = customers(w, restored_press="1")
        nobody_works(w)
        await wished(w)
        assert "report-will-call" in said(w)
        assert await w.app.reports.restore(["all"], [], "budi") == 1
        row = await until(w, CallbackStatus.REACHED)
        assert (row.result, row.attempts) == (CallbackResult.REOPENED, 1)
        assert said(w, phones.calls[0].id) == [
            "restored-greeting",
            "restored-press",
            "restored-reopened",
            "goodbye",
        ]
        ended = w.rows.calls[-1]
        assert (ended.outcome, ended.reason) == (Result.RELEASED, Reason.INFORMED)
        assert ended.notice_heard_at is None, "nothing is recorded"
        assert not w.rows.offers, "no agent is needed"
        assert await w.app.reports.restore(["all"], [], "budi") == 1, "it was open again"
        await eventually(lambda: len(phones.calls) == 2, "another call")


async def test_who_did_not_wish_it_is_not_called(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        customers(w)
        nobody_works(w)
        await wished(w, "#")
        assert await w.app.reports.restore(["all"], [], "budi") == 1
        assert callbacks(w) == []


async def test_who_is_not_there_is_tried_again_so_often(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        phones = customers(w, "busy")
        nobody_works(w)
        await wished(w)
        await w.app.reports.restore(["all"], [], "budi")
        row = await until(w, CallbackStatus.UNREACHED)
        assert (row.result, row.attempts, len(phones.calls)) == (CallbackResult.BUSY, 2, 2)


async def test_no_more_are_told_a_minute_than_the_settings_allow(tmp_path: Path) -> None:
    slow = ALWAYS.model_copy(update={"restored_per_minute": 20.0})
    async with house(tmp_path, callbacks=slow) as w:
        phones = customers(w, "silent")
        nobody_works(w)
        await wished(w)
        w.fake.call("other", number="0215550123")
        w.fake.press("other", "11512345678902#1")
        await eventually(lambda: "report-call-me" in said(w, "other"), "the question")
        w.fake.press("other", "1")
        await eventually(lambda: not w.app.reception.calls, "the call's end")
        await w.app.reports.restore(["all"], [], "budi")
        await eventually(lambda: phones.calls, "the first")
        await asyncio.sleep(1.2)
        assert len(phones.calls) == 1
        await eventually(lambda: len(phones.calls) == 2, "the second")
