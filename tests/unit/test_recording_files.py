"""Filing a recording: both sides kept apart, never half a file, and the disk may refuse."""

from __future__ import annotations

import asyncio
import os
import resource
import time
import wave
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pln_ivr.errors import RecordingError
from pln_ivr.recordings import files, recorder
from pln_ivr.recordings.files import Filed, file_recording
from pln_ivr.recordings.recorder import Recorder, recording_name
from tests.fake_ari.world import eventually

AGENT, CUSTOMER = 1111, -2222
SECOND = array("h", [AGENT, CUSTOMER] * 8000).tobytes()
NAME = "2026/11/23/call-1/offer-1"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def raw_file(spool: Path, content: bytes = SECOND, name: str = NAME) -> Path:
    """What Asterisk wrote."""
    raw = spool / f"{name}.raw"
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.write_bytes(content)
    return raw


def samples(wav: Path) -> tuple[array[int], array[int]]:
    """Left and right."""
    with wave.open(str(wav)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (2, 2, 8000)
        both = array("h", sound.readframes(sound.getnframes()))
    return both[0::2], both[1::2]


def left_over(archive: Path) -> list[str]:
    return [path.name for path in archive.rglob("*") if path.is_file()]


def test_the_customer_is_left_and_the_agent_right(spool: Path, archive: Path) -> None:
    raw, wav = raw_file(spool, SECOND * 3), archive / f"{NAME}.wav"
    assert file_recording(raw, wav) == Filed(wav, 3.0)
    left, right = samples(wav)
    assert set(left) == {CUSTOMER}
    assert set(right) == {AGENT}
    assert len(left) == len(right) == 24_000
    assert not raw.exists()
    assert not raw.parent.exists(), "the call's own folder goes with its last file"
    assert raw.parent.parent.exists(), "the day's stays"
    assert left_over(archive) == ["offer-1.wav"]


def test_longer_than_a_block_keeps_every_sample_in_order(spool: Path, archive: Path) -> None:
    frames = files._BLOCK_BYTES // 4 + 1000
    content = array("h", (n % 30_000 for n in range(frames * 2)))
    wav = archive / "x.wav"
    assert file_recording(raw_file(spool, content.tobytes()), wav).seconds == frames / 8000
    left, right = samples(wav)
    assert left == content[1::2]
    assert right == content[0::2]


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_half_a_frame_at_the_end_is_left_out(spool: Path, archive: Path, extra: int) -> None:
    raw = raw_file(spool, SECOND + b"\x01" * extra)
    assert file_recording(raw, archive / "x.wav").seconds == 1.0
    left, right = samples(archive / "x.wav")
    assert len(left) == len(right) == 8000


def test_a_conversation_without_any_sound_is_a_file_of_no_length(
    spool: Path, archive: Path
) -> None:
    assert file_recording(raw_file(spool, b""), archive / "x.wav").seconds == 0.0
    assert samples(archive / "x.wav") == (array("h"), array("h"))


def test_a_file_that_still_grows_is_left_for_another_try(
    spool: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = raw_file(spool)
    convert = files._convert

    def grows(source: Path, part: Path) -> int:
        frames = convert(source, part)
        with source.open("ab") as growing:
            growing.write(SECOND)
        return frames

    monkeypatch.setattr(files, "_convert", grows)
    with pytest.raises(RecordingError, match="still being written"):
        file_recording(raw, archive / "x.wav")
    assert raw.stat().st_size == 2 * len(SECOND)
    assert left_over(archive) == []
    monkeypatch.undo()
    assert file_recording(raw, archive / "x.wav").seconds == 2.0


@contextmanager
def full_disk(bytes_free: int) -> Iterator[None]:
    """No file of this process may grow past this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("bytes_free", [0, 10, 44, 20_000])
def test_a_disk_that_refuses_keeps_the_raw_file_and_leaves_nothing_half(
    spool: Path, archive: Path, bytes_free: int
) -> None:
    raw = raw_file(spool, SECOND * 4)
    with full_disk(bytes_free), pytest.raises(RecordingError, match="cannot be filed as"):
        file_recording(raw, archive / "x.wav")
    assert raw.read_bytes() == SECOND * 4
    assert left_over(archive) == []
    assert file_recording(raw, archive / "x.wav").seconds == 4.0


def test_a_file_in_the_archives_way(spool: Path, archive: Path) -> None:
    archive.write_text("not a folder")
    raw = raw_file(spool)
    with pytest.raises(RecordingError, match="cannot be filed"):
        file_recording(raw, archive / "x.wav")
    assert raw.exists()


def test_no_raw_file(spool: Path, archive: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be filed"):
        file_recording(spool / "none.raw", archive / "x.wav")
    assert left_over(archive) == []


def test_what_a_crash_left_half_is_done_again(spool: Path, archive: Path) -> None:
    raw, wav = raw_file(spool), archive / "x.wav"
    archive.mkdir()
    wav.with_suffix(".part").write_bytes(b"half")
    assert file_recording(raw, wav).seconds == 1.0
    raw_file(spool)  # died between the new name and the removal of the raw file
    assert file_recording(raw, wav).seconds == 1.0
    assert left_over(archive) == ["x.wav"]


# -- the recorder ------------------------------------------------------------------------


def keeper_of(spool: Path, archive: Path, recovered: list[str] | None = None) -> Recorder:
    async def on_recovered(name: str, _filed: Filed) -> None:
        if recovered is not None:
            recovered.append(name)

    return Recorder(spool, archive, lambda: True, on_recovered)


def test_a_recordings_place_is_its_day_in_utc() -> None:
    from datetime import datetime, timedelta, timezone

    jakarta = timezone(timedelta(hours=7))
    when = datetime(2026, 11, 23, 6, 59, tzinfo=jakarta)
    assert recording_name("call-1", "offer-1", when) == "2026/11/22/call-1/offer-1"


async def test_a_recording_is_confirmed_when_its_file_is_there(spool: Path, archive: Path) -> None:
    keeper = keeper_of(spool, archive)
    confirming = asyncio.create_task(keeper.confirm(NAME, 30.0))
    await asyncio.sleep(0)
    raw_file(spool, b"")
    assert await confirming
    assert not await keeper.confirm("2026/11/23/call-2/offer-2", 0.02)
    assert keeper.unconfirmed == 1


async def test_what_a_crash_left_in_the_spool_is_filed_at_the_start(
    spool: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "TRY_SECONDS", 0.001)
    old = raw_file(spool)
    os.utime(old, (time.time() - 3600,) * 2)
    live = raw_file(spool, name="2026/11/23/call-2/offer-2")
    recovered: list[str] = []
    keeper = keeper_of(spool, archive, recovered)
    running = asyncio.create_task(keeper.run())
    await eventually(lambda: not old.exists(), "the filing of what was left")
    assert await keeper.drained(8)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (archive / f"{NAME}.wav").is_file()
    assert recovered == [NAME]
    assert live.exists(), "it may belong to a conversation that goes on"


async def test_a_folder_that_goes_while_the_spool_is_looked_through_is_passed_over(
    spool: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended the whole program on a day of many calls."""
    monkeypatch.setattr(recorder, "TRY_SECONDS", 0.001)
    old, gone = raw_file(spool), raw_file(spool, name="2026/11/23/call-2/offer-2")
    os.utime(old, (time.time() - 3600,) * 2)
    scandir = os.scandir

    def vanishing(path: str | Path = ".") -> object:
        if str(path) == str(gone.parent):
            raise FileNotFoundError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    keeper = keeper_of(spool, archive)
    running = asyncio.create_task(keeper.run())
    await eventually(lambda: not old.exists() or running.done(), "the filing of what was left")
    assert not running.done(), running
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_what_nobody_talked_on_is_thrown_away(spool: Path, archive: Path) -> None:
    raw = raw_file(spool)
    keeper = keeper_of(spool, archive)
    keeper.discard(NAME)
    keeper.discard(NAME)
    assert not raw.exists()
