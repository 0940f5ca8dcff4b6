"""This node's callbacks: in memory as they stand, with the journal behind, asked in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog

from pln_ivr.errors import JournalError
from pln_ivr.journal.callbacks import OPEN, CallbackBook, CallbackRow, Noted, Verdict
from pln_ivr.kept_open import KeptOpen

log = structlog.get_logger("pln_ivr.callbacks")

LOOK_SECONDS = 2.0
"""How often the journal is asked what has changed."""

OVERLAP = timedelta(seconds=30)
"""What is asked for again each time: whoever else changes callbacks has a clock of their own."""

WHOLE_EVERY = 100
"""After so many looks everything is read anew."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Look:
    """What the journal said of callbacks: of all, or of those that have changed."""

    rows: list[CallbackRow]
    at: datetime
    whole: bool


class CallbackStore:
    """The callbacks that are not over. Its owner runs `run` as a task; before and after it no
    callback can be taken, and callers wait."""

    def __init__(self, url: str, node: str) -> None:
        """`url` is `journal.url`."""
        self._node = node
        self._book = KeptOpen(lambda: CallbackBook(url))
        self._rows: dict[str, CallbackRow] = {}
        self._looked_at: datetime | None = None
        self._changed = asyncio.Event()
        self.expired = 0
        """Callbacks that nobody came to in time, since the start."""

    @property
    def node(self) -> str:
        """Whose callbacks these are."""
        return self._node

    @property
    def is_open(self) -> bool:
        """Whether callbacks can be taken."""
        return self._book.is_open

    def rows(self) -> list[CallbackRow]:
        """Those that are not over, in no order."""
        return list(self._rows.values())

    def get(self, callback_id: str) -> CallbackRow | None:
        """The callback, unless it is over."""
        return self._rows.get(callback_id)

    def of_caller(self, number: str, queue: str) -> CallbackRow | None:
        """What this number (its national form) has in this line."""
        return next(
            (
                row
                for row in self._rows.values()
                if row.caller == number and row.queue == queue and row.report_id is None
            ),
            None,
        )

    async def until_changed(self, seconds: float) -> None:
        """Return when something may be different, or after so long. Safe to cancel."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def run(self) -> None:
        """Have the journal open, and look at what changes in it, until cancelled."""
        while True:
            try:
                await self._keep_open()
            except JournalError as error:
                log.error("callbacks_not_taken", error=str(error), effect="callers wait")
            await asyncio.sleep(LOOK_SECONDS)

    async def _keep_open(self) -> None:
        async with self._book.open():
            looks = 0
            while True:
                if looks % WHOLE_EVERY == 0:
                    self._looked_at = None
                await self._do(_nothing)
                looks += 1
                await asyncio.sleep(LOOK_SECONDS)

    def _take(self, look: Look) -> None:
        before = self._rows
        self._rows = {} if look.whole else dict(before)
        self._looked_at = look.at
        for row in look.rows:
            if row.status in OPEN:
                self._rows[row.callback_id] = row
            elif self._rows.pop(row.callback_id, None) and row.status == "expired":
                self.expired += 1
        if self._rows != before:
            self._changed.set()

    async def ask(self, row: CallbackRow) -> Noted:
        """Note a callback. Raises JournalError, also if it takes too long; it may be there then,
        and asking again says so."""
        return await self._do(lambda book: book.ask(row))

    async def begin(self, callback_id: str, call_id: str) -> bool:
        """See CallbackBook. Raises JournalError."""
        return await self._do(lambda book: book.begin(callback_id, call_id, datetime.now(UTC)))

    async def settle(self, callback_id: str, call_id: str, verdict: Verdict) -> None:
        """See CallbackBook. Raises JournalError."""
        await self._do(lambda book: book.settle(callback_id, call_id, verdict, datetime.now(UTC)))

    async def came(self, callback_id: str) -> None:
        """See CallbackBook. Raises JournalError."""
        await self._do(lambda book: book.came(callback_id, datetime.now(UTC)))

    async def cancel(self, ids: Sequence[str], by: str) -> int:
        """See CallbackBook. Raises JournalError; EntryError is one."""
        return await self._do(lambda book: book.cancel(ids, by, datetime.now(UTC)))

    async def ended_calls(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """See CallbackBook. Raises JournalError."""
        return await self._book.ask(lambda book: book.ended_calls(ids))

    async def _do(self, question: Callable[[CallbackBook], Answer]) -> Answer:
        """Ask, and look at what has changed then."""

        def asked(book: CallbackBook) -> tuple[Answer, Look]:
            answer, now = question(book), datetime.now(UTC)
            since = self._looked_at - OVERLAP if self._looked_at else None
            return answer, Look(book.changed(self._node, since, now), now, whole=since is None)

        answer, look = await self._book.ask(asked)
        self._take(look)
        return answer


def _nothing(_: CallbackBook) -> None:
    """What has changed is asked with every question."""
