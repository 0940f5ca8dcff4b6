"""A call of a minute as Asterisk's list of calls and as the journal's row, for tests."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from pln_ivr.journal import CallRow
from pln_ivr.journal.cdr import CdrLine, parse
from pln_ivr.outcomes import Stage
from tests.unit.making import cdr_line

NODE = "pln-1"
BEGAN = datetime(2026, 11, 24, 3, 38, 42, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=60)
CHANNEL = "pln-1-1795491522.15"
RECORDING = "2026/11/24/e93d3f1b/e93d3f1b"


def epoch(moment: datetime | None) -> str:
    return f"{moment.timestamp():.6f}" if moment else "0.000000"


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def text(channel: str = CHANNEL, **cells: str) -> str:
    """The line of a call of a minute that the application had at its end."""
    times = {"start": epoch(BEGAN), "answer": epoch(after(1)), "end": epoch(ENDED)}
    return cdr_line(**({"uniqueid": channel} | times | cells))


def fallback(refused: str = "", queued: str = "", talking: str = "", by: str = "") -> str:
    member = "ag-104" if talking else ""
    return f"fallback/{refused}/{queued}/{talking}/{member}/{by}/{RECORDING}"


def line(**cells: str) -> CdrLine:
    return parse(text(**cells))


def row(**changes: Any) -> CallRow:
    """An open row of the call."""
    made = CallRow(
        call_id="call-1",
        sequence=3,
        node=NODE,
        incarnation="run-1",
        channel_id=CHANNEL,
        caller="0812",
        dialled="123",
        stage=Stage.NOTICE,
        started_at=BEGAN,
        answered_at=after(1),
    )
    return dataclasses.replace(made, **changes)


QUEUED, TALKING = str(int(after(5).timestamp())), str(int(after(30).timestamp()))
