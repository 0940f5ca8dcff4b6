"""Customers are called back by real telephones: agent first, customer first, and when power is
back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from native.pbx import free_port
from native.tones import write_tone
from pln_ivr.calls.dialogues.customer_number import PROMPTS as REPORT_PROMPTS
from pln_ivr.calls.dialogues.phone_number import PROMPTS as CALLBACK_PROMPTS
from pln_ivr.calls.outbound.reaching import PROMPTS as CALLING_PROMPTS
from pln_ivr.calls.prompt_files import REQUIRED
from pln_ivr.journal import CallRow
from pln_ivr.journal.callbacks import CallbackList, CallbackRow
from pln_ivr.outcomes import (
    CallbackResult,
    CallbackStatus,
    Direction,
    OfferResult,
    Reason,
    Result,
)
from tests.asterisk.softphone import Softphone
from tests.asterisk.sound import channels, seconds_of_tone
from tests.asterisk.test_supervision import Api
from tests.asterisk.world import World, eventually

CUSTOMER, SITI = 440, 660
GREETING, PRESS, STILL_OUT, CORRECT, ASK, CALL_ME = 1000, 1150, 1300, 1450, 1600, 1750
TONES = {
    **dict.fromkeys((*REQUIRED, *REPORT_PROMPTS, *CALLBACK_PROMPTS, *CALLING_PROMPTS), 2000),
    "menu-utama": 2000,
    "callback-greeting": GREETING,
    "callback-press": PRESS,
    "restored-press": STILL_OUT,
    "callback-correct": CORRECT,
    "report-ask": ASK,
    "report-call-me": CALL_ME,
}
NUMBER = "081211112222"
IDPEL = "512345678901"
MENU = {
    "utama": {
        "prompt": "menu-utama",
        "keys": {"8": {"do": "callback"}, "1": {"do": "report"}, "0": {"do": "agent"}},
    }
}


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones instead of words, and short ones."""
    folder = tmp_path_factory.mktemp("prompts")
    for name, hertz in TONES.items():
        write_tone(folder / f"{name}.alaw", hertz, 0.7)
    return folder


class House:
    """A world that calls customers back, and one customer's telephone."""

    def __init__(self, world: World, phone: Softphone, stack: ExitStack) -> None:
        self.world, self.phone, self._stack = world, phone, stack

    @classmethod
    @contextmanager
    def open(cls, make_world: Callable[..., World], **env: str) -> Iterator[House]:
        port = free_port()
        settings = {
            "OUTBOUND__GATEWAY": f"127.0.0.1:{port}",
            "OUTBOUND__RING_SECONDS": "5",
            "CALLBACKS__BEGINS": "00:00",
            "CALLBACKS__ENDS": "23:59",
            "CALLBACKS__PAUSE_MINUTES": "0.02",
            "AGENTS__WRAP_UP_SECONDS": "0",
            "MENU__ENTRY": "utama",
            "MENU__MENUS": json.dumps(MENU),
            "MENU__NO_INPUT_SECONDS": "3",
        }
        world = make_world(["101"], **settings | env)
        with ExitStack() as stack:
            phone = stack.enter_context(Softphone(NUMBER, world.pbx.sip_port, CUSTOMER, port))
            yield cls(world, phone, stack)

    def agent(self) -> Softphone:
        """Agent 101 at a telephone, ready."""
        port = self.world.make_ready("101")
        return self._stack.enter_context(Softphone("ag-101", self.world.pbx.sip_port, SITI, port))

    def asks(self) -> None:
        """The customer asks to be called back, and is let go."""
        self.phone.ended.clear()
        assert self.phone.call("123") == 200
        self.phone.answered.clear()  # from now on it is by us that it is called
        self.phone.press("8")
        assert self.phone.hears(CORRECT, within=30)
        self.phone.press("1")
        assert self.phone.ended.wait(10), "there is nothing more to say"
        self.phone.ended.clear()

    def callbacks(self) -> list[CallbackRow]:
        """As the journal has them, the newest first."""
        with CallbackList(self.world.journal_url) as found:
            return found.last(100)

    def until(self, status: CallbackStatus) -> CallbackRow:
        """The newest callback, once it has come to this."""
        eventually(
            lambda: bool(rows := self.callbacks()) and rows[0].status is status, 30, f"{status}"
        )
        return self.callbacks()[0]

    def placed(self, row: CallbackRow) -> CallRow:
        """The call of the latest attempt, once it has ended."""
        calls = eventually(
            lambda: [c for c in self.world.calls() if c.call_id == row.last_call_id and c.outcome],
            15,
            "the call's end",
        )
        return calls[0]


def test_who_asked_is_called_after_a_crash_and_a_busy_line_and_talks_with_the_agent(
    make_world: Callable[..., World],
) -> None:
    with House.open(make_world) as house:
        world, phone = house.world, house.phone
        house.asks()
        (visit,) = world.ended(1)
        assert (visit.outcome, visit.reason) == (Result.RELEASED, Reason.CALLBACK)
        assert world.seats() == 0
        world.app.kill()
        world.app.wait()
        world.start_app()
        phone.refusal = "486 Busy Here"
        agent = house.agent()
        assert agent.answered.wait(20)
        eventually(lambda: house.callbacks()[0].result is CallbackResult.BUSY, 15, "a busy line")
        phone.refusal = ""
        assert phone.answered.wait(20)
        assert phone.hears(GREETING, within=5)
        assert agent.hears(CUSTOMER, within=10)
        assert phone.hears(SITI)
        assert world.seats() == 1
        time.sleep(1)  # so that there is something to hear in the recording
        phone.hang_up()
        row = house.until(CallbackStatus.REACHED)
        assert row.result is CallbackResult.TALKED
        assert row.attempts >= 2
        call = house.placed(row)
        assert (call.outcome, call.direction) == (Result.ANSWERED, Direction.OUTBOUND)
        assert (call.regarding, call.queue, call.queued_at) == (visit.call_id, "gangguan", None)
        assert call.notice_heard_at
        (offer,) = world.offers(call)
        assert offer.result is OfferResult.ANSWERED
        customer, at_agent = channels(world.recording(call))
        assert seconds_of_tone(customer, CUSTOMER) > 0.3
        assert seconds_of_tone(at_agent, SITI) > 0.3
        world.settled()


def test_customer_first_nobody_who_does_not_press_meets_an_agent(
    make_world: Callable[..., World],
) -> None:
    env = {"CALLBACKS__FIRST": "customer", "CALLBACKS__ATTEMPTS": "1"}
    with House.open(make_world, **env) as house:
        world, phone = house.world, house.phone
        house.asks()
        agent = house.agent()
        assert phone.answered.wait(20)
        row = house.until(CallbackStatus.UNREACHED)
        assert row.result is CallbackResult.MACHINE
        assert not agent.answered.is_set()
        call = house.placed(row)
        assert (call.outcome, call.reason) == (Result.UNREACHED, Reason.MACHINE)

        house.asks()
        assert phone.answered.wait(20)
        assert phone.hears(PRESS, within=5)
        phone.press("1")
        assert agent.hears(CUSTOMER, within=20)
        phone.hang_up()
        row = house.until(CallbackStatus.REACHED)
        assert house.placed(row).place_at == row.place_at
        world.settled()


def test_who_wished_it_hears_that_power_is_back_and_may_say_that_it_is_not(
    make_world: Callable[..., World],
) -> None:
    with House.open(make_world) as house:
        world, phone = house.world, house.phone
        assert phone.call("123") == 200
        phone.answered.clear()
        phone.press("1")
        assert phone.hears(ASK, within=30)
        phone.press(f"{IDPEL}#")
        phone.press("1")
        assert phone.hears(CALL_ME, within=30)
        phone.press("1")
        assert phone.ended.wait(20)
        api = Api(world)
        assert api.ask("POST", "/outages/restorations", {"areas": ["all"]}) == {"restored": 1}
        assert phone.answered.wait(15)
        assert phone.hears(STILL_OUT, within=10)
        phone.press("1")
        row = house.until(CallbackStatus.REACHED)
        assert row.result is CallbackResult.REOPENED
        call = house.placed(row)
        assert (call.outcome, call.reason) == (Result.RELEASED, Reason.INFORMED)
        eventually(
            lambda: world.metric("pln_ivr_outage_reports_open", area="all") == 1, 15, "reopening"
        )
        world.settled()
