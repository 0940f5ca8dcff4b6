"""Storing rows: a batch in one transaction, and what it means when the database refuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pln_ivr.journal import schema, tables
from pln_ivr.journal.records import Row

Refused = list[tuple[Row, str]]
"""Rows that the database does not take, and the kind of error; never its text, which may quote
the row."""

_NOT_THE_ROWS_FAULT = ("42P01", "42703", "42501", "3F000")
"""PostgreSQL's words for a table, a column, a right or a schema that is missing: it may come."""


class Store:
    """Stores rows in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statements = {
            kind: schema.upsert(table, engine.dialect.name) for kind, table in tables.TABLES.items()
        }

    def store(self, batch: list[Row]) -> tuple[int, Refused]:
        """Store a batch in one transaction; the number stored, and the rows refused.

        One bad row must not hold up the others for ever, so if the database refuses the rows
        themselves they are tried one by one. Raises when the database is away.
        """
        try:
            with self._engine.begin() as connection:
                for kind, statement in self._statements.items():
                    values = [tables.values_of(row) for row in batch if type(row) is kind]
                    if values:
                        connection.execute(statement, values)
            return len(batch), []
        except Exception as error:
            if not _is_refusal(error):
                raise
            if len(batch) == 1:
                return 0, [(batch[0], type(error).__name__)]
        stored, refused = 0, []
        for row in batch:
            one, bad = self.store([row])
            stored += one
            refused += bad
        return stored, refused


def _is_refusal(error: Exception) -> bool:
    """Whether the fault is in the rows (never helped by waiting) or in the database."""
    if not isinstance(error, sa.exc.DBAPIError):
        return not isinstance(error, OSError | sa.exc.TimeoutError)
    if error.connection_invalidated:
        return False
    if getattr(error.orig, "sqlstate", None) in _NOT_THE_ROWS_FAULT:
        return False
    return isinstance(
        error,
        sa.exc.DataError
        | sa.exc.IntegrityError
        | sa.exc.InterfaceError
        | sa.exc.ProgrammingError
        | sa.exc.NotSupportedError,
    )


def batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """The rows, so many at a time."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch
