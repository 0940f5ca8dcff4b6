"""Prompts built by the real espeak-ng and sox, and measured."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import wave
from pathlib import Path

import pytest

from pln_ivr.calls import prompt_files
from pln_ivr.calls.prompt_files import (
    Prompts,
    build_prompts,
    load_texts,
    missing_prompts,
)
from pln_ivr.errors import PromptError
from pln_ivr.speech import duration_seconds

TEXTS = Path(__file__).parents[2] / "asterisk-conf" / "prompts" / "id.toml"


def alaw_value(byte: int) -> int:
    """One A-law byte as a 16-bit sample, written from G.711's table."""
    byte ^= 0x55
    exponent, mantissa = byte >> 4 & 7, byte & 15
    size = (mantissa << 4) + 8 if exponent == 0 else (mantissa << 4) + 264 << exponent - 1
    return size if byte & 0x80 else -size


TABLE = [alaw_value(byte) for byte in range(256)]


def samples(path: Path) -> list[int]:
    return [TABLE[byte] for byte in path.read_bytes()]


def peak_db(values: list[int]) -> float:
    return 20 * math.log10(max(map(abs, values)) / 32768)


def power_at(values: list[int], frequency: float) -> float:
    """Power at one frequency, relative to the whole."""
    turn = 2 * math.pi * frequency / 8000
    real = sum(v * math.cos(turn * n) for n, v in enumerate(values))
    imaginary = sum(v * math.sin(turn * n) for n, v in enumerate(values))
    return 2 * (real**2 + imaginary**2) / (len(values) * sum(v * v for v in values))


def write_tone(path: Path, frequency: float, *, rate: int = 44100, level: float = 1.0) -> None:
    """A studio's stereo file: a second of silence, a second of tone, a second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        tone = [
            round(32767 * level * math.sin(2 * math.pi * frequency * n / rate)) for n in range(rate)
        ]
        silence = [0] * rate
        file.writeframes(b"".join(struct.pack("<hh", v, v) for v in silence + tone + silence))


pytestmark = pytest.mark.xdist_group("prompts")  # all of them are spoken once


@pytest.fixture(scope="module")
def texts() -> Prompts:
    return load_texts(TEXTS)


@pytest.fixture(scope="module")
def built(texts: Prompts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prompts") / "id" / "pln"
    report = build_prompts(texts, out)
    assert set(report.built) == set(texts.texts)
    return out


def small(tmp_path: Path, **changes: str) -> Prompts:
    """A texts file with short texts."""
    lines = [f'{name} = "{changes.get(name, "halo pelanggan")}"' for name in prompt_files.REQUIRED]
    path = tmp_path / "texts.toml"
    path.write_text("[prompts]\n" + "\n".join(lines), encoding="utf-8")
    return load_texts(path)


@pytest.mark.parametrize("name", prompt_files.REQUIRED)
def test_levels_and_silence(built: Path, name: str) -> None:
    values = samples(built / f"{name}.alaw")
    assert -4.5 < peak_db(values) < -1.5
    top = max(map(abs, values))
    run = longest = 0
    for value in values:
        run = run + 1 if abs(value) == top else 0
        longest = max(longest, run)
    assert longest < 8  # a clipped wave lies flat
    loud = [n for n, value in enumerate(values) if abs(value) > 330]  # -40 dB
    assert 0.05 < loud[0] / 8000 < 0.3
    assert 0.05 < (len(values) - loud[-1]) / 8000 < 0.3
    shortest = 0.4 if name.startswith("digit-") else 0.7
    assert shortest < duration_seconds(built / f"{name}.alaw") < 15.0
    assert (built / f"{name}.alaw").stat().st_mode & 0o777 == 0o644


def test_the_notice_says_that_it_is_recorded(texts: Prompts) -> None:
    assert "direkam" in texts.texts["notice"]


def test_unchanged_prompts_are_not_built_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert build_prompts(small(tmp_path), out).built == prompt_files.REQUIRED
    assert build_prompts(small(tmp_path), out).built == ()
    assert build_prompts(small(tmp_path, apology="maaf sekali"), out).built == ("apology",)
    (out / "notice.alaw").unlink()
    (out / "all-busy.alaw").write_bytes(b"damaged")
    (out / "apology.alaw").chmod(0o600)
    assert build_prompts(small(tmp_path, apology="maaf sekali"), out).built == (
        "notice",
        "all-busy",
    )
    (out / ".manifest.json").write_text("not json")
    assert build_prompts(small(tmp_path), out).built == prompt_files.REQUIRED
    assert sorted(p.name for p in out.iterdir() if p.suffix != ".alaw") == [".manifest.json"]


def test_speed_is_a_setting(tmp_path: Path) -> None:
    slow = small(tmp_path)
    text = slow.path.read_text()
    slow.path.write_text("[voice]\nspeed = 90\n" + text)
    build_prompts(load_texts(slow.path), tmp_path / "slow")
    slow.path.write_text("[voice]\nspeed = 250\n" + text)
    build_prompts(load_texts(slow.path), tmp_path / "fast")
    lengths = [duration_seconds(tmp_path / way / "notice.alaw") for way in ("slow", "fast")]
    assert lengths[0] > lengths[1] * 1.5


@pytest.mark.parametrize("kind", ["wav", "flac", "alaw"])
def test_a_studio_recording_replaces_the_voice(tmp_path: Path, kind: str) -> None:
    studio, out = tmp_path / "studio", tmp_path / "out"
    studio.mkdir()
    texts = small(tmp_path)
    build_prompts(texts, out)
    write_tone(tmp_path / "tone.wav", 1000)
    target = studio / f"notice.{kind}"
    raw = ["-t", "raw", "-e", "a-law", "-b", "8", "-r", "8000", "-c", "1"]
    options = raw if kind == "alaw" else []
    subprocess.run(["sox", "-D", tmp_path / "tone.wav", *options, target], check=True)
    (studio / "notise.wav").write_bytes(b"")
    report = build_prompts(texts, out, studio)
    assert (report.built, report.studio, report.ignored) == (
        ("notice",),
        ("notice",),
        ("notise.wav",),
    )
    assert "1 built, " in str(report)
    assert str(report).endswith("; from the studio: notice; no prompt's name, ignored: notise.wav")
    values = samples(out / "notice.alaw")
    assert 1.1 < len(values) / 8000 < 1.35  # the silence is cut to 0.1 s at both ends
    assert -4.0 < peak_db(values) < -2.0
    assert power_at(values[1600:8000], 1000) > 0.98
    assert build_prompts(texts, out, studio).built == ()
    assert build_prompts(texts, out).built == ("notice",)  # taken away again


def test_a_quiet_studio_recording_is_raised(tmp_path: Path) -> None:
    (tmp_path / "studio").mkdir()
    write_tone(tmp_path / "studio" / "apology.wav", 700, level=0.02)
    build_prompts(small(tmp_path), tmp_path / "out", tmp_path / "studio")
    assert -4.0 < peak_db(samples(tmp_path / "out" / "apology.alaw")) < -2.0


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("notice.wav", b"this is no audio", "notice.wav: not usable audio"),
        ("notice.flac", b"", "notice.flac: not usable audio"),
        ("notice.alaw", b"just a text, not a sound\n", "not usable audio: a text"),
        ("notice.alaw", b"", "not usable audio: the file is empty"),
        ("notice.alaw", b"RIFF\x00\x01\xff", "not headerless A-law"),
        ("notice.alaw", b"\xd5" * 16000, "no speech in it; record it again"),
    ],
)
def test_a_studio_file_that_is_not_audio(
    tmp_path: Path, file: str, content: bytes, words: str
) -> None:
    studio, out = tmp_path / "studio", tmp_path / "out"
    studio.mkdir()
    texts = small(tmp_path)
    build_prompts(texts, out)
    before = (out / "notice.alaw").read_bytes()
    (studio / file).write_bytes(content)
    with pytest.raises(PromptError) as caught:
        build_prompts(texts, out, studio)
    assert str(studio / file) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (out / "notice.alaw").read_bytes() == before  # the old one stays


def test_two_recordings_of_one_prompt(tmp_path: Path) -> None:
    (tmp_path / "notice.wav").write_bytes(b"")
    (tmp_path / "notice.flac").write_bytes(b"")
    with pytest.raises(PromptError, match="keep one recording"):
        build_prompts(small(tmp_path), tmp_path / "out", tmp_path)


def test_a_studio_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="studio recordings: No such file"):
        build_prompts(small(tmp_path), tmp_path / "out", tmp_path / "nowhere")


@pytest.mark.parametrize("tool", ["espeak-ng", "sox"])
def test_a_missing_tool_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == tool else which(name))
    with pytest.raises(PromptError, match=f"^{tool} is not installed: apt install {tool}$"):
        build_prompts(small(tmp_path), tmp_path / "out")


def test_a_voice_that_espeak_does_not_have(tmp_path: Path) -> None:
    texts = small(tmp_path)
    texts.path.write_text('[voice]\nname = "klingon-x"\n' + texts.path.read_text())
    with pytest.raises(PromptError, match="voice"):
        build_prompts(load_texts(texts.path), tmp_path / "out")


def test_an_out_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PromptError, match="out: cannot build prompts here: Not a directory"):
        build_prompts(small(tmp_path), tmp_path / "file" / "out")


def test_missing_prompts(texts: Prompts, built: Path, tmp_path: Path) -> None:
    assert missing_prompts(texts, built) == []
    assert missing_prompts(texts, tmp_path / "nowhere") == list(texts.texts)
    shutil.copytree(built, tmp_path / "copy")
    (tmp_path / "copy" / "notice.alaw").unlink()
    (tmp_path / "copy" / "apology.alaw").write_bytes(b"")
    assert missing_prompts(texts, tmp_path / "copy") == ["notice", "apology"]


GOOD = "\n".join(f'{name} = "halo"' for name in prompt_files.REQUIRED)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("notice = ", "not a TOML file"),
        ("", "prompts: missing"),
        ("[prompts]\nnotice = 'halo'", "prompts.please-wait: missing"),
        (f"[prompts]\n{GOOD}\nbonus = ' '", "prompts.bonus: must be a text"),
        (f"[prompts]\n{GOOD}\nbonus = 3", "prompts.bonus: must be a text"),
        (f"[prompts]\n{GOOD}\n'../x' = 'a'", "prompts.../x: use small letters"),
        (f"[voice]\nspeed = 20\n[prompts]\n{GOOD}", "voice.speed: must be a number from 80"),
        (f"[voice]\npitch = true\n[prompts]\n{GOOD}", "voice.pitch: must be a number from 0"),
        (f"[voice]\nname = '-x'\n[prompts]\n{GOOD}", "voice.name: must be a voice"),
        (f"[voice]\nlanguage = 'id'\n[prompts]\n{GOOD}", "voice.language: unknown"),
        (f"[prompt]\n{GOOD}", "prompt: unknown"),
    ],
)
def test_mistakes_in_the_texts_file(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "id.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PromptError) as caught:
        load_texts(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_texts_file(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"none\.toml: cannot read the prompts' texts"):
        load_texts(tmp_path / "none.toml")
