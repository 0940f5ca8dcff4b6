"""Customers who are to be called back, for the API: the journal, read and changed in a thread."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from pln_ivr.console.views import Masked
from pln_ivr.errors import EntryError, OrderRefused, RefusalKind
from pln_ivr.journal.callbacks import CallbackBook, CallbackList, CallbackRow
from pln_ivr.journal.records import masked
from pln_ivr.outcomes import CallbackResult, CallbackStatus


class CallbackView(Struct, frozen=True, kw_only=True):
    """One callback."""

    callback_id: str
    call_id: Annotated[str, Meta(description="The visit in which it was asked for.")]
    report_id: Annotated[
        str | None, Meta(description="The report of whose customer hears that power is back.")
    ]
    queue: Annotated[str, Meta(description="Empty with a report_id.")]
    caller: Masked
    status: CallbackStatus
    place_at: Annotated[datetime, Meta(description="The place in the line.")]
    asked_at: datetime
    due_at: Annotated[datetime, Meta(description="Nobody is called before.")]
    expires_at: datetime
    attempts: Annotated[int, Meta(ge=0, description="Those that count against the limit.")]
    result: Annotated[CallbackResult | None, Meta(description="Of the latest attempt.")]
    last_call_id: Annotated[str | None, Meta(description="The call of it.")]
    ended_at: datetime | None
    ended_by: Annotated[str | None, Meta(description="Who cancelled it.")]

    @classmethod
    def of(cls, row: CallbackRow) -> CallbackView:
        """What may be shown of a row."""
        shown = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**shown | {"caller": masked(row.caller)})


class Callbacks(Protocol):
    """The journal's callbacks. Everything raises JournalError."""

    async def callbacks(self, limit: int, waiting: bool) -> list[CallbackView]:
        """The newest first; if `waiting` those that are not over, in the order of their places."""

    async def cancel(self, callback_id: str, by: str) -> None:
        """Nobody calls this one any more. Raises OrderRefused if it is over, or there is none."""


class JournalCallbacks:
    """See Callbacks."""

    def __init__(self, url: str) -> None:
        """`url` is `journal.url`."""
        self._url = url

    async def callbacks(self, limit: int, waiting: bool) -> list[CallbackView]:
        """See Callbacks."""
        rows = await asyncio.to_thread(self._rows, limit, waiting)
        return [CallbackView.of(row) for row in rows]

    async def cancel(self, callback_id: str, by: str) -> None:
        """See Callbacks."""
        await asyncio.to_thread(self._cancel, callback_id, by)

    def _rows(self, limit: int, waiting: bool) -> list[CallbackRow]:
        with CallbackList(self._url) as callbacks:
            return callbacks.last(limit, waiting)

    def _cancel(self, callback_id: str, by: str) -> None:
        try:
            with CallbackBook(self._url) as book:
                book.cancel([callback_id], by, datetime.now(UTC))
        except EntryError:
            raise OrderRefused(RefusalKind.NOT_FOUND, "no such callback waits") from None
