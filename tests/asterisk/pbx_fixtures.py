"""Instances of the PBX alone, with stand-in prompts, and a small ARI request for its tests."""

from __future__ import annotations

import base64
import json
import os
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from native.pbx import Pbx, PbxSettings
from native.root import Install, LauncherError, find_asterisk
from native.tones import write_tone
from pln_ivr.queues.lines import ANNOUNCEMENTS
from pln_ivr.speech import SILENCE

CACHE = Path(__file__).resolve().parents[2] / ".cache"
PROMPT_SECONDS = 1.0
PROMPTS = {
    "notice": 700,
    "please-wait": 800,
    "agent-ready": 900,
    "agent-away": 950,
    "agent-logged-out": 1000,
    "agent-noted": 1050,
    "all-busy": 500,
    "on-hold": 550,
    **dict.fromkeys(ANNOUNCEMENTS, 600),
}
"""Stand-ins: one tone each, so that what is heard tells which prompt it was."""
SECRET = "a-secret-for-tests"


@pytest.fixture(scope="session")
def asterisk_install() -> Install:
    """An Asterisk to start instances of; built on the first use."""
    try:
        return find_asterisk(CACHE)
    except LauncherError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def new_pbx(asterisk_install: Install) -> Iterator[Callable[..., Pbx]]:
    """Starts instances on ports of their own; each is removed at the end."""
    made: list[Pbx] = []

    def start(**settings: Any) -> Pbx:
        name = f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        folder = Pbx.home(asterisk_install, name, CACHE / "tests")
        pbx = Pbx(asterisk_install, folder, PbxSettings(**settings))
        made.append(pbx)
        for prompt, hertz in PROMPTS.items():
            target = pbx.sounds_dir / "id/pln" / f"{prompt}.alaw"
            write_tone(target, hertz, PROMPT_SECONDS)
        (pbx.sounds_dir / "id/pln/statement.alaw").write_bytes(SILENCE)
        pbx.start()
        return pbx

    yield start
    for pbx in made:
        pbx.remove()


def ari(pbx: Pbx, method: str, path: str, body: Any = None) -> Any:
    """One ARI request; its decoded answer. Raises urllib.error.HTTPError where it is refused."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{pbx.ari_url}/ari/{path}", data=data, method=method)
    token = base64.b64encode(f"pln_ivr:{pbx.settings.password}".encode()).decode()
    request.add_header("Authorization", f"Basic {token}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read() or b"null")


def push_agent(pbx: Pbx, extension: str, secret: str = SECRET) -> str:
    """Push an agent as pln_ivr does; its name, ag-<extension>."""
    name = f"ag-{extension}"
    objects = {
        "auth": {"auth_type": "userpass", "username": name, "password": secret},
        "aor": {"max_contacts": "1", "remove_existing": "yes"},
        "endpoint": {
            "context": "from-agents",
            "disallow": "all",
            "allow": "alaw,ulaw",
            "allow_overlap": "no",
            "aors": name,
            "auth": name,
            "direct_media": "no",
            "language": "id",
        },
    }
    for kind, fields in objects.items():
        pairs = [{"attribute": key, "value": value} for key, value in fields.items()]
        path = f"asterisk/config/dynamic/res_pjsip/{kind}/{name}"
        ari(pbx, "PUT", path, {"fields": pairs})
    return name
