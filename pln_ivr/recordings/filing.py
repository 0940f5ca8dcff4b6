"""Filing one recording: out of Asterisk's spool, into the archive, with its proof.

Blocking; worker processes run it (see `worker`). What an earlier attempt has finished is
not done again, so that it may be repeated after any failure.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pln_ivr.errors import RecordingError
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.manifest import (
    Facts,
    Manifest,
    audio_key,
    from_json,
    judge,
    manifest_key,
    to_json,
)
from pln_ivr.recordings.names import id_of
from pln_ivr.recordings.sealing import Keys, seal
from pln_ivr.recordings.sound import BYTES_PER_SECOND, FRAME_BYTES, Encoded, encode
from pln_ivr.recordings.store import Store


class Archive:
    """Takes recordings in."""

    def __init__(self, store: Store, codec: Codec, keys: Keys | None = None) -> None:
        """With `keys` the files are sealed with the current one."""
        self._store = store
        self._codec = codec
        self._keys = keys

    def file(self, raw: Path, facts: Facts, at_least_seconds: float = 0.0) -> Manifest:
        """Archive `raw`: first the sound, then its manifest. `raw` stays.

        Raises RecordingError if it still grows or is shorter than `at_least_seconds` (Asterisk
        may not have written its end yet), or if a disk refuses.
        """
        try:
            before = raw.stat()
            done = self._done_before(facts.name, before.st_size)
            if done:
                return done
            recorded = before.st_size / BYTES_PER_SECOND
            if recorded < at_least_seconds:  # before encoding all of it in vain
                raise RecordingError(
                    f"{raw}: {recorded:.1f} s recorded of {at_least_seconds:.1f} s or more"
                )
            made = encode(raw, self._codec, facts.silent)
            if raw.stat().st_size // FRAME_BYTES != before.st_size // FRAME_BYTES:
                raise RecordingError(f"{raw}: the recording is still being written")
        except OSError as error:
            raise RecordingError(f"{raw}: cannot be read: {error.strerror or error}") from error
        return self._store_proven(facts, made, before)

    def _store_proven(self, facts: Facts, made: Encoded, raw: os.stat_result) -> Manifest:
        key = audio_key(facts.name, self._codec)
        stored = seal(made.content, facts.name, self._keys) if self._keys else made.content
        written = datetime.fromtimestamp(raw.st_mtime, UTC)
        manifest = Manifest(
            recording_id=id_of(facts.name),
            call_id=facts.call_id,
            offer_id=facts.offer_id,
            queue=facts.queue,
            agent=facts.agent,
            notice_version=facts.notice_version,
            notice_heard_at=facts.notice_heard_at,
            began_at=facts.began_at or written - timedelta(seconds=made.seconds),
            ended_at=facts.ended_at,
            talk_seconds=facts.talk_seconds,
            codec=self._codec,
            uri=self._store.uri(key),
            bytes=len(stored),
            sha256=hashlib.sha256(stored).hexdigest(),
            key_id=self._keys.current if self._keys else None,
            seconds=made.seconds,
            customer_seconds=made.customer.sound_seconds,
            agent_seconds=made.agent.sound_seconds,
            faults=judge(facts, made.seconds, made.customer, made.agent),
            raw_bytes=raw.st_size,
            filed_at=datetime.now(UTC),
            pauses=facts.pauses,
        )
        self._store.put(key, stored)
        self._store.put(manifest_key(facts.name), to_json(manifest))
        return manifest

    def _done_before(self, name: str, raw_bytes: int) -> Manifest | None:
        """What an earlier attempt has made of the same raw file, if it got to the end."""
        key = manifest_key(name)
        if self._store.size(key) is None:
            return None
        try:
            manifest = from_json(self._store.read(key), key)
        except RecordingError:  # damaged: made anew
            return None
        whole = self._store.size(_key_in(manifest)) == manifest.bytes
        return manifest if whole and manifest.raw_bytes == raw_bytes else None


def _key_in(manifest: Manifest) -> str:
    return manifest.uri.partition(":")[2]
