"""The list of settings in the docs is whole, true, and itself a file of settings."""

from __future__ import annotations

import re
from pathlib import Path

from pln_ivr.config import Settings, load
from pln_ivr.config.reference import reference

FILE = Path(__file__).parents[2] / "docs/settings.toml"


def test_the_docs_have_what_the_command_prints() -> None:
    assert FILE.read_text() == reference(), "run `pln-ivr settings > docs/settings.toml`"


def test_it_sets_what_is_set_without_it() -> None:
    assert load(FILE) == Settings()


def test_every_key_of_every_section_stands_in_it() -> None:
    sections = re.split(r"(?m)^\[(\w+)\]$", FILE.read_text())
    texts = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert texts.keys() == Settings.model_fields.keys()
    for name, text in texts.items():
        for key in type(getattr(Settings(), name)).model_fields:
            told = rf"(?m)^(# )?{key} = |^# \[{name}\.{key}\.NAME\]$|^\[{name}\.{key}\]$"
            assert re.search(told, text), (name, key)
