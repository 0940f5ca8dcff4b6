"""The archive in a bucket of S3, or of a server that speaks its protocol.

The only user of obstore, which is not in every installation: see `stores`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import obstore
from obstore.exceptions import (
    BaseError,
    GenericError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store as Bucket

from pln_ivr.errors import RecordingError
from pln_ivr.recordings.jobs import S3Place
from pln_ivr.recordings.store import Listed

SCHEME = "s3"
"""The scheme of URIs in the bucket; what comes after the colon is the key, without the prefix."""

RETRIES = 2
"""Of a request that the server was too busy for; whoever files tries again later, too."""

_PAST_THE_END = " 416 "


class S3Store:
    """A bucket. What is put is there whole or not at all: that is how S3 works."""

    def __init__(self, place: S3Place) -> None:
        self._name = place.bucket
        self._bucket = Bucket(
            place.bucket,
            prefix=place.prefix or None,
            endpoint=place.endpoint or None,
            region=place.region,
            access_key_id=place.access_key,
            secret_access_key=place.secret_key,
            virtual_hosted_style_request=not place.endpoint,
            client_options={
                "allow_http": place.endpoint.startswith("http://"),
                "timeout": timedelta(seconds=place.seconds),
                "connect_timeout": timedelta(seconds=place.seconds),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=place.seconds),
            },
        )

    def uri(self, key: str) -> str:
        """See Store."""
        return f"{SCHEME}:{key}"

    def put(self, key: str, content: bytes) -> None:
        """See Store."""
        with self._says("write", key):
            obstore.put(self._bucket, key, content)

    def size(self, key: str) -> int | None:
        """See Store."""
        with self._says("read", key):
            try:
                return obstore.head(self._bucket, key)["size"]
            except FileNotFoundError:
                return None

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See Store."""
        if length == 0:
            return b""
        with self._says("read", key):
            try:
                if length is not None:
                    part = obstore.get_range(self._bucket, key, start=start, length=length)
                    return bytes(part)
                if start:
                    tail = obstore.get(self._bucket, key, options={"range": {"offset": start}})
                    return bytes(tail.bytes())
                return bytes(obstore.get(self._bucket, key).bytes())
            except GenericError as error:
                if _PAST_THE_END in str(error):
                    return b""
                raise

    def delete(self, key: str) -> bool:
        """See Store. A bucket that keeps versions keeps this one: see docs/operations.md."""
        if self.size(key) is None:
            return False
        with self._says("remove", key):
            obstore.delete(self._bucket, key)
        return True

    def keys(self, prefix: str) -> Iterator[Listed]:
        """See Store."""
        with self._says("list", prefix):
            for page in obstore.list(self._bucket, prefix=prefix or None):
                for one in page:
                    yield Listed(one["path"], one["size"])

    @contextmanager
    def _says(self, act: str, key: str) -> Iterator[None]:
        """Every fault as one line that names the bucket and the setting."""
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise RecordingError(
                f"bucket {self._name} refuses to {act} {key}: are recordings.s3.access_key and"
                " secret_key right, and may they do it?"
            ) from error
        except (NotFoundError, FileNotFoundError) as error:
            raise RecordingError(
                f"bucket {self._name}: {key or 'it'} is not there, or there is no such bucket"
                " (recordings.s3.bucket)"
            ) from error
        except (BaseError, OSError) as error:
            line = str(error).partition("\n")[0].strip()
            raise RecordingError(f"bucket {self._name} cannot {act} {key}: {line}") from error
