"""Reports on their way to the field: signed, once, and none lost while nobody takes them."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.config import load
from pln_ivr.dispatch.delivery import FIRST_DELAY, LONGEST_DELAY, Verdict, delay, judge, signature
from pln_ivr.dispatch.sender import AT_ONCE, Receiver, Sender
from pln_ivr.errors import ConfigError, EntryError
from pln_ivr.journal.dispatches import Dispatches, DispatchRow, Outbox
from pln_ivr.journal.outages import ReportBook, ReportRules
from tests.databases import Database
from tests.unit.pronouncing import prepare
from tests.unit.receiver import SECRET, field_dispatch
from tests.unit.running import Run
from tests.unit.test_outage_reports import HOUR, MINUTE, NOON, report

GIVE_UP = 24 * HOUR
RULES = ReportRules(GIVE_UP, cluster_reports=3, cluster_within=30 * MINUTE, dispatched=True)


@pytest.fixture
def url(database: Database) -> str:
    return prepare(database.url)


@pytest.fixture
def book(url: str) -> Iterator[ReportBook]:
    with ReportBook(url, RULES) as made:
        yield made


def rows(url: str, dead: bool = False) -> list[DispatchRow]:
    with Dispatches(url) as dispatches:
        return dispatches.last(1000, dead)


class Sending:
    """A sender whose clock is set by hand."""

    def __init__(
        self, url: str, target: str, session: aiohttp.ClientSession, outbox: Outbox
    ) -> None:
        self.now = NOON
        self.verdicts: Counter[Verdict] = Counter()
        self._session = session
        self._outbox = outbox
        receiver = Receiver(target, SECRET, 0.2, GIVE_UP)
        self.sender = Sender(
            url, receiver, lambda v: self.verdicts.update([v]), lambda: self.now, lambda: 0.5
        )

    async def round(self) -> int:
        """Try all that is due now."""
        tried = 0
        while count := await self.sender.deliver_due(self._outbox, self._session):
            tried += count
        return tried


@asynccontextmanager
async def sending(url: str, target: str) -> AsyncIterator[Sending]:
    timeout = aiohttp.ClientTimeout(total=0.2)
    with Outbox(url) as outbox:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield Sending(url, target, session, outbox)


async def test_reports_and_clusters_are_told_once_and_signed(url: str, book: ReportBook) -> None:
    for number in (1, 2, 3, 3):
        book.register(report(number))
    async with field_dispatch() as there, sending(url, there.url) as s:
        assert await s.round() == 4
        assert await s.round() == 0
        assert (s.sender.waiting, s.sender.dead, there.forged) == (0, 0, 0)
        kinds = Counter(body["kind"] for body in there.told.values())
        assert kinds == {"outage_report": 3, "outage_cluster": 1}
        told = next(body for body in there.told.values() if body["customer"] == f"{1:012}")
        assert (told["area"], told["caller"]) == ("Bandung", "08123456")
        assert datetime.fromisoformat(told["reported_at"]) == NOON
        cluster = next(body for body in there.told.values() if body["kind"] == "outage_cluster")
        assert (cluster["area"], cluster["reports"]) == ("Bandung", 3)
    assert {row.state for row in rows(url)} == {"delivered"}


async def test_nothing_is_lost_while_the_receiver_is_away_for_an_hour(
    url: str, book: ReportBook
) -> None:
    """It answers 500, takes some and answers 500 all the same, hangs, and is not there at all."""
    async with field_dispatch() as there, sending(url, there.url) as s:
        for minute in range(60):
            s.now = NOON + minute * MINUTE
            there.answer = 500
            there.takes_first = 20 <= minute < 25
            there.hangs = minute in (30, 31)
            if minute < 20:
                book.register(report(minute, s.now))
            await s.round()
        assert s.sender.waiting == 21
        assert s.sender.dead == 0
        assert s.verdicts.keys() == {Verdict.FAILED}
        attempts = {row.dispatch_id: row.attempts for row in rows(url)}
        assert max(attempts.values()) <= 24, "it is not run down while it is ill"
        there.answer, there.takes_first = 200, False
        for minute in range(60, 66):
            s.now = NOON + minute * MINUTE
            await s.round()
        assert (s.sender.waiting, s.sender.dead) == (0, 0)
        customers = sorted(body.get("customer", "") for body in there.told.values())
        assert customers == ["", *(f"{number:012}" for number in range(20))]
        assert there.came.keys() == attempts.keys(), "a new key would be a new report"


async def test_a_receiver_that_is_not_there_is_waited_for(url: str, book: ReportBook) -> None:
    book.register(report(1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        async with sending(url, f"http://127.0.0.1:{taken.getsockname()[1]}/") as s:
            await s.round()
    (row,) = rows(url)
    assert (row.state, row.attempts) == ("waiting", 1)
    assert row.error
    assert row.error.startswith("no connection: ")
    assert row.due_at == NOON + FIRST_DELAY * 0.75


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
async def test_what_the_receiver_will_never_take_is_a_dead_letter_and_can_be_retried(
    url: str, book: ReportBook, status: int
) -> None:
    book.register(report(1))
    async with field_dispatch() as there, sending(url, there.url) as s:
        there.answer = status
        await s.round()
        assert (s.sender.waiting, s.sender.dead) == (0, 1)
        (row,) = rows(url, dead=True)
        assert (row.state, row.error) == ("dead", f"HTTP {status}")
        s.now += HOUR
        assert await s.round() == 0
        there.answer = 200
        with Outbox(url) as outbox:
            assert outbox.retry([row.dispatch_id], s.now) == 1
            with pytest.raises(EntryError, match="is no dead letter"):
                outbox.retry([row.dispatch_id], s.now)
        assert await s.round() == 1
        assert list(there.told) == [row.dispatch_id]


async def test_after_a_day_in_vain_it_is_a_dead_letter(url: str, book: ReportBook) -> None:
    book.register(report(1))
    async with field_dispatch() as there, sending(url, there.url) as s:
        there.answer = 503
        for hours in (0, 12, 23):
            s.now = NOON + hours * HOUR
            await s.round()
        assert s.sender.dead == 0
        s.now = NOON + GIVE_UP
        await s.round()
        assert (s.sender.waiting, s.sender.dead) == (0, 1)


async def test_an_attempt_that_died_with_its_program_is_made_again(
    url: str, book: ReportBook
) -> None:
    book.register(report(1))
    with Outbox(url) as outbox:
        (taken,) = outbox.take(NOON, 10, MINUTE)
        assert outbox.take(NOON + 59 * timedelta(seconds=1), 10, MINUTE) == [], "it is on its way"
        (again,) = outbox.take(NOON + MINUTE, 10, MINUTE)
    assert (again.dispatch_id, again.attempts) == (taken.dispatch_id, 2)


async def test_many_are_sent_a_few_at_a_time(url: str, book: ReportBook) -> None:
    for number in range(3 * AT_ONCE):
        book.register(report(number, area=f"Area {number}"))
    with Outbox(url) as outbox:
        assert len(outbox.take(NOON, AT_ONCE, MINUTE)) == AT_ONCE
        assert outbox.counts() == (3 * AT_ONCE, 0)


async def test_it_runs_until_it_is_told_to_stop(url: str, book: ReportBook) -> None:
    async with field_dispatch() as there:
        sender = Sender(url, Receiver(there.url, SECRET, 1.0, GIVE_UP), lambda _: None)
        task = asyncio.create_task(sender.run())
        book.register(report(1, datetime.now(UTC)))
        async with asyncio.timeout(10):
            while not there.told or sender.waiting:  # noqa: ASYNC110 (a real clock)
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    nobody = Sender(url, Receiver("", "", 1.0, GIVE_UP), lambda _: None)
    async with asyncio.timeout(1):
        await nobody.run()


def test_without_a_receiver_nothing_is_kept_for_it(url: str) -> None:
    with ReportBook(url, ReportRules(GIVE_UP, 2, HOUR)) as quiet:
        for number in range(3):
            quiet.register(report(number))
    assert rows(url) == []


# -- pure ------------------------------------------------------------------------------------------


def test_a_signature_that_the_documentation_shows() -> None:
    readme = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    shown = signature("contoh-rahasia-dispatch", "1764147600", b'{"kind":"outage_report"}')
    assert shown in readme


@given(st.integers(1, 1000), st.floats(0, 1))
def test_pauses_grow_to_a_bound_and_are_never_all_the_same(attempts: int, chance: float) -> None:
    pause = delay(attempts, lambda: chance)
    assert FIRST_DELAY / 2 <= pause <= LONGEST_DELAY
    assert pause <= delay(attempts + 1, lambda: chance)
    assert delay(attempts, lambda: 0.0) * 2 == delay(attempts, lambda: 1.0)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *[(200, Verdict.DELIVERED), (202, Verdict.DELIVERED), (None, Verdict.FAILED)],
        *[(500, Verdict.FAILED), (503, Verdict.FAILED), (429, Verdict.FAILED)],
        *[(408, Verdict.FAILED), (302, Verdict.REFUSED), (404, Verdict.REFUSED)],
    ],
)
def test_what_an_answer_means(status: int | None, verdict: Verdict) -> None:
    assert judge(status, GIVE_UP - MINUTE, GIVE_UP) is verdict
    late = judge(status, GIVE_UP, GIVE_UP)
    assert late is (Verdict.GIVEN_UP if verdict is Verdict.FAILED else verdict)


def test_a_receiver_needs_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "pln_ivr.toml"
    file.write_text('[dispatch]\nurl = "https://lapangan.example/reports"\nsecret = "kurang"\n')
    with pytest.raises(ConfigError) as error:
        load(file)
    assert "dispatch: " in str(error.value)
    assert "needs a secret of 16 characters" in str(error.value)
    assert "kurang" not in str(error.value)


# -- the command line ----------------------------------------------------------------------------


def test_dead_letters_are_listed_and_retried(pln_ivr: Run, tmp_path: Path) -> None:
    url = prepare(f"sqlite:///{tmp_path}/journal.db")
    with ReportBook(url, RULES) as book, Outbox(url) as outbox:
        book.register(report(1))
        book.register(report(2))
        (one, _) = outbox.take(NOON, 10, MINUTE)
        outbox.dead(one.dispatch_id, NOON, "HTTP 404")
    listed = pln_ivr(tmp_path, "dispatch", "list")
    assert listed.stdout.count("outage_report") == 2
    assert f"{1:012}" not in listed.stdout, "whose report it is stands in the journal"
    dead = pln_ivr(tmp_path, "dispatch", "list", "--dead")
    assert one.dispatch_id in dead.stdout
    assert "HTTP 404" in dead.stdout
    assert dead.stdout.count("outage_report") == 1
    for wrong in ([], ["--all", one.dispatch_id]):
        refused = pln_ivr(tmp_path, "dispatch", "retry", *wrong)
        assert refused.returncode == 2
        assert "give ids of dead letters, or --all" in refused.stderr
    unknown = pln_ivr(tmp_path, "dispatch", "retry", "x")
    assert (unknown.returncode, "x is no dead letter" in unknown.stderr) == (1, True)
    retried = pln_ivr(tmp_path, "dispatch", "retry", one.dispatch_id)
    assert (retried.returncode, retried.stdout) == (0, "1 will be tried again\n")
    assert rows(url, dead=True) == []
