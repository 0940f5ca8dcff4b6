"""The sections of what is kept: recordings and the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from pln_ivr.config.section import Seconds, Section


class S3(Section):
    """A bucket for the archive, at Amazon or at any server that speaks its protocol."""

    bucket: str = ""
    """Empty: recordings are archived in recordings.folder. What is there already stays there."""
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$")] = ""
    """A folder within it."""
    endpoint: Annotated[str, Field(pattern=r"^(https?://[^/?#\s]+)?$")] = ""
    """Like https://s3.example.net:9000; empty: Amazon's own."""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    """Belongs in the environment: PLN_IVR_RECORDINGS__S3__SECRET_KEY."""
    seconds: Seconds = 10.0
    """Deadline of one request."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.bucket and not (self.access_key and self.secret_key.get_secret_value()):
            raise ValueError("a bucket needs access_key and secret_key")
        return self


class Recordings(Section):
    """Every conversation is recorded, both parties on channels of their own."""

    spool: Path = Path("/var/spool/asterisk/monitor")
    """Asterisk's monitor folder as this program sees it."""
    folder: Path = Path("recordings")
    """The archive: yyyy/mm/dd/CALL/OFFER.opus below it, and a manifest beside each."""
    codec: Literal["opus", "flac"] = "opus"
    """In which form recordings are archived: flac keeps every sample and takes five times the
    room."""
    retention_days: Annotated[int, Field(ge=0)] = 0
    """`pln-ivr recordings purge` deletes what is older; 0: nothing, ever. A queue may have its
    own."""
    keys: Path | None = None
    """File of keys, as `pln-ivr recordings new-key` makes them, for its owner only: with it the
    archive's files are encrypted, with the first of them."""
    s3: S3 = S3()
    """A bucket that takes the archive instead of the folder."""
    verify_hour: Annotated[int, Field(ge=-1, le=23)] = 2
    """At this hour of outages.zone the recordings of yesterday and today are verified, as by
    `pln-ivr recordings verify`; -1: never."""
    workers: Annotated[int, Field(ge=1, le=16)] = 1
    """Processes that archive recordings, at the lowest priority. One keeps up with 200
    conversations at once (`tests/bench/archive`)."""
    confirm_seconds: Seconds = 2.0
    """How long to wait for the proof that a recording runs before the policy decides."""
    pause_seconds: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """A recording that was paused for a secret (*6) goes on by itself after so long."""
    when_unconfirmed: Literal["bridge", "wait"] = "bridge"
    """bridge: talk anyway, with an alarm. wait: the caller goes back to the head of the line."""


class Journal(Section):
    """The database of what happened."""

    url: str = "sqlite:///journal.db"
    """postgresql://USER:PASSWORD@HOST/NAME for PostgreSQL; tested with Debian 12's, 15."""
    buffer_rows: Annotated[int, Field(ge=100)] = 100_000
    """Rows kept in memory while the database is away; half of that sends them to the spool."""
    spool: Path = Path("journal-spool")
    """Folder for rows that the database cannot take yet. They name callers."""
    spool_mb: Annotated[int, Field(ge=1)] = 1024
    """How much the spool may take: about 1,400 rows a megabyte; past that they go to the log."""
    flush_seconds: Seconds = 10.0
    """How long stopping may wait for the last batch."""
