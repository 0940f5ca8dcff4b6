"""The journal's only writer.

``write`` is called from the event loop and only puts the row into a dictionary; a
thread of the writer's own stores what has gathered, in one transaction a batch. Each
row is a whole snapshot, so an older version that still waits is simply replaced.

The database may go away, or be too slow: the rows wait in memory, and when half the
bound is reached they go to the spool on disk, as does what could not be stored by the
deadline of the end. When the database is back, or at the next start, they are stored from
there. What neither memory nor the spool can take is logged as one line a row and counted.
Nothing is dropped in silence.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pln_ivr.errors import JournalError
from pln_ivr.journal import schema, tables
from pln_ivr.journal.memory import Memory
from pln_ivr.journal.records import Row
from pln_ivr.journal.spool import Spool
from pln_ivr.journal.storing import Refused, Store, batches

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0
STORED_LOOK_SECONDS = 0.05
SPOOL_LOOK_SECONDS = 30.0
"""How often it is looked whether an earlier run that was still ending has left something."""
# While rows wait, a locked database must not hold the thread for long past the deadline.
LOCK_SECONDS = 1.0
ANSWER_SECONDS = 10.0


class JournalLog(Protocol):
    """What the writer needs of a logger; structlog's fit. Called from two threads."""

    def error(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the writer gathers and keeps."""

    bound: int = 50_000  # rows in memory; about 60 MB. Half of it sends them to the spool
    batch_rows: int = 500
    batch_seconds: float = 0.2
    flush_seconds: float = 10.0  # at the end
    spool: Path | None = None  # None: there is none
    spool_bytes: int = 2**30


@asynccontextmanager
async def open_journal(
    url: str, *, log: JournalLog, limits: Limits | None = None
) -> AsyncIterator[JournalWriter]:
    """Open ``journal.url``, create or migrate its tables, and run a writer on it.

    At the end everything is flushed within ``limits.flush_seconds``; the rest goes to the
    spool, or to the log. Cancelling cuts the flush short, with the same end. Raises
    JournalError when the database cannot be opened or belongs to a newer version.
    """
    writer = JournalWriter(url, log=log, limits=limits or Limits())
    try:
        await writer.start()
        yield writer
    finally:
        await writer.close()


class JournalWriter:
    """Takes rows from the event loop and stores them. Made by ``open_journal``."""

    def __init__(self, url: str, *, log: JournalLog, limits: Limits) -> None:
        self._url = schema.parse_url(url)
        self._log = log
        self._limits = limits
        self._spool = Spool(limits.spool, limits.spool_bytes) if limits.spool else None
        self._memory = Memory(limits.batch_rows)
        self._changed = self._memory.changed  # guards all that follows as well
        self._rounds_stored = 0
        self._written = 0
        self._overflowed = 0
        self._failing = False
        self._open = False
        self._closing = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._ended = asyncio.Event()

    @property
    def backlog(self) -> int:
        """Rows that are not stored yet, those on disk among them."""
        return self._memory.rows + self.spooled

    @property
    def spooled(self) -> int:
        """Rows that wait on disk."""
        return self._spool.rows if self._spool else 0

    @property
    def written(self) -> int:
        """Rows stored since the start."""
        return self._written

    @property
    def overflowed(self) -> int:
        """Rows that went to the log because the database could not take them."""
        return self._overflowed

    @property
    def failing(self) -> bool:
        """Whether the last attempt to store failed: the database is away."""
        return self._failing

    # ---- event loop's side

    def write(self, row: Row) -> None:
        """Journal one version of a row. Never blocks, never raises; safe from any thread."""
        memory = self._memory
        with self._changed:
            if memory.replace(row):
                return
            if self._open and memory.rows < self._limits.bound:
                memory.add(row)
                if memory.waiting in (1, self._limits.batch_rows) or self._many():
                    self._changed.notify()
                return
            self._overflowed += 1
        self._log_row("journal overflow", row)

    async def stored(self, seconds: float) -> bool:
        """Wait until every row written before this call is in the database (or, if it was
        refused, in the log); False if that takes longer. Safe to cancel."""
        wanted = self._round()
        try:
            async with asyncio.timeout(seconds):
                while self._rounds_stored < wanted:  # noqa: ASYNC110 (another thread counts)
                    await asyncio.sleep(STORED_LOOK_SECONDS)
        except TimeoutError:
            return False
        return True

    def _round(self) -> int:
        with self._changed:
            return self._memory.rounds + bool(self._memory.waiting)

    def store_now(self, seconds: float) -> bool:
        """`stored`, but blocking the calling thread, for a process about to vanish: what is not
        stored in time goes to the spool, or to the log."""
        wanted = self._round()
        deadline = time.monotonic() + seconds
        while self._rounds_stored < wanted:
            if time.monotonic() >= deadline:
                self._abandon()
                return False
            time.sleep(STORED_LOOK_SECONDS)
        return True

    async def start(self) -> None:
        """Open the database in the writer's thread. Raises JournalError."""
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._thread.start()
        await self._opened

    async def close(self) -> None:
        """Flush and end the thread, within the deadline. May be called twice."""
        with self._changed:
            self._open = False
            self._closing = True
            self._changed.notify()
        try:
            if self._thread.is_alive():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.flush_seconds):
                        await self._ended.wait()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Keep what is not stored. A batch in the thread's hands may yet arrive as well."""
        with self._changed:
            self._abandoned = True
            self._memory.take_over()
            left = self._memory.taken()
            self._memory.clear_taken()
            self._changed.notify()
        if not left or self._put_into_spool(left):
            return
        self._overflowed += len(left)
        for row in left:
            self._log_row("journal not flushed", row)

    def _put_into_spool(self, rows: list[Row]) -> bool:
        if self._spool is None:
            return False
        try:
            self._spool.put(rows)
        except Exception as error:  # of the disk, or of a row that cannot be written down
            with suppress(Exception):
                self._log.error("journal not spooled", rows=len(rows), error=str(error))
            return False
        with suppress(Exception):
            self._log.warning("journal spooled", rows=len(rows), waiting=self._spool.rows)
        return True

    def _log_row(self, event: str, row: Row, **fields: Any) -> None:
        # A broken logger must not break a call.
        with suppress(Exception):
            table = tables.TABLES[type(row)].name
            self._log.error(event, table=table, row=_loggable(row), **fields)

    # ---- the thread's side

    def _run(self) -> None:
        try:
            try:
                engine = self._open_engine()
            except Exception as error:
                self._tell(self._set_opened, error)
                return
            self._look_into_spool(first=True)
            with self._changed:
                self._open = not self._closing
            self._tell(self._set_opened, None)
            try:
                self._store_all(engine)
            except Exception as error:  # a bug: from here on rows go to the log
                self._failed(error)
            finally:
                with self._changed:
                    self._open = False
                engine.dispose()
        finally:
            self._tell(self._ended.set)

    def _open_engine(self) -> Engine:
        engine = schema.create_engine(self._url)
        try:
            schema.upgrade(engine)
        finally:
            engine.dispose()
        return schema.create_engine(
            self._url, lock_seconds=LOCK_SECONDS, answer_seconds=ANSWER_SECONDS
        )

    def _tell(self, callback: Any, *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop has been closed: nobody waits
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _set_opened(self, error: Exception | None) -> None:
        if self._opened.done():  # cancelled meanwhile
            return
        if error is None:
            self._opened.set_result(None)
        elif isinstance(error, JournalError):
            self._opened.set_exception(error)
        else:
            failure = JournalError(f"journal.url: cannot open the database: {error}")
            failure.__cause__ = error
            self._opened.set_exception(failure)

    def _store_all(self, engine: Engine) -> None:
        store = Store(engine)
        while self._take():
            self._insist(lambda: self._store_taken(store))
            self._insist(lambda: self._store_spooled(store))
            if not self.spooled:
                self._rounds_stored = self._memory.rounds

    def _insist(self, act: Callable[[], None]) -> None:
        """Do it until the database takes it."""
        retry = _backoff()
        while not self._abandoned:
            before = self._written
            try:
                act()
            except Exception as error:
                self._failed(error)
                if self._written > before:
                    retry = _backoff()
                self._pause(next(retry))
            else:
                return

    def _take(self) -> bool:
        """Wait for rows and take them over. False when closing and all in memory is stored."""
        limits, memory = self._limits, self._memory
        with self._changed:
            while not self._changed.wait_for(
                lambda: memory.waiting or self.spooled or self._closing, SPOOL_LOOK_SECONDS
            ):
                self._look_into_spool()
            self._changed.wait_for(
                lambda: self._closing or self.spooled or memory.waiting >= limits.batch_rows,
                timeout=limits.batch_seconds,
            )
            if self._abandoned or (self._closing and not memory.waiting):
                return False
            memory.take_over()
        return True

    def _store_taken(self, store: Store) -> None:
        while (batch := self._current()) is not None:
            stored, refused = store.store(batch)
            with self._changed:
                if self._abandoned:
                    return  # kept as left over already
                self._memory.first_done()
            self._count(stored, refused)
            if self._many():
                self._spill()

    # -- the spool, whose files the thread writes and reads ----------------------------------

    def _many(self) -> bool:
        return self._spool is not None and self._memory.rows > self._limits.bound // 2

    def _look_into_spool(self, first: bool = False) -> None:
        if self._spool is None:
            return
        try:
            if first:
                self._spool.adopt_unfinished()
            self._spool.look()
        except OSError as error:
            with suppress(Exception):
                self._log.error("journal spool not read", error=str(error))

    def _spill(self) -> bool:
        """Move what is in memory to the spool; False if the spool cannot take it."""
        with self._changed:
            if self._abandoned:
                return False
            self._memory.take_over()
            rows = self._memory.taken()
        if not self._put_into_spool(rows):
            return False
        with self._changed:
            if not self._abandoned:
                self._memory.clear_taken()
        return True

    def _store_spooled(self, store: Store) -> None:
        """Store the rows of one file; what has come meanwhile has its turn then."""
        path = self._spool.oldest() if self._spool else None
        if self._spool is None or path is None or self._closing:
            return
        content = self._spool.read(path)
        for batch in batches(content.rows, self._limits.batch_rows):
            self._count(*store.store(batch))
            if self._many():
                self._spill()
        if content.unreadable:
            with suppress(Exception):
                self._log.error(
                    "journal spool damaged", file=path.name, unreadable=content.unreadable
                )
        self._spool.done(path, damaged=bool(content.unreadable))

    def _current(self) -> list[Row] | None:
        with self._changed:
            return self._memory.first()

    def _count(self, stored: int, refused: Refused) -> None:
        with self._changed:
            self._written += stored
            self._overflowed += len(refused)
            came_back, self._failing = self._failing, False
        if came_back:
            with suppress(Exception):
                self._log.warning("journal is back", backlog=self.backlog)
        for row, error in refused:
            self._log_row("journal refused a row", row, error=error)

    def _failed(self, error: Exception) -> None:
        first, self._failing = not self._failing, True
        if first:
            text = schema.first_line(error) if isinstance(error, sa.exc.DBAPIError) else str(error)
            with suppress(Exception):
                self._log.error(
                    "journal is away",
                    error=f"{type(error).__name__}: {text}",
                    backlog=self.backlog,
                    cure="check journal.url and its disk or server; rows wait meanwhile",
                )

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; shortly when closing, for the deadline runs. What is too
        much for memory goes to the spool meanwhile."""
        until, spilled = time.monotonic() + seconds, True
        with self._changed:
            if self._closing:
                self._changed.wait_for(lambda: self._abandoned, timeout=min(seconds, 0.1))
                return
        while spilled:
            with self._changed:
                left = max(0.0, until - time.monotonic())
                self._changed.wait_for(lambda: self._closing or self._many(), timeout=left)
                if self._closing or not self._many():
                    return
            spilled = self._spill()
        with self._changed:  # the spool takes nothing: not to be tried again at once
            left = max(0.0, until - time.monotonic())
            self._changed.wait_for(lambda: self._closing, timeout=left)


def _backoff() -> Iterator[float]:
    delay = FIRST_RETRY_SECONDS
    while True:
        yield delay * random.uniform(0.5, 1.0)
        delay = min(delay * 2, LAST_RETRY_SECONDS)


def _loggable(row: Row) -> dict[str, Any]:
    """The row for the log: JSON's types, and the caller's number masked."""
    values = tables.values_of(row)
    for name, value in values.items():
        if isinstance(value, datetime):
            values[name] = value.isoformat()
    if values.get("caller"):
        values["caller"] = "***" + str(values["caller"])[-3:]
    return values
