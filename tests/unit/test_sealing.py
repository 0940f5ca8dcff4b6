"""Encryption at rest: what was sealed comes back in any part, and nothing that was touched does."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pln_ivr.errors import ConfigError, RecordingError
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.jobs import ArchiveSettings
from pln_ivr.recordings.sealing import CHUNK, TAG, Keys, Sealed, load_keys, new_key, seal
from pln_ivr.recordings.sound import length_seconds
from pln_ivr.recordings.store import LocalStore
from pln_ivr.recordings.workers import open_workers
from tests.archiving import spool_file
from tests.unit.running import Run
from tests.unit.test_filing import FACTS, NAME, THREE

KEYS = Keys("new", {"new": bytes(range(32)), "old": bytes(32)})
CONTENT = bytes(n * 7 % 251 for n in range(2 * CHUNK + 1000))
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, len(CONTENT)]


def opened(stored: bytes, name: str = NAME, keys: Keys = KEYS) -> Sealed:
    return Sealed(lambda at, length: stored[at : at + length], len(stored), name, keys)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_comes_back(size: int) -> None:
    stored = seal(CONTENT[:size], NAME, KEYS)
    made = opened(stored)
    assert made.length == size
    assert made.read(0, size + 10) == CONTENT[:size]
    assert size < 32 or CONTENT[:32] not in stored


SEALED = seal(CONTENT, NAME, KEYS)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(CONTENT) + 10), st.integers(0, len(CONTENT)))
def test_any_part_comes_back(start: int, length: int) -> None:
    assert opened(SEALED).read(start, length) == CONTENT[start : start + length]


def test_a_part_is_read_without_the_rest() -> None:
    asked: list[int] = []

    def read(at: int, length: int) -> bytes:
        asked.append(length)
        return SEALED[at : at + length]

    Sealed(read, len(SEALED), NAME, KEYS).read(CHUNK + 5, 10)
    assert max(asked) <= CHUNK + TAG


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SEALED) - 1), st.integers(0, 7))
def test_not_one_bit_can_be_changed(at: int, bit: int) -> None:
    touched = bytearray(SEALED)
    touched[at] ^= 1 << bit
    with pytest.raises(RecordingError):
        opened(bytes(touched)).read(0, len(CONTENT))


HEAD = len(SEALED) - 1000 - 3 * TAG - 2 * CHUNK


@pytest.mark.parametrize(
    "touched",
    [
        pytest.param(SEALED[:-1], id="a-byte-is-missing"),
        pytest.param(SEALED[: HEAD + 2 * (CHUNK + TAG)], id="the-last-chunk-is-missing"),
        pytest.param(SEALED[:HEAD], id="every-chunk-is-missing"),
        pytest.param(
            SEALED[:HEAD]
            + SEALED[HEAD + CHUNK + TAG : HEAD + 2 * (CHUNK + TAG)]
            + SEALED[HEAD : HEAD + CHUNK + TAG]
            + SEALED[HEAD + 2 * (CHUNK + TAG) :],
            id="two-chunks-are-exchanged",
        ),
        pytest.param(
            SEALED[:HEAD] + seal(CONTENT, NAME, KEYS)[HEAD:], id="the-head-of-another-file"
        ),
        pytest.param(b"", id="empty"),
        pytest.param(b"OggS" + bytes(100), id="never-sealed"),
    ],
)
def test_what_was_put_together_otherwise_is_refused(touched: bytes) -> None:
    with pytest.raises(RecordingError, match=NAME):
        opened(touched).read(0, len(CONTENT))


def test_one_recording_cannot_be_passed_for_another() -> None:
    with pytest.raises(RecordingError, match="altered"):
        opened(SEALED, NAME.replace("offer-1", "offer-2")).read(0, 10)


def test_keys_are_rotated_and_old_ones_still_open() -> None:
    before = seal(CONTENT, NAME, Keys("old", {"old": bytes(32)}))
    assert opened(before).read(0, 10) == CONTENT[:10]
    only_new = Keys("new", {"new": KEYS.all["new"]})
    with pytest.raises(RecordingError, match=r"key old, which is not in recordings\.keys"):
        opened(before, keys=only_new)
    wrong = Keys("old", {"old": bytes(31) + b"\x01"})
    with pytest.raises(RecordingError, match="not sealed with the key old"):
        opened(before, keys=wrong)


def test_a_recording_is_filed_sealed_and_its_hash_is_of_what_lies_there(tmp_path: Path) -> None:
    archive = Archive(LocalStore(tmp_path / "archive"), Codec.OPUS, KEYS)
    made = archive.file(spool_file(tmp_path / "spool", NAME, THREE), FACTS)
    stored = (tmp_path / "archive" / f"{NAME}.opus").read_bytes()
    assert made.key_id == "new"
    assert (made.sha256, made.bytes) == (hashlib.sha256(stored).hexdigest(), len(stored))
    assert b"OpusHead" not in stored
    sealed = opened(stored)
    assert length_seconds(sealed.read(0, sealed.length)) == made.seconds == 3.0


# -- the file of keys ------------------------------------------------------------------------


def file_of(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_first_key_is_the_current_one(tmp_path: Path) -> None:
    text = f"# of the house\n\n{new_key('2026-12')}\n{new_key('2026-11')}\n"
    keys = load_keys(file_of(tmp_path, text))
    assert keys.current == "2026-12"
    assert sorted(keys.all) == ["2026-11", "2026-12"]
    assert len(set(keys.all.values())) == 2
    assert "b'" not in repr(keys), "keys are shown nowhere"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "no key in it", id="empty"),
        pytest.param("a\n", "line 1: write an id and the key", id="no-key"),
        pytest.param("#\na/b AAAA\n", "line 2: write an id and the key", id="no-id"),
        pytest.param("a AAAA\n", "line 1: a key is 32 bytes", id="short"),
        pytest.param("a !!!!\n", "line 1: a key is 32 bytes", id="not-base64"),
        pytest.param(f"a {'A' * 43}=\na {'A' * 43}=\n", "line 2: the id a", id="twice"),
        pytest.param("\xe4", "not a text", id="not-ascii"),
    ],
)
def test_a_wrong_file_of_keys_is_named_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    path = file_of(tmp_path, text)
    with pytest.raises(ConfigError, match=f"recordings.keys: {path}.*{why}") as caught:
        load_keys(path)
    assert "AAAA" not in str(caught.value)


def test_a_file_of_keys_is_for_its_owner_only(tmp_path: Path) -> None:
    path = file_of(tmp_path, new_key("a"), 0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_keys(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_keys(tmp_path / "none")


async def test_wrong_keys_are_told_at_the_start(tmp_path: Path) -> None:
    settings = ArchiveSettings(folder=str(tmp_path), codec=Codec.OPUS, keys=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"recordings\.keys"):
        async with open_workers(settings, 1):
            pass


def test_the_command_makes_a_key(tmp_path: Path, pln_ivr: Run) -> None:
    done = pln_ivr(tmp_path, "recordings", "new-key", "2026-11")
    assert done.returncode == 0
    assert load_keys(file_of(tmp_path, done.stdout)).current == "2026-11"
    done = pln_ivr(tmp_path, "recordings", "new-key", "a b")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'a b' is none" in done.stderr


def test_a_worker_whose_keys_have_gone_says_so(tmp_path: Path) -> None:
    settings = ArchiveSettings(folder=str(tmp_path), codec=Codec.OPUS, keys=str(tmp_path / "none"))
    done = subprocess.run(
        [sys.executable, "-m", "pln_ivr.recordings.worker"],
        input=msgspec.json.encode(settings) + b"\n",
        capture_output=True,
    )
    assert done.returncode == 1
    assert done.stderr.decode().startswith("pln-ivr: recordings.keys")
    assert done.stderr.count(b"\n") == 1
