"""Rows in memory on their way to the database, each once: a newer version replaces one that waits.

Whoever calls holds `changed`, but for the counts. It is held for a dictionary's operation, never
for I/O.
"""

from __future__ import annotations

import threading
from collections import deque

from pln_ivr.journal.records import Row
from pln_ivr.journal.storing import batches


class Memory:
    """Waiting rows, and batches that the writer's thread has taken over."""

    def __init__(self, batch_rows: int) -> None:
        self.changed = threading.Condition()
        self.rounds = 0
        """How often rows were taken over: a row that waits now is of the next round."""
        self._batch_rows = batch_rows
        self._waiting: dict[tuple[type[Row], str], Row] = {}
        self._taken: deque[list[Row]] = deque()  # oldest first
        self._taken_rows = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return len(self._waiting) + self._taken_rows

    @property
    def waiting(self) -> int:
        """Those that have not been taken over."""
        return len(self._waiting)

    def replace(self, row: Row) -> bool:
        """Put it in the place of an older version of it; false if none waits."""
        key = (type(row), row.row_id)
        waiting = self._waiting.get(key)
        if waiting is None:
            return False
        if row.sequence > waiting.sequence:
            self._waiting[key] = row
        return True

    def add(self, row: Row) -> None:
        """One more."""
        self._waiting[type(row), row.row_id] = row

    def take_over(self) -> None:
        """Make batches of what waits, in one step, so that every row is always here."""
        if self._waiting:
            self._taken.extend(batches(self._waiting.values(), self._batch_rows))
            self._taken_rows += len(self._waiting)
            self._waiting = {}
            self.rounds += 1

    def first(self) -> list[Row] | None:
        """The oldest batch."""
        return self._taken[0] if self._taken else None

    def first_done(self) -> None:
        """The oldest batch is stored."""
        self._taken_rows -= len(self._taken.popleft())

    def taken(self) -> list[Row]:
        """The rows of all batches."""
        return [row for batch in self._taken for row in batch]

    def clear_taken(self) -> None:
        """All batches are safe elsewhere."""
        self._taken.clear()
        self._taken_rows = 0
