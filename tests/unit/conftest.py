"""Commands as a person runs them, in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pln_ivr.cli import main
from tests.unit.running import Done, Run


@pytest.fixture
def pln_ivr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder, with settings by environment, in this process."""

    def run(folder: Path, *arguments: str, **env: str) -> Done:
        for name in [name for name in os.environ if name.startswith("PLN_IVR_")]:
            monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(f"PLN_IVR_{name}", value)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["pln-ivr", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return run
