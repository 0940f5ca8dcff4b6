"""Bills: what is asked and what is made of the answers, and how an amount is said."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.bills import lookup
from pln_ivr.bills.answer import FAILURES, LARGEST, PAUSE_SECONDS, Bill, Circuit, read_answer
from pln_ivr.bills.lookup import Bills, Source, Verdict
from pln_ivr.calls.dialogues.amounts import MONTHS, MOST, NUMBERS, spoken_date, spoken_number
from pln_ivr.calls.dialogues.bill_words import PROMPTS, words_of
from pln_ivr.calls.prompt_files import load_texts
from pln_ivr.config import load
from pln_ivr.errors import ConfigError, LookupFailed
from tests.unit.bill_server import TOKEN, Answer, BillServer, bill_server

CUSTOMER, OTHER = "512345678901", "512345678902"
TEXTS = Path(__file__).parents[2] / "asterisk-conf/prompts"


class Looking:
    """A lookup whose clock is set by hand."""

    def __init__(self, url: str, token: str = TOKEN, at_once: int = 5) -> None:
        self.now = 100.0
        self.verdicts: Counter[Verdict] = Counter()
        source = Source(url, token, seconds=0.3, at_once=at_once, remembered_seconds=60.0)
        self.bills = Bills(source, lambda v: self.verdicts.update([v]), lambda: self.now)

    async def fails(self) -> str:
        with pytest.raises(LookupFailed) as error:
            await self.bills.of(CUSTOMER)
        return str(error.value)


@asynccontextmanager
async def looking(url: str, **options: int | str) -> AsyncIterator[Looking]:
    made = Looking(url, **options)  # type: ignore[arg-type]
    task = asyncio.create_task(made.bills.run())
    await asyncio.sleep(0)
    try:
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def server() -> AsyncIterator[BillServer]:
    async with bill_server() as made:
        yield made


async def test_a_bill_is_told_and_remembered_for_a_while(server: BillServer) -> None:
    server.bills[CUSTOMER] = {"amount": 125000, "due": "2026-12-20", "period": "2026-11"}
    async with looking(server.url) as w:
        for _ in range(3):
            assert await w.bills.of(CUSTOMER) == Bill(125000, date(2026, 12, 20))
        assert server.asked == 1
        server.bills[CUSTOMER] = {"amount": 125000, "paid": True}
        w.now += 61
        assert await w.bills.of(CUSTOMER) == Bill(0)
        assert w.verdicts == {Verdict.TOLD: 2, Verdict.REMEMBERED: 2}


async def test_an_unknown_customer_is_no_failure_and_is_asked_for_again(server: BillServer) -> None:
    async with looking(server.url) as w:
        for _ in range(FAILURES + 2):
            assert await w.bills.of(CUSTOMER) is None
        assert w.verdicts == {Verdict.UNKNOWN: FAILURES + 2}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(500, "HTTP 500", id="500"),
        pytest.param(302, "HTTP 302", id="a redirection"),
        pytest.param(b"<html>", "not a bill", id="no JSON"),
        pytest.param(b"\xff\xfe", "not a bill", id="no text"),
        pytest.param({}, "not a bill", id="no amount"),
        pytest.param({"amount": "125000"}, "not a bill", id="a text for a number"),
        pytest.param({"amount": 12.5}, "not a bill", id="a part of a rupiah"),
        pytest.param({"amount": -1}, "not a bill", id="less than nothing"),
        pytest.param({"amount": LARGEST + 1}, "not a bill", id="more than can be said"),
        pytest.param({"amount": 1, "due": "2026-02-30"}, "not a bill", id="an impossible date"),
        pytest.param(b"[" * 20_000, "more than", id="without end"),
    ],
)
async def test_what_is_no_bill_is_refused_without_saying_what_it_was(
    server: BillServer, answer: Answer, why: str
) -> None:
    server.bills[CUSTOMER] = answer
    async with looking(server.url) as w:
        told = await w.fails()
        assert why in told
        assert "125000" not in told
        assert w.verdicts == {Verdict.FAILED: 1}


async def test_a_wrong_token_a_stall_and_no_server_fail_in_time(server: BillServer) -> None:
    async with looking(server.url, token="another") as w:
        assert await w.fails() == "HTTP 401"
    server.stalls = True
    async with looking(server.url) as w:
        assert await w.fails() == "no answer within 0.3 s"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{{customer}}"
        async with looking(url) as w:
            assert (await w.fails()).startswith("no answer: Client")
    assert "nobody is asked" in await Looking(server.url).fails()


async def test_a_server_that_fails_is_left_alone_for_a_while(server: BillServer) -> None:
    server.bills[CUSTOMER] = 500
    async with looking(server.url) as w:
        for _ in range(FAILURES + 3):
            await w.fails()
        assert server.asked == FAILURES
        w.now += PAUSE_SECONDS
        await w.fails()
        await w.fails()
        assert server.asked == FAILURES + 1, "one was tried"
        server.bills[CUSTOMER] = {"amount": 1}
        w.now += PAUSE_SECONDS
        assert await w.bills.of(CUSTOMER) == Bill(1)
        server.bills[OTHER] = {"amount": 2}
        assert await w.bills.of(OTHER) == Bill(2)
        assert w.verdicts[Verdict.SPARED] == 4


async def test_no_more_than_so_many_are_asked_for_at_once(server: BillServer) -> None:
    server.bills = {str(n): {"amount": n} for n in range(40)}
    async with looking(server.url, at_once=3) as w:
        told = await asyncio.gather(*(w.bills.of(str(n)) for n in range(40)))
        assert told == [Bill(n) for n in range(40)]
        assert server.most_at_once == 3


async def test_no_more_than_so_many_are_remembered(
    server: BillServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "MOST_REMEMBERED", 2)
    server.bills = {str(n): {"amount": n + 1} for n in range(3)}
    async with looking(server.url) as w:
        for n in (0, 1, 2, 2, 1, 0):
            await w.bills.of(str(n))
        assert w.verdicts == {Verdict.TOLD: 4, Verdict.REMEMBERED: 2}


def test_the_circuit_lets_one_in_after_each_pause() -> None:
    circuit = Circuit()
    for _ in range(FAILURES):
        assert circuit.admits(0.0)
        circuit.told(True, 0.0)
    assert not circuit.admits(PAUSE_SECONDS - 1)
    assert [circuit.admits(PAUSE_SECONDS) for _ in range(3)] == [True, False, False]
    circuit.told(False, PAUSE_SECONDS)
    assert circuit.admits(PAUSE_SECONDS)


@given(st.binary(max_size=200), st.integers(100, 599))
def test_no_answer_breaks_the_reading(body: bytes, status: int) -> None:
    with suppress(LookupFailed):
        bill = read_answer(status, body)
        assert bill is None or 0 <= bill.amount <= LARGEST


# -- how it is said ------------------------------------------------------------------------

VALUES = {f"digit-{n}": n for n in range(10)} | {f"number-{n}": n for n in range(10, 20)}
VALUES |= {f"number-{n}": n for n in range(20, 100, 10)} | {"number-100": 100, "number-1000": 1000}
UNITS = {"number-hundred": 100, "number-thousand": 10**3}
UNITS |= {"number-million": 10**6, "number-billion": 10**9}


def heard(words: tuple[str, ...]) -> int:
    """What a listener makes of a spoken number."""
    total = group = 0
    for word in words:
        if word == "number-1000":
            total += 1000
        elif word == "number-hundred":
            group *= 100
        elif word in UNITS:
            total, group = total + group * UNITS[word], 0
        else:
            group += VALUES[word]
    return total + group


@given(st.integers(0, MOST))
def test_a_listener_hears_the_number_that_was_meant(number: int) -> None:
    words = spoken_number(number)
    assert heard(words) == number
    assert set(words) <= set(NUMBERS)
    assert len(words) <= 19


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "nol"),
        (100, "seratus"),
        (111, "seratus sebelas"),
        (1_000, "seribu"),
        (1_125, "seribu seratus dua puluh lima"),
        (21_000, "dua puluh satu ribu"),
        (125_500, "seratus dua puluh lima ribu lima ratus"),
        (1_000_000, "satu juta"),
        (2_001_019, "dua juta seribu sembilan belas"),
        (1_000_000_000, "satu miliar"),
    ],
)
def test_amounts_in_indonesian(number: int, said: str) -> None:
    texts = load_texts(TEXTS / "id.toml").texts
    assert " ".join(texts[word] for word in spoken_number(number)) == said


def test_what_cannot_be_said_is_refused() -> None:
    for number in (-1, MOST + 1):
        with pytest.raises(ValueError, match="said"):
            spoken_number(number)


def test_a_bill_is_said_with_its_day() -> None:
    texts = load_texts(TEXTS / "en.toml", "en").texts
    said = " ".join(texts[word] for word in words_of(Bill(15_000, date(2026, 8, 17))))
    assert said == (
        "Your electricity bill is fifteen thousand rupiah. It is due on seventeen August"
    )
    assert words_of(Bill(7)) == ("bill-amount", "digit-7", "bill-rupiah")
    assert words_of(Bill(0, date(2026, 8, 17))) == ("bill-paid",)


@given(st.dates())
def test_all_that_is_said_has_its_prompts(day: date) -> None:
    assert {*words_of(Bill(MOST, day)), *spoken_date(day), *words_of(Bill(0))} <= set(PROMPTS)
    assert set(MONTHS) <= set(PROMPTS)


@pytest.mark.parametrize("file", ["id.toml", "en.toml"])
def test_both_languages_have_them(file: str) -> None:
    assert set(PROMPTS) <= load_texts(TEXTS / file, file.removesuffix(".toml")).texts.keys()


# -- settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('url = "https://bills.test/"', "bill.url"),
        ('url = "ftp://bills.test/{customer}"', "bill.url"),
        ('url = "https://bills.test/{number}/{customer}"', "bill.url"),
        ("seconds = 11", "bill.seconds"),
        ("at_once = 0", "bill.at_once"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "pln.toml"
    file.write_text(f"[bill]\n{text}\n")
    with pytest.raises(ConfigError, match=fault):
        load(file)


def test_a_menu_with_bills_needs_somebody_to_ask(tmp_path: Path) -> None:
    file = tmp_path / "pln.toml"
    menu = '[menu.menus.utama]\nprompt = "menu-tagihan"\n[menu.menus.utama.keys]\n'
    menu += '1 = { do = "bill" }\n0 = { do = "agent" }\n'
    file.write_text(menu)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(error.value) == (
        f"{file}: menu.menus.utama.keys.1: bill needs bill.url, where bills are looked up"
    )
    file.write_text(menu + '[bill]\nurl = "https://bills.test/{customer}"\n')
    assert load(file).bill.url
