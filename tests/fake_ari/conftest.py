"""What holds for every test against the fake."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
async def _nothing_for_asyncio_to_complain_of() -> AsyncIterator[None]:
    """No task or future may end with an error that nobody takes notice of."""
    complaints: list[str] = []

    def complain(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        complaints.append(f"{context['message']}: {context.get('exception')!r}")

    asyncio.get_running_loop().set_exception_handler(complain)
    yield
    gc.collect()
    assert not complaints
