"""White flags: an agent's call for help in a conversation, until help is there or it is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import uuid_utils

from pln_ivr.calls.conversation import Conversation
from pln_ivr.errors import OrderRefused, RefusalKind
from pln_ivr.journal.records import FlagRow
from pln_ivr.outcomes import FlagResult


class Teller(Protocol):
    """Hears of every change of a flag: journal, metrics, whoever watches."""

    def flag(self, row: FlagRow) -> None:
        """A flag went up, was taken, was helped, or came down."""


class Flags:
    """The flags that are up. Each belongs to one conversation."""

    def __init__(self, node: str, teller: Teller) -> None:
        self._node = node
        self._teller = teller
        self._up: dict[str, FlagRow] = {}
        self._talks: dict[str, Conversation] = {}

    def __iter__(self) -> Iterator[FlagRow]:
        """Those that are up, oldest first."""
        return iter(tuple(self._up.values()))

    def get(self, flag_id: str) -> tuple[FlagRow, Conversation]:
        """A flag that is up, and its conversation. Raises OrderRefused."""
        if flag_id not in self._up:
            raise OrderRefused(RefusalKind.NOT_FOUND, "no such flag is up")
        return self._up[flag_id], self._talks[flag_id]

    def raise_for(self, talk: Conversation) -> FlagRow:
        """The agent needs help; a flag that is up already stays."""
        if talk.flag_id:
            return self._up[talk.flag_id]
        row = FlagRow(
            flag_id=str(uuid_utils.uuid7()),
            sequence=0,
            node=self._node,
            call_id=talk.call.id,
            offer_id=talk.partner.offer.id,
            agent=talk.agent,
            raised_at=datetime.now(UTC),
        )
        talk.flag_id = row.flag_id
        self._talks[row.flag_id] = talk
        return self._change(row)

    def take(self, flag_id: str, supervisor: str) -> Conversation:
        """This supervisor comes to help. Raises OrderRefused if another one does already."""
        row, talk = self.get(flag_id)
        if row.taken_by not in (None, supervisor):
            raise OrderRefused(RefusalKind.CONFLICT, f"taken by {row.taken_by}")
        self._change(replace(row, taken_by=supervisor, taken_at=datetime.now(UTC)))
        return talk

    def give_back(self, flag_id: str) -> None:
        """Who took it did not come: another one may. Idempotent."""
        if flag_id in self._up and self._up[flag_id].helped_at is None:
            self._change(replace(self._up[flag_id], taken_by=None, taken_at=None))

    def helped(self, flag_id: str) -> None:
        """The supervisor is on the line. Idempotent."""
        if flag_id in self._up and self._up[flag_id].helped_at is None:
            self._change(replace(self._up[flag_id], helped_at=datetime.now(UTC)))

    def lower(self, talk: Conversation) -> None:
        """The agent needs no help any more, or the conversation is over. Idempotent."""
        if talk.flag_id is None:
            return
        row = self._up[talk.flag_id]
        if row.helped_at:
            result = FlagResult.HELPED
        else:
            result = FlagResult.UNANSWERED if talk.over else FlagResult.WITHDRAWN
        talk.flag_id = None
        self._change(replace(row, ended_at=datetime.now(UTC), result=result))

    def _change(self, row: FlagRow) -> FlagRow:
        row = replace(row, sequence=row.sequence + 1)
        if row.result is None:
            self._up[row.flag_id] = row
        else:
            del self._up[row.flag_id]
            del self._talks[row.flag_id]
        self._teller.flag(row)
        return row
