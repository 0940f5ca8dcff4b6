"""One call through the whole system with a scripted caller and agent, and what came of it."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from native import application
from native.ear import Ear
from native.pbx import free_port
from native.phones import PhoneResult, Phones
from native.root import LauncherError
from native.state import TRIAL_AGENT, State
from native.tones import write_tone

CALLER_HZ, AGENT_HZ = 440, 660
TALK_SECONDS = 5.0


def place_call(state: State, sip_port: int) -> bool:
    """Register the agent, make it ready, call 123, talk, print a table; True if all went well.

    Raises LauncherError if a phone cannot even be started or registered.
    """
    phones, agent = Phones(sip_port), f"ag-{TRIAL_AGENT}"
    secret, port = state.secrets()[f"AGENT_{TRIAL_AGENT}"], free_port()
    registered = phones.register(agent, secret, port)
    if not registered.finals[200]:
        raise LauncherError(f"the scripted agent could not register: {_story(registered)}")
    try:
        with Ear() as confirmation:
            code = phones.dial_code(agent, secret, "*11", port, sound=confirmation)
        if not code.finals[200] or not confirmation.packets:
            raise LauncherError(f"*11 was not confirmed to the scripted agent: {_story(code)}")
        return _converse(state, phones, agent, port)
    finally:
        phones.dial_code(agent, secret, "*12", port)
        phones.register(agent, secret, port, expires=0)


def _converse(state: State, phones: Phones, agent: str, port: int) -> bool:
    tones = state.cache / "tones"
    with (
        Ear(write_tone(tones / "agent.alaw", AGENT_HZ)) as agent_ear,
        phones.answer(agent, port, after=1.0, talk=TALK_SECONDS, sound=agent_ear) as answer,
        Ear(write_tone(tones / "caller.alaw", CALLER_HZ)) as caller_ear,
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
    row = _last_row(state)
    file = _recording(state, row)
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


def _last_row(state: State, timeout: float = 10.0) -> dict[str, Any]:
    """The journal's row of the call, once it has ended there as well; {} if it never does."""
    deadline = time.monotonic() + timeout
    row: dict[str, Any] = {}
    config = ["--config", str(state.config)]
    while time.monotonic() < deadline:
        done = subprocess.run(
            [*application.command(state, "calls", "--last", "1", "--json"), *config],
            cwd=state.run,
            env=state.environment(),
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


def _recording(state: State, row: dict[str, Any]) -> Path | None:
    """The recording's file; the journal names it archive:<path below the archive, without the
    form that it was filed in>."""
    name = str(row.get("recording") or "").removeprefix("archive:")
    if not name:
        return None
    path = state.run / "recordings" / name
    files = (file for file in path.parent.glob(f"{path.name}.*") if file.suffix != ".json")
    return next(files, None)


def _story(result: PhoneResult) -> str:
    finals = ", ".join(str(status) for status in result.finals) or "no answer"
    return (
        f"{finals}; {result.errors.splitlines()[-1] if result.errors else 'no fault seen by SIPp'}"
    )
