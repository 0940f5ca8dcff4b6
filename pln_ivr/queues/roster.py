"""The roster: who may be an agent, read from one TOML file and checked whole.

[[agents]]
extension = "101"          # the phone registers as ag-101
name = "Siti Rahma"
skills = { gangguan = 3, tagihan = 1 }   # or a list: level 1 each
role = "agent"             # or "supervisor", who may have no skills
secret = "…"               # or digest = MD5 of "ag-101:asterisk:SECRET", in hex
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pln_ivr.errors import RosterError

_EXTENSION = re.compile(r"[1-9][0-9]{1,9}")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_SECRET_LENGTH = 8
_KEYS = {"extension", "name", "skills", "role", "secret", "digest"}
LEVELS = range(1, 10)


class Role(StrEnum):
    """Whose phone it is. A supervisor may listen, whisper, barge and take over."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One agent as the roster names them. Exactly one of `secret` and `digest` is set."""

    extension: str
    name: str
    skills: Mapping[str, int]
    """Level (1 to 9, higher is better) by skill. A supervisor may have none."""
    role: Role = Role.AGENT
    secret: str = field(default="", repr=False)
    digest: str = field(default="", repr=False)


Roster = dict[str, RosterEntry]
"""Entries by extension."""


def load_roster(path: Path, skills: Collection[str]) -> Roster:
    """Read and check the whole roster; `skills` are those that the queues ask for.

    Raises RosterError with a line for each fault, naming file and entry; then nothing of
    the file counts.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RosterError(f"{path}: no such file; agents.roster must name the roster") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RosterError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise RosterError(f"{path}: not valid TOML: {error}") from None
    entries = document.get("agents", [])
    faults = [
        f"unknown key {key!r}; only [[agents]] belongs here" for key in document.keys() - {"agents"}
    ]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RosterError(f"{path}: agents must be a list of tables, each begun by [[agents]]")
    for number, entry in enumerate(entries, 1):
        label = f"agent {number} (extension {entry.get('extension', 'missing')})"
        faults += [f"{label}: {fault}" for fault in _faults(entry, skills)]
    extensions = Counter(str(entry.get("extension")) for entry in entries)
    faults += [f"extension {name} stands {n} times" for name, n in extensions.items() if n > 1]
    if faults:
        raise RosterError("\n".join(f"{path}: {fault}" for fault in faults))
    return {entry["extension"]: _entry(entry) for entry in entries}


def _faults(entry: dict[str, Any], skills: Collection[str]) -> list[str]:
    known = ", ".join(sorted(_KEYS))
    faults = [f"unknown key {key!r}; known are {known}" for key in entry.keys() - _KEYS]
    extension, name, role = entry.get("extension"), entry.get("name"), entry.get("role", "agent")
    if not isinstance(extension, str) or not _EXTENSION.fullmatch(extension):
        faults.append('extension must be a string of 2 to 10 digits, like "101"')
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        faults.append("name must be the agent's name, on one line")
    if role not in list(Role):
        faults.append(f"role must be one of: {', '.join(Role)}")
    faults += _skill_faults(entry.get("skills"), skills, role == Role.SUPERVISOR)
    return faults + _secret_faults(entry.get("secret"), entry.get("digest"))


def _skill_faults(given: object, skills: Collection[str], may_lack: bool) -> list[str]:
    if given is None and may_lack:
        return []
    example = f"[{sorted(skills)[0]!r}] or {{ {sorted(skills)[0]} = 3 }}"
    if not isinstance(given, list | dict) or not (given or may_lack):
        return [f"skills must be a list, or a table of levels, like {example}"]
    if not all(isinstance(skill, str) for skill in given):
        return [f"skills must be names, like {example}"]
    faults = []
    if unknown := sorted(set(given) - set(skills)):
        there = ", ".join(sorted(skills))
        faults.append(f"no queue asks for the skill {', '.join(unknown)}; there are: {there}")
    if isinstance(given, dict):
        faults += [
            f"skills.{skill} must be a level from {LEVELS[0]} to {LEVELS[-1]}"
            for skill, level in given.items()
            if type(level) is not int or level not in LEVELS
        ]
    return faults


def _secret_faults(secret: object, digest: object) -> list[str]:
    if (secret is None) == (digest is None):
        return ["give either secret or digest"]
    if digest is not None and not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        return ["digest must be 32 hexadecimal digits"]
    if secret is not None and not (isinstance(secret, str) and len(secret) >= _SECRET_LENGTH):
        return [f"secret must be a string of at least {_SECRET_LENGTH} characters"]
    return []


def _entry(entry: dict[str, Any]) -> RosterEntry:
    return RosterEntry(
        extension=entry["extension"],
        name=entry["name"].strip(),
        skills=_levels(entry.get("skills", [])),
        role=Role(entry.get("role", Role.AGENT)),
        secret=entry.get("secret", ""),
        digest=entry.get("digest", ""),
    )


def _levels(given: list[str] | dict[str, int]) -> Mapping[str, int]:
    return dict(given) if isinstance(given, dict) else dict.fromkeys(given, LEVELS[0])
