"""Encryption of the archive's files at rest: AES-256-GCM in chunks, a key of its own for each.

A sealed file is a head and chunks. The head names the key of the house and holds the file's own
key wrapped by it (AES key wrap, RFC 3394). Each chunk is sealed by itself, so that a part can
be read without the rest; its number and whether it is the last one are in its nonce (a file's
key is used once, so these never repeat), and the head and the recording's name are
authenticated with it: chunks cannot be cut off, exchanged, or passed for another recording.

    magic   8   b"PLNSEAL1"
    n       1   length of the key's id
    id      n   ASCII
    key    40   the file's key, wrapped
    then for each 64 KiB of content its ciphertext and 16 bytes of tag
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from pln_ivr.errors import ConfigError, RecordingError

MAGIC = b"PLNSEAL1"
CHUNK, TAG = 1 << 16, 16
KEY_BYTES, WRAPPED_BYTES = 32, 40
_LONGEST_HEAD = len(MAGIC) + 1 + 64 + WRAPPED_BYTES
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_READABLE_BY_OTHERS = 0o077


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The house's keys. The current one seals, all of them open."""

    current: str
    all: dict[str, bytes]

    def key(self, key_id: str) -> bytes:
        """Raises RecordingError for a key that is not there any more."""
        try:
            return self.all[key_id]
        except KeyError:
            raise RecordingError(
                f"the recording is sealed with the key {key_id}, which is not in recordings.keys"
            ) from None


def load_keys(path: Path) -> Keys:
    """Read a file of keys, a line each: the id, then 32 bytes in base64; the first one is current.

    Raises ConfigError that names the file and the line, never a key.
    """
    found: dict[str, bytes] = {}
    for number, line in enumerate(_lines(path), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        where = f"recordings.keys: {path}, line {number}"
        if len(words) != 2 or not _KEY_ID.fullmatch(words[0]):
            raise ConfigError(f"{where}: write an id and the key, as pln-ivr recordings new-key")
        key_id, key = words[0], _decoded(words[1])
        if len(key) != KEY_BYTES:
            raise ConfigError(f"{where}: a key is {KEY_BYTES} bytes in base64")
        if key_id in found:
            raise ConfigError(f"{where}: the id {key_id} stands there twice")
        found[key_id] = key
    if not found:
        raise ConfigError(f"recordings.keys: {path}: no key in it; pln-ivr recordings new-key")
    return Keys(next(iter(found)), found)


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_mode & _READABLE_BY_OTHERS:
            raise ConfigError(
                f"recordings.keys: {path} can be read by others than its owner; chmod 600 {path}"
            )
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise ConfigError(f"recordings.keys: {path}: cannot be read: {reason}") from None


def _decoded(word: str) -> bytes:
    try:
        return base64.b64decode(word, validate=True)
    except binascii.Error:
        return b""


def new_key(key_id: str) -> str:
    """A line for the file of keys, with a new key. Raises ConfigError if the id is none."""
    if not _KEY_ID.fullmatch(key_id):
        raise ConfigError(f"a key's id is letters, digits and . _ -; {key_id!r} is none")
    return f"{key_id} {base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def seal(content: bytes, name: str, keys: Keys) -> bytes:
    """The content of the recording of that name, sealed with the current key."""
    own = AESGCM.generate_key(KEY_BYTES * 8)
    key_id = keys.current.encode()
    head = MAGIC + bytes([len(key_id)]) + key_id + aes_key_wrap(keys.key(keys.current), own)
    cipher, with_it = AESGCM(own), head + name.encode()
    starts = range(0, max(len(content), 1), CHUNK)
    sealed = [
        cipher.encrypt(_nonce(n, start == starts[-1]), content[start : start + CHUNK], with_it)
        for n, start in enumerate(starts)
    ]
    return head + b"".join(sealed)


Read = Callable[[int, int], bytes]
"""Reads a part of a stored file: from where, how many bytes."""


class Sealed:
    """A sealed file, of which parts can be read."""

    def __init__(self, read: Read, size: int, name: str, keys: Keys) -> None:
        """`size` is the stored file's. Raises RecordingError if it is none, or the key is not
        there."""
        self._read = read
        head = read(0, _LONGEST_HEAD)
        end = len(MAGIC) + 1 + head[len(MAGIC)] + WRAPPED_BYTES if head.startswith(MAGIC) else 0
        if not end or len(head) < end or size < end + TAG:
            raise RecordingError(f"{name}: not a sealed recording")
        key_id = head[len(MAGIC) + 1 : end - WRAPPED_BYTES].decode("ascii", "replace")
        try:
            own = aes_key_unwrap(keys.key(key_id), head[end - WRAPPED_BYTES : end])
        except InvalidUnwrap:
            raise RecordingError(f"{name}: not sealed with the key {key_id}") from None
        self._cipher, self._with_it = AESGCM(own), head[:end] + name.encode()
        self._name, self._start = name, end
        self._chunks = -(-(size - end) // (CHUNK + TAG))
        self.length = size - end - self._chunks * TAG
        """Of the content, in bytes."""

    def read(self, start: int, length: int) -> bytes:
        """A part of the content, shorter at its end. Raises RecordingError if it was altered."""
        end = min(start + length, self.length)
        if start >= end:
            return b""
        first, last = start // CHUNK, (end - 1) // CHUNK
        stored = self._read(self._start + first * (CHUNK + TAG), (last - first + 1) * (CHUNK + TAG))
        parts = [
            self._open(n, stored[(n - first) * (CHUNK + TAG) :][: CHUNK + TAG])
            for n in range(first, last + 1)
        ]
        return b"".join(parts)[start - first * CHUNK : end - first * CHUNK]

    def _open(self, number: int, chunk: bytes) -> bytes:
        nonce = _nonce(number, number == self._chunks - 1)
        try:
            return self._cipher.decrypt(nonce, chunk, self._with_it)
        except InvalidTag:
            raise RecordingError(f"{self._name}: the file was altered") from None


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
