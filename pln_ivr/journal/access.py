"""Opening a journal that is there already, for the reader and for changes made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pln_ivr.errors import JournalError
from pln_ivr.journal import schema

ROWS_AT_ONCE = 1000
"""Rows fetched in one go where there may be very many."""


class Access:
    """A journal that exists and has this version's tables. Blocking.

    Usable from several threads at once. Every method raises JournalError when the
    database cannot be read or, by `changing`, written.
    """

    def __init__(self, url: str, *, read_only: bool = True) -> None:
        """``url`` is ``journal.url``. Raises JournalError when there is no journal yet, and
        when it belongs to another version of pln_ivr."""
        parsed = schema.parse_url(url)
        if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).is_file():
            raise JournalError(
                f"journal.url: there is no journal at {parsed.database} yet; "
                "pln-ivr serve creates it, or name the right file"
            )
        self._name = parsed.render_as_string(hide_password=True)
        self._engine = schema.create_engine(parsed, read_only=read_only)
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

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """One transaction: what the body reads in it nobody else changes meanwhile by this way."""
        with self._one_line("write"), self._engine.begin() as connection:
            schema.lock_changes(connection)
            yield connection

    def _rows(self, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        with self._connection() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _stream(self, query: sa.Select[Any]) -> Iterator[Mapping[str, Any]]:
        """The same, a few at a time, for what may not fit into memory."""
        return (dict(row._mapping) for row in self._tuples(query))

    def _tuples(self, query: sa.Executable) -> Iterator[Any]:
        """The same as tuples, which cost less."""
        with self._connection() as connection:
            options = {"yield_per": ROWS_AT_ONCE}
            yield from connection.execute(query, execution_options=options)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with self._one_line("read"), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _one_line(self, act: str) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise JournalError(
                f"journal.url: cannot {act} {self._name}: {schema.first_line(error)}; "
                "check the file or server and its permissions"
            ) from error
