"""Tasks that go on beside what began them, owned by a part of the program while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Background:
    """The tasks of one part: there is a place for them while `run` or `open` lasts."""

    def __init__(self) -> None:
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def running(self) -> bool:
        """Whether a task can be started."""
        return self._tasks is not None

    def start(
        self, work: Coroutine[None, None, None], name: str | None = None
    ) -> asyncio.Task[None]:
        """Run it beside the others. An error that it raises ends all of them: `run` raises it.

        Raises RuntimeError if there is no place for it: ask `running` first.
        """
        if self._tasks is None:
            work.close()
            raise RuntimeError("a task was started of a part that does not run")
        return self._tasks.create_task(work, name=name)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Own tasks for the body's duration, and then until they have ended."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                yield
            finally:
                self._tasks = None

    async def run(self) -> None:
        """Own tasks until cancelled; then they are cancelled, too."""
        async with self.open():
            await asyncio.Event().wait()


async def see_through(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run to its end even if cancelled meanwhile; the cancellation is delivered after it.

    For requests whose order at Asterisk matters: a cancelled request may still arrive, and then
    after the one that was sent next. And for what must not be left half known.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # nobody else will ask for it, and asyncio would complain
        raise
