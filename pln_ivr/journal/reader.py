"""Questions to the journal. Blocking: from the event loop, call by ``asyncio.to_thread``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pln_ivr.errors import JournalError
from pln_ivr.journal import schema
from pln_ivr.journal.records import AgentStateRow, CallRow, OfferRow
from pln_ivr.outcomes import OfferResult, Reason, Result, Stage

IDS_AT_ONCE = 500
"""Ids in one query; SQLite takes 32,766 parameters, PostgreSQL's driver as many."""


class JournalReader:
    """Reads a journal without changing it, also while the program is writing to it.

    Usable from several threads at once. Every method raises JournalError when the
    database cannot be read or belongs to a newer version.
    """

    def __init__(self, url: str) -> None:
        """``url`` is ``journal.url``. Raises JournalError when there is no journal yet."""
        parsed = schema.parse_url(url)
        if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).is_file():
            raise JournalError(
                f"journal.url: there is no journal at {parsed.database} yet; "
                "pln-ivr serve creates it, or name the right file"
            )
        self._name = parsed.render_as_string(hide_password=True)
        self._engine = schema.create_engine(parsed, read_only=True)
        try:
            with self._connection() as connection:
                schema.check_version(connection)
        except BaseException:
            self._engine.dispose()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the database's connections back. May be called twice."""
        self._engine.dispose()

    def last_calls(self, n: int) -> list[CallRow]:
        """The ``n`` calls that began last, newest first, of all nodes."""
        query = sa.select(schema.calls).order_by(
            schema.calls.c.started_at.desc(), schema.calls.c.call_id.desc()
        )
        return [_call(row) for row in self._rows(query.limit(n))]

    def call(self, call_id: str) -> CallRow | None:
        """One call, or None when the journal has none of that id."""
        query = sa.select(schema.calls).where(schema.calls.c.call_id == call_id)
        return next((_call(row) for row in self._rows(query)), None)

    def open_calls(self, node: str) -> list[CallRow]:
        """The calls of a node that have not ended, as far as the journal knows."""
        table = schema.calls
        query = sa.select(table).where(table.c.node == node, table.c.outcome.is_(None))
        return [_call(row) for row in self._rows(query)]

    def calls_of_channels(self, channel_ids: Collection[str]) -> dict[str, CallRow]:
        """The calls whose caller legs these were, by the caller leg's id."""
        ids = list(channel_ids)
        found: dict[str, CallRow] = {}
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            query = sa.select(schema.calls).where(schema.calls.c.channel_id.in_(some))
            found |= {row["channel_id"]: _call(row) for row in self._rows(query)}
        return found

    def call_of_recording(self, uri: str, since: datetime) -> CallRow | None:
        """The call that began after `since` and has this recording."""
        table = schema.calls
        query = sa.select(table).where(table.c.started_at >= since, table.c.recording == uri)
        return next((_call(row) for row in self._rows(query)), None)

    def open_offers(self, node: str) -> list[OfferRow]:
        """The offers of a node whose end the journal does not know."""
        table = schema.offers
        query = sa.select(table).where(table.c.node == node, table.c.result.is_(None))
        return [_offer(row) for row in self._rows(query)]

    def mark(self, name: str) -> str:
        """How far something has been read; empty at the first time."""
        query = sa.select(schema.marks.c.position).where(schema.marks.c.mark == name)
        return next((str(row["position"]) for row in self._rows(query)), "")

    def offers_of(self, call_id: str) -> list[OfferRow]:
        """The offers of one call, in the order in which they were made."""
        table = schema.offers
        query = sa.select(table).where(table.c.call_id == call_id)
        query = query.order_by(table.c.offered_at, table.c.offer_id)
        return [_offer(row) for row in self._rows(query)]

    def agent_states(self) -> list[AgentStateRow]:
        """The latest state of each agent that the journal knows, by agent."""
        table = schema.agent_states
        newest_first = [table.c.changed_at.desc(), table.c.sequence.desc(), table.c.change_id]
        place = sa.func.row_number().over(partition_by=table.c.agent, order_by=newest_first)
        ranked = sa.select(table, place.label("place")).subquery()
        columns = [ranked.c[c.name] for c in table.columns]
        query = sa.select(*columns).where(ranked.c.place == 1).order_by(ranked.c.agent)
        return [AgentStateRow(**row) for row in self._rows(query)]

    def _rows(self, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        with self._connection() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise JournalError(
                f"journal.url: cannot read {self._name}: {schema.first_line(error)}; "
                "check the file or server and its permissions"
            ) from error


def _call(row: Mapping[str, Any]) -> CallRow:
    values = dict(row)
    values["stage"] = Stage(values["stage"])
    values["outcome"] = None if values["outcome"] is None else Result(values["outcome"])
    values["reason"] = None if values["reason"] is None else Reason(values["reason"])
    return CallRow(**values)


def _offer(row: Mapping[str, Any]) -> OfferRow:
    values = dict(row)
    values["result"] = None if values["result"] is None else OfferResult(values["result"])
    return OfferRow(**values)
