"""One attempt to call a customer back, and how its call ended: as it was told, or as the journal
has it. Decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pln_ivr.calls.call import Call
from pln_ivr.journal.callbacks import CallbackRow
from pln_ivr.outcomes import Reason, Result
from pln_ivr.queues.callbacks import Ended
from pln_ivr.queues.offer import Offer


@dataclass(eq=False)
class Attempt:
    """One callback's turn: from the virtual place, or the dialling, to the end of its call."""

    row: CallbackRow
    call: Call
    go: asyncio.Event = field(default_factory=asyncio.Event)
    """Customer first: dial now."""
    begun: bool = False
    """It is being written that somebody is called: it ends by itself."""
    placed: bool = False
    """Its call has a journey."""
    over: asyncio.Future[Call] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    task: asyncio.Task[None] | None = None


def ended(attempt: Attempt, call: Call, offer: Offer | None, reopened: bool) -> Ended:
    """How the call of an attempt ended, which has an outcome. `reopened`: see Ended."""
    assert call.outcome
    return Ended(
        outcome=call.outcome.result,
        reason=call.outcome.reason,
        talked_seconds=_seconds(call.talking_at, call.ended_at),
        disposition=offer.disposition if offer else None,
        of_report=attempt.row.report_id is not None,
        reopened=reopened,
    )


def ended_as_journalled(call: Mapping[str, Any], row: CallbackRow) -> Ended:
    """The same of a call of which only the journal knows, by its row."""
    return Ended(
        outcome=Result(call["outcome"]),
        reason=Reason(call["reason"]),
        talked_seconds=_seconds(call["talking_at"], call["ended_at"]),
        of_report=row.report_id is not None,
    )


def _seconds(since: datetime | None, until: datetime | None) -> float | None:
    return (until - since).total_seconds() if since and until else None
