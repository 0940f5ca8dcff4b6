"""The menu with real telephones: keys as RTP events, by SIP INFO and as tones, and none at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from native.keys import write_tones
from native.tones import write_tone
from pln_ivr.calls.dialogues.bill_words import PROMPTS as BILL_PROMPTS
from pln_ivr.calls.prompt_files import REQUIRED
from pln_ivr.journal import CallRow
from pln_ivr.outcomes import MenuEnd, Reason, ReportEnd, Result, Stage
from tests.asterisk.softphone import Softphone
from tests.asterisk.world import World, eventually
from tests.unit.bill_server import TOKEN, served_bills

NOTICE, MENU, ENGLISH, SORRY, WAIT = 500, 700, 900, 1100, 1300
OUTAGE, ASK, CORRECT, TODAY = 1500, 1700, 1900, 2100
BILLS, AMOUNT, UNAVAILABLE = 2300, 2500, 2700
"""What each stand-in prompt sounds like, in hertz."""
TONES = {
    **dict.fromkeys(REQUIRED, 600),
    "notice": NOTICE,
    "menu-utama": MENU,
    "menu-gangguan": OUTAGE,
    "en/menu-english": ENGLISH,
    "en/menu-outage": OUTAGE,
    "report-ask": ASK,
    "report-correct": CORRECT,
    "report-today": TODAY,
    "menu-invalid": SORRY,
    "please-wait": WAIT,
    **dict.fromkeys(BILL_PROMPTS, AMOUNT),
    "menu-tagihan": BILLS,
    "bill-unavailable": UNAVAILABLE,
}
SECONDS = {"menu-utama": 6.0, "en/menu-english": 6.0}


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones instead of words; the menus are long enough to be cut short."""
    folder = tmp_path_factory.mktemp("prompts")
    for name, hertz in TONES.items():
        write_tone(folder / f"{name}.alaw", hertz, SECONDS.get(name, 1.0))
    return folder


def test_keys_choose_a_line_however_a_telephone_tells_of_them(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    world = make_world(["101"], MENU__ENTRY="utama", MENU__NO_INPUT_SECONDS="1")
    tones = write_tones(tmp_path / "keys.alaw", "94", after=3.0)
    callers = {
        "0811": {"keys": "2", "by": "rfc4733", "pause": 3.0},
        "0812": {"keys": "9#3", "by": "rfc4733"},
        "0813": {"keys": "*2", "by": "info", "pause": 3.0},
        "0814": {"by": "tones", "sound": tones},
        "0815": {"by": "tones"},  # a telephone with a dial
    }
    with ExitStack() as stack:
        phones = [
            stack.enter_context(world.phones.caller(hold=60.0, caller=number, **how))  # type: ignore[arg-type]
            for number, how in callers.items()
        ]
        eventually(
            lambda: [row.stage for row in world.calls()] == [Stage.WAITING] * 5, 30, "their lines"
        )
        time.sleep(3)  # please-wait, which would be said to be cut off
        for phone in phones:
            seen = phone.hang_up()
            assert (seen.finals, seen.errors) == ({200: 1}, "")
    told = {row.caller: (row.menu_path, row.queue, row.menu_end) for row in world.ended(5)}
    assert told == {
        "0811": ("tagihan", "tagihan", MenuEnd.CHOSEN),
        "0812": ("english/repeat/pasang-baru", "pasang-baru", MenuEnd.CHOSEN),
        "0813": ("invalid/tagihan", "tagihan", MenuEnd.CHOSEN),
        "0814": ("english/keluhan", "keluhan", MenuEnd.CHOSEN),
        "0815": ("no_input/no_input", "gangguan", MenuEnd.NO_INPUT),
    }
    assert {(row.outcome, row.reason) for row in world.ended(5)} == {
        (Result.ABANDONED, Reason.IN_WAITING)
    }
    assert world.metric("pln_ivr_menu_choices_total", menu="utama", choice="tagihan") == 2
    world.settled()
    assert world.pbx.complaints() == []


def test_a_key_is_heard_at_once_and_a_new_run_begins_the_menu_again(
    make_world: Callable[..., World],
) -> None:
    """What a caller hears who walks about in the menu, is left in it by a program that dies, and
    hangs up in the end."""
    world = make_world(["101"], MENU__ENTRY="utama")
    with (
        Softphone("0816", world.pbx.sip_port, 440) as phone,
        Softphone("0817", world.pbx.sip_port, 440) as other,
    ):
        assert phone.call("123") == 200
        assert phone.hears(NOTICE)
        assert phone.hears(MENU)
        phone.press("9")
        assert phone.hears(ENGLISH, within=2), "before the menu would have been over"
        phone.press("9")
        assert phone.hears(MENU, within=2)
        phone.press("8")
        assert phone.hears(SORRY, within=2)
        assert phone.hears(MENU, within=3)
        assert _row(world, "0816").stage is Stage.MENU

        world.app.kill()
        world.app.wait()
        world.start_app()
        assert phone.hears(MENU)
        phone.press("3")
        assert phone.hears(WAIT, within=2)
        assert not phone.hears(NOTICE, within=0.1)
        eventually(lambda: _row(world, "0816").queue == "pasang-baru", 5, "the line")

        assert other.call("123") == 200
        assert other.hears(MENU, within=10)
        other.hang_up()
        phone.hang_up()
    world.ended(2)
    left, gone = _row(world, "0816"), _row(world, "0817")
    assert (left.outcome, left.reason) == (Result.ABANDONED, Reason.IN_WAITING)
    assert left.menu_path == "pasang-baru"
    assert (gone.outcome, gone.reason, gone.menu_end) == (Result.ABANDONED, Reason.IN_MENU, None)
    world.settled()


def test_an_outage_is_reported_by_keys_and_a_second_time_it_is_there_already(
    make_world: Callable[..., World],
) -> None:
    """One keys the number and one digit too many first; a neighbour hangs up in the middle."""
    world = make_world(["101"], MENU__ENTRY="utama", OUTAGES__PREFIXES='{"51": "Bandung"}')
    number = "512345678901"
    with (
        Softphone("081211111111", world.pbx.sip_port, 440) as phone,
        Softphone("081222222222", world.pbx.sip_port, 440) as other,
    ):
        assert phone.call("123") == 200
        assert phone.hears(MENU, within=5)
        phone.press("1")
        assert phone.hears(OUTAGE, within=2)
        phone.press("1")
        assert phone.hears(ASK, within=2)
        phone.press(f"{number}1")
        assert phone.hears(ASK, within=5), "that was no number"
        phone.press(f"{number}#")
        assert phone.hears(CORRECT, within=25), "after twelve digits"
        phone.press("1")
        assert phone.ended.wait(25), "there is nothing more to say"

        assert other.call("123") == 200
        assert other.hears(MENU, within=5)
        other.press("11")
        assert other.hears(ASK, within=3)
        other.press("51234")
        other.hang_up()

        phone.ended.clear()
        assert phone.call("123") == 200
        assert phone.hears(MENU, within=5)
        phone.press("11")
        assert phone.hears(CORRECT, within=10), "the telephone is known"
        phone.press("1")
        assert phone.hears(TODAY, within=3)
        phone.press("5")
        assert phone.ended.wait(10), "a goodbye"
    told = {(row.caller, row.menu_path, row.reason) for row in world.ended(3)}
    assert told >= {
        ("081211111111", "gangguan/report/registered", Reason.REPORTED),
        ("081222222222", "gangguan/report", Reason.IN_MENU),
    }
    ends = {
        end: world.metric("pln_ivr_outage_reports_total", end=end)
        for end in (ReportEnd.REGISTERED, ReportEnd.REPEATED, ReportEnd.HUNG_UP)
    }
    assert ends == dict.fromkeys(ends, 1)
    world.settled()
    assert world.pbx.complaints() == []


def test_the_bill_is_heard_without_an_agent_unless_it_cannot_be_looked_up(
    make_world: Callable[..., World],
) -> None:
    number, broken = "512345678901", "512345678903"
    page = {"prompt": "menu-tagihan", "keys": {"1": {"do": "bill"}, "0": {"do": "agent"}}}
    with served_bills() as server:
        server.bills = {number: {"amount": 7}, broken: 500}
        world = make_world(
            ["101"],
            MENU__ENTRY="tagihan",
            MENU__MENUS=json.dumps({"tagihan": page}),
            BILL__URL=server.url,
            BILL__TOKEN=TOKEN,
        )
        with Softphone("081211111111", world.pbx.sip_port, 440) as phone:
            assert phone.call("123") == 200
            for customer, heard in ((number, AMOUNT), (broken, UNAVAILABLE)):
                assert phone.hears(BILLS, within=10), "the menu, at first and again"
                phone.press("1")
                assert phone.hears(ASK, within=3)
                phone.press(f"{customer}#")
                assert phone.hears(CORRECT, within=25), "after twelve digits"
                phone.press("1")
                assert phone.hears(heard, within=8)
            assert phone.hears(WAIT, within=10), "an agent's, then"
            assert phone.loses(WAIT, within=5)
            phone.hang_up()
    row = world.ended(1)[0]
    assert (row.menu_path, row.menu_end) == (
        "bill/told/bill/unavailable",
        MenuEnd.AGENT,
    )
    assert server.asked == 2
    world.settled()
    assert world.pbx.complaints() == []


def _row(world: World, caller: str) -> CallRow:
    return next(row for row in world.calls() if row.caller == caller)
