"""Where the archive's files are: one small interface, and the local folder behind it.

A key is a relative path with slashes, ``yyyy/mm/dd/CALL/ID.opus``; the journal's index has
URIs. Everything here blocks: it is called from worker processes and threads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from pln_ivr.errors import RecordingError

LOCAL = "archive"
"""The scheme of URIs in the local folder; what comes after the colon is the key."""

INCOMING = ".incoming"
"""Below the folder: what is being written and has no name yet."""

STALE_SECONDS = 3600.0
"""What has lain in INCOMING for so long was left by a crash."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a store."""

    key: str
    size: int


class Store(Protocol):
    """Where the archive's files are. Every method raises RecordingError when the store fails."""

    def uri(self, key: str) -> str:
        """What the journal's index says."""

    def put(self, key: str, content: bytes) -> None:
        """Store under this key, whole and durable or not at all; an earlier file is replaced."""

    def size(self, key: str) -> int | None:
        """The file's length in bytes; None if there is none."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """A part of a file, or all of it; shorter than asked for at the file's end."""

    def delete(self, key: str) -> bool:
        """Remove for good; False if there was none."""

    def keys(self, prefix: str) -> Iterator[Listed]:
        """All files whose keys begin with this, which ends with a slash or is empty, by key."""


def key_of(uri: str) -> str:
    """The key, from what `Store.uri` made of it."""
    return uri.partition(":")[2]


class LocalStore:
    """A folder. Files appear by a rename within it, so that a crash leaves none half."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def uri(self, key: str) -> str:
        """See Store."""
        return f"{LOCAL}:{key}"

    def put(self, key: str, content: bytes) -> None:
        """See Store."""
        path = self._path(key)
        incoming = self._folder / INCOMING / uuid4().hex
        with self._says("write", path):
            try:
                incoming.parent.mkdir(parents=True, exist_ok=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                with incoming.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(incoming, path)
                self._sync_folders(path.parent)
            finally:
                with suppress(OSError):
                    incoming.unlink(missing_ok=True)

    def size(self, key: str) -> int | None:
        """See Store."""
        path = self._path(key)
        with self._says("read", path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See Store."""
        path = self._path(key)
        with self._says("read", path), path.open("rb") as file:
            file.seek(start)
            return file.read(-1 if length is None else length)

    def delete(self, key: str) -> bool:
        """See Store."""
        path = self._path(key)
        with self._says("remove", path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            self._sync_folders(path.parent)
            with suppress(OSError):  # another recording of the call is in it
                path.parent.rmdir()
        return True

    def keys(self, prefix: str) -> Iterator[Listed]:
        """See Store."""
        root = self._folder / prefix if prefix else self._folder
        for folder, below, files in os.walk(root, onerror=self._unless_missing):
            below[:] = sorted(name for name in below if name != INCOMING)
            for name in sorted(files):
                path = Path(folder, name)
                with self._says("read", path):
                    yield Listed(path.relative_to(self._folder).as_posix(), path.stat().st_size)

    def tidy(self) -> None:
        """Remove what a crash left half."""
        before = time.time() - STALE_SECONDS
        with suppress(OSError):
            for path in (self._folder / INCOMING).iterdir():
                if path.stat().st_mtime < before:
                    path.unlink()

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not all(parts) or any(part.startswith(".") for part in parts):
            raise RecordingError(f"not a key of the archive: {key!r}")
        return self._folder.joinpath(*parts)

    def _sync_folders(self, folder: Path) -> None:
        """A new name is durable when each folder that it is new in has been synced."""
        while True:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if folder == self._folder:
                return
            folder = folder.parent

    def _unless_missing(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise RecordingError(f"the archive cannot be read: {error}") from error

    @contextmanager
    def _says(self, act: str, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordingError(
                f"the archive cannot {act} {path}: {error.strerror or error}"
            ) from error
