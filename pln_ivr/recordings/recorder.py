"""Recordings: named, confirmed before people talk, filed after they have.

The agent's leg starts the recording itself (MixMonitor in the dialplan, before the leg
enters the application), so it runs before the two can hear each other, costs no request
and goes on if this program dies. Asterisk opens the file as the recording's first act:
the file there is the proof that it runs.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from pln_ivr.errors import RecordingError
from pln_ivr.recordings.files import Filed, file_recording, remove_raw

log = structlog.get_logger("pln_ivr.recordings")

ABANDONED_AFTER_SECONDS = 60.0
"""A raw file that has not grown for so long belongs to no conversation, unless we know of it."""

SWEEP_SECONDS = 30.0

FILING_AT_ONCE = 2
TRIES, TRY_SECONDS = 20, 0.5
"""Asterisk closes the file a moment after the leg's end; until then its end is missing."""

_ARCHIVE = "archive:"
_NAME_PARTS = 5
SHORTER_SECONDS = 1.0
"""A recording may be this much shorter than the conversation: the first sound comes late."""


def recording_name(call_id: str, offer_id: str, now: datetime) -> str:
    """Where a recording goes, below the spool and below the archive: date, call, offer."""
    return f"{now.astimezone(UTC):%Y/%m/%d}/{call_id}/{offer_id}"


def recording_uri(name: str) -> str:
    """What the journal's index says: a place in the archive, not a path on this machine."""
    return f"{_ARCHIVE}{name}.wav"


def name_of(uri: str) -> str:
    """The recording's name, from what `recording_uri` made of it."""
    return uri.removeprefix(_ARCHIVE).removesuffix(".wav")


class Recorder:
    """The recordings of one node. Its owner runs `run` as a task."""

    def __init__(
        self,
        spool: Path,
        folder: Path,
        has_room: Callable[[], bool],
        on_recovered: Callable[[str, Filed], Awaitable[None]],
    ) -> None:
        """`has_room` tells whether the disk can take one more recording; `on_recovered` hears
        of one whose conversation this run did not see to its end."""
        self._spool = spool
        self._folder = folder
        self._has_room = has_room
        self._on_recovered = on_recovered
        self._live: set[str] = set()
        """Names whose conversations are up, or whose filing is under way."""
        self._tasks: asyncio.TaskGroup | None = None
        self._slots = asyncio.Semaphore(FILING_AT_ONCE)
        self.unconfirmed = 0
        self.unfiled = 0
        self.short = 0
        self.filing = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self, name: str) -> str:
        """The name to record under; empty, and then nothing is recorded, if the disk is full."""
        if not self._has_room():
            return ""
        self._live.add(name)
        return name

    def resume(self, name: str) -> None:
        """This recording belongs to a conversation that goes on from an earlier run."""
        self._live.add(name)

    async def confirm(self, name: str, seconds: float) -> bool:
        """Wait until the recording runs; False, counted, if it does not within the deadline,
        or was not begun."""
        if not name:
            self.unconfirmed += 1
            return False
        raw = self._raw(name)
        deadline = time.monotonic() + seconds
        while not raw.exists():
            if time.monotonic() >= deadline:
                self.unconfirmed += 1
                return False
            await asyncio.sleep(0.01)
        return True

    def finish(self, name: str, talked: float, done: Callable[[Filed], None]) -> None:
        """The conversation is over: file its recording in the background, then call `done`.

        `talked` is the conversation's length in seconds, which the recording must show.
        """
        if self._tasks is None:
            log.error("recording_left_in_spool", recording=name)
            return

        async def tell(filed: Filed) -> None:
            done(filed)

        self._tasks.create_task(self._file(name, talked, tell))

    def discard(self, name: str) -> None:
        """Nobody talked: if the agent answered all the same, there is nothing to keep."""
        if not name:
            return
        self._live.discard(name)
        try:
            remove_raw(self._raw(name))
        except OSError as error:
            log.warning("recording_not_discarded", recording=name, error=str(error))

    async def run(self) -> None:
        """Own the filing until cancelled, and file what nobody else will: what an earlier run
        left behind, and what Asterisk recorded while this program was away."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                while True:
                    for name in await asyncio.to_thread(self._abandoned):
                        self.recover(name)
                    await asyncio.sleep(SWEEP_SECONDS)
            finally:
                self._tasks = None

    def recover(self, name: str) -> None:
        """File what was recorded of a conversation whose end this run did not see."""
        if self._tasks is None or name in self._live:
            return
        log.warning("recording_recovered", recording=name)
        self._live.add(name)
        self._tasks.create_task(self._file(name, 0.0, partial(self._on_recovered, name)))

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing is being filed, at most this long; False if something is."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _file(
        self, name: str, talked: float, done: Callable[[Filed], Awaitable[None]]
    ) -> None:
        self.filing += 1
        self._idle.clear()
        error: RecordingError | None = None
        try:
            for attempt in range(TRIES):
                await asyncio.sleep(TRY_SECONDS)
                last = attempt == TRIES - 1
                least = 0.0 if last else max(0.0, talked - SHORTER_SECONDS)
                try:
                    async with self._slots:
                        filed = await asyncio.to_thread(
                            file_recording, self._raw(name), self._folder / f"{name}.wav", least
                        )
                except RecordingError as refused:
                    error = refused
                    continue
                if filed.seconds < talked - SHORTER_SECONDS:
                    self.short += 1
                    log.error(
                        "recording_short", recording=name, seconds=filed.seconds, talked=talked
                    )
                await done(filed)
                return
            self.unfiled += 1
            log.error("recording_not_filed", recording=name, error=str(error))
        finally:
            self._live.discard(name)
            self.filing -= 1
            if not self.filing:
                self._idle.set()

    def _raw(self, name: str) -> Path:
        return self._spool / f"{name}.raw"

    def _abandoned(self) -> list[str]:
        """Raw files that nobody writes to any more. Calls' folders come and go meanwhile."""
        before = time.time() - ABANDONED_AFTER_SECONDS
        found = []
        for folder, _, files in os.walk(self._spool):  # a folder that has gone is passed over
            for raw in (Path(folder, name) for name in files if name.endswith(".raw")):
                name = raw.relative_to(self._spool).with_suffix("")
                try:
                    if len(name.parts) == _NAME_PARTS and raw.stat().st_mtime < before:
                        found.append(str(name))
                except OSError:
                    continue
        return found
