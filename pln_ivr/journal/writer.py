"""The journal's only writer.

``write`` is called from the event loop and only puts the row into a dictionary; a
thread of the writer's own stores what has gathered, in one transaction a batch. Each
row is a whole snapshot, so an older version that still waits is simply replaced.

The database may go away: the rows wait in memory up to a bound. What comes on top of
that is logged as one line a row and counted, and so is what could not be stored by
the deadline of the end. Nothing is dropped in silence.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pln_ivr.errors import JournalError
from pln_ivr.journal import schema, tables
from pln_ivr.journal.records import Row

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0
STORED_LOOK_SECONDS = 0.05
# While rows wait, a locked database must not hold the thread for long past the deadline.
LOCK_SECONDS = 1.0


class JournalLog(Protocol):
    """What the writer needs of a logger; structlog's fit. Called from two threads."""

    def error(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the writer gathers and keeps."""

    bound: int = 50_000  # rows in memory; about 60 MB when the database is away
    batch_rows: int = 500
    batch_seconds: float = 0.2
    flush_seconds: float = 10.0  # at the end


@asynccontextmanager
async def open_journal(
    url: str, *, log: JournalLog, limits: Limits | None = None
) -> AsyncIterator[JournalWriter]:
    """Open ``journal.url``, create or migrate its tables, and run a writer on it.

    At the end everything is flushed within ``limits.flush_seconds``; the rest goes to the
    log. Cancelling cuts the flush short, with the same end. Raises JournalError when the
    database cannot be opened or belongs to a newer version.
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
        # Guards all that follows. It is held for a dictionary's operation, never for I/O.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._pending: dict[tuple[type[Row], str], Row] = {}
        self._taken: deque[list[Row]] = deque()  # batches the thread is at, oldest first
        self._taken_rows = 0
        self._rounds_taken = 0
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
        """Rows that are not stored yet."""
        return len(self._pending) + self._taken_rows

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
        key = (type(row), row.row_id)
        with self._lock:
            pending = self._pending
            waiting = pending.get(key)
            if waiting is not None:
                if row.sequence > waiting.sequence:
                    pending[key] = row
                return
            if self._open and len(pending) + self._taken_rows < self._limits.bound:
                pending[key] = row
                if len(pending) in (1, self._limits.batch_rows):
                    self._changed.notify()
                return
            self._overflowed += 1
        self._log_row("journal overflow", row)

    async def stored(self, seconds: float) -> bool:
        """Wait until every row written before this call is in the database (or, if it was
        refused, in the log); False if that takes longer. Safe to cancel."""
        with self._lock:
            wanted = self._rounds_taken + bool(self._pending)
        try:
            async with asyncio.timeout(seconds):
                while self._rounds_stored < wanted:  # noqa: ASYNC110 (another thread counts)
                    await asyncio.sleep(STORED_LOOK_SECONDS)
        except TimeoutError:
            return False
        return True

    def store_now(self, seconds: float) -> bool:
        """`stored`, but blocking the calling thread: for a process about to vanish."""
        with self._lock:
            wanted = self._rounds_taken + bool(self._pending)
        deadline = time.monotonic() + seconds
        while self._rounds_stored < wanted:
            if time.monotonic() >= deadline:
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
        with self._lock:
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
        """Log what is not stored. A batch in the thread's hands may yet arrive as well."""
        with self._lock:
            self._abandoned = True
            left = [row for batch in self._taken for row in batch]
            left.extend(self._pending.values())
            self._pending = {}
            self._taken.clear()
            self._taken_rows = 0
            self._overflowed += len(left)
            self._changed.notify()
        for row in left:
            self._log_row("journal not flushed", row)

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
            with self._lock:
                self._open = not self._closing
            self._tell(self._set_opened, None)
            try:
                self._store_all(engine)
            except Exception as error:  # a bug: from here on rows go to the log
                self._failed(error)
            finally:
                with self._lock:
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
        return schema.create_engine(self._url, lock_seconds=LOCK_SECONDS)

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
        statements = {
            kind: schema.upsert(table, engine.dialect.name) for kind, table in tables.TABLES.items()
        }
        while self._take():
            retry = _backoff()
            while (batch := self._current()) is not None:
                try:
                    stored, refused = _store(engine, statements, batch)
                except Exception as error:
                    self._failed(error)
                    self._pause(next(retry))
                else:
                    retry = _backoff()
                    self._done(batch, stored, refused)
            self._rounds_stored = self._rounds_taken

    def _take(self) -> bool:
        """Wait for rows and take them over. False when closing and all is stored."""
        limits = self._limits
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closing)
            self._changed.wait_for(
                lambda: self._closing or len(self._pending) >= limits.batch_rows,
                timeout=limits.batch_seconds,
            )
            if self._abandoned or not self._pending:
                return False
            # In one step under the lock, so that _abandon always sees every row.
            self._taken.extend(_batches(self._pending.values(), limits.batch_rows))
            self._taken_rows = len(self._pending)
            self._pending = {}
            self._rounds_taken += 1
        return True

    def _current(self) -> list[Row] | None:
        with self._lock:
            return self._taken[0] if self._taken else None

    def _done(self, batch: list[Row], stored: int, refused: list[tuple[Row, str]]) -> None:
        with self._lock:
            if self._abandoned:
                return  # already counted and logged as left over
            self._taken.popleft()
            self._taken_rows -= len(batch)
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
                    cure="check journal.url and its disk or server; rows wait in memory",
                )

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; shortly when closing, for the deadline runs."""
        with self._changed:
            if self._closing:
                self._changed.wait_for(lambda: self._abandoned, timeout=min(seconds, 0.1))
            else:
                self._changed.wait_for(lambda: self._closing, timeout=seconds)


def _store(
    engine: Engine, statements: dict[type[Row], sa.Insert], batch: list[Row]
) -> tuple[int, list[tuple[Row, str]]]:
    """Store a batch in one transaction; gives the number stored and the rows refused.

    One bad row must not hold up the others for ever, so if the database refuses the rows
    themselves they are tried one by one. Raises when the database is away.
    """
    try:
        with engine.begin() as connection:
            for kind, statement in statements.items():
                values = [tables.values_of(row) for row in batch if type(row) is kind]
                if values:
                    connection.execute(statement, values)
        return len(batch), []
    except Exception as error:
        if not _is_refusal(error):
            raise
        if len(batch) == 1:
            # The driver's text may quote the row: only the kind of error is kept.
            return 0, [(batch[0], type(error).__name__)]
    stored, refused = 0, []
    for row in batch:
        one, bad = _store(engine, statements, [row])
        stored += one
        refused += bad
    return stored, refused


def _is_refusal(error: Exception) -> bool:
    """Whether the fault is in the rows (never helped by waiting) or in the database."""
    if not isinstance(error, sa.exc.DBAPIError):
        return not isinstance(error, OSError | sa.exc.TimeoutError)
    if error.connection_invalidated:
        return False
    return isinstance(
        error,
        sa.exc.DataError
        | sa.exc.IntegrityError
        | sa.exc.InterfaceError
        | sa.exc.ProgrammingError
        | sa.exc.NotSupportedError,
    )


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch


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
