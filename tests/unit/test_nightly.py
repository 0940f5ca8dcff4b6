"""The nightly reconciliation: when it is due, what it remembers, and that it is a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.errors import RecordingError
from pln_ivr.journal import MarkRow
from pln_ivr.recordings import nightly
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.jobs import ArchiveSettings
from pln_ivr.recordings.nightly import (
    Nightly,
    NightlyJob,
    NightlyRules,
    Verified,
    in_a_process,
    period,
    scheduled,
)
from pln_ivr.recordings.verifier import do
from pln_ivr.recordings.verify import Finding
from tests.unit.running import keep_in
from tests.unit.test_verify import DAY, Day

JAKARTA = ZoneInfo("Asia/Jakarta")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JAKARTA).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-11-24T01:59", "2026-11-23T02:00"),
        ("2026-11-24T02:00", "2026-11-24T02:00"),
        ("2026-11-24T23:59", "2026-11-24T02:00"),
    ],
)
def test_it_is_due_at_its_hour_of_the_place(now: str, last: str) -> None:
    assert scheduled(at(now), 2, JAKARTA) == at(last)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.integers(0, 23))  # noqa: DTZ001
def test_it_is_due_once_a_day(naive: datetime, hour: int) -> None:
    now = naive.replace(tzinfo=UTC)
    due = scheduled(now, hour, JAKARTA)
    assert due <= now < due + timedelta(days=1)
    assert due.astimezone(JAKARTA).hour == hour


def test_it_looks_at_yesterday_and_today() -> None:
    since, until = period(at("2026-11-24T02:00"), JAKARTA)
    assert (since, until) == (at("2026-11-23T00:00"), at("2026-11-24T02:00"))


def rules(url: str, hour: int = 2, archive: Path | None = None) -> NightlyRules:
    place = ArchiveSettings(folder=str(archive or "archive"), codec=Codec.OPUS)
    return NightlyRules("verified/pln-1", url, "spool", place, hour, JAKARTA)


class Bench:
    """A Nightly whose process is played, and the marks that it wrote."""

    def __init__(self, url: str, hour: int = 2) -> None:
        self.marks: list[MarkRow] = []
        self.jobs: list[NightlyJob] = []
        self.answer = Verified(at=datetime.now(UTC), conversations=7, found={"missing": 1})
        self.nightly = Nightly(rules(url, hour), self.marks.append, self._verify)

    async def _verify(self, job: NightlyJob) -> Verified:
        self.jobs.append(job)
        if self.answer.error == "raise":
            raise RecordingError("the process that verifies failed")
        return self.answer


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 (plain objects have no event to await)
            await asyncio.sleep(0.01)


async def test_a_night_that_was_slept_through_is_made_up_for_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nightly, "LOOK_SECONDS", 0.01)
    old = Verified(at=datetime.now(UTC) - timedelta(days=2), conversations=5)
    mark = MarkRow(mark="verified/pln-1", sequence=1, position=msgspec.json.encode(old).decode())
    await asyncio.to_thread(keep_in, url, mark)
    bench = Bench(url)
    task = asyncio.create_task(bench.nightly.run())
    await eventually(lambda: bool(bench.jobs))
    await asyncio.sleep(0.1)
    task.cancel()
    assert len(bench.jobs) == 1
    assert bench.nightly.last == bench.answer
    (written,) = bench.marks
    assert msgspec.json.decode(written.position, type=Verified) == bench.answer
    assert written.sequence > 1


async def test_what_was_done_is_not_done_again_after_a_restart(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nightly, "LOOK_SECONDS", 0.01)
    done = Verified(at=datetime.now(UTC), conversations=5, found={"altered": 2})
    mark = MarkRow(mark="verified/pln-1", sequence=1, position=msgspec.json.encode(done).decode())
    await asyncio.to_thread(keep_in, url, mark)
    bench = Bench(url)
    task = asyncio.create_task(bench.nightly.run())
    await asyncio.sleep(0.2)
    task.cancel()
    assert bench.jobs == []
    assert bench.nightly.last == done, "its figures are shown again"
    assert bench.nightly.done_at == done.at.timestamp()


@pytest.mark.parametrize("error", ["raise", "the archive cannot be read"])
async def test_one_that_fails_is_counted_and_the_last_one_stands(url: str, error: str) -> None:
    bench = Bench(url)
    assert await bench.nightly.verify_now()
    before = bench.nightly.last
    bench.answer = Verified(at=datetime.now(UTC), error=error)
    assert not await bench.nightly.verify_now()
    assert (bench.nightly.failures, bench.nightly.last) == (1, before)
    assert len(bench.marks) == 1


async def test_it_can_be_switched_off(url: str) -> None:
    bench = Bench(url, hour=-1)
    await asyncio.wait_for(bench.nightly.run(), 1)
    assert not bench.nightly.switched_on


def job_of(day: Day) -> NightlyJob:
    return NightlyJob(
        journal_url=day.url,
        spool=str(day.spool),
        archive=ArchiveSettings(folder=str(day.archive), codec=Codec.OPUS),
        since=DAY[0],
        until=DAY[1],
    )


@pytest.fixture
async def lossy(tmp_path: Path, url: str) -> Day:
    """Three conversations, of which one has lost its file."""
    made = Day(tmp_path, url)
    rows = [made.add(n) for n in range(3)]
    await made.store_rows()
    made.store.delete(rows[0].uri.partition(":")[2])
    return made


async def test_the_process_finds_what_the_command_finds(lossy: Day) -> None:
    told = await in_a_process(job_of(lossy))
    assert (told.error, told.conversations) == ("", 3)
    assert told.found == {Finding.MISSING: 1, Finding.STRAY: 0, Finding.ALTERED: 0}
    assert told.lines[0][0] == Finding.MISSING
    assert told.lines == do(job_of(lossy)).lines


async def test_it_runs_at_the_lowest_priority(lossy: Day) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pln_ivr.recordings.verifier"), stdin=subprocess.PIPE
    )
    await eventually(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == 19)
    await process.communicate(msgspec.json.encode(job_of(lossy)))
    assert process.returncode == 0


def test_a_journal_that_is_not_there_is_an_error_not_a_crash(tmp_path: Path) -> None:
    day = Day(tmp_path, f"sqlite:///{tmp_path}/none/journal.db")
    assert "journal.url" in do(job_of(day)).error


async def test_a_process_that_dies_is_an_error(lossy: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.create_subprocess_exec

    async def killed(*arguments: str, **options: object) -> asyncio.subprocess.Process:
        process = await begun(*arguments, **options)  # type: ignore[arg-type]
        process.send_signal(signal.SIGKILL)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", killed)
    with pytest.raises(RecordingError, match="the process that verifies failed"):
        await in_a_process(job_of(lossy))
