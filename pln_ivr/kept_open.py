"""A part of the journal that a running program keeps open and asks in threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar

from pln_ivr.background import see_through
from pln_ivr.errors import JournalError

ANSWER_SECONDS = 4.0
"""How long a caller waits for the journal; then for an agent."""


class Book(Protocol):
    """What is kept open: its methods block and raise JournalError."""

    def close(self) -> None:
        """Give the database's connections back."""


B = TypeVar("B", bound=Book)
Answer = TypeVar("Answer")


class KeptOpen(Generic[B]):
    """One book. Its owner holds it `open`; many may `ask`, and are answered one after the other:
    the journal has one writer at a time."""

    def __init__(self, opened: Callable[[], B]) -> None:
        """`opened` opens the book; it blocks and raises JournalError."""
        self._opened = opened
        self._book: B | None = None
        self._turn = asyncio.Lock()
        self._threads: set[asyncio.Task[Any]] = set()
        """Questions that are not over."""

    @property
    def is_open(self) -> bool:
        """Whether there is anything to ask."""
        return self._book is not None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Have it open for the body's duration. Raises JournalError."""
        book = await see_through(asyncio.to_thread(self._opened))
        self._book = book
        try:
            yield
        finally:
            self._book = None
            if self._threads:  # who asked may have given up; the thread has not
                await asyncio.wait(self._threads)
            book.close()

    async def ask(self, question: Callable[[B], Answer]) -> Answer:
        """The answer. Raises JournalError, also if there is none within ANSWER_SECONDS: the
        question goes on then, as it does when this is cancelled, and what it changes may be there.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._turn:
                if self._book is None:
                    raise JournalError("the journal is not open")
                return await self._in_thread(question, self._book)
        except TimeoutError:
            raise JournalError(f"no answer within {ANSWER_SECONDS:g} s") from None

    async def _in_thread(self, question: Callable[[B], Answer], book: B) -> Answer:
        task = asyncio.ensure_future(asyncio.to_thread(question, book))
        self._threads.add(task)
        task.add_done_callback(self._thread_ended)
        return await asyncio.shield(task)

    def _thread_ended(self, task: asyncio.Task[Any]) -> None:
        self._threads.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may not be there to take it
