"""Statements with real telephones: heard by everybody who waits, and by Asterisk's own callers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from native.tones import write_tone
from pln_ivr.calls.prompt_files import REQUIRED
from pln_ivr.outcomes import Stage
from tests.asterisk.softphone import Softphone
from tests.asterisk.world import World, eventually
from tests.bench.statement import TONE_SECONDS, measure

NOTICE, WORD, LATER = 500, 900, 1300
"""What is heard, in hertz."""


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones instead of words."""
    folder = tmp_path_factory.mktemp("prompts")
    for name in REQUIRED:
        write_tone(folder / f"{name}.alaw", NOTICE if name == "notice" else 600, 1.0)
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
