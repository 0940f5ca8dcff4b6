"""The sections of what one node is run with: Asterisk, seats, disks, prompts, stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from pln_ivr.config.section import Name, Seconds, Section


class Node(Section):
    """Which machine this is, among those that may share a journal one day."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,32}$")] = "pln-1"
    """Equals Asterisk's systemname."""


class Ari(Section):
    """How Asterisk is reached. ARI belongs on loopback: its password is its only guard."""

    url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] = "http://127.0.0.1:8088"
    """Asterisk's HTTP server (http.conf)."""
    user: str = "pln_ivr"
    """As in ari.conf."""
    password: SecretStr = SecretStr("")
    """As in ari.conf; belongs in the environment."""
    app: Name | Literal["pln_ivr"] = "pln_ivr"
    """The application's name in the dialplan: Stasis(pln_ivr,…)."""
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


class Console(Section):
    """Our own HTTP server: /metrics, /healthz, /readyz."""

    bind: str = "127.0.0.1"
    """The address that it listens at."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080


class Drain(Section):
    """What SIGTERM does: no new calls, and conversations may finish until the deadline."""

    deadline_seconds: Annotated[float, Field(ge=0)] = 300.0
    """How long calls may go on; then they are told and cut off."""
    new_calls: Literal["reject", "fallback"] = "reject"
    """reject: new calls get 503, so that a proxy or the trunk tries the next node. fallback:
    Asterisk serves them itself meanwhile."""


class Log(Section):
    """Log lines go to standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
