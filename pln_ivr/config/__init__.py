"""The settings: one module for each kind of section, joined and loaded by `settings`."""

from pln_ivr.config.settings import CONFIG_VARIABLE, ENV_PREFIX, Settings, load

__all__ = ["CONFIG_VARIABLE", "ENV_PREFIX", "Settings", "load"]
