"""Prometheus' own programs, as tests/run unpacks them, and the files that they are given."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
TOOLS = REPO / ".cache/tools"
PROMETHEUS = REPO / "docker/prometheus"


def program(name: str) -> Path:
    """A program of .cache/tools; without it the test fails: tests/run puts it there."""
    path = TOOLS / "usr/bin" / name
    assert path.exists(), f"{path} is missing: run tests/run, which unpacks it"
    return path


def promtool(*arguments: str | Path) -> str:
    """What promtool says; the test fails if it is not content."""
    done = subprocess.run(
        [program("promtool"), *map(str, arguments)],
        cwd=REPO, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    """Every rule, recording and alerting, in the order of the files."""
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """The alerting rules."""
    return [rule for rule in rules() if "alert" in rule]
