"""From Asterisk's samples to the archive's file: both sides apart, whole, measured."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
import pytest

from pln_ivr.errors import RecordingError
from pln_ivr.recordings import sound
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.ogg import name_sides
from pln_ivr.recordings.sound import (
    BLOCK_FRAMES,
    RATE,
    Samples,
    decode,
    encode,
    length_seconds,
)
from tests.archiving import AGENT_HZ, CUSTOMER_HZ, raw_of, tone
from tests.asterisk.sound import power

BOTH = [Codec.OPUS, Codec.FLAC]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "x.raw"


def strength(samples: Samples, hertz: float) -> float:
    return power(array("h", samples.tobytes()), hertz)


@pytest.mark.parametrize("codec", BOTH)
def test_the_customer_is_left_and_the_agent_right(raw: Path, codec: Codec) -> None:
    raw.write_bytes(raw_of(tone(CUSTOMER_HZ, 3), tone(AGENT_HZ, 3)))
    made = encode(raw, codec)
    both = decode(made.content)
    middle = slice(RATE, 2 * RATE)
    assert strength(both[middle, 0], CUSTOMER_HZ) > 0.95
    assert strength(both[middle, 1], AGENT_HZ) > 0.95
    assert strength(both[middle, 0], AGENT_HZ) < 1e-4, "no side is heard on the other"
    assert strength(both[middle, 1], CUSTOMER_HZ) < 1e-4


@pytest.mark.parametrize("codec", BOTH)
def test_who_speaks_alone_is_not_heard_on_the_other_side(raw: Path, codec: Codec) -> None:
    raw.write_bytes(raw_of(tone(CUSTOMER_HZ, 3), tone(0, 3)))
    both = decode(encode(raw, codec).content)
    assert np.abs(both[:, 0]).max() > 4000
    assert np.abs(both[:, 1]).max() < 8


def test_flac_keeps_every_sample_in_order_across_blocks(raw: Path) -> None:
    frames = BLOCK_FRAMES * 2 + 1234
    noise = np.random.default_rng(1).integers(-30_000, 30_000, (frames, 2)).astype(np.int16)
    raw.write_bytes(raw_of(noise[:, 0], noise[:, 1]))
    made = encode(raw, Codec.FLAC)
    assert (decode(made.content) == noise).all()
    assert made.seconds == pytest.approx(frames / RATE)


@pytest.mark.parametrize("codec", BOTH)
@pytest.mark.parametrize("frames", [1, 80, 8000, 8001, BLOCK_FRAMES, BLOCK_FRAMES + 77])
def test_the_file_is_as_long_as_what_was_recorded(raw: Path, codec: Codec, frames: int) -> None:
    raw.write_bytes(raw_of(tone(CUSTOMER_HZ, frames / RATE), tone(AGENT_HZ, frames / RATE)))
    made = encode(raw, codec)
    assert made.seconds == length_seconds(made.content) == pytest.approx(frames / RATE, abs=1e-4)


@pytest.mark.parametrize("codec", BOTH)
def test_a_conversation_without_any_sound_is_a_file_of_no_length(raw: Path, codec: Codec) -> None:
    raw.write_bytes(b"")
    made = encode(raw, codec)
    assert made.seconds == 0.0
    assert len(decode(made.content)) <= RATE // 10, "a player opens it all the same"


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_half_a_frame_at_the_end_is_left_out(raw: Path, extra: int) -> None:
    raw.write_bytes(raw_of(tone(CUSTOMER_HZ, 1), tone(AGENT_HZ, 1)) + b"\x01" * extra)
    assert encode(raw, Codec.FLAC).seconds == 1.0


def test_a_file_that_came_out_short_is_refused(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw.write_bytes(raw_of(tone(CUSTOMER_HZ, 30), tone(AGENT_HZ, 30)))
    add = sound._Encoder.add
    monkeypatch.setattr(sound._Encoder, "add", lambda self, block: add(self, block[:-8000]))
    with pytest.raises(RecordingError, match=r"30\.00 s were recorded, but the opus .* has 27\.00"):
        encode(raw, Codec.OPUS)


def test_opus_says_which_stream_is_left(raw: Path) -> None:
    """In the head that every player reads, and the page's checksum is right, or it would not."""
    raw.write_bytes(raw_of(tone(CUSTOMER_HZ, 1), tone(AGENT_HZ, 1)))
    content = encode(raw, Codec.OPUS).content
    head = content[content.index(b"OpusHead") :][:23]
    assert (head[9], head[18:]) == (2, bytes([1, 2, 0, 0, 1]))
    with pytest.raises(RecordingError, match="did not make two streams"):
        name_sides(content)  # once is enough
    with pytest.raises(RecordingError, match="did not make two streams"):
        name_sides(b"RIFF")


@pytest.mark.parametrize("content", [b"", b"OggS", b"RIFF" * 100, b"fLaC" + b"\0" * 100])
def test_what_is_no_recording_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(RecordingError, match="not a recording"):
        length_seconds(content)
    with pytest.raises(RecordingError, match="not a recording"):
        decode(content)


def test_it_is_measured_who_was_heard_and_for_how_long(raw: Path) -> None:
    customer = np.concatenate([tone(CUSTOMER_HZ, 4), tone(0, 76)])
    agent = np.concatenate([tone(0, 5), tone(AGENT_HZ, 60), tone(AGENT_HZ, 15, level=30)])
    raw.write_bytes(raw_of(customer, agent))
    made = encode(raw, Codec.OPUS)
    assert made.customer.sound_seconds == pytest.approx(4, abs=0.1)
    assert made.customer.nothing_seconds == pytest.approx(76, abs=0.1)
    assert made.customer.sound_meanwhile == pytest.approx(60, abs=0.1)
    assert made.agent.sound_seconds == pytest.approx(60, abs=0.1)
    assert made.agent.nothing_seconds == 0, "noise of a room is not nothing"
