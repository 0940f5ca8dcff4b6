"""The nightly reconciliation: `verify` in a process of its own, once a day, and what it found.

What was found last is a mark in the journal, so that a restart neither forgets it nor has it done
again, and a night that the program slept through is made up for.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import structlog

from pln_ivr.errors import JournalError, PlnIvrError, RecordingError
from pln_ivr.journal import JournalReader, MarkRow
from pln_ivr.recordings.jobs import ArchiveSettings

log = structlog.get_logger("pln_ivr.nightly")

LOOK_SECONDS = 60.0
"""How often it is looked whether the hour has come; clocks are set, machines sleep."""

DEADLINE_SECONDS = 6 * 3600.0
"""A reconciliation reads every file of two days once. One that takes longer hangs."""

AGAIN_SECONDS = 900.0
"""After one that failed."""

LINE_BYTES = 1 << 20
MOST_LINES = 50
"""So many of the things found are in the log; the command shows all."""


class NightlyJob(msgspec.Struct, frozen=True, kw_only=True):
    """Verify the conversations that began in this time: the process's only line."""

    journal_url: str
    spool: str
    archive: ArchiveSettings
    since: datetime
    until: datetime


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What one reconciliation found; its answer."""

    at: datetime
    conversations: int = 0
    found: dict[str, int] = {}
    """By Finding."""
    lines: list[tuple[str, str, str]] = []
    """The first of what was found: what, which recording, why."""
    error: str = ""
    """It could not be done."""


@dataclass(frozen=True, slots=True)
class NightlyRules:
    """What is verified when."""

    mark: str
    """The mark's name: one for each node."""
    journal_url: str
    spool: str
    archive: ArchiveSettings
    hour: int
    """-1: never."""
    zone: ZoneInfo


def scheduled(now: datetime, hour: int, zone: ZoneInfo) -> datetime:
    """The last time before `now` at which it was that hour. Pure."""
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), time(hour), zone)
    due = (
        today
        if today <= local
        else datetime.combine(local.date() - timedelta(days=1), time(hour), zone)
    )
    return due.astimezone(UTC)


def period(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From yesterday's midnight until now: as the command does. Pure."""
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    return datetime.combine(yesterday, time(), zone).astimezone(UTC), now


class Nightly:
    """One node's. Its owner runs `run` as a task."""

    def __init__(
        self,
        rules: NightlyRules,
        write: Callable[[MarkRow], None],
        verify: Callable[[NightlyJob], Awaitable[Verified]] | None = None,
    ) -> None:
        """`write` journals the mark; `verify` does it, by default in a process."""
        self._rules = rules
        self._write = write
        self._verify = verify or in_a_process
        self._began = datetime.now(UTC)
        self.last: Verified | None = None
        """The last one that was done."""
        self.failures = 0

    @property
    def done_at(self) -> float:
        """When one was done last, in epoch seconds; before the first, when the program started."""
        return (self.last.at if self.last else self._began).timestamp()

    @property
    def switched_on(self) -> bool:
        """Whether there is an hour for it."""
        return self._rules.hour >= 0

    async def run(self) -> None:
        """Until cancelled. Never raises for what the journal and the archive do."""
        if not self.switched_on:
            return
        self.last = await self._remembered()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._due(datetime.now(UTC)) and not await self.verify_now():
                await asyncio.sleep(AGAIN_SECONDS)

    def _due(self, now: datetime) -> bool:
        done = self.last.at if self.last else self._began
        return done < scheduled(now, self._rules.hour, self._rules.zone)

    async def verify_now(self) -> bool:
        """Verify; whether that could be done."""
        rules = self._rules
        since, until = period(datetime.now(UTC), rules.zone)
        job = NightlyJob(
            journal_url=rules.journal_url,
            spool=rules.spool,
            archive=rules.archive,
            since=since,
            until=until,
        )
        try:
            told = await self._verify(job)
            if told.error:
                raise RecordingError(told.error)
        except (PlnIvrError, OSError) as error:
            self.failures += 1
            log.error("recordings_not_verified", error=str(error))
            return False
        self.last = told
        self._write(
            MarkRow(
                mark=rules.mark,
                sequence=int(told.at.timestamp()),
                position=msgspec.json.encode(told).decode(),
            )
        )
        for what, recording, text in told.lines:
            log.error("recording_not_as_filed", what=what, recording=recording, text=text)
        log.info("recordings_verified", conversations=told.conversations, **told.found)
        return True

    async def _remembered(self) -> Verified | None:
        try:
            text = await asyncio.to_thread(self._read_mark)
            return msgspec.json.decode(text, type=Verified) if text else None
        except (JournalError, msgspec.DecodeError) as error:
            log.warning("last_verification_unknown", error=str(error))
            return None

    def _read_mark(self) -> str:
        with JournalReader(self._rules.journal_url) as reader:
            return reader.mark(self._rules.mark)


async def in_a_process(job: NightlyJob) -> Verified:
    """Verify at the lowest priority, where neither its memory nor its time is ours. Raises
    RecordingError if the process fails. Safe to cancel: the process is ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pln_ivr.recordings.verifier"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            answer, _ = await process.communicate(msgspec.json.encode(job))
        return msgspec.json.decode(answer, type=Verified)
    except (TimeoutError, msgspec.DecodeError) as error:
        raise RecordingError(f"the process that verifies failed: {error!r}") from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
