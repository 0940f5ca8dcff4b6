"""Settings: one TOML file, then the environment over it; every default stands here.

``PLN_IVR_<SECTION>__<KEY>`` in the environment wins over the file, which wins over the
defaults below, e.g. ``PLN_IVR_ADMISSION__CAPACITY=360``. Secrets belong in the
environment. Only this module reads the environment, and only the composition root
(app) sees the whole; every other part gets its own section.
"""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pln_ivr.dispatch_config import Dispatch
from pln_ivr.errors import ConfigError
from pln_ivr.information_config import Information, information_faults
from pln_ivr.menu_config import Menu, menu_faults
from pln_ivr.outages_config import Outages
from pln_ivr.sections import Digit, Name, Seconds, Section

ENV_PREFIX = "PLN_IVR_"
CONFIG_VARIABLE = "PLN_IVR_CONFIG"
"""Names the TOML file, like --config."""


class Node(Section):
    """Which machine this is, among those that may share a journal one day."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,32}$")] = "pln-1"
    """Equals Asterisk's systemname."""


class Ari(Section):
    """How Asterisk is reached. ARI belongs on loopback: its password is its only guard."""

    url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] = "http://127.0.0.1:8088"
    user: str = "pln_ivr"
    password: SecretStr = SecretStr("")
    app: Name | Literal["pln_ivr"] = "pln_ivr"
    request_seconds: Seconds = 5.0
    """Deadline of one request."""
    watchdog_seconds: Seconds = 5.0
    """How often the event stream is proven alive; a silent one is dropped after as long again."""
    reconnect_max_seconds: Seconds = 5.0
    """The longest pause between two attempts to reconnect."""
    connections: Annotated[int, Field(ge=1, le=400)] = 64
    """HTTP connections kept open; stays below http.conf's sessionlimit."""


class Admission(Section):
    """How many calls at once, and how the next one is turned away."""

    capacity: Annotated[int, Field(ge=0, le=100_000)] = 720
    """Seats. The 721st caller is rejected (press reports on 123, 2018 and 2019)."""
    reject_cause: Literal[17, 34, 42] = 17
    """Q.850 cause of a rejection: 17 gives SIP 486, 34 and 42 give 503."""

    arrivals_per_second: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """At most so many calls are admitted each second, with a burst of one second's worth; the
    others are rejected as if there were no seat. 0: no limit."""
    when_disk_full: Literal["admit", "reject"] = "admit"
    """What new calls meet while disk.reserve_mb is not there: people in the dark come first,
    unless a call without a recording may not be."""
    upkeep_seconds: Seconds = 60.0
    """How often seats, legs and bridges are compared with what Asterisk lists."""


class Disk(Section):
    """Room that must stay free where recordings and the journal are written."""

    low_mb: Annotated[int, Field(ge=0)] = 2048
    """Below this there is an alarm, and nothing else changes."""
    reserve_mb: Annotated[int, Field(ge=0)] = 512
    """Below this no recording is begun, so that the journal can still be written:
    recordings.when_unconfirmed and admission.when_disk_full say what happens to calls."""


class Fallback(Section):
    """What Asterisk does while this program is away, and how the journal learns of it."""

    calls: Path = Path("/var/log/asterisk/cdr-custom/calls.csv")
    """Asterisk's own list of calls (cdr_custom.conf), as this program sees it."""


class Prompts(Section):
    """Recorded audio that callers and agents hear."""

    texts: Path = Path("asterisk-conf/prompts/id.toml")
    """What is said: one file, from which the audio is built."""
    languages: tuple[Name, ...] = ("en",)
    """Other languages, of espeak-ng's names: what is said in them is in files beside `texts`,
    en.toml, and the audio in subfolders of `folder`. What one lacks is said in the first."""
    folder: Path = Path("/var/lib/asterisk/sounds/id/pln")
    """Where `pln-ivr prompts build` puts the audio and Asterisk finds it as sound:pln/NAME."""
    studio: Path | None = None
    """Folder of studio recordings; one named like a prompt replaces the synthesised one."""
    margin_seconds: Seconds = 5.0
    """How long past its own length a prompt may take before the call goes on without it."""


class Queue(Section):
    """A named line of waiting calls. Where 0 is allowed it means: no limit, or never."""

    skills: tuple[Name, ...] = ()
    """What an agent must be able to do to be offered its calls; none: the queue's own name."""
    digit: Digit | Literal[""] = ""
    """Keyed by an agent who sends a caller on to it."""
    priority: Annotated[int, Field(ge=0, le=9)] = 0
    """Its calls go before those of a queue of lower priority, see queues.ageing_seconds."""
    length: Annotated[int, Field(ge=0)] = 0
    """So many calls may wait in it."""
    longest_wait_seconds: Annotated[float, Field(ge=0)] = 0.0
    """So long a call may wait in it."""
    overflow: Name | Literal[""] = ""
    """The queue that takes callers whom this one cannot; empty: they are told that all
    agents are busy and let go."""
    music: Name = "default"
    """Class in musiconhold.conf that waiting callers hear."""
    announce_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How often a waiting caller is told the place in the line and the expected wait."""
    service_seconds: Seconds = 20.0
    """The service level counts calls answered within this time."""
    service_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The service level to reach."""
    retention_days: Annotated[int, Field(ge=0)] | None = None
    """How long its recordings are kept; 0: for ever. Without it recordings.retention_days."""


def _default_queues() -> dict[str, Queue]:
    """Outage, billing, new connection, complaints."""
    return {
        "gangguan": Queue(digit="1", priority=2),
        "tagihan": Queue(digit="2"),
        "pasang-baru": Queue(digit="3"),
        "keluhan": Queue(digit="4", priority=1),
    }


class Queues(Section):
    """The lines, and the one that a caller joins."""

    entry: Name = "gangguan"
    dialled: dict[Annotated[str, Field(pattern=r"^\+?[0-9]{1,20}$")], Name] = Field(default={})
    """Another queue than `entry` for callers who dialled this number (see PLN_DIDS)."""
    names: dict[Name, Queue] = Field(default_factory=_default_queues)
    ageing_seconds: Annotated[float, Field(ge=0)] = 120.0
    """So many seconds of waiting count as one priority more, so that nobody starves."""
    resume_seconds: Annotated[float, Field(ge=0)] = 60.0
    """Who is cut off and dials again within this time keeps the place in the line."""

    @property
    def skills(self) -> frozenset[str]:
        """Every skill that some queue asks for."""
        return frozenset(
            skill for name, queue in self.names.items() for skill in queue.skills or (name,)
        )


class Agents(Section):
    """People at phones, and how long their phones may ring."""

    roster: Path = Path("roster.toml")
    ring_deadline_seconds: Annotated[float, Field(gt=0, le=120)] = 11.0
    """The offer is withdrawn this long after the phone began to ring: the end of the third
    ring at Indonesia's cadence of 1 s on, 4 s off (rings start at 0, 5 and 10 s)."""
    dial_deadline_seconds: Annotated[float, Field(gt=0, le=60)] = 4.0
    """How long a phone may take to begin to ring before it counts as unreachable."""
    unreachable_pause_seconds: Seconds = 10.0
    """No offer goes to an agent's phone for this long after it could not be reached."""
    qualify_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """How often Asterisk asks each phone whether it is there (OPTIONS); 0 asks never, and then
    a phone counts as reachable while it is registered."""
    pause_after_misses: Annotated[int, Field(ge=0)] = 3
    """After so many missed third rings in a row the agent is paused; 0: never."""
    wrap_up_seconds: Annotated[float, Field(ge=0)] = 15.0
    """The agent's own time after a conversation, unless ended by *11 or a disposition."""
    pauses: dict[Digit, Name] = Field(
        default={"1": "istirahat", "2": "salat", "3": "rapat", "4": "pelatihan"}
    )
    """Reasons of a pause by the digit keyed after *12."""
    dispositions: dict[Digit, Name] = Field(
        default={"1": "selesai", "2": "tindak-lanjut", "3": "salah-sambung"}
    )
    """What a conversation came to, by the digit keyed after *13."""
    flag_rings_supervisors: bool = False
    """Whether a white flag rings the free supervisors' phones, one after the other."""
    codec: Literal["alaw", "ulaw"] = "alaw"
    """Preferred at the agents' phones; the trunk's own, so that nothing is transcoded."""
    encryption: Literal["none", "required"] = "none"
    """required: only SRTP, its keys in the SDP; the phones then belong on TLS (PLN_TLS_CERT)."""
    certificate: Path | None = None
    """The certificate that their phones see over TLS (PLN_TLS_CERT); /metrics shows its end."""


class Outbound(Section):
    """Calls that agents place to customers, over the trunk. Each takes a seat."""

    gateway: Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]+(:[0-9]{1,5})?)?$")] = ""
    """The carrier's side of the trunk, host or host:port; empty: no customer can be called."""
    endpoint: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "trunk-1"
    """The trunk's endpoint in Asterisk: trunk-1 is the first of PLN_TRUNK_PEERS."""
    number: Annotated[str, Field(pattern=r"^\+?[0-9]{1,20}$")] = "123"
    """What the customer's display shows."""
    ring_seconds: Annotated[float, Field(gt=0, le=120)] = 30.0
    """How long a customer's phone may ring."""


class Recordings(Section):
    """Every conversation is recorded, both parties on channels of their own."""

    spool: Path = Path("/var/spool/asterisk/monitor")
    """Asterisk's monitor folder as this program sees it."""
    folder: Path = Path("recordings")
    """The archive: yyyy/mm/dd/CALL/OFFER.opus below it, and a manifest beside each."""
    codec: Literal["opus", "flac"] = "opus"
    """In which form recordings are archived: flac keeps every sample and takes five times the
    room."""
    retention_days: Annotated[int, Field(ge=0)] = 0
    """`pln-ivr recordings purge` deletes what is older; 0: nothing, ever. A queue may have its
    own."""
    keys: Path | None = None
    """File of keys, as `pln-ivr recordings new-key` makes them, for its owner only: with it the
    archive's files are encrypted, with the first of them."""
    workers: Annotated[int, Field(ge=1, le=16)] = 1
    """Processes that archive recordings, at the lowest priority. One keeps up with 200
    conversations at once (`tests/bench/archive`)."""
    confirm_seconds: Seconds = 2.0
    """How long to wait for the proof that a recording runs before the policy decides."""
    when_unconfirmed: Literal["bridge", "wait"] = "bridge"
    """bridge: talk anyway, with an alarm. wait: the caller goes back to the head of the line."""


class Journal(Section):
    """The database of what happened."""

    url: str = "sqlite:///journal.db"
    """postgresql://USER:PASSWORD@HOST/NAME for PostgreSQL; tested with Debian 12's, 15."""
    buffer_rows: Annotated[int, Field(ge=100)] = 100_000
    """Rows kept in memory while the database is away; half of that sends them to the spool."""
    spool: Path = Path("journal-spool")
    """Folder for rows that the database cannot take yet. They name callers."""
    spool_mb: Annotated[int, Field(ge=1)] = 1024
    """How much the spool may take: about 1,400 rows a megabyte; past that they go to the log."""
    flush_seconds: Seconds = 10.0
    """How long stopping may wait for the last batch."""


class Console(Section):
    """Our own HTTP server: /metrics, /healthz, /readyz."""

    bind: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080


class Drain(Section):
    """What SIGTERM does: no new calls, and conversations may finish until the deadline."""

    deadline_seconds: Annotated[float, Field(ge=0)] = 300.0
    new_calls: Literal["reject", "fallback"] = "reject"
    """reject: new calls get 503, so that a proxy or the trunk tries the next node. fallback:
    Asterisk serves them itself meanwhile."""


class Log(Section):
    """Log lines go to standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(BaseSettings):
    """All settings. Build one with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    node: Node = Node()
    ari: Ari = Ari()
    admission: Admission = Admission()
    disk: Disk = Disk()
    fallback: Fallback = Fallback()
    prompts: Prompts = Prompts()
    queues: Queues = Queues()
    menu: Menu = Menu()
    information: Information = Information()
    outages: Outages = Outages()
    dispatch: Dispatch = Dispatch()
    agents: Agents = Agents()
    outbound: Outbound = Outbound()
    recordings: Recordings = Recordings()
    journal: Journal = Journal()
    console: Console = Console()
    drain: Drain = Drain()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file; no .env and no secrets folder behind one's back."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load(path: Path | None) -> Settings:
    """Read the settings from `path` (may be None: defaults) and the environment.

    Raises ConfigError with one line for each wrong key, naming it and what would be right.
    """
    file_values = _read_toml(path) if path else {}
    _refuse_unknown_environment()
    try:
        settings = Settings(**file_values)
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from None
    except SettingsError as error:  # a whole section in one variable, and not as JSON
        raise ConfigError(
            f"environment: {error}; set single keys, like {ENV_PREFIX}ADMISSION__CAPACITY"
        ) from None
    languages = settings.prompts.languages
    faults = _queue_faults(settings.queues)
    faults += menu_faults(settings.menu, settings.queues.names, languages)
    faults += information_faults(settings.information, languages)
    if faults:
        raise ConfigError("\n".join(f"{path or 'settings'}: {fault}" for fault in faults))
    return settings


def _queue_faults(queues: Queues) -> list[str]:
    """What one key cannot know of another."""
    known = ", ".join(sorted(queues.names))
    named = {"entry": queues.entry}
    named |= {f"dialled.{number}": name for number, name in queues.dialled.items()}
    named |= {
        f"names.{name}.overflow": queue.overflow
        for name, queue in queues.names.items()
        if queue.overflow
    }
    faults = [
        f"queues.{key}: there is no queue {name!r}; queues.names has: {known}"
        for key, name in named.items()
        if name not in queues.names
    ]
    digits = Counter(queue.digit for queue in queues.names.values() if queue.digit)
    faults += [f"queues: digit {digit} stands {n} times" for digit, n in digits.items() if n > 1]
    return faults or [
        f"queues.names.{name}.overflow: leads back to {name!r}; end the chain somewhere"
        for name in queues.names
        if _overflows_into_itself(queues, name)
    ]


def _overflows_into_itself(queues: Queues, name: str) -> bool:
    at, seen = queues.names[name].overflow, {name}
    while at and at not in seen:
        seen.add(at)
        at = queues.names[at].overflow
    return at == name


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name an existing one with --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _refuse_unknown_environment() -> None:
    """A misspelt name in the environment would otherwise be ignored in silence: a section that
    does not exist, or one underscore where two belong."""
    for name in os.environ:
        if not name.startswith(ENV_PREFIX) or name == CONFIG_VARIABLE:
            continue
        section = name.removeprefix(ENV_PREFIX).partition("__")[0]
        if section.lower() not in Settings.model_fields:
            known = ", ".join(s.upper() for s in Settings.model_fields)
            raise ConfigError(
                f"environment {name}: no such section; there are: {known};"
                f" two underscores stand before the key, as in {ENV_PREFIX}ADMISSION__CAPACITY"
            )


def _explain(error: ValidationError, path: Path | None) -> str:
    """One line per wrong key, without the value, which may be a secret."""
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in item["loc"])
        lines.append(f"{path or 'settings'}: {key}: {item['msg']}")
    return "\n".join(lines)
