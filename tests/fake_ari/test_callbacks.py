"""A caller asks to be called back, against the fake: right and wrong keys, and who goes in it."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pln_ivr import kept_open
from pln_ivr.config.queues import Queue, Queues
from pln_ivr.outcomes import (
    CallbackEnd,
    CallbackResult,
    CallbackStatus,
    MenuEnd,
    Reason,
    Result,
    Stage,
)
from tests.fake_ari.customers import (
    ALWAYS,
    NUMBER,
    asked_back,
    callbacks,
    customers,
    ends,
    house,
    nobody_works,
    somebody_works,
)
from tests.fake_ari.earlier import CALLER
from tests.fake_ari.server import Asked
from tests.fake_ari.test_journey import after_event, before_request
from tests.fake_ari.test_menu import said
from tests.fake_ari.world import World, eventually
from tests.unit.making import cdr_line

CORRECT = "callback-correct"
MOST = 200


async def test_the_number_is_read_back_noted_and_the_caller_let_go(tmp_path: Path) -> None:
    async with house(tmp_path, seconds=30.0) as w:
        nobody_works(w)
        w.fake.call()
        w.fake.press(CALLER, "8")
        await eventually(lambda: said(w)[-1:] == [CORRECT], "the number read back")
        assert said(w)[-14:-1] == ["callback-number", *(f"digit-{digit}" for digit in NUMBER)]
        assert callbacks(w) == [], "nobody has said yet that it is right"
        w.fake.press(CALLER, "1")
        ended = await w.nothing_left()
        assert (ended.outcome, ended.reason) == (Result.RELEASED, Reason.CALLBACK)
        assert (ended.menu_path, ended.menu_end) == ("callback", MenuEnd.CALLBACK)
        assert said(w)[-2:] == ["callback-noted", "goodbye"]
        (row,) = callbacks(w)
        assert (row.caller, row.queue, row.call_id) == (NUMBER, "gangguan", ended.call_id)
        assert (row.status, row.attempts) == (CallbackStatus.WAITING, 0)
        assert ends(w) == {CallbackEnd.NOTED: 1}
        assert w.figure('pln_ivr_callbacks_waiting{queue="gangguan"}') == 1


async def test_another_number_is_keyed_and_read_back(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        nobody_works(w)
        await asked_back(w, "82" + "0215550123#" + "1")
        assert [row.caller for row in callbacks(w)] == ["0215550123"]
        assert ends(w) == {CallbackEnd.NOTED: 1}


async def test_who_shows_no_number_is_asked_for_one(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        nobody_works(w)
        w.fake.call(number="anonymous")
        w.fake.press(CALLER, "8")
        await eventually(lambda: said(w)[-1:] == ["callback-ask"], "the question")
        w.fake.press(CALLER, "0215550123#1")
        await w.nothing_left()
        assert [row.caller for row in callbacks(w)] == ["0215550123"]


async def test_a_second_wish_keeps_the_first_place_and_says_since_when(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        nobody_works(w)
        await asked_back(w)
        (first,) = callbacks(w)
        await asked_back(w, caller="again", number="+6281234567890")
        (row,) = callbacks(w)
        assert (row.place_at, row.callback_id) == (first.place_at, first.callback_id)
        words = said(w, "again")
        assert words[words.index("callback-today") + 5 :] == ["callback-kept", "goodbye"]
        assert ends(w) == {CallbackEnd.NOTED: 1, CallbackEnd.REPEATED: 1}


@pytest.mark.parametrize(
    ("keys", "end"),
    [
        pytest.param("80", CallbackEnd.WAITS, id="rather waits"),
        pytest.param("82#", CallbackEnd.WAITS, id="hash at once"),
        pytest.param("8", CallbackEnd.NO_INPUT, id="nothing"),
        pytest.param("82" + "0812#" * 3, CallbackEnd.INVALID, id="no number"),
    ],
)
async def test_who_is_not_noted_has_an_agent(tmp_path: Path, keys: str, end: CallbackEnd) -> None:
    async with house(tmp_path, seconds=0.1) as w:
        w.fake.call()
        w.fake.press(CALLER, keys[:2])
        for entry in range((len(keys) - 2) // 5):
            await eventually(
                lambda n=entry: said(w).count("callback-ask") == n + 1,  # type: ignore[misc]
                "the question",
            )
            w.fake.press(CALLER, "0812#")
        if keys.endswith("2#"):
            await eventually(lambda: "callback-ask" in said(w), "the question")
            w.fake.press(CALLER, "#")
        ended = await w.nothing_left()
        assert (ended.outcome, ended.menu_end) == (Result.ANSWERED, MenuEnd.AGENT)
        assert callbacks(w) == []
        assert ends(w) == {end: 1}


async def test_without_the_journal_the_caller_is_told_and_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_open, "ANSWER_SECONDS", 0.05)
    async with house(tmp_path) as w, w.app.callbacks._book._turn:  # it is busy for as long as this
        w.fake.call()
        w.fake.press(CALLER, "81")
        ended = await w.nothing_left()
        assert "callback-unavailable" in said(w)
        assert (ended.outcome, ended.reason) == (Result.ANSWERED, Reason.AGENT_HUNG_UP)
        assert ends(w) == {CallbackEnd.UNAVAILABLE: 1}


# -- in the waiting line -------------------------------------------------------------------

WAITING = ALWAYS.model_copy(update={"offer_after_seconds": 60.0})
OFTEN = Queues(names={"gangguan": Queue(announce_seconds=0.1)}, entry="gangguan")


def long_wait(w: World) -> None:
    """Both agents work, are busy, and conversations have lately taken ten minutes."""
    w.app.desk._handling.add("gangguan", 600.0)
    for extension in ("101", "102"):
        w.app.agents.reserve(extension, f"busy-{extension}")


async def waiting(w: World, caller: str = CALLER, number: str = NUMBER) -> None:
    w.fake.call(caller, number=number)
    w.fake.press(caller, "0")
    await eventually(lambda: "callback-offer" in said(w, caller), "the offer")


async def test_who_waits_long_is_offered_it_and_keeps_the_place(tmp_path: Path) -> None:
    async with house(tmp_path, callbacks=WAITING, queues=OFTEN) as w:
        long_wait(w)
        await waiting(w)
        assert said(w)[said(w).index("callback-offer") + 1] == "digit-1"
        w.fake.press(CALLER, "1")
        await eventually(lambda: said(w)[-1:] == [CORRECT], "the number read back")
        assert w.app.desk.waiting() == {"gangguan": 1}, "the place is kept meanwhile"
        w.fake.press(CALLER, "1")
        await eventually(lambda: not w.app.reception.calls, "the end")
        ended = w.rows.calls[-1]
        assert (ended.outcome, ended.reason) == (Result.RELEASED, Reason.CALLBACK)
        (row,) = callbacks(w)
        assert row.place_at == ended.place_at == ended.queued_at
        assert row.asked_at > row.place_at


async def test_who_would_rather_wait_waits_on_in_the_same_place(tmp_path: Path) -> None:
    async with house(tmp_path, callbacks=WAITING, queues=OFTEN) as w:
        long_wait(w)
        await waiting(w)
        w.fake.press(CALLER, "1")
        await eventually(lambda: said(w)[-1:] == [CORRECT], "the number read back")
        w.fake.press(CALLER, "0")
        w.app.agents.release("101", "busy-101", "test", 0.0, 0.0)
        await eventually(lambda: w.rows.offers, "an agent")
        ended = await w.ended()
        assert ended.outcome is Result.ANSWERED
        assert callbacks(w) == []


async def test_who_waits_shortly_is_not_offered_it(tmp_path: Path) -> None:
    short = ALWAYS.model_copy(update={"offer_after_seconds": 3600.0})
    async with house(tmp_path, callbacks=short, queues=OFTEN) as w:
        long_wait(w)
        w.fake.call()
        w.fake.press(CALLER, "0")
        await eventually(lambda: said(w).count("position-1") >= 2, "two announcements")
        assert "callback-offer" not in said(w)


# -- who goes in it ------------------------------------------------------------------------


IN_THE_MENU = {"menu-utama": "8", CORRECT: "1"}
IN_THE_LINE = {"menu-utama": "0", "callback-offer": "1", CORRECT: "1"}


@pytest.mark.parametrize("hangs", [before_request, after_event])
@pytest.mark.parametrize("keys", [IN_THE_MENU, IN_THE_LINE], ids=["in the menu", "in the line"])
async def test_a_caller_who_goes_at_any_moment_of_it_leaves_one_story(
    tmp_path: Path, hangs: Any, keys: dict[str, str]
) -> None:
    told = set()
    how: dict[str, Any] = {"callbacks": WAITING, "queues": OFTEN} if keys is IN_THE_LINE else {}
    for number in range(1, MOST, 4):
        async with house(tmp_path / str(number), seconds=10.0, **how) as w:
            if keys is IN_THE_LINE:
                long_wait(w)
            else:
                nobody_works(w)
            w.fake.carried_out = lambda asked, w=w: _answer(w, asked, keys)  # type: ignore[misc]
            hangs(w, number)
            w.fake.call()
            await w.ended()
            for extension in ("101", "102"):
                w.app.agents.release(extension, f"busy-{extension}", "test", 0.0, 0.0)
            ended = await w.nothing_left()
            noted = ended.reason is Reason.CALLBACK
            assert len(callbacks(w)) == noted, "who is to be called has asked, and the reverse"
            assert sum(ends(w).values()) <= 1
            told.add(ended.reason)
            if w.fake.requests[-1].number < number:
                break
    else:
        pytest.fail("the call never came to its own end")
    assert told >= {Reason.CALLBACK, Reason.IN_WAITING if keys is IN_THE_LINE else Reason.IN_MENU}


def _answer(w: World, asked: Asked, keys: dict[str, str]) -> None:
    key = keys.get(asked.query.get("media", "").removeprefix("sound:pln/"))
    if key and CALLER in w.fake.channels:
        w.fake.press(CALLER, key)


async def test_numbers_and_keys_stand_in_no_log_and_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path) as w:
        phones = customers(w)
        await asked_back(w, "82" + "0215550123#" + "1")
        await eventually(lambda: phones.calls, "the callback")
        await eventually(lambda: callbacks(w)[0].status is CallbackStatus.REACHED, "its end")
        told = capsys.readouterr()
        for text in (told.out, told.err, w.metrics.render().decode()):
            assert "5550123" not in text


async def test_who_calls_again_has_the_old_place_and_is_not_called(tmp_path: Path) -> None:
    async with house(tmp_path) as w:
        phones = customers(w)
        nobody_works(w)
        await asked_back(w)
        (row,) = callbacks(w)
        w.fake.call("again")
        w.fake.press("again", "0")
        await eventually(lambda: w.stage == Stage.WAITING, "the line")
        assert w.rows.calls[-1].place_at == row.place_at
        somebody_works(w)
        await eventually(lambda: callbacks(w)[0].status is CallbackStatus.REACHED, "the end")
        assert phones.calls == [], "they have talked already"


async def test_who_has_talked_in_asterisks_own_queue_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pln_ivr.calls.completion.SETTLED_AFTER", timedelta(minutes=-1))
    async with house(tmp_path) as w:
        nobody_works(w)
        await asked_back(w)
        talked = int(time.time()) + 1
        note = f"fallback//{talked}/{talked}/ag-101/trunk-1-00000000/x"
        line = cdr_line(
            uniqueid="pln-1-9.9",
            start=f"{talked}.0",
            answer=f"{talked}.0",
            end=f"{talked + 9}.0",
            src=NUMBER,
            dcontext="fallback",
            userfield=note,
        )
        (tmp_path / "calls.csv").write_text(line + "\n")
        assert await w.app.completion.run_once() == 1
        await eventually(lambda: callbacks(w)[0].status is CallbackStatus.REACHED, "the end", 10.0)
        assert callbacks(w)[0].result is CallbackResult.CAME
