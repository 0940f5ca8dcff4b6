"""`pln-ivr check`: is everything there that serving needs? Changes nothing anywhere."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from pln_ivr.ari import connect
from pln_ivr.calls.prompt_files import missing_prompts, outdated_prompts
from pln_ivr.config import Settings, load
from pln_ivr.errors import AriError, AriRefused, PlnIvrError
from pln_ivr.journal import JournalReader
from pln_ivr.queues.roster import load_roster
from pln_ivr.recordings.sealing import load_keys
from pln_ivr.resources import needs, of_asterisk, of_this_process, shortages
from pln_ivr.rules import menu_of, require_prompts, texts_of

MINIMUM_ASTERISK = (22, 5)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that was looked at."""

    subject: str
    ok: bool
    text: str


class _NoMeter:
    def event(self, type_: str) -> None: ...

    def request(self, method: str, transport: str, result: str) -> None: ...


async def check_all(config: Path | None) -> list[Verdict]:
    """Look at each thing; without settings there is nothing else to look at. Never raises."""
    try:
        settings = load(config)
    except PlnIvrError as error:
        return [Verdict("settings", False, str(error))]
    return [
        Verdict("settings", True, f"{config or 'the defaults'}, environment included"),
        _roster(settings),
        _prompts(settings),
        await asyncio.to_thread(_journal, settings),
        _recordings(settings),
        *await _asterisk(settings),
    ]


def _roster(settings: Settings) -> Verdict:
    path = settings.agents.roster
    try:
        roster = load_roster(path, settings.queues.skills)
    except PlnIvrError as error:
        return Verdict("roster", False, str(error))
    if path.stat().st_mode & 0o004:
        return Verdict("roster", False, f"{path}: everybody can read the secrets; chmod 640 {path}")
    return Verdict("roster", bool(roster), f"{path}: {len(roster)} agents")


def _prompts(settings: Settings) -> Verdict:
    folder, faults = settings.prompts.folder, []
    try:
        for texts in texts_of(settings):
            place = folder / texts.language
            missing = missing_prompts(texts, place)
            outdated = outdated_prompts(texts, place, settings.prompts.studio)
            faults += [f"{place}: missing {', '.join(missing)}"] if missing else []
            faults += [f"{place}: other texts now: {', '.join(outdated)}"] if outdated else []
        if not faults:
            require_prompts(menu_of(settings.menu), folder, bool(settings.outbound.gateway))
    except PlnIvrError as error:
        return Verdict("prompts", False, str(error))
    if faults:
        cure = "build them with pln-ivr prompts build"
        return Verdict("prompts", False, f"{'; '.join(faults)}; {cure}")
    return Verdict("prompts", True, f"{folder}: all there")


def _journal(settings: Settings) -> Verdict:
    try:
        with JournalReader(settings.journal.url) as reader:
            reader.last_calls(1)
    except PlnIvrError as error:
        return Verdict("journal", False, str(error))
    return Verdict("journal", True, "can be read")


def _recordings(settings: Settings) -> Verdict:
    for key, folder in (
        ("recordings.spool", settings.recordings.spool),
        ("recordings.folder", settings.recordings.folder),
    ):
        place = folder if folder.exists() else folder.absolute().parent
        if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            return Verdict("recordings", False, f"{key}: {folder} cannot be written by this user")
    if settings.recordings.keys:
        try:
            keys = load_keys(settings.recordings.keys)
        except PlnIvrError as error:
            return Verdict("recordings", False, str(error))
        sealed = f"sealed with the key {keys.current}"
    else:
        sealed = "not encrypted"
    return Verdict("recordings", True, f"spool {settings.recordings.spool}; archive {sealed}")


def _resources(settings: Settings, there: dict[str, int]) -> Verdict:
    try:
        agents = len(load_roster(settings.agents.roster, settings.queues.skills))
        there |= of_this_process(settings.recordings.folder)
    except (PlnIvrError, OSError) as error:
        return Verdict("resources", False, str(error))
    needed = needs(settings.admission.capacity, agents, settings.ari.connections)
    short = shortages(needed, there)
    enough = f"enough for {settings.admission.capacity} calls and {agents} agents"
    return Verdict("resources", not short, "; ".join(short) or enough)


async def _asterisk(settings: Settings) -> list[Verdict]:
    """The version, and whether there is enough of everything."""
    ari = settings.ari
    try:
        async with connect(
            ari.url,
            user=ari.user,
            password=ari.password.get_secret_value(),
            app=ari.app,
            meter=_NoMeter(),
        ) as client:
            version = await client.version()
            there = await of_asterisk(client.get_global)
    except AriRefused as error:
        if error.status == 401:
            cure = "ari.user and ari.password must match ari.conf"
            return [Verdict("asterisk", False, f"{ari.url}: wrong password; {cure}")]
        return [Verdict("asterisk", False, f"{ari.url}: {error}")]
    except AriError as error:
        return [Verdict("asterisk", False, f"{ari.url}: {error}; is Asterisk running there?")]
    numbers = tuple(int(part) for part in version.split("~")[0].split(".")[:2] if part.isdigit())
    new_enough = numbers >= MINIMUM_ASTERISK
    text = f"{ari.url}: version {version}" + ("" if new_enough else "; 22.5 or later is needed")
    return [Verdict("asterisk", new_enough, text), _resources(settings, there)]
