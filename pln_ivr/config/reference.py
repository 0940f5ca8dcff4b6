"""Every setting, its default and what it means, as a TOML file that sets just that."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from pln_ivr.config.settings import ENV_PREFIX, Settings

WIDTH = 98

HEAD = f"""\
Every setting, its default and what it means, as `pln-ivr settings` prints it. A file of settings \
needs only what differs. The environment goes before it: admission.capacity is \
{ENV_PREFIX}ADMISSION__CAPACITY there, and that is where secrets belong."""


def reference() -> str:
    """The file. What has no value by default, and the keys of tables that have names of their own,
    stand there as comments."""
    settings = Settings.model_construct()
    lines = [*_comment(HEAD)]
    for name in Settings.model_fields:
        section = getattr(settings, name)
        lines += ["", "", *_comment(type(section).__doc__ or ""), f"[{name}]"]
        lines += _keys(name, section)
    return "\n".join(lines) + "\n"


def _keys(at: str, section: BaseModel) -> Iterator[str]:
    """The keys with values first, then the sections within this one, then the tables."""
    within, tables = [], []
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        named = _named(field.annotation)
        if isinstance(value, BaseModel):
            within.append((f"{at}.{key}", value))
            continue
        if named:
            tables.append((key, named, value, field.description))
            continue
        yield from _comment((field.description or "") + _choices(field))
        yield _line(key, value)
    for name, value in within:
        yield ""
        yield from _comment(type(value).__doc__ or "")
        yield f"[{name}]"
        yield from _keys(name, value)
    for key, named, value, description in tables:
        yield from _table(f"{at}.{key}", named, value, description)


def _table(
    at: str, named: type[BaseModel], entries: Mapping[str, BaseModel], description: str | None
) -> Iterator[str]:
    """What each entry of a table may have, and then the entries that there are by default."""
    yield ""
    yield from _comment(description or named.__doc__ or "")
    yield f"# [{at}.NAME]"
    yield from _possible(named, "# ")
    for name, entry in entries.items():
        yield ""
        yield f"[{at}.{name}]"
        yield from (f"{key} = {_toml(value)}" for key, value in _given(entry))


def _possible(named: type[BaseModel], indent: str) -> Iterator[str]:
    """The keys of an entry, as comments, and those of what stands in it."""
    for key, field in named.model_fields.items():
        within = _named(field.annotation)
        meaning = field.description or (within.__doc__ if within else "") or ""
        yield from _comment(meaning + _choices(field), indent)
        if within:
            yield f"{indent}{key} = {{ KEY = {{ … }} }}"
            yield from _possible(within, f"{indent}    ")
        elif field.is_required():
            yield f"{indent}{key} = …"
        else:
            line = _line(key, field.get_default(call_default_factory=True))
            yield indent + line.removeprefix("# ")


def _named(annotation: Any) -> type[BaseModel] | None:
    """The kind of the entries, if this is a table of sections."""
    arguments = get_args(annotation)
    last = arguments[-1] if arguments else None
    return last if isinstance(last, type) and issubclass(last, BaseModel) else None


def _line(key: str, value: Any) -> str:
    nothing = value is None or isinstance(value, SecretStr)
    return f"# {key} = …" if nothing else f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, BaseModel):
        return _toml(dict(_given(value)))
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_toml(value[key])}" for key in value)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, Path | Enum):
        return json.dumps(str(value))
    return json.dumps(value, ensure_ascii=False)


def _given(entry: BaseModel) -> Iterator[tuple[str, Any]]:
    """What is not as it would be without being said."""
    for key in type(entry).model_fields:
        if key in entry.model_fields_set:
            yield key, getattr(entry, key)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _choices(field: FieldInfo) -> str:
    """What a setting may be, if that is one of some words."""
    words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return f" One of: {', '.join(map(str, words))}." if words else ""


def _comment(text: str, indent: str = "# ") -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=indent
    )
