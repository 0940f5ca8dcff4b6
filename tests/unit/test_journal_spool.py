"""Rows that wait on disk while the database is away: none is lost, none is twice."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pln_ivr.journal import CallRow, JournalReader, JournalWriter, Limits, Row, open_journal
from pln_ivr.journal.spool import Spool
from tests.databases import Database, Server
from tests.unit.test_journal import NOON, Log, call, offer, state, until

BOUND = 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def limits(folder: Path) -> Limits:
    return Limits(bound=BOUND, batch_seconds=0.01, flush_seconds=5.0, spool=folder)


def stored(url: str) -> dict[str, CallRow]:
    """All calls; as the id is the key, none can be there twice."""
    with JournalReader(url) as reader:
        return {row.call_id: row for row in reader.last_calls(100_000)}


async def room_in(journal: JournalWriter) -> None:
    """Wait as long as memory is full: its bound is tiny here."""
    await until(lambda: journal.backlog - journal.spooled < BOUND - 5)


def kept(folder: Path, name: str, content: str) -> None:
    folder.mkdir()
    (folder / name).write_text(content)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def files(folder: Path, ending: str = ".rows") -> list[Path]:
    return sorted(folder.glob(f"*{ending}"))


async def test_postgresql_stops_in_mid_run_and_nothing_is_lost_or_twice(
    server: Server, limits: Limits, folder: Path
) -> None:
    """Calls begin before, during and after the stop, and end in a second version of their row."""
    log, calls = Log(), 3000
    database = server.database()
    try:
        async with open_journal(database.url, log=log, limits=limits) as journal:
            for number in range(calls):
                if number == 500:
                    await until(lambda: journal.written > 100)
                    server.stop()
                journal.write(call(f"c{number}"))
                if number >= 100:
                    journal.write(call(f"c{number - 100}", 2, cause=16))
                await room_in(journal)
                if number == 2500:
                    await until(lambda: journal.spooled > 1000)
                    server.start()
            await until(lambda: not journal.backlog, 30)
            assert journal.overflowed == 0
        rows = stored(database.url)
        assert set(rows) == {f"c{number}" for number in range(calls)}
        ended = {row.call_id for row in rows.values() if (row.sequence, row.cause) == (2, 16)}
        assert ended == {f"c{number}" for number in range(calls - 100)}
        assert log.events()[0] == "journal is away"
        assert "journal is back" in log.events()
        assert files(folder) == []
    finally:
        server.stop()
        server.start()
        server.drop(database)


async def test_a_locked_database_sends_rows_to_disk_and_stored_waits_for_them(
    database: Database, url: str, limits: Limits, folder: Path
) -> None:
    async with open_journal(url, log=Log(), limits=limits) as journal:
        with database.locked():
            journal.write(call("first"))
            await until(lambda: journal.failing, 15)
            for number in range(3 * BOUND):
                await room_in(journal)
                journal.write(call(f"c{number}"))
            await until(lambda: journal.spooled > BOUND)
            assert journal.backlog == 3 * BOUND + 1
            assert not await journal.stored(0.2)
            (first, *_) = files(folder)
            assert (mode(folder), mode(first)) == (0o700, 0o600)
        assert await journal.stored(15.0)
        assert len(stored(url)) == 3 * BOUND + 1
    assert (journal.overflowed, files(folder)) == (0, [])


async def test_stored_means_that_no_file_waits_any_more(
    url: str, limits: Limits, folder: Path
) -> None:
    spool = Spool(folder, 2**20)
    for number in range(150):
        spool.put([call(f"c{number}")])
    async with open_journal(url, log=Log(), limits=limits) as journal:
        journal.write(call("new"))
        assert await journal.stored(30.0)
        assert journal.spooled == 0
        assert len(stored(url)) == 151


async def test_what_misses_the_deadline_of_the_end_is_stored_at_the_next_start(
    database: Database, url: str, limits: Limits, folder: Path
) -> None:
    log = Log()
    short = Limits(bound=BOUND, batch_seconds=0.01, flush_seconds=0.2, spool=folder)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(open_journal(url, log=log, limits=short))
        with database.locked():
            for row in (call("c1"), offer("o1"), state("s1", "101", "ready", 0)):
                journal.write(row)
            await stack.aclose()
    assert (journal.overflowed, journal.spooled) == (0, 3)
    assert log.events()[-1] == "journal spooled"
    async with open_journal(url, log=log, limits=limits) as journal:
        await until(lambda: not journal.backlog)
    with JournalReader(url) as reader:
        assert reader.last_calls(9) == [call("c1")]
        assert reader.offers_of("c1") == [offer("o1")]
        assert reader.agent_states() == [state("s1", "101", "ready", 0)]
    assert files(folder) == []


async def test_who_vanishes_leaves_the_rest_on_disk(
    database: Database, url: str, limits: Limits, folder: Path
) -> None:
    async with open_journal(url, log=Log(), limits=limits) as journal:
        with database.locked():
            journal.write(call("c1"))
            assert not await asyncio.to_thread(journal.store_now, 0.2)
            assert len(files(folder)) == 1


async def test_replayed_twice_or_late_it_changes_nothing(
    url: str, limits: Limits, folder: Path
) -> None:
    spool = Spool(folder, 2**20)
    spool.put([call("c1", 1), call("c2", 7, cause=7)])
    (file,) = files(folder)
    shutil.copy(file, folder / f"another-2{file.suffix}")
    async with open_journal(url, log=Log(), limits=limits) as journal:
        journal.write(call("c1", 2, cause=16))
        await until(lambda: not journal.backlog)
        journal.write(call("c3"))
    assert stored(url) == {
        "c1": call("c1", 2, cause=16),
        "c2": call("c2", 7, cause=7),
        "c3": call("c3"),
    }


async def test_a_full_spool_and_full_memory_end_in_the_log(
    database: Database, url: str, folder: Path
) -> None:
    log = Log()
    limits = Limits(bound=BOUND, batch_seconds=0.01, spool=folder, spool_bytes=1000)
    async with open_journal(url, log=log, limits=limits) as journal:
        with database.locked():
            for number in range(BOUND + 5):
                journal.write(call(f"c{number}"))
            await until(lambda: "journal not spooled" in log.events())
            assert (journal.spooled, journal.overflowed) == (0, 5)
        await until(lambda: not journal.backlog)
    assert log.events().count("journal overflow") == 5
    assert len(stored(url)) == BOUND


async def test_a_folder_that_cannot_be_made_is_told_of(
    database: Database, url: str, limits: Limits, folder: Path
) -> None:
    kept(folder.parent / "file", "x", "")
    log = Log()
    limits = dataclasses.replace(limits, spool=folder.parent / "file/x")
    async with open_journal(url, log=log, limits=limits) as journal:
        with database.locked():
            for number in range(BOUND):
                journal.write(call(f"c{number}"))
            await until(lambda: "journal not spooled" in log.events())
        await until(lambda: not journal.backlog)
    assert (journal.overflowed, len(stored(url))) == (0, BOUND)


async def test_a_damaged_file_is_read_as_far_as_it_can_be_and_kept(
    url: str, limits: Limits, folder: Path
) -> None:
    Spool(folder, 2**20).put([call("c1"), call("c2"), call("c3")])
    (file,) = files(folder)
    first, second, third = file.read_bytes().splitlines(keepends=True)
    damaged = first + second[:40] + b"\n" + third
    file.write_bytes(damaged)
    log = Log()
    async with open_journal(url, log=log, limits=limits) as journal:
        await until(lambda: not journal.backlog)
    assert set(stored(url)) == {"c1", "c3"}
    (aside,) = files(folder, ".damaged")
    assert aside.read_bytes() == damaged
    assert [fields for event, fields in log.lines if event == "journal spool damaged"] == [
        {"file": file.name, "unreadable": 1}
    ]


async def test_what_a_crash_cut_off_is_read_as_far_as_it_goes(
    url: str, limits: Limits, folder: Path
) -> None:
    Spool(folder, 2**20).put([call("c1"), call("c2")])
    (file,) = files(folder)
    file.with_suffix(".part").write_bytes(file.read_bytes()[:-30])
    file.unlink()
    async with open_journal(url, log=Log(), limits=limits) as journal:
        await until(lambda: not journal.backlog)
    assert set(stored(url)) == {"c1"}


async def test_a_row_of_another_version_of_the_program_is_kept(
    url: str, limits: Limits, folder: Path
) -> None:
    kept(folder, "old-1.rows", '["ghosts", {"ghost_id": "g1"}]\n')
    log = Log()
    async with open_journal(url, log=log, limits=limits) as journal:
        await until(lambda: not journal.backlog)
    assert len(files(folder, ".damaged")) == 1
    assert "journal spool damaged" in log.events()


def test_every_kind_of_row_comes_back(folder: Path) -> None:
    spool = Spool(folder, 2**20)
    rows: list[Row] = [call(ended_at=NOON), offer("o1"), state("s1", "101", "ready", 0)]
    spool.put(rows)
    path = spool.oldest()
    assert path
    assert spool.rows == 3
    assert spool.read(path).rows == rows
    spool.done(path, damaged=False)
    assert (spool.rows, spool.read(path).rows) == (0, [])
