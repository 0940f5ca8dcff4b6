"""Imports point one way, and what is bound to one module stays there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "pln_ivr"

CALLS = {"errors", "outcomes", "ari", "journal", "queues", "recordings", "outages", "calls"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "outcomes": set(),
    "background": set(),
    "kept_open": {"background", "errors"},
    "bills": {"errors"},
    "config": {"errors"},
    "rules": CALLS | {"bills", "config", "dispatch", "speech", "wording"},
    "logs": {"config"},
    "metrics": {"outcomes"},
    "speech": {"errors"},
    "wording": set(),
    "ari": {"errors"},
    "journal": {"errors", "outcomes"},
    "queues": {"errors", "outcomes", "ari", "journal", "background", "kept_open"},
    "recordings": {"errors", "outcomes", "ari", "journal", "background"},
    "outages": {"errors", "outcomes", "ari", "journal", "kept_open", "speech", "wording"},
    "dispatch": {"background", "errors", "journal"},
    "calls": CALLS | {"background", "bills", "speech"},
    "console": {"errors", "outcomes", "journal"},
    "resources": set(),
    "certificates": set(),
    "checks": CALLS | {"config", "resources", "rules"},
    "telling": CALLS | {"metrics"},
    "board": CALLS | {"config", "console"},
    "restoration": {"console", "outages"},
    "dialogues": CALLS | {"bills", "config", "metrics", "rules"},
    "staff": {"errors", "journal", "queues"},
    "statements": {"console", "errors", "journal", "outages"},
    "figures": CALLS | {"bills", "certificates", "dispatch", "metrics", "resources"},
    "app": CALLS
    | {"config", "console", "metrics", "resources", "figures", "telling", "rules"}
    | {"staff", "dialogues", "dispatch", "bills"},
    "supervision": {
        *("app", "board", "config", "console", "journal", "metrics", "recordings"),
        *("restoration", "rules", "statements", ""),
    },
    "service": {
        *("app", "ari", "calls", "config", "console", "journal", "metrics", "recordings"),
        *("resources", "rules", "supervision", ""),
    },
    "orders": {"config", "errors"},
    "commands": {"config", "errors", "outcomes", "journal", "queues", "recordings"}
    | {"outages", "rules"},
    "cli": CALLS | {"commands", "config", "logs", "service", "orders", "checks", "rules", ""},
    "__main__": {"cli"},
    "__init__": set(),
}
"""What each part may import of ours, besides itself; "" is the package's version."""

ONLY_IN = {
    "prometheus_client": "metrics",
    "sqlalchemy": "journal",
    "aiohttp": "ari bills console dispatch",
    "av": "recordings",
    "numpy": "recordings",
    "cryptography": "certificates recordings",
    "obstore": "recordings",
}


def modules() -> Iterator[tuple[str, Path, set[str]]]:
    """Each module: the part it belongs to, its file, and the full names that it imports."""
    for path in sorted(PACKAGE.rglob("*.py")):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative imports hide where a name comes from"
                module = node.module or ""
                if module == "pln_ivr":  # from pln_ivr import app
                    names |= {f"pln_ivr.{alias.name}" for alias in node.names}
                else:
                    names.add(module)
        yield part, path, names


def part_of(name: str) -> str:
    """The part that a name of ours belongs to."""
    part = name.removeprefix("pln_ivr").removeprefix(".").split(".")[0]
    return "" if part == "__version__" else part


@pytest.mark.parametrize(
    ("part", "path", "names"),
    [
        pytest.param(part, path, names, id=str(path.relative_to(PACKAGE)))
        for part, path, names in modules()
    ],
)
def test_imports_point_one_way(part: str, path: Path, names: set[str]) -> None:
    ours = {part_of(name) for name in names if name.split(".")[0] == "pln_ivr"} - {part}
    assert ours <= ALLOWED[part], f"{path} must not import {sorted(ours - ALLOWED[part])}"


@pytest.mark.parametrize(("library", "parts"), ONLY_IN.items())
def test_libraries_stay_where_they_belong(library: str, parts: str) -> None:
    users = {part for part, _, names in modules() if any(n.split(".")[0] == library for n in names)}
    assert users
    assert users <= set(parts.split())


def test_only_config_reads_the_environment() -> None:
    readers = {
        path.name
        for _, path, _ in modules()
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }
    assert readers == {"settings.py"}


def test_only_the_command_line_prints() -> None:
    printing = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing == {"cli.py", "commands"}
