"""Statements against the fake: everybody hears what is live, once, wherever they are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pln_ivr.calls.prompts import IN_TURN
from pln_ivr.config.menu import Menu
from pln_ivr.journal import HearingRow
from pln_ivr.outcomes import Reason, Result, Stage
from tests.fake_ari.earlier import (
    CALL,
    CALLER,
    caller,
    disconnect,
    in_line,
    nobody_ready,
    reconnect,
    row,
    store,
)
from tests.fake_ari.server import Asked
from tests.fake_ari.test_journey import Hangs, after_event, before_request
from tests.fake_ari.world import World, eventually, world
from tests.unit.pronouncing import live, prepare

MOST = 60


def said(w: World, channel: str = CALLER) -> list[str]:
    """The prompts that were begun on a channel, in order."""
    return [
        asked.query["media"].removeprefix("sound:pln/")
        for asked in w.fake.requests
        if f"{channel}/play/" in asked.path
    ]


def heard(w: World) -> list[HearingRow]:
    return [told for told in w.rows.all if isinstance(told, HearingRow)]


async def publish(w: World, areas: tuple[str, ...] = ()) -> int:
    """Somebody puts a statement live, and this node has seen it."""
    version = await asyncio.to_thread(live, w.settings.journal.url, areas=areas)
    await w.app.bulletin.look()
    return version


async def test_who_arrives_hears_it_after_the_notice_and_before_the_menu(tmp_path: Path) -> None:
    async with world(tmp_path, menu=Menu()) as w:
        version = await publish(w)
        w.fake.call()
        await eventually(lambda: w.stage == "menu", "the menu")
        w.fake.press(CALLER, "2")
        await eventually(lambda: "please-wait" in said(w), "the line")
        await eventually(lambda: w.fake.channels[CALLER].bridge == "wait-tagihan", "the music")
        assert [word for word in said(w) if word != "menu-utama"] == [
            "notice",
            f"statement-{version}",
            "please-wait",
        ]
        w.fake.hang_up(CALLER)
        ended = await w.nothing_left()
        (hearing,) = heard(w)
        assert (hearing.call_id, hearing.version) == (ended.call_id, version)
        assert (hearing.stage, hearing.whole) == (Stage.STATEMENT, True)
        assert ended.statement == version
        stages = [told.stage for told in w.rows.calls]
        assert stages[:3] == [Stage.NOTICE, Stage.STATEMENT, Stage.MENU]
        figures = w.metrics.render().decode()
        assert 'pln_ivr_statements_heard_total{stage="statement",whole="true"} 1.0' in figures


async def test_without_one_nothing_is_said_and_no_stage_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.app.bulletin.look()
        w.fake.call()
        ended = await w.nothing_left()
        assert Stage.STATEMENT not in [told.stage for told in w.rows.calls]
        assert (ended.statement, heard(w)) == (None, [])


async def test_who_waits_hears_it_at_once_and_only_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        nobody_ready(w)
        for number in range(3):
            w.fake.call(f"caller-{number}", f"081{number}")
        await eventually(
            lambda: all(c.bridge == "wait-gangguan" for c in w.fake.channels.values()), "the music"
        )
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 3}, "the line")
        version = await publish(w)
        await eventually(lambda: len(heard(w)) == 3, "everybody's hearing it", 2.0)
        second = await publish(w, ("Bandung",))
        await eventually(lambda: len(heard(w)) == 6, "everybody's hearing the other one", 2.0)
        await w.app.bulletin.look()
        await asyncio.sleep(0.1)
        for number in range(3):
            assert said(w, f"caller-{number}")[2:] == [
                f"statement-{version}",
                f"statement-{second}",
            ]
        assert {hearing.stage for hearing in heard(w)} == {Stage.WAITING}
        assert all(channel.bridge == "wait-gangguan" for channel in w.fake.channels.values())


async def test_who_is_rung_for_hears_it_until_the_agent_is_there(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fake.on_originate = w.agent_rings
        w.fake.call()
        await eventually(lambda: w.stage == "ringing", "the ringing")
        await eventually(lambda: w.fake.channels[CALLER].bridge == "wait-gangguan", "the music")
        w.fake.prompts_end = False
        version = await publish(w)
        await eventually(lambda: w.fake.channels[CALLER].playing, "the statement")
        w.fake.prompts_end = True
        w.pick_up(w.legs()[0])
        ended = await w.nothing_left()
        assert ended.outcome is Result.ANSWERED
        (hearing,) = heard(w)
        assert (hearing.version, hearing.whole, hearing.stage) == (version, False, Stage.RINGING)


async def test_two_of_them_are_heard_one_after_the_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        versions = [await publish(w, (area,)) for area in ("Garut", "Bandung")]
        w.fake.call()
        ended = await w.nothing_left()
        assert said(w)[:3] == ["notice", *(f"statement-{version}" for version in versions)]
        assert [hearing.version for hearing in heard(w)] == versions
        assert ended.statement == versions[-1]


async def test_who_hangs_up_in_it_did_not_hear_it_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await publish(w)
        w.fake.carried_out = lambda asked: (
            w.fake.hang_up(CALLER) if "/play/in-turn" in asked.path else None
        )
        w.fake.call()
        ended = await w.nothing_left()
        assert (ended.outcome, ended.reason) == (Result.ABANDONED, Reason.IN_STATEMENT)
        (hearing,) = heard(w)
        assert (hearing.whole, ended.statement) == (False, hearing.version)


@pytest.mark.parametrize("hangs", [before_request, after_event])
async def test_a_caller_who_goes_at_any_moment_of_it_leaves_nothing_behind(
    tmp_path: Path, hangs: Hangs
) -> None:
    prepare(f"sqlite:///{tmp_path}/journal.db")
    reasons = set()
    for number in range(MOST):
        async with world(tmp_path / str(number)) as w:
            await publish(w)
            w.fake.count_from_here()
            hangs(w, number)
            w.fake.call()
            ended = await w.nothing_left()
            reasons.add(ended.reason)
            assert len(heard(w)) <= 1
            if ended.reason not in (Reason.BEFORE_ANSWER, Reason.IN_NOTICE, Reason.IN_STATEMENT):
                break
    else:
        pytest.fail("the statement never came to its end")
    assert reasons >= {Reason.IN_NOTICE, Reason.IN_STATEMENT}


async def test_one_that_cannot_be_played_is_counted_and_does_not_come_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        version = await publish(w)

        def fail(asked: Asked) -> None:
            if "/play/in-turn" in asked.path:
                w.fake.end_prompt(CALLER, "failed")

        w.fake.carried_out = fail
        w.fake.call()
        await w.nothing_left()
        assert said(w).count(f"statement-{version}") == 1
        assert [hearing.whole for hearing in heard(w)] == [False]
        assert w.figure("pln_ivr_prompts_failed_total") == 1


async def test_after_a_lost_connection_who_waits_hears_it_then(tmp_path: Path) -> None:
    async with world(tmp_path, request_seconds=0.5) as w:
        nobody_ready(w)
        w.fake.call()
        await eventually(lambda: w.fake.channels[CALLER].bridge == "wait-gangguan", "the music")
        connections = await disconnect(w)
        version = await publish(w)
        await asyncio.sleep(0.2)
        assert heard(w) == []
        await reconnect(w, connections)
        await eventually(lambda: [h.version for h in heard(w)] == [version], "the hearing")
        w.fake.hang_up(CALLER)
        await w.nothing_left()


async def test_who_has_heard_it_from_an_earlier_run_does_not_hear_it_again(tmp_path: Path) -> None:
    store(tmp_path, row(statement=1))
    live(f"sqlite:///{tmp_path}/journal.db")

    async with world(tmp_path, before=in_line) as w:
        await eventually(lambda: w.app.desk.waiting() == {"gangguan": 1}, "the line")
        second = await publish(w, ("Bandung",))
        await eventually(lambda: heard(w), "the newer one")
        assert said(w) == [f"statement-{second}"]


async def test_a_caller_in_the_statement_of_a_run_that_died_hears_it_from_the_beginning(
    tmp_path: Path,
) -> None:
    store(tmp_path, row(stage=Stage.STATEMENT, queued_at=None, queue=None))
    version = live(f"sqlite:///{tmp_path}/journal.db")

    def in_statement(w: World) -> None:
        caller(w.fake).playing = f"{IN_TURN[2]}-earlier-run-{CALLER}"

    async with world(tmp_path, before=in_statement) as w:
        ended = await w.ended()
        assert said(w)[0] == f"statement-{version}"
        assert [hearing.version for hearing in heard(w)] == [version]
        assert (ended.call_id, ended.outcome) == (CALL, Result.ANSWERED)
        stopped = f"DELETE playbacks/{IN_TURN[2]}-earlier-run-{CALLER}"
        assert stopped in map(str, w.fake.requests)
