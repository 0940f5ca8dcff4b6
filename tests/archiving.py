"""Recordings for tests: raw files as Asterisk writes them, archiving without a process of its
own, and what lies in an archive."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from pln_ivr.errors import RecordingError
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.jobs import Answer, Job
from pln_ivr.recordings.manifest import Manifest, from_json, manifest_key
from pln_ivr.recordings.names import name_of
from pln_ivr.recordings.sound import RATE, Samples, decode
from pln_ivr.recordings.store import LocalStore
from pln_ivr.recordings.worker import do

AGENT_HZ, CUSTOMER_HZ = 660, 440


class Inline:
    """Files in a thread of this process."""

    def __init__(self, folder: Path, codec: Codec = Codec.OPUS) -> None:
        self._archive = Archive(LocalStore(folder), codec)

    async def file(self, job: Job) -> Answer:
        """See recordings.workers.Filer."""
        answer = await asyncio.to_thread(do, self._archive, job)
        if answer.manifest is None:
            raise RecordingError(answer.error)
        return answer


def tone(hertz: float, seconds: float, level: float = 8000.0) -> Samples:
    """One side's samples; a frequency of 0 is nothing at all."""
    at = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def raw_of(customer: Samples, agent: Samples) -> bytes:
    """As Asterisk writes it: the agent left."""
    return np.stack([agent, customer], axis=1).astype("<i2").tobytes()


def spool_file(spool: Path, name: str, content: bytes) -> Path:
    """What Asterisk has written under this name."""
    raw = spool / f"{name}.raw"
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.write_bytes(content)
    return raw


def recordings_of(archive: Path, uri: str | None) -> list[Path]:
    """The sound files in an archive of what a call or an offer refers to."""
    name = name_of(uri or "")
    folder, start = (archive / name).parent, f"{name.rpartition('/')[2]}."
    return [path for path in folder.glob(f"{start}*") if path.suffix != ".json"]


def manifest_of(archive: Path, name: str) -> Manifest:
    """The manifest that lies beside a recording."""
    key = manifest_key(name)
    return from_json((archive / key).read_bytes(), key)


def samples_of(path: Path) -> tuple[Samples, Samples]:
    """The left and the right side of a recording's file."""
    both = decode(path.read_bytes())
    return both[:, 0], both[:, 1]
