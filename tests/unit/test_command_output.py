"""What commands print: whole, and as it is."""

from __future__ import annotations

import pytest

from pln_ivr.commands.output import print_table
from pln_ivr.journal.records import masked

NARROW = "20"


@pytest.mark.parametrize(
    ("number", "shown"),
    [("081234567890", "*********890"), ("1234", "*234"), ("", "")],
)
def test_a_masked_number(number: str, shown: str) -> None:
    assert masked(number) == shown


def test_a_table_is_wider_than_the_terminal_rather_than_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", NARROW)
    row = ["019ab0f2-7c1e-7d3a-9b52-0c6c1d2e3f40", "customer spoke 0.25 s before", "1234567.8"]
    print_table(["incident", "evidence", "talk s"], [row], title="of a day", figures=["talk s"])
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if row[0] in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == row
    assert "…" not in printed
    assert "of a day" in printed


def test_figures_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "talk s"], [["a", "1"], ["bb", "1000"]], figures=["talk s"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert lines == ["│ a    │    1 │", "│ bb   │ 1000 │"]


def test_nothing_in_a_cell_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["note"], [["[red]alarm[/red] :fire:"], ["[/nonsense]"]])
    printed = capsys.readouterr().out
    assert "[red]alarm[/red] :fire:" in printed
    assert "[/nonsense]" in printed


def test_a_table_without_rows_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "talk s"], [])
    assert "name" in capsys.readouterr().out
