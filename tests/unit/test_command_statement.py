"""`pln-ivr statement`: one line for each step, and one for each mistake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.running import Done, Run, keep

TEXTS = str(Path(__file__).parents[2] / "asterisk-conf" / "prompts" / "id.toml")
UNTIL = (datetime.now(UTC) + timedelta(hours=3)).isoformat(timespec="seconds")
RESTORED = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="seconds")
DRAFT = ("draft", "--cause", "gangguan transmisi", "--until", UNTIL, "--by", "Rina")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keep(tmp_path)
    return tmp_path


def statement(pln_ivr: Run, folder: Path, *arguments: str) -> Done:
    return pln_ivr(folder, "statement", *arguments, PROMPTS__TEXTS=TEXTS)


def test_from_the_draft_to_the_end(pln_ivr: Run, folder: Path) -> None:
    def said(*arguments: str) -> str:
        done = statement(pln_ivr, folder, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    drafted = said(*DRAFT, "--area", "Bandung", "--area", "Garut", "--restored", RESTORED)
    head, words = drafted.splitlines()
    assert head == "statement 1: draft"
    assert "di Bandung dan Garut. Penyebabnya gangguan transmisi. Listrik diperkirakan" in words
    heard = folder / "one.alaw"
    said("audio", "1", "--out", str(heard))
    assert heard.stat().st_size > 8000
    assert said("approve", "1", "--by", "Budi") == "statement 1: approved\n"
    assert said("publish", "1", "--by", "Budi") == "statement 1: live\n"
    assert said("renew", "1", "--until", UNTIL, "--by", "Budi") == "statement 1: live\n"
    assert said("withdraw", "1", "--by", "Rina", "--note", "menyala") == "statement 1: withdrawn\n"
    told = dict(line.split(maxsplit=1) for line in said("show", "1").splitlines())
    assert told["statement"] == "1, withdrawn"
    assert told["text"] == words
    assert told["heard"] == "0 callers, 0 of them to the end"
    assert told["approved"].startswith("Budi 20")
    assert told["note"] == "menyala"
    listed = said("list")
    assert "Bandung, Garut" in listed
    assert "withdrawn" in listed


def test_one_command_approves_and_puts_it_live(pln_ivr: Run, folder: Path) -> None:
    statement(pln_ivr, folder, *DRAFT)
    done = statement(pln_ivr, folder, "approve", "1", "--by", "Budi", "--publish")
    assert done.stdout == "statement 1: live\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*DRAFT[:4], "2026-02-30", *DRAFT[5:]), "--until: '2026-02-30' is no time; write one"),
        ((*DRAFT[:4], "2019-08-04", *DRAFT[5:]), "--until: it would be over already"),
        ((*DRAFT[:4], "2099-01-01", *DRAFT[5:]), "--until: it may be live for 24 hours at most"),
        ((*DRAFT, "--restored", "2019-08-04T11:50"), "--restored: power cannot be expected"),
        ((*DRAFT, "--restored", "soon"), "--restored: 'soon' is no time"),
        ((*DRAFT, "--area", "a", "--area", "a"), "--area: an area is named twice"),
        ((*DRAFT[:2], "", *DRAFT[3:]), "--cause: must be words on one line"),
        ((*DRAFT, "--recording", "x.wav"), "--text: a recording needs its words"),
        ((*DRAFT, "--text", "Padam.", "--recording", "x.wav"), "x.wav: not usable audio"),
        ((*DRAFT[:-1], " "), "say who you are"),
        (("approve", "1", "--by", "Rina"), "was drafted by Rina; somebody else must approve"),
        (("publish", "1", "--by", "Budi"), "statement 1 is draft, and must be approved"),
        (("renew", "1", "--until", UNTIL, "--by", "Budi"), "is draft, and must be live"),
        (("renew", "1", "--until", "2099-01-01", "--by", "Budi"), "--until: at most 20"),
        (("show", "9"), "there is no statement 9"),
        (("audio", "9", "--out", "x"), "there is no statement 9"),
        (("audio", "1", "--out", "/nowhere/x"), "--out: cannot write /nowhere/x"),
    ],
)
def test_a_mistake_is_one_line(
    pln_ivr: Run, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert statement(pln_ivr, folder, *DRAFT).returncode == 0
    done = statement(pln_ivr, folder, *arguments)
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert said in line
    assert "statement 2" not in statement(pln_ivr, folder, "list").stdout


def test_the_areas_of_the_settings(pln_ivr: Run, folder: Path) -> None:
    (folder / "pln.toml").write_text('[outages]\nareas = ["Bandung"]\n')
    done = statement(pln_ivr, folder, *DRAFT, "--area", "Garut", "-c", "pln.toml")
    assert "--area: there is no area 'Garut'; there are: Bandung" in done.stderr
