"""The roster file: read whole or not at all, and every fault named with its entry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pln_ivr.errors import ConfigError, RosterError
from pln_ivr.queues.roster import Role, Roster, load_roster

GOOD = """
[[agents]]
extension = "101"
name = " Siti Rahma "
skills = ["gangguan", "tagihan"]
secret = "a good secret"

[[agents]]
extension = "102"
name = "Budi"
skills = { gangguan = 9, tagihan = 1 }
digest = "0123456789abcdef0123456789abcdef"

[[agents]]
extension = "901"
name = "Ratna"
role = "supervisor"
secret = "another secret"
"""
ONE = {
    "extension": '"101"',
    "name": '"Siti"',
    "skills": '["gangguan"]',
    "secret": '"a good secret"',
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "roster.toml"


def load(path: Path, text: str) -> Roster:
    path.write_text(text)
    return load_roster(path, ["tagihan", "gangguan"])


def entry(**changes: str | None) -> str:
    """One entry with some keys changed, or left out by None."""
    keys = ONE | changes
    return "[[agents]]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items() if v is not None)


def fault(path: Path, text: str) -> list[str]:
    """The lines of the error."""
    with pytest.raises(RosterError) as error:
        load(path, text)
    return str(error.value).splitlines()


def test_a_good_roster(path: Path) -> None:
    roster = load(path, GOOD)
    assert list(roster) == ["101", "102", "901"]
    assert roster["101"].name == "Siti Rahma"
    assert roster["101"].skills == {"gangguan": 1, "tagihan": 1}
    assert roster["102"].skills == {"gangguan": 9, "tagihan": 1}
    assert [entry.role for entry in roster.values()] == [Role.AGENT, Role.AGENT, Role.SUPERVISOR]
    assert roster["901"].skills == {}, "a supervisor may take no calls"
    assert (roster["101"].secret, roster["101"].digest) == ("a good secret", "")
    assert roster["102"].digest == "0123456789abcdef0123456789abcdef"


def test_secrets_are_not_shown(path: Path) -> None:
    shown = repr(load(path, GOOD))
    assert "a good secret" not in shown
    assert "0123456789abcdef" not in shown


def test_an_empty_roster_is_a_roster(path: Path) -> None:
    assert load(path, "") == {}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"extension": None}, "extension must be a string of 2 to 10 digits"),
        ({"extension": "101"}, "extension must be a string of 2 to 10 digits"),
        ({"extension": '"7"'}, "extension must be a string of 2 to 10 digits"),
        ({"extension": '"012"'}, "extension must be a string of 2 to 10 digits"),
        ({"extension": '"1;drop"'}, "extension must be a string of 2 to 10 digits"),
        ({"extension": '"\u0661\u0660\u0661"'}, "extension must be a string of 2 to 10 digits"),
        ({"extension": '"12345678901"'}, "extension must be a string of 2 to 10 digits"),
        ({"extension": '"101 "'}, "extension must be a string of 2 to 10 digits"),
        ({"name": None}, "name must be the agent's name"),
        ({"name": '"  "'}, "name must be the agent's name"),
        ({"name": "5"}, "name must be the agent's name"),
        ({"skills": None}, "skills must be a list, or a table of levels, like ['gangguan'] or {"),
        ({"skills": "[]"}, "skills must be a list"),
        ({"skills": "{}"}, "skills must be a list"),
        ({"skills": '"gangguan"'}, "skills must be a list"),
        ({"skills": "5"}, "skills must be a list"),
        ({"skills": "[1]"}, "skills must be names, like ['gangguan']"),
        ({"skills": '["umun"]'}, "no queue asks for the skill umun; there are: gangguan, tagihan"),
        ({"skills": "{ umun = 1 }"}, "no queue asks for the skill umun"),
        ({"skills": "{ gangguan = 0 }"}, "skills.gangguan must be a level from 1 to 9"),
        ({"skills": "{ gangguan = 10 }"}, "skills.gangguan must be a level from 1 to 9"),
        ({"skills": "{ gangguan = 2.0 }"}, "skills.gangguan must be a level from 1 to 9"),
        ({"skills": "{ gangguan = true }"}, "skills.gangguan must be a level from 1 to 9"),
        ({"skills": '{ gangguan = "3" }'}, "skills.gangguan must be a level from 1 to 9"),
        ({"role": '"boss"'}, "role must be one of: agent, supervisor"),
        ({"role": "1"}, "role must be one of: agent, supervisor"),
        ({"role": "[]"}, "role must be one of: agent, supervisor"),
        ({"role": '"supervisor"', "skills": "5"}, "skills must be a list"),
        (
            {"queues": '["gangguan"]'},
            "unknown key 'queues'; known are digest, extension, name, role",
        ),
        ({"secret": None}, "give either secret or digest"),
        ({"digest": '"0123456789abcdef0123456789abcdef"'}, "give either secret or digest"),
        ({"secret": '"short"'}, "secret must be a string of at least 8 characters"),
        ({"secret": "12345678"}, "secret must be a string of at least 8 characters"),
        ({"secret": None, "digest": '"xyz"'}, "digest must be 32 hexadecimal digits"),
        ({"secret": None, "digest": "5"}, "digest must be 32 hexadecimal digits"),
        ({"secrte": '"x"'}, "unknown key 'secrte'; known are digest, extension, name"),
    ],
)
def test_each_fault_is_one_line_with_file_entry_and_cure(
    path: Path, changes: dict[str, str | None], says: str
) -> None:
    (line,) = fault(path, entry(**changes))
    assert line.startswith(f"{path}: agent 1 (extension ")
    assert says in line
    assert "good secret" not in line


def test_all_faults_are_told_at_once(path: Path) -> None:
    lines = fault(path, entry(name='""') + entry(extension='"x"', skills="[]"))
    assert len(lines) == 3
    assert sum("agent 2 (extension x)" in line for line in lines) == 2
    assert all(line.startswith(f"{path}: ") for line in lines)


def test_an_extension_twice_is_a_fault(path: Path) -> None:
    assert fault(path, entry() + entry()) == [f"{path}: extension 101 stands 2 times"]


@pytest.mark.parametrize("text", ["agents = 5", "agents = [1]", 'agents = "x"', "[agents]\nx=1"])
def test_agents_that_are_no_list_of_tables(path: Path, text: str) -> None:
    (line,) = fault(path, text)
    assert "each begun by [[agents]]" in line


def test_another_key_at_the_top(path: Path) -> None:
    assert fault(path, "agent = 1\n" + entry()) == [
        f"{path}: unknown key 'agent'; only [[agents]] belongs here"
    ]


def test_not_toml(path: Path) -> None:
    (line,) = fault(path, "[[agents]\nname")
    assert line.startswith(f"{path}: not valid TOML: ")
    assert "line 1" in line


def test_not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RosterError, match="cannot be read"):
        load_roster(path, ["gangguan"])


def test_no_file_or_a_folder(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file; agents\.roster must name the roster"):
        load_roster(path, ["gangguan"])
    os.mkdir(path)
    with pytest.raises(RosterError, match=f"{path}: cannot be read"):
        load_roster(path, ["gangguan"])
