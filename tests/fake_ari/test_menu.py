"""The menu against the fake: whatever is pressed, or not, and whoever goes or dies in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pln_ivr.calls.prompts import IN_TURN
from pln_ivr.config.menu import Menu, MenuKey, MenuPage
from pln_ivr.config.queues import Queues
from pln_ivr.outcomes import MenuEnd, Reason, Result, Stage
from tests.fake_ari.earlier import CALL, CALLER, caller, disconnect, reconnect, row, store
from tests.fake_ari.server import Asked
from tests.fake_ari.test_journey import Hangs, after_event, before_request
from tests.fake_ari.world import World, eventually, world

MOST = 60
"""More requests and events than one call ever makes."""

PATIENT, HASTY = 60.0, 0.03


def menu(seconds: float = PATIENT, **pages: MenuPage) -> Menu:
    """The menu that there is by default, with a goodbye and with other pages if they are given."""
    default = Menu()
    main = default.menus["utama"]
    more = {"7": MenuKey(do="hang_up"), "8": MenuKey(say="info-jam")}
    made = default.menus | {"utama": main.model_copy(update={"keys": main.keys | more})} | pages
    return default.model_copy(update={"menus": made, "no_input_seconds": seconds})


@asynccontextmanager
async def asked_what(
    folder: Path, seconds: float = PATIENT, plays: bool = True, **options: Any
) -> AsyncIterator[World]:
    """A caller who is in the menu. `plays`: prompts do not end by themselves there."""
    async with world(folder, menu=menu(seconds), **options) as w:
        w.fake.carried_out = lambda asked: _freeze(w, asked) if plays else None
        w.fake.call()
        await eventually(lambda: w.stage == "menu", "the menu")
        if plays:
            await eventually(lambda: w.fake.channels[CALLER].playing, "the menu's words")
        yield w


def _freeze(w: World, asked: Asked) -> None:
    """From the notice's end on, prompts go on and on."""
    if "play/notice" in asked.path:
        w.fake.end_prompt(CALLER, "done")
        w.fake.prompts_end = False


def said(w: World, channel: str = CALLER) -> list[str]:
    """The prompts that were begun, in order."""
    return [
        asked.query["media"].removeprefix("sound:pln/")
        for asked in w.fake.requests
        if f"{channel}/play/" in asked.path
    ]


async def test_a_key_cuts_the_menu_short_and_chooses_the_line(tmp_path: Path) -> None:
    async with asked_what(tmp_path) as w:
        assert said(w) == ["notice", "menu-utama"]
        playing = w.fake.channels[CALLER].playing
        w.fake.prompts_end = True
        w.fake.press(CALLER, "2")
        await eventually(lambda: w.app.desk.waiting() == {"tagihan": 1}, "the line")
        assert f"DELETE playbacks/{playing}" in map(str, w.fake.requests)
        assert w.figure("pln_ivr_prompts_failed_total") == 0, "cut short is not failed"
        choices = w.metrics.render().decode()
        assert 'pln_ivr_menu_choices_total{choice="tagihan",menu="utama"} 1.0' in choices
        w.fake.hang_up(CALLER)
        ended = await w.nothing_left()
        assert (ended.outcome, ended.reason) == (Result.ABANDONED, Reason.IN_WAITING)
        assert (ended.queue, ended.menu_path, ended.menu_end) == (
            "tagihan",
            "tagihan",
            MenuEnd.CHOSEN,
        )
        assert ended.menu_at
        assert ended.notice_heard_at
        assert ended.queued_at
        assert ended.notice_heard_at <= ended.menu_at <= ended.queued_at


async def test_the_stages_in_their_order_and_how_many_are_in_each(tmp_path: Path) -> None:
    async with asked_what(tmp_path) as w:
        assert 'pln_ivr_calls_in_stage{stage="menu"} 1.0' in w.metrics.render().decode()
        w.fake.prompts_end = True
        w.fake.press(CALLER, "10")
        await w.nothing_left()
        stages = [told.stage for told in w.rows.calls]
        assert stages[:3] == [Stage.NOTICE, Stage.MENU, Stage.WAITING]
        assert 'pln_ivr_calls_in_stage{stage="menu"} 0.0' in w.metrics.render().decode()


async def test_who_presses_nothing_talks_with_an_agent(tmp_path: Path) -> None:
    """A telephone with a dial, or somebody who waits for a person."""
    async with asked_what(tmp_path, HASTY, plays=False) as w:
        ended = await w.nothing_left()
        assert (ended.outcome, ended.queue) == (Result.ANSWERED, "gangguan")
        assert (ended.menu_path, ended.menu_end) == ("no_input/no_input", MenuEnd.NO_INPUT)
        assert said(w)[:5] == ["notice", "menu-utama", "menu-no-input", "menu-utama", "menu-agent"]


async def test_who_presses_what_means_nothing_is_told_so_and_then_talks(tmp_path: Path) -> None:
    async with asked_what(tmp_path) as w:
        for number, key in enumerate("*5A"):
            await eventually(lambda n=number: len(said(w)) == 2 + n, "the next word")  # type: ignore[misc]
            w.fake.press(CALLER, key)
        await eventually(lambda: said(w)[-1] == "menu-agent", "the last word")
        w.fake.prompts_end = True
        w.fake.end_prompt(CALLER, "done")
        ended = await w.nothing_left()
        assert said(w)[:5] == ["notice", "menu-utama", "menu-invalid", "menu-invalid", "menu-agent"]
        assert (ended.menu_path, ended.menu_end) == ("invalid/invalid/invalid", MenuEnd.INVALID)
        assert ended.outcome is Result.ANSWERED


async def test_what_was_pressed_together_with_a_wrong_key_counts_for_nothing(
    tmp_path: Path,
) -> None:
    async with asked_what(tmp_path) as w:
        w.fake.press(CALLER, "522222")
        await eventually(lambda: said(w)[-1] == "menu-invalid", "the answer")
        await w.ari.catch_up(5.0)
        w.fake.hang_up(CALLER)
        assert (await w.nothing_left()).menu_path == "invalid"


async def test_who_knows_the_menu_presses_ahead(tmp_path: Path) -> None:
    """In the notice, which is heard to its end all the same, and through two menus."""
    async with world(tmp_path, menu=menu()) as w:
        w.fake.prompts_end = False
        w.fake.call()
        await eventually(lambda: w.fake.channels[CALLER].playing, "the notice")
        w.fake.press(CALLER, "93")
        await w.ari.catch_up(5.0)
        assert said(w) == ["notice"]
        w.fake.prompts_end = True
        w.fake.end_prompt(CALLER, "done")
        await eventually(lambda: w.app.desk.waiting() == {"pasang-baru": 1}, "the line")
        assert not any("menu" in prompt for prompt in said(w))
        w.fake.hang_up(CALLER)
        ended = await w.nothing_left()
        assert (ended.menu_path, ended.language) == ("english/pasang-baru", "en")
        assert ended.notice_heard_at


async def test_a_key_that_comes_too_late_changes_nothing(tmp_path: Path) -> None:
    async with asked_what(tmp_path) as w:
        w.fake.prompts_end = True
        w.fake.press(CALLER, "4444*#")
        await eventually(lambda: w.app.desk.waiting() == {"keluhan": 1}, "the line")
        w.fake.press(CALLER, "1")
        await w.ari.catch_up(5.0)
        assert w.app.desk.waiting() == {"keluhan": 1}
        w.fake.hang_up(CALLER)
        ended = await w.nothing_left()
        assert (ended.queue, ended.menu_path) == ("keluhan", "keluhan")


async def test_who_chose_english_is_spoken_to_in_it_where_there_is_a_recording(
    tmp_path: Path,
) -> None:
    (tmp_path / "en").mkdir()
    for name in ("menu-english", "please-wait"):
        (tmp_path / "en" / f"{name}.alaw").write_bytes(b"\xd5" * 800)
    async with asked_what(tmp_path) as w:
        w.fake.press(CALLER, "9")
        await eventually(lambda: said(w)[-1] == "en/menu-english", "the English menu")
        w.fake.press(CALLER, "7")
        await eventually(lambda: said(w)[-1] == "menu-invalid", "not recorded in English")
        w.fake.prompts_end = True
        w.fake.press(CALLER, "2")
        await eventually(lambda: said(w)[-1] == "en/please-wait", "the words in the line")
        w.fake.hang_up(CALLER)
        assert (await w.nothing_left()).language == "en"


async def test_an_information_is_said_and_the_menu_after_it_and_a_goodbye(tmp_path: Path) -> None:
    async with asked_what(tmp_path) as w:
        w.fake.press(CALLER, "8")
        await eventually(lambda: said(w)[-1] == "info-jam", "the information")
        w.fake.end_prompt(CALLER, "done")
        await eventually(lambda: said(w)[-1] == "menu-utama", "the menu")
        w.fake.prompts_end = True
        w.fake.press(CALLER, "7")
        ended = await w.nothing_left()
        assert said(w)[-1] == "goodbye"
        assert (ended.outcome, ended.reason) == (Result.RELEASED, Reason.INFORMED)
        assert (ended.menu_path, ended.menu_end) == ("info-jam/hang_up", MenuEnd.LET_GO)
        assert ended.queued_at is None


@pytest.mark.parametrize(("key", "keeps"), [("2", True), ("3", False)])
async def test_who_is_cut_off_and_chooses_the_same_line_again_keeps_the_place(
    tmp_path: Path, key: str, keeps: bool
) -> None:
    async with asked_what(tmp_path) as w:
        w.fake.prompts_end = True
        w.fake.press(CALLER, "2")
        await eventually(lambda: w.app.desk.waiting() == {"tagihan": 1}, "the line")
        w.fake.hang_up(CALLER)
        first = await w.ended()
        w.fake.call("caller-2")
        await eventually(lambda: w.stage == "menu", "the menu")
        w.fake.press("caller-2", key)
        await eventually(lambda: w.rows.calls[-1].place_at, "the line")
        assert (w.rows.calls[-1].place_at == first.queued_at) == keeps
        w.fake.hang_up("caller-2")
        await eventually(lambda: not w.app.reception.calls, "the end")


async def test_the_lease_lasts_until_the_menu_has_been_heard_and_answered(tmp_path: Path) -> None:
    async with asked_what(tmp_path, seconds=100.0) as w:
        leases = [
            int(asked.query["value"])
            for asked in w.fake.requests
            if asked.query.get("variable") == "TIMEOUT(absolute)"
        ]
        prompt = w.app.room._prompts.seconds("menu-utama")
        assert leases[-1] >= prompt + 100
        w.fake.hang_up(CALLER)
        await w.nothing_left()


@pytest.mark.parametrize("hangs", [before_request, after_event])
async def test_a_caller_who_goes_at_any_moment_of_the_menu_leaves_nothing_behind(
    tmp_path: Path, hangs: Hangs
) -> None:
    reasons = set()
    for number in range(MOST):
        async with world(tmp_path / str(number), menu=menu(HASTY)) as w:
            hangs(w, number)
            w.fake.call()
            ended = await w.nothing_left()
            reasons.add(ended.reason)
            assert (ended.reason is Reason.IN_MENU) <= (ended.menu_at is not None)
            if ended.reason not in (Reason.BEFORE_ANSWER, Reason.IN_NOTICE, Reason.IN_MENU):
                break  # the caller went later
    else:
        pytest.fail("the menu never came to its end")
    assert reasons >= {Reason.IN_NOTICE, Reason.IN_MENU}


async def test_a_prompt_that_cannot_be_played_is_counted_and_the_menu_goes_on(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, menu=menu()) as w:

        def fail(asked: Asked) -> None:
            if "/play/in-turn" in asked.path:
                w.fake.end_prompt(CALLER, "failed")

        w.fake.carried_out = fail
        w.fake.call()
        await eventually(lambda: w.figure("pln_ivr_prompts_failed_total") == 1, "the count")
        w.fake.press(CALLER, "4")
        await eventually(lambda: w.app.desk.waiting() == {"keluhan": 1}, "the line")
        w.fake.hang_up(CALLER)
        await w.nothing_left()


async def test_after_a_lost_connection_the_menu_is_said_again(tmp_path: Path) -> None:
    async with asked_what(tmp_path) as w:
        connections = await disconnect(w)
        w.fake.end_prompt(CALLER, "done")
        w.fake.press(CALLER, "2")  # nobody hears it
        w.fake.prompts_end = True
        await reconnect(w, connections)
        w.fake.press(CALLER, "3")
        await eventually(lambda: w.app.desk.waiting() == {"pasang-baru": 1}, "the line")
        w.fake.hang_up(CALLER)
        assert (await w.nothing_left()).menu_path == "pasang-baru"


async def test_a_connection_lost_while_the_menu_is_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path, menu=menu(), request_seconds=0.3) as w:
        cut = False

        def cut_off(asked: Asked) -> None:
            nonlocal cut
            if "/play/in-turn" in asked.path and not cut:
                cut = True
                w.fake.cut()

        w.fake.before = cut_off
        w.fake.call()
        await eventually(lambda: cut and w.ari.ready, "the reconnection")
        await eventually(lambda: said(w).count("menu-utama") == 2, "the menu again")
        w.fake.press(CALLER, "4")
        await eventually(lambda: w.app.desk.waiting() == {"keluhan": 1}, "the line")
        w.fake.hang_up(CALLER)
        await w.nothing_left()


async def test_a_caller_in_the_menu_of_a_run_that_died_hears_it_from_the_beginning(
    tmp_path: Path,
) -> None:
    """Not the notice again; and whatever prompt still plays is stopped before."""
    before = row(
        stage=Stage.MENU,
        menu_at=row().notice_heard_at,
        menu_path="",
        queued_at=None,
        queue=None,
    )
    store(tmp_path, before)

    def in_menu(w: World) -> None:
        caller(w.fake).playing = f"{IN_TURN[1]}-earlier-run-{CALLER}"
        w.fake.prompts_end = False

    async with world(tmp_path, menu=menu(), before=in_menu) as w:
        await eventually(lambda: said(w), "the menu")
        assert said(w) == ["menu-utama"]
        requests = [str(asked) for asked in w.fake.requests]
        stopped = requests.index(f"DELETE playbacks/{IN_TURN[1]}-earlier-run-{CALLER}")
        begun = next(n for n, text in enumerate(requests) if "/play/" in text)
        assert stopped < begun
        w.fake.prompts_end = True
        w.fake.press(CALLER, "10")
        ended = await w.ended()
        assert (ended.call_id, ended.queue, ended.menu_end) == (CALL, "gangguan", MenuEnd.AGENT)
        assert (ended.menu_at, ended.answered_at) == (before.menu_at, before.answered_at)
        assert ended.outcome is Result.ANSWERED


async def test_who_dialled_a_line_has_chosen_it(tmp_path: Path) -> None:
    queues = Queues(dialled={"622150123": "tagihan"})
    async with world(tmp_path, menu=menu(), queues=queues) as w:
        w.fake.call(dialled="622150123")
        await eventually(lambda: w.app.desk.waiting() == {"tagihan": 1}, "the line")
        assert said(w)[:1] == ["notice"]
        assert not any("menu" in prompt for prompt in said(w))
        w.fake.hang_up(CALLER)
        ended = await w.nothing_left()
        assert (ended.menu_at, ended.menu_path, ended.menu_end) == (None, None, None)
