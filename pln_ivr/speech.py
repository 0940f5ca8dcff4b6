"""Speech and recordings as what Asterisk sends to a trunk without transcoding: headerless A-law,
8 kHz, mono.

espeak-ng speaks, sox makes it fit for a telephone; a recording gets the same levels. Blocking.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pln_ivr.errors import PromptError

FORMATS = ("wav", "flac", "alaw")
"""Of recordings, by the ends of their names."""

BYTES_PER_SECOND = 8000
SHORTEST_SECONDS = 0.4  # with the 0.2 s of silence at the ends: less holds no speech
TOOL_SECONDS = 120.0
ALAW = ("-t", "raw", "-e", "a-law", "-b", "8", "-r", "8000", "-c", "1")
PACKAGES = {"espeak-ng": "espeak-ng", "sox": "sox"}

SILENCE = b"\xd5" * 160
"""One packet's worth in A-law: Asterisk complains of an empty file."""

# Level first, so that the filters' overshoot cannot clip; the telephone's band; the
# silence at both ends cut to 100 ms; the peak at -3 dB last, after all that moves it.
_CUT = ("silence", "1", "0.02", "0.5%", "reverse")
EFFECTS = (
    *("gain", "-n", "-9", "highpass", "300", "lowpass", "3400", "rate", "-h", "8000"),
    *("gain", "-n", "-3", *_CUT, *_CUT, "pad", "0.1", "0.1"),
)


@dataclass(frozen=True, slots=True)
class Voice:
    """How espeak-ng speaks."""

    name: str = "id"
    speed: int = 145  # words a minute
    pitch: int = 42  # 0 to 99


def spoken(where: str, text: str, voice: Voice) -> bytes:
    """The text as A-law. Raises PromptError that begins with `where` it stands."""
    with tempfile.TemporaryDirectory(prefix="pln-speech-") as folder:
        speech, made = Path(folder) / "speech.wav", Path(folder) / "made.alaw"
        options = ["-v", voice.name, "-s", str(voice.speed), "-p", str(voice.pitch)]
        # By standard input: a text that begins with a hyphen is no option.
        _run(where, ["espeak-ng", *options, "-b", "1", "--stdin", "-w", str(speech)], text)
        _run(where, _sox([str(speech)], made))
        return _with_speech(made, f"{where}: no speech in it; write a longer text")


def recorded(source: Path) -> bytes:
    """A recording as A-law. Raises PromptError that names the file: it is no audio, or silent."""
    with tempfile.TemporaryDirectory(prefix="pln-speech-") as folder:
        made = Path(folder) / "made.alaw"
        _run(f"{source}: not usable audio", _sox(_input(source), made))
        return _with_speech(made, f"{source}: no speech in it; record it again")


def write_atomically(path: Path, content: bytes) -> None:
    """Whole or not at all, readable for Asterisk, which is another user. Raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def duration_seconds(path: str | Path) -> float:
    """How long a built prompt plays. Raises OSError when it is not there."""
    return Path(path).stat().st_size / BYTES_PER_SECOND


def _with_speech(made: Path, otherwise: str) -> bytes:
    if not made.exists() or duration_seconds(made) < SHORTEST_SECONDS:
        raise PromptError(otherwise)
    return made.read_bytes()


def _sox(source: list[str], made: Path) -> list[str]:
    # -R: the same input gives the same bytes. Channels are mixed before anything else.
    return ["sox", "-R", *source, *ALAW, str(made), "remix", "-", *EFFECTS]


def _input(source: Path) -> list[str]:
    suffix = source.suffix.lower()
    if suffix[1:] not in FORMATS:
        raise PromptError(f"{source}: not usable audio: its name must end in {', '.join(FORMATS)}")
    if suffix != ".alaw":
        return ["-t", suffix[1:], str(source)]
    # Any bytes are A-law; find at least the files that are plainly something else.
    try:
        head = source.read_bytes()[:4096]
    except OSError as error:
        raise PromptError(f"{source}: not usable audio: {error.strerror}") from None
    if head.startswith((b"RIFF", b"fLaC", b"OggS", b"ID3", b".snd", b"FORM")):
        raise PromptError(f"{source}: not usable audio: not headerless A-law; give it its own name")
    if not head or all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        raise PromptError(
            f"{source}: not usable audio: {'a text' if head else 'the file is empty'}"
        )
    return [*ALAW, str(source)]


def _run(what: str, command: list[str], text: str | None = None) -> None:
    """Run a tool. Raises PromptError that begins with ``what`` and quotes the tool."""
    tool = command[0]
    if shutil.which(tool) is None:
        raise PromptError(f"{tool} is not installed: apt install {PACKAGES[tool]}")
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise PromptError(f"{what}: {tool} did not end in {TOOL_SECONDS:.0f} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        detail = lines[-1].strip() if lines else f"{tool} ended with {done.returncode}"
        if "no handler for" in detail:
            detail += "; apt install libsox-fmt-base"
        raise PromptError(f"{what}: {detail}")
