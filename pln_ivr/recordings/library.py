"""The archive from the reader's side: the sound of a recording, whole or in parts. Blocking."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

from pln_ivr.errors import RecordingError
from pln_ivr.journal import RecordingRow
from pln_ivr.recordings.jobs import ArchiveSettings
from pln_ivr.recordings.manifest import manifest_key
from pln_ivr.recordings.names import name_of
from pln_ivr.recordings.sealing import Keys, Sealed, load_keys
from pln_ivr.recordings.store import Store, key_of
from pln_ivr.recordings.stores import open_store


class Sound(Protocol):
    """A recording's file in the clear, of which parts can be read."""

    length: int
    """In bytes."""

    def read(self, start: int, length: int) -> bytes:
        """A part of it, shorter at its end. Raises RecordingError."""


class _Plain:
    def __init__(self, store: Store, key: str, length: int) -> None:
        self._store, self._key, self.length = store, key, length

    def read(self, start: int, length: int) -> bytes:
        return self._store.read(self._key, start, length)


class Library:
    """Opens recordings, and removes what is deleted."""

    def __init__(self, store: Store, keys: Keys | None) -> None:
        self.store = store
        self._keys = keys

    @classmethod
    def of(cls, archive: ArchiveSettings) -> Library:
        """The library of this archive. Raises ConfigError if its file of keys is wrong, or its
        store needs what is not installed."""
        return cls(open_store(archive), load_keys(Path(archive.keys)) if archive.keys else None)

    def open(self, row: RecordingRow) -> Sound:
        """A recording's sound. Raises RecordingError if the file is not there or cannot be
        opened."""
        key, name = key_of(row.uri), name_of(row.uri)
        size = self.store.size(key)
        if size is None:
            raise RecordingError(f"{name}: the file is gone; pln-ivr recordings verify")
        if row.key_id is None:
            return _Plain(self.store, key, size)
        keys = self._keys or Keys("", {})
        return Sealed(partial(self.store.read, key), size, name, keys)

    def remove(self, row: RecordingRow) -> None:
        """Remove a recording's file and manifest for good. Raises RecordingError if either is
        there all the same."""
        for key in (key_of(row.uri), manifest_key(name_of(row.uri))):
            self.store.delete(key)
            if self.store.size(key) is not None:
                raise RecordingError(f"{key}: still there after it was removed")

    def is_there(self, row: RecordingRow) -> bool:
        """Whether there is a file of it. Raises RecordingError."""
        return self.store.size(key_of(row.uri)) is not None
