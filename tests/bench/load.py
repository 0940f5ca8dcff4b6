"""Calls by SIPp, and what they cost each process."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from native.ear import Ear
from native.pbx import free_media_port
from native.phones import SCENARIOS, Phone, PhoneResult, Phones
from tests.asterisk.world import SECRET

from .probe import Probe

LOGIN = "[authentication username=@agent@ password=@secret@]"


class LoadError(Exception):
    """The calls did not go as they must for the figures to mean anything."""


@dataclass
class Calls:
    """One burst of calls."""

    finals: dict[int, int] = field(default_factory=dict)
    answer_ms: list[float] = field(default_factory=list)
    """INVITE to final answer, of the probe's calls among them."""
    retransmissions: int = 0
    failed: int = 0


def dial(
    phones: Phones,
    number: str,
    *,
    calls: int,
    rate: float,
    hold: float,
    sound: Ear | Path | None = None,
    probed: bool = False,
) -> Calls:
    """So many calls at that rate, held so long if answered; returns when the last has ended.

    `probed`: among them are a probe's, which measure the time to the answer.
    """
    phone = phones.caller(
        hold=hold,
        calls=calls,
        rate=rate,
        sound=sound,
        number=number,
        timeout=calls / rate + hold + 40,
    )
    patience = calls / rate + hold + 60
    if not probed:
        with phone:
            return judged(phone.wait(patience))
    with Probe(phones.sip_port, number) as probe, phone:
        done = judged(phone.wait(patience))
    if probe.lost > len(probe.times) // 50:
        raise LoadError(f"{probe.lost} of the probe's calls had no answer")
    done.answer_ms = probe.times
    return done


def judged(result: PhoneResult) -> Calls:
    """What SIPp counted. Raises LoadError if calls were lost."""
    if not result.successful or result.failed > result.successful // 100:
        raise LoadError(
            f"{result.failed} of {result.failed + result.successful} calls failed: "
            f"{dict(result.finals)} {result.errors[-300:]}"
        )
    return Calls(dict(result.finals), [], result.retransmissions, result.failed)


def phone_for_all(
    scenario: str, agents: Sequence[str], sip_port: int, port: int, number: str
) -> None:
    """Run a scenario of the scripted phones once for each agent, from one port, in one SIPp."""
    folder = Path(tempfile.mkdtemp(prefix="pln-bench-"))
    names = folder / "agents.csv"
    lines = [f"ag-{a};[authentication username=ag-{a} password={SECRET}]" for a in agents]
    names.write_text("\n".join(["SEQUENTIAL", *lines, ""]))
    text = (SCENARIOS / f"{scenario}.xml").read_text().replace("@words@ are filled in", "Filled in")
    words = {LOGIN: "[field1]", "@agent@": "[field0]", "@expires@": "3600", "@tone@": ""}
    words |= {"@hold_ms@": "8000", "@audio_port@": "[media_port]"}
    for word, value in words.items():
        text = text.replace(word, value)
    (folder / "all.xml").write_text(text)
    command = [
        "sipp", f"127.0.0.1:{sip_port}", "-sf", str(folder / "all.xml"), "-inf", str(names),
        "-s", number or "agent", "-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1",
        "-mp", str(free_media_port()), "-m", str(len(agents)), "-r", "10",
        "-nostdin", "-timeout", "40s",
        "-trace_stat", "-stf", str(folder / "stat"), "-fd", "600",
        "-trace_logs", "-log_file", str(folder / "log"),
        "-trace_err", "-error_file", str(folder / "errors"),
    ]  # fmt: skip
    with Phone(command, folder, port) as phone:
        judged(phone.wait(50))
