"""Statements on outages for the API: written, spoken and read in a thread.

It meets a protocol of `console.views`; nothing is decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from pln_ivr.console.routes import Unfit
from pln_ivr.console.views import StatementDraft, StatementView
from pln_ivr.errors import EntryError, OrderRefused, PromptError, RefusalKind
from pln_ivr.journal.statements import (
    StatementRow,
    Statements,
    approve_statement,
    publish_statement,
    renew_statement,
    withdraw_statement,
)
from pln_ivr.outages.drafting import Draft, DraftError, DraftRules, latest_expiry, make_draft


class JournalStatements:
    """See console.views.Statements."""

    def __init__(
        self, url: str, rules: DraftRules, on_change: Callable[[], Awaitable[None]]
    ) -> None:
        """`url` is `journal.url`; `on_change` has this node see at once what is live."""
        self._url = url
        self._rules = rules
        self._on_change = on_change

    async def live(self) -> list[StatementView]:
        """See Statements."""
        return [StatementView.of(row) for row in await asyncio.to_thread(self._live)]

    async def last(self, limit: int) -> list[StatementView]:
        """See Statements."""
        return [StatementView.of(row) for row in await asyncio.to_thread(self._last, limit)]

    async def one(self, version: int) -> StatementView:
        """See Statements."""
        return StatementView.of(await asyncio.to_thread(self._one, version))

    async def draft(self, wanted: StatementDraft, by: str) -> StatementView:
        """See Statements."""
        draft = Draft(
            areas=tuple(wanted.areas),
            cause=wanted.cause,
            restoration_at=wanted.restoration_at,
            expires_at=wanted.expires_at,
            text=wanted.text,
        )
        try:
            row = await asyncio.to_thread(
                make_draft, self._url, draft, self._rules, by, datetime.now(UTC)
            )
        except DraftError as error:
            raise Unfit(str(error), error.field) from None
        except PromptError as error:
            raise OrderRefused(RefusalKind.CONFLICT, f"it cannot be spoken: {error}") from None
        return StatementView.of(row)

    async def approve(self, version: int, by: str) -> StatementView:
        """See Statements."""
        return await self._step(version, lambda: approve_statement(self._url, version, by))

    async def publish(self, version: int, by: str) -> StatementView:
        """See Statements."""
        return await self._step(version, lambda: publish_statement(self._url, version, by))

    async def renew(self, version: int, until: datetime, by: str) -> StatementView:
        """See Statements."""
        if until > latest_expiry(self._rules, datetime.now(UTC)):
            hours = self._rules.longest.total_seconds() / 3600
            raise Unfit(f"it may be live for {hours:g} hours more at most", "until")
        return await self._step(version, lambda: renew_statement(self._url, version, until, by))

    async def withdraw(self, version: int, note: str, by: str) -> StatementView:
        """See Statements."""
        return await self._step(version, lambda: withdraw_statement(self._url, version, by, note))

    async def _step(self, version: int, step: Callable[[], StatementRow]) -> StatementView:
        try:
            row = await asyncio.to_thread(step)
        except EntryError as error:
            await asyncio.to_thread(self._one, version)  # or it is that there is none
            raise OrderRefused(RefusalKind.CONFLICT, str(error)) from None
        await self._on_change()
        return StatementView.of(row)

    def _live(self) -> list[StatementRow]:
        with Statements(self._url) as statements:
            return statements.live(datetime.now(UTC))

    def _last(self, limit: int) -> list[StatementRow]:
        with Statements(self._url) as statements:
            return statements.last(limit, datetime.now(UTC))

    def _one(self, version: int) -> StatementRow:
        with Statements(self._url) as statements:
            try:
                return statements.one(version, datetime.now(UTC))
            except EntryError:
                raise OrderRefused(RefusalKind.NOT_FOUND, "there is no such statement") from None
