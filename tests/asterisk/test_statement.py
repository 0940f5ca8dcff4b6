"""Statements with real telephones: heard by everybody who waits, and by Asterisk's own callers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from native.tones import write_tone
from pln_ivr.calls.prompt_files import REQUIRED
from pln_ivr.outcomes import Reason, Result, Stage
from tests.asterisk.softphone import Softphone
from tests.asterisk.world import World, eventually
from tests.bench.statement import TONE_SECONDS, measure

NOTICE, WORD, LATER = 500, 900, 1300
CHOICES, NO_ROOM, ASK, CORRECT, OFFER_AGENT = 700, 1100, 1500, 1700, 1900
"""What is heard, in hertz."""
TONES = {
    **dict.fromkeys(REQUIRED, 600),
    "notice": NOTICE,
    "release-wait": CHOICES,
    "release-no-room": NO_ROOM,
    "report-ask": ASK,
    "report-correct": CORRECT,
    "report-offer-agent": OFFER_AGENT,
}


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones instead of words."""
    folder = tmp_path_factory.mktemp("prompts")
    for name, hertz in TONES.items():
        write_tone(folder / f"{name}.alaw", hertz, 0.3 if name.startswith("digit-") else 1.0)
    return folder


def publish(world: World, hertz: int, *more: str) -> None:
    """Two people put a statement live that sounds like this."""
    tone = write_tone(world.folder / f"{hertz}.alaw", hertz, 3.0)
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    words = ("--cause", "coba", "--text", "Coba.", "--recording", str(tone), "--until", until)
    drafted = world.command("statement", "draft", *words, *more, "--by", "Rina")
    assert drafted.returncode == 0, drafted.stderr
    version = drafted.stdout.split()[1].rstrip(":")
    live = world.command("statement", "approve", version, "--publish", "--by", "Budi")
    assert live.returncode == 0, live.stderr


def test_callers_hear_what_is_live_with_the_program_and_without_it(
    make_world: Callable[..., World],
) -> None:
    world = make_world(["101"])
    with (
        Softphone("0816", world.pbx.sip_port, 440) as early,
        Softphone("0817", world.pbx.sip_port, 440) as late,
        Softphone("0818", world.pbx.sip_port, 440) as alone,
    ):
        assert early.call("123") == 200
        eventually(lambda: world.calls() and world.calls()[0].stage is Stage.WAITING, 10)
        publish(world, WORD, "--area", "Bandung")
        assert early.hears(WORD, within=10)
        assert early.loses(WORD), "and then music again"
        assert late.call("123") == 200
        assert late.hears(NOTICE)
        assert late.hears(WORD, within=5)
        assert late.loses(WORD)
        publish(world, LATER, "--area", "Garut")
        assert early.hears(LATER, within=10)
        assert late.hears(LATER, within=5)
        world.app.kill()
        world.app.wait()
        assert alone.call("123") == 200
        assert alone.hears(WORD, within=10), "Asterisk by itself"
        assert alone.hears(LATER, within=6)
        for phone in (early, late, alone):
            phone.hang_up()
    world.start_app()
    shown = world.command("statement", "show", "1").stdout
    assert "heard       2 callers, 2 of them to the end" in shown
    world.ended(3)
    world.settled()


def test_everybody_who_waits_hears_it_in_small() -> None:
    spread = measure(12)
    assert spread.callers == spread.whole == 12
    assert spread.first <= spread.last <= spread.over
    assert spread.witnessed <= spread.over
    assert spread.over > TONE_SECONDS


def test_who_cannot_stay_reports_by_keys_and_is_let_go_while_another_waits(
    make_world: Callable[..., World],
) -> None:
    world = make_world(
        ["101"],
        ADMISSION__CAPACITY="2",
        RELEASE__SHARE="0.5",
        OUTAGES__PREFIXES='{"51": "Bandung"}',
    )
    publish(world, WORD)
    with (
        Softphone("0816", world.pbx.sip_port, 440) as waits,
        Softphone("0817", world.pbx.sip_port, 440) as brief,
        Softphone("0818", world.pbx.sip_port, 440) as third,
    ):
        assert waits.call("123") == 200
        eventually(lambda: world.calls() and world.calls()[0].stage is Stage.WAITING, 15)
        assert brief.call("123") == 200
        assert brief.hears(WORD, within=10)
        eventually(lambda: world.calls()[1].stage is Stage.RELEASE, 10, "the choices")
        assert world.metric("pln_ivr_seats_staying") == 1
        assert third.call("123") == 486, "seats are seats"
        assert brief.hears(CHOICES)
        brief.press("0")
        assert brief.hears(NO_ROOM, within=3)
        assert brief.hears(CHOICES, within=4)
        brief.press("1")
        assert brief.hears(ASK, within=3)
        for key in "512345678901#":
            brief.press(key)
        assert brief.hears(CORRECT, within=20), "after the number, read back"
        brief.press("1")
        assert brief.hears(OFFER_AGENT, within=5)
        brief.press("#")
        eventually(lambda: world.seats() == 1, 10, "the brief visit's end")
        assert world.calls()[0].stage is Stage.WAITING
        waits.hang_up()
    ends = {row.caller: (row.outcome, row.reason) for row in world.ended(3)}
    assert ends == {
        "0816": (Result.ABANDONED, Reason.IN_WAITING),
        "0817": (Result.RELEASED, Reason.REPORTED),
        "0818": (Result.REJECTED, Reason.FULL),
    }
    assert world.metric("pln_ivr_brief_visits_total", end="reported") == 1
    world.settled()
    assert world.pbx.complaints() == []
