"""`pln-ivr token`: the token is printed once, and then only its name is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from pln_ivr.journal.tokens import Role, TokenRow, Tokens
from tests.unit.running import Run, keep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a journal in which there are no tokens."""
    keep(tmp_path)
    return tmp_path


def find(folder: Path, token: str) -> TokenRow | None:
    with Tokens(f"sqlite:///{folder}/journal.db") as tokens:
        return tokens.find(token)


def test_a_token_is_printed_alone_on_a_line(pln_ivr: Run, folder: Path) -> None:
    arguments = ("--role", "supervisor", "--extension", "201")
    done = pln_ivr(folder, "token", "create", "dewi", *arguments)
    assert done.returncode == 0
    (token,) = done.stdout.splitlines()
    assert token.startswith("pln_")
    assert token not in done.stderr
    assert "cannot be shown again" in done.stderr
    row = find(folder, token)
    assert row is not None
    assert (row.name, row.role, row.extension) == ("dewi", Role.SUPERVISOR, "201")
    assert token not in pln_ivr(folder, "token", "list").stdout


def test_the_list_names_them_all(pln_ivr: Run, folder: Path) -> None:
    pln_ivr(folder, "token", "create", "wall-display", "--role", "operator")
    pln_ivr(folder, "token", "create", "joko", "--role", "agent", "--extension", "101")
    assert pln_ivr(folder, "token", "revoke", "joko").stdout == "joko: revoked\n"
    done = pln_ivr(folder, "token", "list", "--zone", "UTC")
    assert (done.returncode, done.stderr) == (0, "")
    assert "(UTC)" in done.stdout
    lines = [line for line in done.stdout.splitlines() if " 20" in line]
    first, second = ([cell.strip() for cell in line.strip("│").split("│")] for line in lines)
    assert (first[:3], first[4]) == (["wall-display", "operator", "-"], "-")
    assert second[:3] == ["joko", "agent", "101"]
    assert second[4].startswith("20")


def test_a_revoked_token_lets_nobody_in(pln_ivr: Run, folder: Path) -> None:
    (token,) = pln_ivr(folder, "token", "create", "ops", "--role", "operator").stdout.split()
    assert find(folder, token) is not None
    pln_ivr(folder, "token", "revoke", "ops")
    assert find(folder, token) is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create", "x", "--role", "agent"], "the role agent needs the extension"),
        (["create", "x", "--role", "supervisor"], "the role supervisor needs the extension"),
        (["create", "x", "--role", "agent", "--extension", "1"], "an extension is 2 to 10 digits"),
        (["create", "101", "--role", "operator"], "a token's name is a letter"),
        (["create", "taken", "--role", "operator"], "there is a token taken already"),
        (["revoke", "x"], "there is no token 'x'; pln-ivr token list names them"),
    ],
)
def test_a_mistake_is_one_line(pln_ivr: Run, folder: Path, arguments: list[str], says: str) -> None:
    pln_ivr(folder, "token", "create", "taken", "--role", "operator")
    done = pln_ivr(folder, "token", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("pln-ivr: ")
    assert says in line


@pytest.mark.parametrize("arguments", [["create", "x"], ["create", "x", "--role", "king"], []])
def test_wrong_arguments_are_refused(pln_ivr: Run, folder: Path, arguments: list[str]) -> None:
    done = pln_ivr(folder, "token", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_without_a_journal_it_is_one_line(pln_ivr: Run, tmp_path: Path) -> None:
    done = pln_ivr(tmp_path, "token", "create", "x", "--role", "operator")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pln-ivr: journal.url: there is no journal")
