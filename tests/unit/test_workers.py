"""The worker processes: they file, they may die, and they never outlive the program."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from pln_ivr.errors import RecordingError
from pln_ivr.recordings import workers
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.jobs import ArchiveSettings, Job
from pln_ivr.recordings.workers import Workers, open_workers
from tests.archiving import manifest_of, spool_file
from tests.unit.test_filing import FACTS, NAME, THREE


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[Workers]:
    settings = ArchiveSettings(folder=str(tmp_path / "archive"), codec=Codec.FLAC)
    async with open_workers(settings, 1) as made:
        yield made


def job(tmp_path: Path, name: str = NAME) -> Job:
    raw = spool_file(tmp_path / "spool", name, THREE)
    return Job(raw=str(raw), facts=FACTS, at_least_seconds=0.0)


def pids(pool: Workers) -> list[int]:
    return [process.pid for process in pool._running if process.returncode is None]


async def test_a_worker_files_at_the_lowest_priority(tmp_path: Path, pool: Workers) -> None:
    answer = await pool.file(job(tmp_path))
    assert answer.manifest == manifest_of(tmp_path / "archive", NAME)
    assert answer.cpu_seconds > 0
    (pid,) = pids(pool)
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    await pool.file(job(tmp_path))
    assert pids(pool) == [pid], "the same one"


async def test_an_error_is_told_and_the_worker_lives(tmp_path: Path, pool: Workers) -> None:
    missing = Job(raw=str(tmp_path / "none.raw"), facts=FACTS, at_least_seconds=0.0)
    with pytest.raises(RecordingError, match="cannot be read"):
        await pool.file(missing)
    assert (await pool.file(job(tmp_path))).manifest


async def test_a_worker_that_dies_is_replaced(tmp_path: Path, pool: Workers) -> None:
    await pool.file(job(tmp_path))
    (pid,) = pids(pool)
    os.kill(pid, signal.SIGSTOP)
    asking = asyncio.create_task(pool.file(job(tmp_path)))
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RecordingError, match="worker"):
        await asking
    assert (await pool.file(job(tmp_path))).manifest
    assert pid not in pids(pool)


async def test_workers_that_have_died_are_forgotten(tmp_path: Path, pool: Workers) -> None:
    for _ in range(3):
        await pool.file(job(tmp_path))
        (pid,) = pids(pool)
        os.kill(pid, signal.SIGKILL)
        while pids(pool):  # noqa: ASYNC110 (a process has no event to await here)
            await asyncio.sleep(0.01)
    await pool.file(job(tmp_path))
    assert len(pool._running) == 1


async def test_a_worker_that_hangs_is_ended(
    tmp_path: Path, pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pool.file(job(tmp_path))
    (pid,) = pids(pool)
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(workers, "JOB_SECONDS", 0.05)
    with pytest.raises(RecordingError, match="worker failed"):
        await pool.file(job(tmp_path))
    monkeypatch.undo()
    assert (await pool.file(job(tmp_path))).manifest


async def test_one_whose_answer_nobody_waits_for_does_not_answer_the_next(
    tmp_path: Path, pool: Workers
) -> None:
    asking = asyncio.create_task(pool.file(job(tmp_path)))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    other = FACTS.name.replace("offer-1", "offer-2")
    raw = spool_file(tmp_path / "spool", other, THREE * 2)
    facts = msgspec.structs.replace(FACTS, name=other)
    answer = await pool.file(Job(raw=str(raw), facts=facts, at_least_seconds=0.0))
    assert answer.manifest
    assert answer.manifest.recording_id == "offer-2"


async def test_a_worker_ends_when_the_program_does(tmp_path: Path) -> None:
    settings = ArchiveSettings(folder=str(tmp_path / "archive"), codec=Codec.OPUS)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pln_ivr.recordings.worker"), stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(msgspec.json.encode(settings) + b"\n")
    assert process.returncode == 0
