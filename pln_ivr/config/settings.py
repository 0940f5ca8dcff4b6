"""Settings: one TOML file, then the environment over it, over the defaults in these modules.

``PLN_IVR_<SECTION>__<KEY>`` in the environment wins over the file, which wins over the
defaults, e.g. ``PLN_IVR_ADMISSION__CAPACITY=360``. Secrets belong in the
environment. Only this module reads the environment, and only the composition root
(app) sees the whole; every other part gets its own section.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pln_ivr.config.agents import Agents, Outbound
from pln_ivr.config.bill import Bill
from pln_ivr.config.callbacks import Callbacks, callback_faults
from pln_ivr.config.dispatch import Dispatch
from pln_ivr.config.information import Information, information_faults
from pln_ivr.config.menu import Menu, menu_faults
from pln_ivr.config.node import Admission, Ari, Console, Disk, Drain, Fallback, Log, Node, Prompts
from pln_ivr.config.outages import Outages
from pln_ivr.config.queues import Queues, queue_faults
from pln_ivr.config.records import Journal, Recordings
from pln_ivr.config.release import Release
from pln_ivr.errors import ConfigError

ENV_PREFIX = "PLN_IVR_"
CONFIG_VARIABLE = "PLN_IVR_CONFIG"
"""Names the TOML file, like --config."""


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
    bill: Bill = Bill()
    release: Release = Release()
    dispatch: Dispatch = Dispatch()
    callbacks: Callbacks = Callbacks()
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
    faults = queue_faults(settings.queues)
    faults += menu_faults(
        settings.menu, settings.queues.names, languages, bills=bool(settings.bill.url)
    )
    faults += information_faults(settings.information, languages)
    faults += callback_faults(settings.callbacks, settings.outbound, settings.agents, settings.menu)
    if faults:
        raise ConfigError("\n".join(f"{path or 'settings'}: {fault}" for fault in faults))
    return settings


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
