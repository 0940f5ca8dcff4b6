"""Rows on disk, for the time that the database is away and memory is full. Blocking.

A file of the spool is written once, under another name until it is whole, and removed when the
database has its rows. That may happen twice, or by two runs at once: rows are idempotent by id
and sequence, in whatever order they come.

The rows name callers: folder and files are for their owner only.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uuid_utils

from pln_ivr.journal import tables
from pln_ivr.journal.records import Row

WHOLE, UNFINISHED, DAMAGED = ".rows", ".part", ".damaged"
KINDS = {str(table.name): kind for kind, table in tables.TABLES.items()}


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file, and how many of its lines could not be read."""

    rows: list[Row]
    unreadable: int


class Spool:
    """A folder with files of rows."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """`most_bytes` bounds all files together."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._files: dict[Path, int] = {}
        """The rows in each, oldest first."""

    @property
    def rows(self) -> int:
        """Rows that wait here, as far as it was looked."""
        return sum(tuple(self._files.values()))  # another thread may be putting one more

    def look(self) -> None:
        """Look what there is; another run may have left something. Raises OSError."""
        with suppress(FileNotFoundError):
            self._files = {path: _rows_in(path) for path in sorted(self._folder.glob(f"*{WHOLE}"))}

    def adopt_unfinished(self) -> None:
        """Take what a crash cut off as it is: whole lines can be read. Raises OSError."""
        for path in self._folder.glob(f"*{UNFINISHED}"):
            path.rename(path.with_suffix(WHOLE))

    def put(self, rows: Collection[Row]) -> None:
        """Write rows that are safe when this returns. Raises OSError, also when there is as much
        here as there may be, and then nothing is written."""
        text = b"".join(_line(row) for row in rows)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        used = sum(path.stat().st_size for path in self._folder.iterdir())
        if used + len(text) > self._most_bytes:
            raise OSError(errno.EDQUOT, "journal.spool_mb are used up", str(self._folder))
        path = self._folder / f"{uuid_utils.uuid7()}-{len(rows)}{UNFINISHED}"
        try:
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        whole = path.rename(path.with_suffix(WHOLE))
        _sync_folder(self._folder)
        self._files[whole] = len(rows)

    def oldest(self) -> Path | None:
        """The file whose rows have waited longest."""
        return next(iter(self._files), None)

    def read(self, path: Path) -> Content:
        """The rows of a file. Raises OSError; one that has gone is empty."""
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return Content([], 0)
        rows = [row for line in lines if (row := _row(line))]
        return Content(rows, len(lines) - len(rows))

    def done(self, path: Path, damaged: bool) -> None:
        """The database has a file's rows. A damaged one is put aside. Raises OSError."""
        with suppress(FileNotFoundError):
            path.rename(path.with_suffix(DAMAGED)) if damaged else path.unlink()
        self._files.pop(path, None)


def _line(row: Row) -> bytes:
    return msgspec.json.encode((str(tables.TABLES[type(row)].name), row)) + b"\n"


def _row(line: bytes) -> Row | None:
    try:
        name, content = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
        row: Row = msgspec.json.decode(content, type=KINDS[name])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return None
    return row


def _rows_in(path: Path) -> int:
    count = path.stem.rpartition("-")[2]
    return int(count) if count.isdigit() else 1


def _sync_folder(folder: Path) -> None:
    """So that the name is there after a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
