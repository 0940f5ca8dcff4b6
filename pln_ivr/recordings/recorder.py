"""Recordings: named, confirmed before people talk, filed after they have.

The agent's leg starts the recording itself (MixMonitor in the dialplan, before the leg
enters the application), so it runs before the two can hear each other, costs no request
and goes on if this program dies. Asterisk opens the file as the recording's first act:
the file there is the proof that it runs.

Asterisk's own file is removed when the archive has the recording and the journal its row,
not before: whatever dies in between, filing is done again from there.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from logging import INFO, WARNING
from pathlib import Path

import structlog

from pln_ivr.background import Background
from pln_ivr.errors import JournalError, RecordingError
from pln_ivr.outcomes import RecordingFault
from pln_ivr.recordings.index import Index
from pln_ivr.recordings.jobs import Job
from pln_ivr.recordings.manifest import Facts, Manifest
from pln_ivr.recordings.names import is_name
from pln_ivr.recordings.workers import Filer

log = structlog.get_logger("pln_ivr.recordings")

ABANDONED_AFTER_SECONDS = 60.0
"""A raw file that has not grown for so long belongs to no conversation, unless we know of it."""

UNKNOWN_AFTER_SECONDS = 600.0
"""By then the journal has been completed from Asterisk's list of calls: what it does not know of
a recording, nobody will tell any more."""

SWEEP_SECONDS = 30.0
SWEPT_AT_ONCE = 100
"""After a day with a full disk there are thousands: they are taken some at a time."""

TRIES, TRY_SECONDS = 20, 0.5
"""Asterisk closes the file a moment after the leg's end; until then its end is missing."""

SHORTER_SECONDS = 1.0
"""How much may be missing while it may yet come."""


class Recorder:
    """The recordings of one node. Its owner runs `run` as a task."""

    def __init__(
        self, spool: Path, filer: Filer, index: Index, has_room: Callable[[], bool]
    ) -> None:
        """`has_room` tells whether the disk can take one more recording."""
        self._spool = spool
        self._filer = filer
        self._index = index
        self._has_room = has_room
        self._live: set[str] = set()
        """Names whose conversations are up, or whose filing is under way."""
        self._background = Background()
        self._unfiled: set[str] = set()
        self.unconfirmed = 0
        self.faulty = dict.fromkeys(RecordingFault, 0)
        self.filing = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def unfiled(self) -> int:
        """Recordings that could not be filed and wait in the spool."""
        return len(self._unfiled)

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

    def finish(self, name: str, facts: Facts, done: Callable[[Manifest], None]) -> None:
        """The conversation is over: file its recording in the background, then call `done`."""
        if not self._background.running:
            log.error("recording_left_in_spool", recording=name)
            return
        self._background.start(self._file(name, facts, done))

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
        async with self._background.open():
            while True:
                for name in await asyncio.to_thread(self._abandoned):
                    self.recover(name)
                await asyncio.sleep(SWEEP_SECONDS)

    def recover(self, name: str) -> None:
        """File what was recorded of a conversation whose end this run did not see."""
        if not self._background.running or name in self._live:
            return
        self._live.add(name)
        self._background.start(self._file(name, None, lambda _: None))

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing is being filed, at most this long; False if something is."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _file(self, name: str, facts: Facts | None, done: Callable[[Manifest], None]) -> None:
        self.filing += 1
        self._idle.clear()
        try:
            known = facts or await self._known(name)
            manifest = await self._archived(name, known) if known else None
            if manifest is None:
                return
            done(manifest)
            if facts is None:
                log.warning("recording_recovered", recording=name)
                await self._index.recovered(name, manifest)
            if await self._index.filed(manifest):
                await asyncio.to_thread(remove_raw, self._raw(name))
            else:
                log.warning("recording_not_journalled", recording=name, effect="tried again")
        except (JournalError, OSError) as error:
            log.warning("recording_not_journalled", recording=name, error=str(error))
        finally:
            self._live.discard(name)
            self.filing -= 1
            if not self.filing:
                self._idle.set()

    async def _archived(self, name: str, facts: Facts) -> Manifest | None:
        """The manifest once the recording is in the archive; None, counted, if it stays here."""
        talked = facts.talk_seconds or 0.0
        error: Exception | None = None
        for attempt in range(TRIES):
            await asyncio.sleep(TRY_SECONDS)
            last = attempt == TRIES - 1
            least = 0.0 if last else max(0.0, talked - SHORTER_SECONDS)
            job = Job(raw=str(self._raw(name)), facts=facts, at_least_seconds=least)
            try:
                answer = await self._filer.file(job)
            except RecordingError as refused:
                error = refused
                continue
            assert answer.manifest
            self._note(name, answer.manifest, answer.cpu_seconds)
            return answer.manifest
        if name not in self._unfiled:
            log.error("recording_not_filed", recording=name, error=str(error))
        self._unfiled.add(name)
        return None

    async def _known(self, name: str) -> Facts | None:
        """What the journal knows of a recording; None while it may yet learn more. Raises
        JournalError and OSError."""
        facts = await self._index.facts(name)
        if facts is None and time.time() - self._raw(name).stat().st_mtime > UNKNOWN_AFTER_SECONDS:
            return Facts.unknown(name)
        return facts

    def _note(self, name: str, manifest: Manifest, cpu_seconds: float) -> None:
        self._unfiled.discard(name)
        for fault in manifest.faults:
            self.faulty[fault] += 1
        log.log(
            WARNING if manifest.faults else INFO,
            "recording_faulty" if manifest.faults else "recording_filed",
            recording=name,
            call_id=manifest.call_id,
            seconds=round(manifest.seconds, 2),
            talked=manifest.talk_seconds,
            faults=list(manifest.faults),
            ratio=round(manifest.raw_bytes / manifest.bytes, 1),
            cpu_seconds=round(cpu_seconds, 3),
        )

    def _raw(self, name: str) -> Path:
        return self._spool / f"{name}.raw"

    def _abandoned(self) -> list[str]:
        """Raw files that nobody writes to any more. Calls' folders come and go meanwhile."""
        before = time.time() - ABANDONED_AFTER_SECONDS
        found: list[str] = []
        for folder, _, files in os.walk(self._spool):  # a folder that has gone is passed over
            for raw in (Path(folder, name) for name in files if name.endswith(".raw")):
                name = str(raw.relative_to(self._spool).with_suffix(""))
                try:
                    if name not in self._live and is_name(name) and raw.stat().st_mtime < before:
                        found.append(name)
                except OSError:
                    continue
            if len(found) >= SWEPT_AT_ONCE:
                break
        return found[:SWEPT_AT_ONCE]


def remove_raw(raw: Path) -> None:
    """Remove a raw recording, and its call's folder if that is empty now. Raises OSError."""
    raw.unlink(missing_ok=True)
    with suppress(OSError):  # missing, or another recording of the call is in it
        raw.parent.rmdir()
