"""The files of docker/ that no engine is needed for: settings, lock, compose."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from pln_ivr.config import Settings

REPO = Path(__file__).resolve().parents[2]
DOCKER = REPO / "docker"
SETTING = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$")
EXAMPLE = (DOCKER / ".env.example").read_text().splitlines()
NAMES = [match[1] for line in EXAMPLE if (match := SETTING.match(line))]


def test_each_setting_is_explained() -> None:
    """By a comment above it, or above the ones that it follows."""
    explained = False
    for line in EXAMPLE:
        if not line:
            explained = False
        elif SETTING.match(line):
            assert explained, line
        elif line.startswith("#"):
            explained = True


def test_compose_and_the_example_name_the_same_settings() -> None:
    files = [
        DOCKER / "compose.yaml",
        DOCKER / "compose.bridge.yaml",
        REPO / "asterisk-conf/install",
    ]
    used = {name for file in files for name in re.findall(r"\$\{(PLN_[A-Z_]+)", file.read_text())}
    # Made by docker/compose and docker/up; a secret; where a container has its own.
    used -= {"PLN_STATE", "PLN_REVISION", "PLN_IVR_ARI__PASSWORD", "PLN_HTTP_BIND", "PLN_PREFIX"}
    assert used <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("PLN_IVR_")])
def test_a_setting_of_the_program_is_one(name: str) -> None:
    section, _, key = name.removeprefix("PLN_IVR_").lower().partition("__")
    model = Settings.model_fields[section].annotation
    assert model is not None
    assert key in model.model_fields


def test_the_lock_has_what_pyproject_asks_for() -> None:
    """With a hash for everything, and each in a version that is asked for."""
    text = (DOCKER / "requirements.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", text, re.M))
    assert locked
    for block in re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.M)[1:]:
        assert "--hash=sha256:" in block, block
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    for line in project["dependencies"]:
        wanted = Requirement(line)
        name = wanted.name.lower().replace("_", "-")
        assert name in locked, f"{name} is missing: make docker/requirements.txt anew"
        assert wanted.specifier.contains(locked[name]), f"{line}, locked is {locked[name]}"


def test_every_service_is_restarted_rotated_and_locked_in() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert {"asterisk", "pln-ivr", "prometheus", "grafana", "postgres"} <= set(services)
    for name, service in services.items():
        assert service["restart"] == ("no" if name == "trial" else "unless-stopped")
        assert service["logging"]["options"]["max-size"]
        assert service["cap_drop"] == ["ALL"]
        assert service["network_mode"] == "host"
    for name in ("asterisk", "pln-ivr"):
        assert services[name]["read_only"] is True


def test_stopping_waits_longer_than_draining() -> None:
    given = {match[1]: match[2] for line in EXAMPLE if (match := SETTING.match(line))}
    grace = int(given["PLN_STOP_GRACE"].removesuffix("s"))
    assert grace > int(given["PLN_IVR_DRAIN__DEADLINE_SECONDS"])


def test_no_dockerfile_asks_for_a_frontend() -> None:
    """`# syntax=` would be fetched from a registry at every build."""
    assert "# syntax" not in (DOCKER / "Dockerfile").read_text()
