"""Filing a recording: proven, whole or not at all, and whatever dies it can be done again."""

from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.errors import RecordingError
from pln_ivr.outcomes import RecordingFault
from pln_ivr.recordings import filing, store
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.forms import Codec, Side
from pln_ivr.recordings.manifest import Facts, judge
from pln_ivr.recordings.names import call_of, id_of, is_name, name_of, recording_name, recording_uri
from pln_ivr.recordings.recorder import remove_raw
from pln_ivr.recordings.sound import encode
from pln_ivr.recordings.store import INCOMING, LocalStore
from tests.archiving import AGENT_HZ, CUSTOMER_HZ, manifest_of, raw_of, spool_file, tone

NAME = "2026/11/23/call-1/offer-1"
NOON = datetime(2026, 11, 23, 5, tzinfo=UTC)
FACTS = Facts(
    name=NAME,
    call_id="call-1",
    offer_id="offer-1",
    queue="gangguan",
    agent="101",
    notice_version="0123456789ab",
    notice_heard_at=NOON - timedelta(seconds=30),
    began_at=NOON,
    ended_at=NOON + timedelta(seconds=3),
)
THREE = raw_of(tone(CUSTOMER_HZ, 3), tone(AGENT_HZ, 3))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(folder: Path) -> Archive:
    return Archive(LocalStore(folder), Codec.OPUS)


def there(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


BOTH = [f"{NAME}.json", f"{NAME}.opus"]


def test_the_manifest_says_whose_how_long_and_with_which_hash(
    spool: Path, folder: Path, archive: Archive
) -> None:
    raw = spool_file(spool, NAME, THREE)
    made = archive.file(raw, FACTS)
    content = (folder / f"{NAME}.opus").read_bytes()
    assert made == manifest_of(folder, NAME)
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    assert (made.bytes, made.raw_bytes) == (len(content), len(THREE))
    assert (made.recording_id, made.call_id, made.offer_id) == ("offer-1", "call-1", "offer-1")
    assert (made.queue, made.agent, made.codec) == ("gangguan", "101", "opus")
    assert (made.notice_version, made.notice_heard_at) == ("0123456789ab", FACTS.notice_heard_at)
    assert (made.began_at, made.ended_at, made.talk_seconds) == (NOON, FACTS.ended_at, 3.0)
    assert (made.seconds, made.faults) == (3.0, [])
    assert made.customer_seconds == made.agent_seconds == pytest.approx(3.0)
    assert (made.left, made.right) == ("customer", "agent")
    assert made.uri == f"archive:{NAME}.opus"
    assert there(folder) == BOTH
    assert raw.exists(), "until the journal has it"


def test_the_manifest_is_the_journals_row(spool: Path, archive: Archive) -> None:
    made = archive.file(spool_file(spool, NAME, THREE), FACTS)
    made = msgspec.structs.replace(made, faults=[RecordingFault.SHORT, RecordingFault.AGENT_SILENT])
    row = made.row("pln-1", 7)
    assert (row.node, row.sequence, row.row_id) == ("pln-1", 7, "offer-1")
    assert row.faults == "short,agent_silent"
    assert (row.sha256, row.seconds, row.began_at) == (made.sha256, made.seconds, made.began_at)
    assert row.held_at is row.deleted_at is None


def test_a_recording_whose_conversation_nobody_knows_is_kept_by_its_own_times(
    spool: Path, archive: Archive
) -> None:
    raw = spool_file(spool, NAME, THREE)
    os.utime(raw, (NOON.timestamp(),) * 2)
    made = archive.file(raw, Facts.unknown(NAME))
    assert (made.call_id, made.offer_id, made.agent) == ("call-1", None, "")
    assert made.began_at == NOON - timedelta(seconds=3)
    assert made.talk_seconds is None


def test_done_once_it_is_not_done_again(
    spool: Path, folder: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = spool_file(spool, NAME, THREE)
    made = archive.file(raw, FACTS)
    monkeypatch.setattr(filing, "encode", lambda *_: pytest.fail("encoded again"))
    assert archive.file(raw, Facts.unknown(NAME)) == made


@pytest.mark.parametrize("spoil", ["manifest", "sound", "raw"])
def test_what_an_earlier_attempt_left_unfinished_is_made_anew(
    spool: Path, folder: Path, archive: Archive, spoil: str
) -> None:
    raw = spool_file(spool, NAME, THREE)
    archive.file(raw, FACTS)
    if spoil == "manifest":
        (folder / f"{NAME}.json").write_text("{")
    elif spoil == "sound":
        (folder / f"{NAME}.opus").write_bytes(b"OggS")
    else:
        spool_file(spool, NAME, THREE * 2)
    made = archive.file(raw, FACTS)
    content = (folder / f"{NAME}.opus").read_bytes()
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    assert made == manifest_of(folder, NAME)
    assert made.seconds == (6.0 if spoil == "raw" else 3.0)


def test_a_file_that_still_grows_is_left_for_another_try(
    spool: Path, folder: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = spool_file(spool, NAME, THREE)

    def grows(source: Path, codec: Codec, *paused: Any) -> object:
        made = encode(source, codec, *paused)
        with source.open("ab") as growing:
            growing.write(THREE)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(filing, "encode", grows)
        with pytest.raises(RecordingError, match="still being written"):
            archive.file(raw, FACTS)
    assert there(folder) == []
    assert archive.file(raw, FACTS).seconds == 6.0


def test_a_file_whose_end_is_missing_is_left_for_another_try(spool: Path, archive: Archive) -> None:
    raw = spool_file(spool, NAME, THREE)
    with pytest.raises(RecordingError, match=r"3\.0 s recorded of 4\.0 s or more"):
        archive.file(raw, FACTS, 4.0)
    assert archive.file(raw, FACTS, 3.0).seconds == 3.0


@contextmanager
def full_disk(bytes_free: int) -> Iterator[None]:
    """No file of this process may grow past this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("bytes_free", [0, 10, 4000])
def test_a_disk_that_is_full_keeps_the_raw_file_and_leaves_nothing_half(
    spool: Path, folder: Path, archive: Archive, bytes_free: int
) -> None:
    raw = spool_file(spool, NAME, THREE)
    with full_disk(bytes_free), pytest.raises(RecordingError, match="archive cannot write"):
        archive.file(raw, FACTS)
    assert raw.read_bytes() == THREE
    assert there(folder) == []
    assert archive.file(raw, FACTS).seconds == 3.0


def test_a_disk_that_was_full_for_the_manifest_only(
    spool: Path, folder: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, put = spool_file(spool, NAME, THREE), LocalStore.put

    def no_manifest(self: LocalStore, key: str, content: bytes) -> None:
        if key.endswith(".json"):
            raise RecordingError("disk full")
        put(self, key, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put", no_manifest)
        with pytest.raises(RecordingError, match="disk full"):
            archive.file(raw, FACTS)
    assert there(folder) == [f"{NAME}.opus"]
    archive.file(raw, FACTS)
    assert there(folder) == BOTH


def test_a_file_in_the_archives_way(spool: Path, folder: Path, archive: Archive) -> None:
    folder.write_text("not a folder")
    raw = spool_file(spool, NAME, THREE)
    with pytest.raises(RecordingError, match="archive cannot"):
        archive.file(raw, FACTS)
    assert raw.exists()


def test_no_raw_file(spool: Path, folder: Path, archive: Archive) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        archive.file(spool / "none.raw", FACTS)
    assert there(folder) == []


def test_a_raw_file_goes_with_its_folder_and_no_other(spool: Path) -> None:
    raw = spool_file(spool, NAME, THREE)
    remove_raw(raw)
    remove_raw(raw)
    assert not raw.parent.exists(), "the call's own folder goes with its last file"
    assert raw.parent.parent.exists(), "the day's stays"


# -- what is odd -------------------------------------------------------------------------

WELL = Side(sound_seconds=20, nothing_seconds=0.2, sound_meanwhile=0)
NOTHING = Side(sound_seconds=0.2, nothing_seconds=60, sound_meanwhile=20)
DIED = Side(sound_seconds=20, nothing_seconds=60, sound_meanwhile=10)


def talked(seconds: float, spoke: bool = False) -> Facts:
    return msgspec.structs.replace(
        FACTS, ended_at=NOON + timedelta(seconds=seconds), customer_spoke=spoke
    )


@pytest.mark.parametrize(
    ("facts", "seconds", "customer", "agent", "faults"),
    [
        pytest.param(talked(60), 60.2, WELL, WELL, [], id="well"),
        pytest.param(talked(60), 59.1, WELL, WELL, [], id="a-little-shorter"),
        pytest.param(talked(60), 58.9, WELL, WELL, ["short"], id="short"),
        pytest.param(talked(60), 60, NOTHING, WELL, ["customer_silent"], id="one-way"),
        pytest.param(talked(60), 60, WELL, NOTHING, ["agent_silent"], id="dead-microphone"),
        pytest.param(
            talked(60), 60, NOTHING, NOTHING, ["customer_silent", "agent_silent"], id="no-sound"
        ),
        pytest.param(talked(5), 5, NOTHING, NOTHING, [], id="too-short-to-tell"),
        pytest.param(
            talked(5, True), 5, NOTHING, WELL, ["customer_silent"], id="heard-but-not-recorded"
        ),
        pytest.param(Facts.unknown(NAME), 60, NOTHING, WELL, ["customer_silent"], id="unknown"),
        pytest.param(talked(90), 90, DIED, WELL, ["customer_fell_silent"], id="customer-died"),
        pytest.param(talked(90), 90, WELL, DIED, ["agent_fell_silent"], id="agent-died"),
        pytest.param(
            talked(90), 90, replace(DIED, sound_meanwhile=9.9), WELL, [], id="both-were-quiet"
        ),
        pytest.param(
            talked(90), 90, replace(DIED, nothing_seconds=59.9), WELL, [], id="a-long-pause"
        ),
    ],
)
def test_what_is_odd_about_a_recording(
    facts: Facts, seconds: float, customer: Side, agent: Side, faults: list[str]
) -> None:
    assert judge(facts, seconds, customer, agent) == faults


# -- the folder --------------------------------------------------------------------------


def test_a_part_of_a_file_can_be_read(folder: Path) -> None:
    local = LocalStore(folder)
    local.put("a/b.opus", b"0123456789")
    assert local.read("a/b.opus") == b"0123456789"
    assert local.read("a/b.opus", 3) == b"3456789"
    assert local.read("a/b.opus", 3, 4) == b"3456"
    assert local.read("a/b.opus", 8, 4) == b"89"
    assert (local.size("a/b.opus"), local.size("a/c.opus")) == (10, None)
    with pytest.raises(RecordingError, match="archive cannot read"):
        local.read("a/c.opus")


def test_a_file_that_is_put_again_is_the_new_one(folder: Path) -> None:
    local = LocalStore(folder)
    local.put("a/b.opus", b"long enough")
    local.put("a/b.opus", b"new")
    assert local.read("a/b.opus") == b"new"
    assert there(folder) == ["a/b.opus"]


def test_until_it_has_its_name_a_file_is_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = LocalStore(folder)
    local.put("a/b.opus", b"old")
    incoming: list[bytes] = []

    def power_cut(source: Path, _target: Path) -> None:
        incoming.append(source.read_bytes())
        raise OSError(5, "power cut")

    monkeypatch.setattr(os, "replace", power_cut)
    with pytest.raises(RecordingError, match="power cut"):
        local.put("a/b.opus", b"new")
    assert incoming == [b"new"], "written whole before it gets the name"
    assert local.read("a/b.opus") == b"old"


def test_what_is_deleted_is_gone_with_its_call_s_empty_folder(folder: Path) -> None:
    local = LocalStore(folder)
    for key in ("d/call/1.opus", "d/call/2.opus"):
        local.put(key, b"x")
    assert local.delete("d/call/1.opus")
    assert not local.delete("d/call/1.opus")
    assert there(folder) == ["d/call/2.opus"]
    assert local.delete("d/call/2.opus")
    assert not (folder / "d/call").exists()


def test_files_are_listed_by_day(folder: Path) -> None:
    local = LocalStore(folder)
    assert list(local.keys("")) == []
    for key, content in {
        "2026/11/23/c/2": b"22",
        "2026/11/23/c/1": b"1",
        "2026/11/24/c/3": b"",
    }.items():
        local.put(key, content)
    (folder / INCOMING / "half").write_bytes(b"half")
    assert [(one.key, one.size) for one in local.keys("2026/11/23/")] == [
        ("2026/11/23/c/1", 1),
        ("2026/11/23/c/2", 2),
    ]
    assert [one.key for one in local.keys("")][-1] == "2026/11/24/c/3"
    assert len(list(local.keys(""))) == 3
    assert list(local.keys("2026/11/25/")) == []


def test_what_a_crash_left_half_is_removed_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = LocalStore(folder)
    local.tidy()
    local.put("a/b", b"x")
    (folder / INCOMING / "half").write_bytes(b"half")
    local.tidy()
    assert (folder / INCOMING / "half").exists(), "another program may be writing it"
    monkeypatch.setattr(store, "STALE_SECONDS", -1.0)
    local.tidy()
    assert there(folder) == ["a/b"]


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", "a/../../x", ".incoming/x", ""])
def test_nothing_outside_the_folder_can_be_named(folder: Path, key: str) -> None:
    with pytest.raises(RecordingError, match="not a key of the archive"):
        LocalStore(folder).put(key, b"")


# -- names -------------------------------------------------------------------------------


def test_a_recordings_place_is_its_day_in_utc() -> None:
    from datetime import timezone

    jakarta = timezone(timedelta(hours=7))
    when = datetime(2026, 11, 23, 6, 59, tzinfo=jakarta)
    assert recording_name("call-1", "offer-1", when) == "2026/11/22/call-1/offer-1"


@given(st.uuids(), st.uuids(), st.sampled_from(["", ".opus", ".flac", ".wav"]))
def test_a_name_comes_back_from_whatever_was_made_of_it(
    call: object, offer: object, form: str
) -> None:
    name = recording_name(str(call), str(offer), NOON)
    assert is_name(name)
    assert name_of(recording_uri(name) + form) == name
    assert (call_of(name), id_of(name)) == (str(call), str(offer))


@pytest.mark.parametrize("text", ["", "x", "2026/11/23/c", "2026/11/23/../x", "2026/11/23/c/o.wav"])
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)
