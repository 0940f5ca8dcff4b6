"""Log lines: JSON with the call id, and never a phone number."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from pln_ivr.config.node import Log
from pln_ivr.logs import set_up
from tests.fake_ari.server import Fault
from tests.fake_ari.world import eventually, world

NUMBER = "081234567890"


class Out:
    """What was logged so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().out
        return self._text


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Iterator[Out]:
    yield Out(capsys)
    structlog.reset_defaults()


def lines(out: Out) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def fresh() -> structlog.typing.FilteringBoundLogger:
    """A logger made after the set-up: others keep the first one that they met."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger("test")
    return logger


def test_a_line_is_json_with_level_time_and_call_id(out: Out) -> None:
    set_up(Log())
    with structlog.contextvars.bound_contextvars(call_id="the-call"):
        fresh().warning("something", seconds=1.5)
    (line,) = lines(out)
    assert line.pop("timestamp", "").endswith("Z")  # type: ignore[attr-defined]
    assert line == {
        "event": "something",
        "level": "warning",
        "call_id": "the-call",
        "seconds": 1.5,
    }


def test_a_traceback_is_in_the_same_line(out: Out) -> None:
    set_up(Log())
    try:
        raise ZeroDivisionError("bug")
    except ZeroDivisionError:
        fresh().exception("failed")
    (line,) = lines(out)
    assert "ZeroDivisionError: bug" in str(line["exception"])
    assert line["level"] == "error"


@pytest.mark.parametrize(
    ("level", "shown"),
    [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)],
)
def test_the_level_is_the_least_that_is_shown(out: Out, level: str, shown: int) -> None:
    set_up(Log.model_validate({"level": level}))
    logger = fresh()
    for method in ("debug", "info", "warning", "error"):
        getattr(logger, method)("x")
    assert len(lines(out)) == shown


def test_the_console_format_is_for_people(out: Out) -> None:
    set_up(Log(format="console"))
    fresh().info("hello", agent="101")
    assert "hello" in out.getvalue()
    assert "agent=101" in out.getvalue()
    assert not out.getvalue().startswith("{")


@pytest.mark.parametrize("fault", [None, 500, 404])
async def test_no_number_in_any_line_of_a_call_and_its_id_in_each(
    out: Out, tmp_path: Path, fault: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pln_ivr.calls.room.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("pln_ivr.calls.reception.GONE_SECONDS", 0.05)
    set_up(Log(level="debug"))
    _uncached(monkeypatch)
    async with world(tmp_path) as w:
        before = len(lines(out))
        if fault:
            w.fake.fault = lambda asked: (
                Fault(status=fault, message=f"about PJSIP/{asked.number}")
                if asked.method == "POST" and asked.number % 2
                else None
            )
        w.fake.call(number=NUMBER)
        row = await w.ended()
        assert row.caller == NUMBER, "the journal has it"
        await eventually(lambda: "call_ended" in out.getvalue(), "the last line")
        w.fake.fault = lambda _: None
        of_call = lines(out)[before:]
    assert NUMBER not in out.getvalue()
    assert not re.search(r"\d*8123456789\d*", out.getvalue())
    assert of_call
    assert {line.get("call_id") for line in of_call} == {row.call_id}


def _uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loggers of modules may have been used, and so set up, by an earlier test."""
    for name, module in list(sys.modules.items()):
        if name.startswith("pln_ivr") and hasattr(module, "log"):
            monkeypatch.setattr(module, "log", structlog.get_logger(name))
