"""Which store the archive is in: the folder, or a bucket with what lay in the folder before it."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from pathlib import Path

from pln_ivr.errors import ConfigError
from pln_ivr.recordings.jobs import ArchiveSettings
from pln_ivr.recordings.store import Listed, LocalStore, Store


class Moved:
    """What is new goes into the one store; what lies in the older one is found there still."""

    def __init__(self, new: Store, older: Store) -> None:
        self._new = new
        self._older = older

    def uri(self, key: str) -> str:
        """See Store."""
        return self._new.uri(key)

    def put(self, key: str, content: bytes) -> None:
        """See Store. One that lies in the older store is replaced there."""
        self._whose(key).put(key, content)

    def size(self, key: str) -> int | None:
        """See Store."""
        return self._whose(key).size(key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See Store."""
        return self._whose(key).read(key, start, length)

    def delete(self, key: str) -> bool:
        """See Store."""
        return self._whose(key).delete(key)

    def keys(self, prefix: str) -> Iterator[Listed]:
        """See Store."""
        both = (self._older.keys(prefix), self._new.keys(prefix))
        return merge(*both, key=lambda one: one.key)

    def _whose(self, key: str) -> Store:
        # The older one is a folder: to look there costs next to nothing.
        return self._older if self._older.size(key) is not None else self._new


def open_store(settings: ArchiveSettings) -> Store:
    """The store that the settings mean; nothing is looked at there yet. Raises ConfigError if it
    needs a package that is not installed."""
    folder = LocalStore(Path(settings.folder))
    if settings.s3 is None:
        return folder
    try:
        from pln_ivr.recordings.s3 import S3Store
    except ImportError as error:
        raise ConfigError(
            "recordings.s3 needs the package obstore: pip install 'pln-ivr[s3]'"
        ) from error
    return Moved(S3Store(settings.s3), folder)
