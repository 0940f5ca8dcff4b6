"""A part's background tasks end with the part, and an error in one is not lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from pln_ivr.background import Background


async def test_tasks_run_and_are_cancelled_with_their_owner() -> None:
    background, told = Background(), asyncio.Queue[str]()

    async def work() -> None:
        try:
            await told.put("begun")
            await asyncio.Event().wait()
        finally:
            await told.put("cancelled")

    owner = asyncio.create_task(background.run())
    await asyncio.sleep(0)
    assert background.running
    background.start(work())
    assert await told.get() == "begun"
    owner.cancel()
    with suppress(asyncio.CancelledError):
        await owner
    assert told.get_nowait() == "cancelled"
    assert not background.running


async def test_nothing_is_started_of_a_part_that_does_not_run() -> None:
    async def work() -> None:
        raise AssertionError("ran")

    with pytest.raises(RuntimeError, match="does not run"):
        Background().start(work())


async def test_an_error_ends_the_part_and_is_raised() -> None:
    background = Background()

    async def work() -> None:
        raise LookupError("lost")

    with pytest.RaisesGroup(LookupError):
        async with background.open():
            background.start(work())
            await asyncio.Event().wait()
