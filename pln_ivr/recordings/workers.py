"""The worker processes, from the program's side."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from pln_ivr.errors import RecordingError
from pln_ivr.recordings.jobs import Answer, ArchiveSettings, Job
from pln_ivr.recordings.sealing import load_keys
from pln_ivr.recordings.stores import open_store

JOB_SECONDS = 600.0
"""One recording takes less than a second of processor time an hour; the rest is waiting for a
busy machine. A worker that takes longer hangs, and is ended."""

LINE_BYTES = 1 << 20


class Filer(Protocol):
    """Whoever can file a recording."""

    async def file(self, job: Job) -> Answer:
        """The answer has a manifest. Raises RecordingError. Safe to cancel."""


class Workers:
    """So many processes at most, each begun when it is first needed. Made by `open_workers`."""

    def __init__(self, settings: ArchiveSettings, count: int) -> None:
        self._settings = settings
        self._idle: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(count):
            self._idle.put_nowait(None)
        self._running: set[asyncio.subprocess.Process] = set()

    async def file(self, job: Job) -> Answer:
        """See Filer. One that has died or hangs is replaced for the next job."""
        process = await self._idle.get()
        try:
            if process is None or process.returncode is not None:
                process = None
                process = await self._begin()
            answer = await self._ask(process, job)
        except BaseException as error:
            # Its next line would answer a question that nobody waits for any more.
            if process:
                self._end(process)
            self._idle.put_nowait(None)
            if isinstance(error, OSError | TimeoutError | msgspec.DecodeError):
                raise RecordingError(f"{job.raw}: the worker failed: {error!r}") from error
            raise
        self._idle.put_nowait(process)
        if answer.manifest is None:
            raise RecordingError(answer.error)
        return answer

    async def _ask(self, process: asyncio.subprocess.Process, job: Job) -> Answer:
        assert process.stdin
        assert process.stdout
        async with asyncio.timeout(JOB_SECONDS):
            process.stdin.write(msgspec.json.encode(job) + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        if not line:
            raise RecordingError(f"{job.raw}: the worker that filed it died")
        return msgspec.json.decode(line, type=Answer)

    async def _begin(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "pln_ivr.recordings.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        self._running = {one for one in self._running if one.returncode is None} | {process}
        assert process.stdin
        process.stdin.write(msgspec.json.encode(self._settings) + b"\n")
        return process

    def _end(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.kill()

    async def close(self) -> None:
        """End them all. What one was at is done again at the next start."""
        for process in self._running:
            if process.returncode is None:
                self._end(process)
            await process.wait()
        self._running.clear()


@asynccontextmanager
async def open_workers(settings: ArchiveSettings, count: int) -> AsyncIterator[Workers]:
    """Workers for the body's duration. Raises ConfigError if there are keys and they are wrong, or
    if the archive's store needs what is not installed."""
    open_store(settings)
    if settings.keys:
        load_keys(Path(settings.keys))
    workers = Workers(settings, count)
    try:
        yield workers
    finally:
        await workers.close()
