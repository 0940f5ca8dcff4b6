"""What the program and its worker processes tell each other: one JSON line each way."""

from __future__ import annotations

import msgspec

from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.manifest import Facts, Manifest


class ArchiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where and in which form recordings are archived: the worker's first line."""

    folder: str
    codec: Codec
    keys: str | None = None
    """The file of keys; without one nothing is encrypted."""


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
