"""Asterisk with our configuration alone, pln_ivr away: what the dialplan does by itself.

SIPp is the referee: what it was answered, and the RTP packets that reached its phone.
"""

from __future__ import annotations

import cmath
import dataclasses
import math
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from native.ear import Ear
from native.pbx import Pbx, free_port
from native.phones import Phones
from native.tones import write_tone
from tests.asterisk.pbx_fixtures import (
    PROMPTS,
    SECRET,
    ari,
    asterisk_install,
    new_pbx,
    push_agent,
)
from tests.asterisk.sound import from_alaw, loudness
from tests.asterisk.world import eventually

__all__ = ["asterisk_install", "new_pbx"]  # fixtures
pytestmark = pytest.mark.xdist_group("pbx")  # one Asterisk for most of them
APP_AWAY = ("Failed to find outbound websocket", "Stasis app 'pln_ivr' doesn't exist")
"""Asterisk's own two words, as warnings, on each call that finds pln_ivr away: true and wanted."""


@pytest.fixture(scope="module")
def pbx(new_pbx: Callable[..., Pbx]) -> Pbx:
    return new_pbx(dids=("02112345", "+622112345"))


@pytest.fixture
def phones(pbx: Pbx) -> Phones:
    return Phones(pbx.sip_port)


def test_starts_without_a_complaint(new_pbx: Callable[..., Pbx]) -> None:
    pbx = new_pbx()
    assert pbx.complaints() == []
    console = (pbx.log_dir / "console.log").read_text()
    assert "ERROR" not in console
    pbx.restart()
    assert pbx.complaints() == []


def test_kill_and_start_again(new_pbx: Callable[..., Pbx]) -> None:
    pbx = new_pbx()
    pbx.kill()
    assert pbx.pid is None
    pbx.start()
    assert pbx.pid is not None
    assert pbx.complaints() == []


def test_ari_refuses_a_wrong_password(pbx: Pbx) -> None:
    settings = dataclasses.replace(pbx.settings, password="wrong")
    stranger = Pbx(pbx.install, pbx.folder, settings)
    with pytest.raises(OSError, match="401"):
        ari(stranger, "GET", "channels")


def test_capacity_is_the_one_number(pbx: Pbx) -> None:
    assert ari(pbx, "GET", "asterisk/variable?variable=CAPACITY") == {"value": "720"}


def test_an_unknown_peer_is_refused(new_pbx: Callable[..., Pbx]) -> None:
    pbx = new_pbx(peers=("192.0.2.1",))
    with Phones(pbx.sip_port).caller() as phone:
        assert phone.wait().finals == {401: 1}
    assert "ChallengeSent" in (pbx.log_dir / "security.log").read_text()


@pytest.mark.parametrize("number", ["124", "1234", "*11", "*12", "fallback", "call", "s", "record"])
def test_nothing_but_123_is_there_for_a_trunk(phones: Phones, number: str) -> None:
    with phones.caller(number=number) as phone:
        assert phone.wait().finals == {404: 1}


@pytest.mark.parametrize("number", ["123", "02112345", "+622112345"])
def test_without_the_app_the_caller_hears_the_notice_and_music(
    pbx: Pbx, phones: Phones, number: str, tmp_path: Path
) -> None:
    with (
        Ear(write_tone(tmp_path / "a.alaw", 440)) as ear,
        phones.caller(number=number, hold=4.0, sound=ear) as phone,
    ):
        result = phone.wait()
    assert result.finals == {200: 1}
    assert ear.packets > 150
    first = from_alaw(ear.heard[: 8000 // 2])
    assert _power(first, PROMPTS["notice"]) > 50 * _power(first, PROMPTS["please-wait"])
    assert loudness(from_alaw(ear.heard[-8000:])) > 300, "silence instead of music"
    assert _foreign_complaints(pbx) == []


def test_the_limit_answers_486_and_counts_seats_given_back(new_pbx: Callable[..., Pbx]) -> None:
    pbx = new_pbx(capacity=3)
    phones = Phones(pbx.sip_port)
    for _ in range(2):
        with phones.caller(calls=5, rate=20, hold=3.0) as phone:
            result = phone.wait()
        assert result.finals == {200: 3, 486: 2}
    ari(pbx, "POST", "asterisk/variable?variable=CAPACITY&value=0")
    with phones.caller() as phone:
        assert phone.wait().finals == {486: 1}


def test_an_agent_is_pushed_and_registers_with_digest(pbx: Pbx, phones: Phones) -> None:
    agent, port = push_agent(pbx, "101"), free_port()
    assert phones.register(agent, "wrong", port).finals == {401: 1}
    assert phones.register("ag-999", SECRET, port).finals != {200: 1}
    assert phones.register(agent, SECRET, port).finals == {200: 1}
    push_agent(pbx, "101", "a-new-secret-for-tests")
    assert phones.register(agent, SECRET, port).finals == {401: 1}
    assert phones.register(agent, "a-new-secret-for-tests", port).finals == {200: 1}


def test_an_agent_survives_a_restart_of_asterisk(new_pbx: Callable[..., Pbx]) -> None:
    pbx = new_pbx()
    phones, agent, port = Phones(pbx.sip_port), push_agent(pbx, "101"), free_port()
    assert phones.register(agent, SECRET, port).finals == {200: 1}
    phones.dial_code(agent, SECRET, "*11", port)
    pbx.restart()
    assert agent in pbx.cli("queue show fallback")
    assert phones.dial_code(agent, SECRET, "*12", port).finals == {200: 1}
    assert agent not in pbx.cli("queue show fallback")


def test_codes_are_all_that_an_agent_can_dial(pbx: Pbx, phones: Phones) -> None:
    agent, port = push_agent(pbx, "103"), free_port()
    with Ear() as ear:
        assert phones.dial_code(agent, SECRET, "*11", port, sound=ear).finals == {200: 1}
    said = from_alaw(ear.heard)
    assert _power(said, PROMPTS["agent-ready"]) > 20 * _power(said, PROMPTS["agent-away"])
    assert f"PJSIP/{agent}" in pbx.cli("queue show fallback")
    assert phones.dial_code(agent, SECRET, "*11", port).finals == {200: 1}
    assert phones.dial_code(agent, SECRET, "*12", port).finals == {200: 1}
    assert phones.dial_code(agent, SECRET, "*12", port).finals == {200: 1}
    assert f"PJSIP/{agent}" not in pbx.cli("queue show fallback")
    for number in ("123", "124", "*13", "0811", "ag-103"):
        assert phones.dial_code(agent, SECRET, number, port).finals == {404: 1}
    assert _foreign_complaints(pbx) == []


def test_a_conversation_over_the_fallback_queue_is_recorded(pbx: Pbx, tmp_path: Path) -> None:
    phones, agent, port = Phones(pbx.sip_port), push_agent(pbx, "104"), free_port()
    phones.register(agent, SECRET, port)
    phones.dial_code(agent, SECRET, "*11", port)
    before = set(pbx.monitor_dir.rglob("*.raw"))
    with (
        Ear(write_tone(tmp_path / "b.alaw", 660)) as agent_ear,
        phones.answer(agent, port, after=0.5, talk=4.0, sound=agent_ear) as answer,
        Ear(write_tone(tmp_path / "a.alaw", 440)) as caller_ear,
        phones.caller(hold=20.0, sound=caller_ear) as call,
    ):
        saw = answer.wait()
        assert saw.count("own-bye") == 1
        assert saw.errors == ""
        time.sleep(0.5)  # the file's last bytes
    phones.dial_code(agent, SECRET, "*12", port)
    assert call.wait().finals == {200: 1}
    assert _power(from_alaw(agent_ear.heard), 440) > 100 * _power(from_alaw(agent_ear.heard), 660)
    (recording,) = set(pbx.monitor_dir.rglob("*.raw")) - before
    stereo = array("h", recording.read_bytes())
    left, right = stereo[0::2], stereo[1::2]
    assert 3.0 < len(left) / 8000 < 5.0
    assert _power(left, 660) > 100 * _power(left, 440), "left is the agent"
    assert _power(right, 440) > 100 * _power(right, 660), "right is the customer"
    assert _foreign_complaints(pbx) == []


@pytest.mark.parametrize(
    "name", ["../../etc/x", "/tmp/x", "2026//x", "a b", "", "x;y", "2026/../x"]
)
def test_a_wrong_recording_name_records_nothing(pbx: Pbx, name: str) -> None:
    """The name passes through the same check that the application's agent legs do."""
    before = set(pbx.folder.rglob("*.raw"))
    agent, port = push_agent(pbx, "105"), free_port()
    phones = Phones(pbx.sip_port)
    phones.register(agent, SECRET, port)
    with phones.answer(agent, port, after=0.1, talk=1.0) as answer:
        body = {
            "endpoint": f"PJSIP/{agent}",
            "context": "agent-answered",
            "extension": "record",
            "priority": 1,
            "variables": {"PLN_RECORDING": name},
        }
        ari(pbx, "POST", "channels", body)
        assert answer.wait().count("remote-bye") == 1
    assert set(pbx.folder.rglob("*.raw")) == before
    eventually(lambda: any("recording refused" in line for line in pbx.complaints()), 10, "it")


def _foreign_complaints(pbx: Pbx) -> list[str]:
    # The last is a REGISTER of nobody from the trunk's address, as one test sends it.
    known = (*APP_AWAY, "recording refused", "has no configured AORs")
    return [line for line in pbx.complaints() if not any(text in line for text in known)]


def _power(samples: Sequence[int], hertz: int) -> float:
    """How much of one frequency is in 8 kHz samples, at most 2 s of them from the middle."""
    start = max(0, len(samples) // 2 - 8000)
    part = samples[start : start + 16000]
    step = -2j * math.pi * hertz / 8000
    return abs(sum(s * cmath.exp(step * n) for n, s in enumerate(part))) / max(1, len(part)) + 1e-3
