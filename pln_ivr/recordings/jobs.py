"""What the program and its worker processes tell each other: one JSON line each way."""

from __future__ import annotations

import msgspec

from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.manifest import Facts, Manifest


class S3Place(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of S3, or of a server that speaks its protocol, and who may write there."""

    bucket: str
    prefix: str
    endpoint: str
    """Empty: Amazon's own, by region."""
    region: str
    access_key: str
    secret_key: str
    seconds: float
    """Deadline of one request."""

    def __repr__(self) -> str:
        """Without the secret: it must reach no log."""
        return f"S3Place(bucket={self.bucket!r}, endpoint={self.endpoint!r})"


class ArchiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where and in which form recordings are archived: the worker's first line."""

    folder: str
    codec: Codec
    keys: str | None = None
    """The file of keys; without one nothing is encrypted."""
    s3: S3Place | None = None
    """Where recordings go instead of the folder; what lies in that stays there."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """File this."""

    raw: str
    facts: Facts
    at_least_seconds: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a job: a manifest or an error."""

    manifest: Manifest | None = None
    error: str = ""
    cpu_seconds: float = 0.0
