"""What holds for every test against the fake."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pln_ivr.calls import adoption, journey, reception, room, upkeep
from pln_ivr.calls import prompts as prompts_module
from pln_ivr.queues import ringing
from pln_ivr.recordings import recorder


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


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits, all of them longer than the fake ever takes."""
    monkeypatch.setattr(adoption, "HANDOVER_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "LOOK_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(journey, "JOIN_SECONDS", 0.3)
    monkeypatch.setattr(reception, "GONE_SECONDS", 0.1)
    monkeypatch.setattr(ringing, "FINAL_CAUSE_SECONDS", 0.1)
    monkeypatch.setattr(room, "ENTER_SECONDS", 0.3)
    monkeypatch.setattr(room, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(recorder, "TRY_SECONDS", 0.01)
    monkeypatch.setattr(prompts_module, "UNKNOWN_LENGTH_SECONDS", 0.0)
