"""One call through the whole system with a scripted caller and agent, and what came of it.

docker/up ends with it: natively within its own process, with Docker as a container of its own
(`python3 -m native.trial`), which has SIPp and sees the program's data.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from native.ear import Ear
from native.pbx import free_port
from native.phones import PhoneResult, Phones
from native.root import LauncherError
from native.state import TRIAL_AGENT
from native.tones import write_tone

CALLER_HZ, AGENT_HZ = 440, 660
TALK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class House:
    """Where the call is placed, and where its traces are."""

    sip_port: int
    secret: str = field(repr=False)
    """The trial agent's."""
    calls: Sequence[str]
    """The command that prints the journal's last call as JSON."""
    environment: Mapping[str, str] = field(repr=False)
    archive: Path
    """recordings.folder."""
    scratch: Path
    """A folder for the phones' tones."""


def place_call(house: House) -> bool:
    """Register the agent, make it ready, call 123, talk, print a table; True if all went well.

    Raises LauncherError if a phone cannot even be started or registered.
    """
    phones, agent = Phones(house.sip_port), f"ag-{TRIAL_AGENT}"
    secret, port = house.secret, free_port()
    registered = phones.register(agent, secret, port)
    if not registered.finals[200]:
        raise LauncherError(f"the scripted agent could not register: {_story(registered)}")
    try:
        with Ear() as confirmation:
            code = phones.dial_code(agent, secret, "*11", port, sound=confirmation)
        if not code.finals[200] or not confirmation.packets:
            raise LauncherError(f"*11 was not confirmed to the scripted agent: {_story(code)}")
        return _converse(house, phones, agent, port)
    finally:
        phones.dial_code(agent, secret, "*12", port)
        phones.register(agent, secret, port, expires=0)


def _converse(house: House, phones: Phones, agent: str, port: int) -> bool:
    with (
        Ear(write_tone(house.scratch / "agent.alaw", AGENT_HZ)) as agent_ear,
        phones.answer(agent, port, after=1.0, talk=TALK_SECONDS, sound=agent_ear) as answer,
        Ear(write_tone(house.scratch / "caller.alaw", CALLER_HZ)) as caller_ear,
        phones.caller(hold=45.0, sound=caller_ear) as call,
    ):
        caller_ear.press("10")  # in the menu, if there is one
        before = 0
        while call.running:
            # The notice is what the caller hears before the agent's phone rings.
            if not any(event.what == "invite" for event in answer.events()):
                before = caller_ear.packets
            time.sleep(0.02)
        caller_saw = call.wait()
        answer.stop()
    row = _last_row(house)
    file = _recording(house, row)
    status = next(iter(caller_saw.finals), 0)
    seconds = float(row.get("recording_seconds") or 0.0) if file else 0.0
    talked = agent_ear.packets / 50
    table = [
        ("answer to the call", f"admitted ({status})" if status == 200 else f"rejected ({status})"),
        ("notice and music heard", f"{before} RTP packets ({before / 50:.1f} s)"),
        ("chosen in the menu", str(row.get("menu_path") or "-")),
        ("queue", str(row.get("queue") or "-")),
        ("agent", str(row.get("agent") or "-")),
        ("conversation", f"{talked:.1f} s, {agent_ear.packets} packets heard by the agent"),
        ("outcome", str(row.get("outcome") or "-")),
        ("recording", f"{file}" if file else "none"),
        ("its length", f"{seconds:.1f} s"),
    ]
    width = max(len(name) for name, _ in table)
    print("\n".join(f"  {name:<{width}}  {value}" for name, value in table), flush=True)
    good = (
        status == 200 and before > 50 and talked > TALK_SECONDS - 2 and seconds > TALK_SECONDS - 2
    )
    if not good:
        print(f"  caller's phone: {_story(caller_saw)}")
    return good


def _last_row(house: House, timeout: float = 10.0) -> dict[str, Any]:
    """The journal's row of the call, once it has ended there as well; {} if it never does."""
    deadline = time.monotonic() + timeout
    row: dict[str, Any] = {}
    while time.monotonic() < deadline:
        done = subprocess.run(
            list(house.calls),
            cwd=house.scratch,
            env=dict(house.environment),
            capture_output=True,
            text=True,
        )
        text = done.stdout.strip()
        if done.returncode == 0 and text:
            found = json.loads(text if text.startswith("[") else text.splitlines()[-1])
            row = (found[0] if found else {}) if isinstance(found, list) else found
            if row.get("ended_at") and (row.get("recording_seconds") or not row.get("talking_at")):
                return row
        time.sleep(0.3)
    return row


def _recording(house: House, row: dict[str, Any]) -> Path | None:
    """The recording's file; the journal names it archive:<path below the archive, without the
    form that it was filed in>."""
    name = str(row.get("recording") or "").removeprefix("archive:")
    if not name:
        return None
    path = house.archive / name
    files = (file for file in path.parent.glob(f"{path.name}.*") if file.suffix != ".json")
    return next(files, None)


def _story(result: PhoneResult) -> str:
    finals = ", ".join(str(status) for status in result.finals) or "no answer"
    return (
        f"{finals}; {result.errors.splitlines()[-1] if result.errors else 'no fault seen by SIPp'}"
    )


def main() -> int:
    """The container's call: what there is to know is in its environment, as the program's is."""
    environ = os.environ
    roster = Path(environ["PLN_IVR_AGENTS__ROSTER"])
    agents = tomllib.loads(roster.read_text())["agents"]
    secret = next((a.get("secret") for a in agents if a["extension"] == TRIAL_AGENT), None)
    if "127.0.0.1" not in environ.get("PLN_TRUNK_PEERS", "127.0.0.1").split() or not secret:
        print(
            f"-- no call is placed: it needs agent {TRIAL_AGENT} with a secret in the roster and"
            " 127.0.0.1 among PLN_TRUNK_PEERS"
        )
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        house = House(
            sip_port=int(environ.get("PLN_SIP_PORT") or 5060),
            secret=secret,
            calls=["pln-ivr", "calls", "--last", "1", "--json"],
            environment=environ,
            archive=Path(environ["PLN_IVR_RECORDINGS__FOLDER"]),
            scratch=Path(scratch),
        )
        try:
            return 0 if place_call(house) else 1
        except LauncherError as error:
            print(f"trial: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
