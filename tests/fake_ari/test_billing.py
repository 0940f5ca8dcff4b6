"""A caller asks for the bill, against the fake and a reference server: told or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pln_ivr.config.bill import Bill
from pln_ivr.config.menu import Menu, MenuKey, MenuPage
from pln_ivr.outcomes import BillEnd, MenuEnd, Reason, Result
from tests.fake_ari.earlier import CALLER
from tests.fake_ari.test_journey import after_event, before_request
from tests.fake_ari.test_menu import said
from tests.fake_ari.test_reporting import MOST, NUMBER, SOON, _answer
from tests.fake_ari.world import World, eventually, world
from tests.unit.bill_server import TOKEN, Answer, BillServer, bill_server

CORRECT = "report-correct"
BILL = ["bill-amount", "number-100", "digit-5", "number-thousand", "bill-rupiah"]
KEYS = {"1": MenuKey(do="bill"), "2": MenuKey(queue="gangguan"), "0": MenuKey(do="agent")}


@asynccontextmanager
async def house(
    folder: Path, seconds: float = SOON, patience: float = 2.0
) -> AsyncIterator[tuple[World, BillServer]]:
    """One whose menu is the bill's, and the server that keeps the bills."""
    page = MenuPage(prompt="menu-tagihan", queue="gangguan", keys=KEYS)
    menu = Menu(entry="tagihan", no_input_seconds=seconds, menus={"tagihan": page})
    async with bill_server() as server:
        server.bills[NUMBER] = {"amount": 105_000}
        bill = Bill(url=server.url, token=SecretStr(TOKEN), seconds=patience)
        async with world(folder, menu=menu, bill=bill) as w:
            yield w, server


def ends(w: World) -> dict[str, float]:
    """How wishes to hear the bill ended."""
    return {
        end: count for end in BillEnd if (count := w.figure(f'pln_ivr_bills_total{{end="{end}"}}'))
    }


async def test_a_bill_is_heard_and_the_menu_again(tmp_path: Path) -> None:
    async with house(tmp_path, seconds=30.0) as (w, _):
        w.fake.call()
        w.fake.press(CALLER, f"1{NUMBER}#")
        await eventually(lambda: said(w)[-1:] == [CORRECT], "the number read back")
        w.fake.press(CALLER, "1")
        await eventually(lambda: said(w)[-1:] == ["menu-tagihan"], "the menu again")
        assert said(w)[-7:-1] == ["bill-looking", *BILL]
        w.fake.press(CALLER, "2")
        ended = await w.nothing_left()
        assert (ended.menu_path, ended.menu_end) == ("bill/told/gangguan", MenuEnd.CHOSEN)
        assert (ended.queue, ended.outcome) == ("gangguan", Result.ANSWERED)
        assert ends(w) == {BillEnd.TOLD: 1}
        assert w.figure('pln_ivr_bill_lookups_total{verdict="told"}') == 1


async def test_who_is_not_known_hears_so_and_may_try_again(tmp_path: Path) -> None:
    async with house(tmp_path) as (w, server):
        w.fake.call()
        w.fake.press(CALLER, "1999999999999#1")
        await eventually(lambda: "bill-no-customer" in said(w), "the answer")
        w.fake.press(CALLER, "0")
        ended = await w.nothing_left()
        assert (ended.menu_path, ended.queue) == ("bill/unknown/agent", "gangguan")
        assert server.asked == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(500, id="500"),
        pytest.param(b"{", id="nonsense"),
        pytest.param("stall", id="a stall"),
    ],
)
async def test_a_bill_that_cannot_be_looked_up_is_an_agents(
    tmp_path: Path, fault: Answer | str
) -> None:
    async with house(tmp_path, patience=0.1) as (w, server):
        if isinstance(fault, str):
            server.stalls = True
        else:
            server.bills[NUMBER] = fault
        w.fake.call()
        w.fake.press(CALLER, f"1{NUMBER}#1")
        ended = await w.nothing_left()
        at = said(w).index("bill-unavailable")
        assert said(w)[at : at + 2] == ["bill-unavailable", "menu-agent"]
        assert (ended.menu_path, ended.menu_end) == ("bill/unavailable", MenuEnd.AGENT)
        assert ended.queue == "gangguan"
        assert ends(w) == {BillEnd.UNAVAILABLE: 1}


@pytest.mark.parametrize(
    ("keys", "end", "menu_end"),
    [
        pytest.param("#", BillEnd.AGENT, MenuEnd.AGENT, id="an agent"),
        pytest.param("", BillEnd.NO_INPUT, MenuEnd.NO_INPUT, id="nothing"),
    ],
)
async def test_there_is_a_way_to_an_agent(
    tmp_path: Path, keys: str, end: BillEnd, menu_end: MenuEnd
) -> None:
    async with house(tmp_path) as (w, server):
        w.fake.call()
        w.fake.press(CALLER, "1" + keys)
        ended = await w.nothing_left()
        assert (ended.menu_path, ended.menu_end) == (f"bill/{end}", menu_end)
        assert ends(w) == {end: 1}
        assert server.asked == 0


async def test_neither_number_nor_bill_stands_in_a_log_a_figure_or_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path) as (w, server):
        server.bills[NUMBER] = {"amount": "105000"}  # a fault, which is logged
        w.fake.call()
        w.fake.press(CALLER, f"1{NUMBER}#1")
        await w.nothing_left()
        told = capsys.readouterr()
        assert "bill_not_looked_up" in told.out + told.err
        for text in (told.out, told.err, w.metrics.render().decode(), repr(w.rows.all)):
            assert NUMBER not in text
            assert "105000" not in text


@pytest.mark.parametrize("hangs", [before_request, after_event])
async def test_a_caller_who_goes_at_any_moment_of_it_leaves_nothing_behind(
    tmp_path: Path, hangs: Any
) -> None:
    told = set()
    for number in range(1, MOST, 4):
        async with house(tmp_path / str(number), seconds=10.0) as (w, _):
            answers = {"menu-tagihan": "1", "report-ask": f"{NUMBER}#", CORRECT: "1"}
            w.fake.carried_out = lambda asked, w=w, answers=answers: _answer(w, asked, answers)  # type: ignore[misc]
            hangs(w, number)
            w.fake.call()
            ended = await w.nothing_left()
            told.add((ended.reason, next(iter(ends(w)), None)))
            if (ended.menu_path or "").count("told") > 1:
                break
    else:
        pytest.fail("the bill was never heard")
    assert told >= {(Reason.IN_MENU, BillEnd.HUNG_UP), (Reason.IN_MENU, BillEnd.TOLD)}
