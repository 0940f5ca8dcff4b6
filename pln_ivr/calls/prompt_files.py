"""Prompts as files: texts in a TOML file, spoken by espeak-ng, made fit by sox.

What is said in another language stands in a file of its own, beside the first.

Each prompt becomes ``<name>.alaw``: headerless A-law, 8 kHz, mono, what Asterisk sends
to a trunk without transcoding. A studio recording of the same name replaces the
synthesised voice and gets the same levels.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pln_ivr.calls.dialogues.brief import PROMPTS as BRIEF_PROMPTS
from pln_ivr.calls.dialogues.customer_number import PROMPTS as REPORT_PROMPTS
from pln_ivr.calls.dialogues.menu import PROMPTS as MENU_PROMPTS
from pln_ivr.errors import PromptError
from pln_ivr.queues.lines import ANNOUNCEMENTS
from pln_ivr.speech import (
    ALAW,
    EFFECTS,
    FORMATS,
    SILENCE,
    Voice,
    duration_seconds,
    recorded,
    spoken,
    write_atomically,
)

REQUIRED = (
    "notice",
    "please-wait",
    "agent-ready",
    "agent-away",
    "agent-unknown",
    "apology",
    "all-busy",
    "on-hold",
    "agent-logged-out",
    "agent-noted",
    "recording-paused",
    "recording-resumed",
    "recording-unchanged",
    *MENU_PROMPTS,
    *REPORT_PROMPTS,
    *BRIEF_PROMPTS,
    *ANNOUNCEMENTS,
)
"""What is said in any case; in another language than the first, only what has a text there."""
MANIFEST = ".manifest.json"


@dataclass(frozen=True, slots=True)
class Prompts:
    """The texts file, validated."""

    path: Path
    voice: Voice
    texts: Mapping[str, str]  # name -> text, whitespace folded
    language: str = ""  # empty: the first one


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What ``build_prompts`` did. The tuples hold names, ``seconds`` every prompt's length."""

    built: tuple[str, ...]  # written now, by the voice or from the studio
    unchanged: tuple[str, ...]
    studio: tuple[str, ...]  # of all these, the ones that are studio recordings
    ignored: tuple[str, ...]  # files in the studio folder that are no prompt's: a typing error?
    seconds: Mapping[str, float]

    def __str__(self) -> str:
        words = f"{len(self.built)} built, {len(self.unchanged)} as they were"
        words += f", {sum(self.seconds.values()):.0f} s in all"
        if self.studio:
            words += f"; from the studio: {', '.join(self.studio)}"
        if self.ignored:
            words += f"; no prompt's name, ignored: {', '.join(self.ignored)}"
        return words


def files_of(texts: Path, languages: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Each language, the first one empty, with the file of its texts. The audio of another than
    the first goes into a subfolder of its name."""
    yield "", texts
    for language in languages:
        yield language, texts.with_name(f"{language}.toml")


def load_texts(path: str | Path, language: str = "") -> Prompts:
    """Read and validate the texts file. Raises PromptError naming the file and the key."""
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        cure = f"; or take {language} out of prompts.languages" if language else ""
        raise PromptError(
            f"{path}: cannot read the prompts' texts: {error.strerror}{cure}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PromptError(f"{path}: not a TOML file in UTF-8: {error}") from None
    unknown = sorted(set(data) - {"voice", "prompts"})
    if unknown:
        raise PromptError(f"{path}: {unknown[0]}: unknown; only [voice] and [prompts] belong here")
    required = () if language else REQUIRED
    texts = _texts(path, data.get("prompts"), required)
    return Prompts(path, _voice(path, data.get("voice", {}), language), texts, language)


def with_texts(prompts: Prompts, more: Mapping[str, str]) -> Prompts:
    """The same with texts from elsewhere. Raises PromptError if a name stands in both."""
    twice = sorted(prompts.texts.keys() & more.keys())
    if twice:
        raise PromptError(
            f"{prompts.path}: prompts.{twice[0]}: the settings have a text of this name as well;"
            " take one of them out"
        )
    folded = {name: " ".join(text.split()) for name, text in more.items()}
    return replace(prompts, texts={**prompts.texts, **folded})


def _voice(path: Path, data: Any, language: str) -> Voice:
    if not isinstance(data, dict):
        raise PromptError(f"{path}: voice: must be a table, [voice]")
    unknown = sorted(set(data) - {"name", "speed", "pitch"})
    if unknown:
        raise PromptError(f"{path}: voice.{unknown[0]}: unknown; name, speed and pitch can be set")
    voice = Voice(**data) if "name" in data or not language else Voice(name=language, **data)
    if not isinstance(voice.name, str) or not re.fullmatch(r"[A-Za-z0-9][\w+/-]*", voice.name):
        raise PromptError(f'{path}: voice.name: must be a voice of espeak-ng, e.g. "id"')
    for key, lowest, highest in (("speed", 80, 300), ("pitch", 0, 99)):
        value = getattr(voice, key)
        if type(value) is not int or not lowest <= value <= highest:
            raise PromptError(f"{path}: voice.{key}: must be a number from {lowest} to {highest}")
    return voice


def _texts(path: Path, data: Any, required: Iterable[str]) -> dict[str, str]:
    if not isinstance(data, dict):
        raise PromptError(f"{path}: prompts: missing; must be a table of texts, [prompts]")
    texts = {}
    for name, text in data.items():
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise PromptError(f"{path}: prompts.{name}: use small letters, digits and hyphens")
        if not isinstance(text, str) or not text.strip():
            raise PromptError(f"{path}: prompts.{name}: must be a text to speak, in quotes")
        texts[name] = " ".join(text.split())
    missing = [name for name in required if name not in texts]
    if missing:
        raise PromptError(f"{path}: prompts.{missing[0]}: missing; write the text of this prompt")
    return texts


STATEMENT = "statement"
"""What Asterisk plays by itself after the notice; silence until there is a statement."""


def build_prompts(texts: Prompts, out: str | Path, studio: str | Path | None = None) -> BuildReport:
    """Make ``<out>/<name>.alaw`` for every prompt; those that have not changed are kept.

    Each file appears whole or not at all, so this may run beside a live Asterisk. Blocks
    for a fraction of a second a prompt. Raises PromptError: a tool is missing, a studio
    recording is not audio, the folder cannot be written.
    """
    out = Path(out)
    recordings, ignored = _studio_files(texts, studio_of(texts, studio))
    try:
        out.mkdir(parents=True, exist_ok=True)
        manifest = _read_manifest(out / MANIFEST)
        built: list[str] = []
        for name in texts.texts:
            source = recordings.get(name)
            fingerprint = _fingerprint(texts, name, source)
            target = out / f"{name}.alaw"
            if manifest.get(name) == [fingerprint, _digest(target)]:
                continue
            where = f"{texts.path}: prompts.{name}"
            made = recorded(source) if source else spoken(where, texts.texts[name], texts.voice)
            write_atomically(target, made)
            built.append(name)
            manifest[name] = [fingerprint, _digest(target)]
            write_atomically(out / MANIFEST, json.dumps(manifest, indent=1).encode())
        statement = out / f"{STATEMENT}.alaw"
        if not texts.language and not statement.exists():
            write_atomically(statement, SILENCE)
        seconds = {name: duration_seconds(out / f"{name}.alaw") for name in texts.texts}
    except OSError as error:
        raise PromptError(
            f"{error.filename or out}: cannot build prompts here: {error.strerror}; "
            "check the folder and its permissions"
        ) from error
    return BuildReport(
        built=tuple(built),
        unchanged=tuple(name for name in texts.texts if name not in built),
        studio=tuple(name for name in texts.texts if name in recordings),
        ignored=ignored,
        seconds=seconds,
    )


def missing_prompts(texts: Prompts, folder: str | Path) -> list[str]:
    """Names of the prompts that are not in ``folder``, or are empty or not readable."""
    return [name for name in texts.texts if not is_built(folder, name)]


def outdated_prompts(
    texts: Prompts, folder: str | Path, studio: str | Path | None = None
) -> list[str]:
    """Names of the prompts that were built into ``folder`` from what has changed since. Raises
    PromptError."""
    recordings, _ = _studio_files(texts, studio_of(texts, studio))
    manifest = _read_manifest(Path(folder) / MANIFEST)
    return [
        name
        for name in texts.texts
        if name in manifest and manifest[name][0] != _fingerprint(texts, name, recordings.get(name))
    ]


def studio_of(texts: Prompts, studio: str | Path | None) -> Path | None:
    """Where the recordings of the texts' language are: for another than the first in a subfolder
    of its name, if there is one."""
    if studio is None or not texts.language:
        return None if studio is None else Path(studio)
    folder = Path(studio) / texts.language
    return folder if folder.is_dir() else None


def is_built(folder: str | Path, name: str, language: str = "") -> bool:
    """Whether a prompt can be played from ``folder``, in this language or else in the first."""
    for place in filter(None, (language and f"{language}/{name}", name)):
        try:
            with (Path(folder) / f"{place}.alaw").open("rb") as file:
                if file.read(1):
                    return True
        except OSError:
            continue
    return False


def _studio_files(texts: Prompts, studio: Path | None) -> tuple[dict[str, Path], tuple[str, ...]]:
    if studio is None:
        return {}, ()
    try:
        files = sorted(
            file for file in studio.iterdir() if file.is_file() and not file.name.startswith(".")
        )
    except OSError as error:
        raise PromptError(
            f"{studio}: cannot read the folder of studio recordings: {error.strerror}"
        ) from None
    found: dict[str, Path] = {}
    ignored = []
    for file in files:
        if file.stem not in texts.texts or file.suffix.lower()[1:] not in FORMATS:
            ignored.append(file.name)
        elif file.stem in found:
            other = found[file.stem].name
            raise PromptError(f"{file}: {other} is there as well; keep one recording of a prompt")
        else:
            found[file.stem] = file
    return found, tuple(ignored)


def _fingerprint(texts: Prompts, name: str, source: Path | None) -> str:
    """A digest of everything that a prompt's audio depends on."""
    parts: list[object] = [EFFECTS, ALAW]
    if source is None:
        parts += [texts.texts[name], asdict(texts.voice)]
    else:
        parts += [source.suffix.lower(), _digest(source)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(path: Path) -> str | None:
    """SHA-256 of a file; None when there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of an earlier build; a damaged one only costs building again."""
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
