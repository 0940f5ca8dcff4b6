"""The journal on SQLite and on PostgreSQL: nothing lost, nothing twice, nothing in the way."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
import uuid_utils
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pln_ivr.errors import JournalError
from pln_ivr.journal import (
    AgentStateRow,
    CallRow,
    JournalReader,
    Limits,
    OfferRow,
    Row,
    open_journal,
    schema,
    tables,
)
from pln_ivr.outcomes import MenuEnd, OfferResult, Reason, Result, Stage
from tests.databases import Database, Server

NOON = datetime(2026, 11, 23, 5, 0, 0, 123456, tzinfo=UTC)
QUICK = Limits(batch_seconds=0.01)


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = error

    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


def call(call_id: str = "c1", sequence: int = 1, **changes: Any) -> CallRow:
    row = CallRow(
        call_id=call_id,
        sequence=sequence,
        node="pln-1",
        incarnation="i1",
        channel_id=f"ch-{call_id}",
        caller="+6281234567890",
        dialled="123",
        stage=Stage.NOTICE,
        started_at=NOON,
    )
    return dataclasses.replace(row, **changes)


def offer(offer_id: str, call_id: str = "c1", **changes: Any) -> OfferRow:
    row = OfferRow(
        offer_id=offer_id,
        call_id=call_id,
        sequence=1,
        node="pln-1",
        queue="gangguan",
        agent="101",
        offered_at=NOON,
    )
    return dataclasses.replace(row, **changes)


def state(change_id: str, agent: str, word: str, minute: int, sequence: int = 1) -> AgentStateRow:
    return AgentStateRow(
        change_id=change_id,
        sequence=sequence,
        node="pln-1",
        agent=agent,
        state=word,
        reason="code",
        changed_at=NOON + timedelta(minutes=minute),
    )


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is another thread's
            await asyncio.sleep(0.005)


async def test_round_trip(url: str) -> None:
    later = NOON + timedelta(seconds=11)
    jakarta = timezone(timedelta(hours=7))
    full = call(
        stage=Stage.ENDED,
        answered_at=NOON,
        notice_heard_at=later,
        menu_at=later,
        menu_path="english/tagihan",
        menu_end=MenuEnd.CHOSEN,
        language="en",
        queued_at=later,
        place_at=later,
        offered_at=later,
        talking_at=later,
        ended_at=later.astimezone(jakarta),
        queue="gangguan",
        agent="101",
        recording="2026/11/23/c1/c1.raw",
        recording_seconds=61.25,
        outcome=Result.ANSWERED,
        reason=Reason.CALLER_HUNG_UP,
        cause=16,
    )
    second = offer("o2", offered_at=later, ringing_at=later, result=OfferResult.ANSWERED)
    first = offer("o1", ended_at=later, result=OfferResult.MISSED)
    rows: list[Row] = [full, call("c2", started_at=later), second, first, offer("o3", "c2")]
    rows += [state("s1", "101", "ready", 0), state("s2", "101", "away", 1)]
    rows += [state("s3", "102", "ready", 0), state("s4", "102", "away", 0, sequence=2)]
    async with open_journal(url, log=Log(), limits=QUICK) as journal:
        for row in rows:
            journal.write(row)
    assert journal.written == len(rows)
    with JournalReader(url) as reader:
        assert reader.call("c1") == full
        read = reader.call("c1")
        assert read is not None
        assert read.ended_at is not None
        assert read.ended_at.tzinfo is UTC
        assert type(read.outcome) is Result
        assert type(read.menu_end) is MenuEnd
        assert reader.call("c9") is None
        assert [row.call_id for row in reader.last_calls(5)] == ["c2", "c1"]
        assert [row.call_id for row in reader.last_calls(1)] == ["c2"]
        assert reader.offers_of("c1") == [first, second]
        assert [(s.agent, s.state) for s in reader.agent_states()] == [
            ("101", "away"),
            ("102", "away"),
        ]


async def test_waiting_versions_of_a_row_become_one(url: str) -> None:
    log = Log()
    async with open_journal(url, log=log, limits=Limits(batch_seconds=30)) as journal:
        for sequence in (1, 3, 2, 3):
            journal.write(call(sequence=sequence, cause=sequence))
        assert journal.backlog == 1
    assert (journal.written, journal.backlog, journal.overflowed) == (1, 0, 0)
    with JournalReader(url) as reader:
        assert reader.last_calls(9) == [call(sequence=3, cause=3)]


async def test_an_older_version_arriving_late_changes_nothing(url: str) -> None:
    async with open_journal(url, log=Log(), limits=QUICK) as journal:
        for sequence in (2, 1, 2):
            journal.write(call(sequence=sequence, cause=sequence))
            await until(lambda: journal.backlog == 0)
    with JournalReader(url) as reader:
        assert reader.last_calls(9) == [call(sequence=2, cause=2)]


async def test_reads_while_it_writes(url: str) -> None:
    async with open_journal(url, log=Log(), limits=QUICK) as journal:
        with JournalReader(url) as reader:
            assert reader.last_calls(1) == []
            journal.write(call())
            await until(lambda: journal.written == 1)
            assert reader.last_calls(1) == [call()]


async def test_a_full_batch_does_not_wait(url: str) -> None:
    limits = Limits(batch_rows=50, batch_seconds=60)
    async with open_journal(url, log=Log(), limits=limits) as journal:
        for number in range(50):
            journal.write(call(f"c{number}"))
        await until(lambda: journal.written == 50)


async def test_a_locked_database_loses_nothing(database: Database, url: str) -> None:
    log = Log()
    async with open_journal(url, log=log, limits=QUICK) as journal:
        with database.locked():
            for number in range(700):
                journal.write(call(f"c{number}"))
            await until(lambda: journal.failing)
            journal.write(call("c0", 2, cause=16))
            journal.write(call("new"))
            assert journal.backlog == 702  # c0's first version is in the thread's hands
        await until(lambda: journal.backlog == 0)
        assert not journal.failing
    assert (journal.written, journal.overflowed) == (702, 0)
    assert log.events() == ["journal is away", "journal is back"]
    with JournalReader(url) as reader:
        assert len(reader.last_calls(1000)) == 701
        assert reader.call("c0") == call("c0", 2, cause=16)


async def test_a_table_that_goes_and_comes_back(database: Database, url: str) -> None:
    async with open_journal(url, log=Log(), limits=QUICK) as journal:
        database.execute("ALTER TABLE calls RENAME TO gone")
        journal.write(offer("o1"))
        journal.write(call())
        await until(lambda: journal.failing)
        database.execute("ALTER TABLE gone RENAME TO calls")
        await until(lambda: journal.backlog == 0)
    assert (journal.written, journal.overflowed) == (2, 0)


async def test_overflow_is_logged_counted_and_does_not_block(database: Database, url: str) -> None:
    log = Log()
    limits = Limits(bound=10, batch_seconds=0.01, flush_seconds=5)
    async with open_journal(url, log=log, limits=limits) as journal:
        with database.locked():
            began = time.perf_counter()
            for number in range(15):
                journal.write(call(f"c{number}"))
            assert time.perf_counter() - began < 0.5  # the database would wait for a second
            assert (journal.backlog, journal.overflowed) == (10, 5)
    assert (journal.written, journal.overflowed) == (10, 5)
    lost = [fields for event, fields in log.lines if event == "journal overflow"]
    assert [fields["row"]["call_id"] for fields in lost] == [f"c{n}" for n in range(10, 15)]
    text = json.dumps(lost)
    assert "81234567" not in text
    assert lost[0]["row"]["started_at"] == NOON.isoformat()
    assert lost[0]["table"] == "calls"


async def test_what_misses_the_deadline_of_the_end_is_logged(database: Database, url: str) -> None:
    log = Log()
    limits = Limits(batch_seconds=0.01, flush_seconds=0.2)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(open_journal(url, log=log, limits=limits))
        with database.locked():
            for number in range(5):
                journal.write(call(f"c{number}"))
            await until(lambda: journal.failing)
            journal.write(call("c5"))
            began = time.perf_counter()
            await stack.aclose()
            assert time.perf_counter() - began < 1.0
            journal.write(call("after"))
    assert (journal.written, journal.overflowed, journal.backlog) == (0, 7, 0)
    assert log.events().count("journal not flushed") == 6
    assert log.events()[-1] == "journal overflow"


async def test_cancelling_cuts_the_flush_short_and_logs_the_rest(
    database: Database, url: str
) -> None:
    log = Log()
    inside = asyncio.Event()

    async def run() -> None:
        async with open_journal(url, log=log, limits=QUICK) as journal:
            with database.locked():
                journal.write(call())
                await until(lambda: journal.failing)
                inside.set()
                try:
                    await asyncio.sleep(60)
                finally:  # cancelled again in the flush, while the database is locked
                    asyncio.get_running_loop().call_later(0.1, task.cancel)
                    await journal.close()

    task = asyncio.create_task(run())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "journal not flushed" in log.events()


async def test_one_bad_row_does_not_hold_up_the_others(url: str) -> None:
    log = Log()
    async with open_journal(url, log=log, limits=QUICK) as journal:
        journal.write(call("good"))
        journal.write(call("naive", started_at=NOON.replace(tzinfo=None)))
        journal.write(call("huge", sequence=2**70))
        journal.write(call("null", node=None))
        journal.write(call("fine"))
    assert (journal.written, journal.overflowed) == (2, 3)
    assert log.events() == ["journal refused a row"] * 3
    with JournalReader(url) as reader:
        assert {row.call_id for row in reader.last_calls(9)} == {"good", "fine"}


async def test_a_broken_logger_does_not_reach_the_call(url: str) -> None:
    class Broken(Log):
        def error(self, event: str, **fields: Any) -> None:
            raise OSError("no space left")

        warning = error

    limits = Limits(bound=0, flush_seconds=1)
    async with open_journal(url, log=Broken(), limits=limits) as journal:
        journal.write(call())
    assert journal.overflowed == 1


async def test_nodes_that_start_at_once_make_one_journal(url: str) -> None:
    async with AsyncExitStack() as stack:
        nodes = [stack.enter_async_context(open_journal(url, log=Log())) for _ in range(3)]
        for number, journal in enumerate(await asyncio.gather(*nodes)):
            journal.write(call(f"c{number}"))
    with JournalReader(url) as reader:
        assert len(reader.last_calls(9)) == 3


async def test_opens_again_what_it_made(url: str) -> None:
    for number in range(2):
        async with open_journal(url, log=Log(), limits=QUICK) as journal:
            journal.write(call(f"c{number}"))
    with JournalReader(url) as reader:
        assert len(reader.last_calls(9)) == 2


async def test_a_server_without_an_encoding_keeps_every_word(server: Server) -> None:
    """SQL_ASCII is what initdb makes where no locale is set."""
    database = server.database(
        "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    async with open_journal(database.url, log=Log(), limits=QUICK) as journal:
        journal.write(call("c1", queue="Jalan Énergi"))
    with JournalReader(database.url) as reader:
        (row,) = reader.last_calls(1)
    assert row.queue == "Jalan Énergi"
    server.drop(database)


def test_migrations_from_empty_make_the_tables_of_the_code(url: str) -> None:
    engine = schema.create_engine(schema.parse_url(url))
    schema.upgrade(engine)
    schema.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_a_journal_that_is_up_to_date_is_opened_without_alembic(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = schema.create_engine(schema.parse_url(url))
    schema.upgrade(engine)
    monkeypatch.setitem(sys.modules, "pln_ivr.journal.migrating", None)
    schema.upgrade(engine)
    engine.dispose()


def test_the_program_starts_without_alembic() -> None:
    code = "import sys, pln_ivr.service; sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_failed_migration_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    engine = schema.create_engine(schema.parse_url(url))
    monkeypatch.setattr("alembic.op.create_index", fail)
    with pytest.raises(RuntimeError):
        schema.upgrade(engine)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


async def test_a_newer_database_is_refused(database: Database, url: str) -> None:
    async with open_journal(url, log=Log()):
        pass
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(JournalError, match=r"journal\.url: .* newer pln_ivr \(schema 9999\)"):
        async with open_journal(url, log=Log()):
            pass
    with pytest.raises(JournalError, match="newer"):
        JournalReader(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "not a database URL"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("oracle://u:secret@h/x", "not supported"),
        ("sqlite:////nowhere/at/all/journal.db", "/nowhere/at/all is not a folder"),
        ("sqlite:////dev", "cannot open sqlite:////dev for writing"),
        ("sqlite:////etc/hostname", "not a database"),
        ("postgresql+nodriver://u:secret@127.0.0.1:1/x", "driver"),
    ],
)
async def test_a_bad_url_is_one_clear_line(url: str, words: str) -> None:
    with pytest.raises(JournalError) as caught:
        async with open_journal(url, log=Log()):
            pass
    text = str(caught.value)
    assert text.startswith("journal.url: ")
    assert words in text
    assert "\n" not in text
    assert "secret" not in text


def test_reading_before_there_is_a_journal(url: str) -> None:
    with pytest.raises(JournalError, match=r"no journal (at|in) .* yet; pln-ivr serve creates it"):
        JournalReader(url)


VERSIONS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.booleans()), min_size=1, max_size=30
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(versions=VERSIONS)
def test_any_order_and_duplication_ends_in_the_highest(
    url: str, versions: list[tuple[str, int, bool]]
) -> None:
    async def scenario(again: str) -> None:
        limits = Limits(batch_rows=2, batch_seconds=0)
        async with open_journal(url, log=Log(), limits=limits) as journal:
            for name, sequence, let_it_be_stored in versions:
                journal.write(call(name + again, sequence, cause=sequence))
                if let_it_be_stored:
                    await asyncio.sleep(0.002)

    again = f"-{uuid_utils.uuid7()}"  # one database for all examples
    asyncio.run(scenario(again))
    highest: dict[str, int] = {}
    for name, sequence, _ in versions:
        highest[name + again] = max(sequence, highest.get(name + again, -1))
    with JournalReader(url) as reader:
        rows = [row for row in reader.last_calls(999) if row.call_id.endswith(again)]
        assert {row.call_id: row.sequence for row in rows} == highest
        assert all(row.cause == row.sequence for row in rows)
