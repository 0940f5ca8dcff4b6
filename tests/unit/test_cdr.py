"""Asterisk's list of calls: every line as it is written, and no line lost or read twice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pln_ivr.journal import cdr
from pln_ivr.journal.cdr import CdrFile, CdrLine, Note, parse
from tests.unit.making import cdr_line as line

RECORDING = "2026/11/24/e93d3f1b-f26e-4de1-8c9b-e1ccd4f45d0a/e93d3f1b-f26e-4de1-8c9b-e1ccd4f45d0a"

TALKED = (
    '"pln-1-1795491522.15",1795491522.866091,1795491522.866509,1795491530.099516,"ANSWERED",'
    '"08120000000","123","fallback","PJSIP/trunk-1-00000008","PJSIP/ag-104-00000009","Queue",'
    f'"fallback//1795491525/1795491526/ag-104/ag-104-00000009/{RECORDING}"'
)
WAITED = (
    '"pln-1-1795491480.0",1795491480.663018,1795491480.663455,1795491484.676705,"ANSWERED",'
    '"08120000000","+622112345","fallback","PJSIP/trunk-1-00000000","","MusicOnHold",'
    f'"fallback//1795491483///trunk-1-00000000/{RECORDING}"'
)
REFUSED = (
    '"pln-1-1795491494.3",1795491494.499523,0.000000,1795491494.501578,"FAILED","08120000000",'
    '"123","fallback","PJSIP/trunk-1-00000003","","Hangup","fallback/1////an/builtin/"'
)
SERVED = (
    '"pln-1-1795491600.1",1795491600.000000,1795491600.100000,1795491660.500000,"ANSWERED",'
    '"0812","123","customer","PJSIP/trunk-1-0000000b","PJSIP/ag-101-0000000c","Stasis",""'
)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# -- one line ----------------------------------------------------------------------------


def test_a_customer_who_talked_in_the_fallback_queue() -> None:
    assert parse(TALKED) == CdrLine(
        channel_id="pln-1-1795491522.15",
        started_at=moment(1795491522.866091),
        answered_at=moment(1795491522.866509),
        ended_at=moment(1795491530.099516),
        disposition="ANSWERED",
        caller="08120000000",
        dialled="123",
        context="fallback",
        channel="PJSIP/trunk-1-00000008",
        note=Note(
            refused=False,
            queued_at=moment(1795491525),
            talking_at=moment(1795491526),
            member="ag-104",
            hung_up_by="ag-104-00000009",
            recording=RECORDING,
        ),
    )


def test_a_customer_who_gave_up_in_the_fallback_queue() -> None:
    note = parse(WAITED).note
    assert note == Note(False, moment(1795491483), None, "", "trunk-1-00000000", RECORDING)


def test_a_customer_who_was_refused_there_was_never_answered() -> None:
    """Asterisk writes 0.000000 for a time that never came."""
    read = parse(REFUSED)
    assert read.answered_at is None
    assert read.note is not None
    assert read.note.refused
    assert (read.note.queued_at, read.note.talking_at, read.note.member) == (None, None, "")


def test_a_call_that_the_application_had_at_its_end_has_no_note() -> None:
    read = parse(SERVED)
    assert read.note is None
    assert read.is_customers
    assert read.ended_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("context", "customers"),
    [
        ("from-trunk", True),
        ("customer", True),
        ("fallback", True),
        ("from-agents", False),
        ("agent-answered", False),
        ("", False),
    ],
)
def test_only_customers_channels_are_calls(context: str, customers: bool) -> None:
    assert parse(line(dcontext=context)).is_customers is customers


@pytest.mark.parametrize(
    "number", ['a "b" c', "Siti, Jakarta", '","', "", "tab\there", "naïve", "'", '"']
)
def test_whatever_a_caller_calls_themselves_stays_in_its_column(number: str) -> None:
    read = parse(line(src=number))
    assert (read.caller, read.dialled) == (number, "123")


@pytest.mark.parametrize("text", ["", "0", "0.000000"])
def test_a_time_that_never_came(text: str) -> None:
    assert parse(line(answer=text)).answered_at is None


@pytest.mark.parametrize(
    "userfield", ["", "something", "/fallback", "fallbacks/1//////", "Fallback/1/////"]
)
def test_what_others_leave_in_the_userfield_is_no_note(userfield: str) -> None:
    assert parse(line(userfield=userfield)).note is None


BAD = {
    "empty": "",
    "a word": "hello",
    "a column missing": SERVED.rpartition(",")[0],
    "a column too many": SERVED + ',"x"',
    "an unfinished quote": SERVED[: SERVED.index('"0812"') + 3],
    "zeroes of a power cut": "\0" * 4096,
    "no channel": line(uniqueid=""),
    "no start": line(start=""),
    "start is 0": line(start="0.000000"),
    "no end": line(end="0"),
    "a start that is no number": line(start="yesterday"),
    "a time that is not a number": line(end="nan"),
    "a note cut short": line(userfield="fallback/1//"),
    "a note of one word": line(userfield="fallback"),
    "a note with a wrong time": line(userfield="fallback//soon////"),
}


@pytest.mark.parametrize("text", BAD.values(), ids=list(BAD))
def test_what_is_no_line_of_ours_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [line(end="1e300"), line(end="inf"), "x" * 200_000],
    ids=["a time past all years", "infinity", "a field past csv's limit"],
)
def test_a_damaged_line_is_the_same_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse(text)


# -- the file ----------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.csv"


def append(path: Path, *texts: str) -> None:
    with path.open("ab") as file:
        file.write("".join(texts).encode())


class Reading:
    """A file being read on and on, as completion does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = ""

    def next(self) -> list[str]:
        """What is new, by a reader that knows nothing but the position."""
        piece = CdrFile(self.path).read(self.position)
        self.position = piece.position
        return list(piece.lines)

    def all(self) -> list[str]:
        """Everything to the end."""
        found: list[str] = []
        while new := self.next():
            found += new
        return found


def test_each_line_is_read_once(path: Path) -> None:
    reading = Reading(path)
    append(path, "a\n", "b\n")
    assert reading.next() == ["a", "b"]
    assert reading.next() == []
    append(path, "c\n")
    assert reading.next() == ["c"]
    assert reading.next() == []


def test_a_line_that_is_being_written_waits_for_its_end(path: Path) -> None:
    reading = Reading(path)
    append(path, "a\nhal")
    assert reading.next() == ["a"]
    assert reading.next() == []
    append(path, "f\nnext")
    assert reading.next() == ["half"]
    append(path, "\n")
    assert reading.next() == ["next"]


def test_the_end_of_a_character_may_be_missing_too(path: Path) -> None:
    reading = Reading(path)
    text = "naïve\n".encode()
    path.write_bytes(text[:3])
    assert reading.next() == []
    path.write_bytes(text)
    assert reading.next() == ["naïve"]


def test_bytes_that_are_no_utf8_cost_only_themselves(path: Path) -> None:
    path.write_bytes(b"\xff\xfe,\n" + b"b\n")
    assert Reading(path).all() == ["\ufffd\ufffd,", "b"]


def test_a_long_list_is_read_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdr, "READ_BYTES", 10)
    lines = [f"line {n}" for n in range(20)]
    append(path, *(f"{text}\n" for text in lines))
    reading = Reading(path)
    assert len(reading.next()) == 1
    assert reading.all() == lines[1:]


def test_a_missing_file_is_nothing_to_read_and_forgets_nothing(path: Path) -> None:
    reading = Reading(path)
    assert reading.next() == []
    assert reading.position == ""
    append(path, "a\n")
    assert reading.next() == ["a"]
    before = reading.position
    kept = path.rename(path.with_name("elsewhere"))
    assert reading.next() == []
    assert reading.position == before
    kept.rename(path)
    append(path, "b\n")
    assert reading.next() == ["b"]


def test_what_was_not_read_of_a_rotated_file_is_read_before_the_new_one(path: Path) -> None:
    reading = Reading(path)
    append(path, "a\n")
    assert reading.next() == ["a"]
    append(path, "b\n", "c\n")
    path.rename(path.with_name("calls.csv.1"))
    append(path, "d\n")
    assert reading.next() == ["b", "c"], "the old one first"
    assert reading.next() == ["d"]
    append(path, "e\n")
    assert reading.all() == ["e"]


def test_a_rotated_file_that_was_begun_is_not_given_up_while_there_is_no_new_one(
    path: Path,
) -> None:
    reading = Reading(path)
    append(path, "a\n")
    assert reading.next() == ["a"]
    append(path, "b\n")
    path.rename(path.with_name("calls.csv-20261124"))
    assert reading.next() == []
    append(path, "c\n")
    assert reading.all() == ["b", "c"]


def test_a_rotated_file_that_is_gone_does_not_hold_up_the_new_one(path: Path) -> None:
    reading = Reading(path)
    append(path, "a\n", "b\n")
    assert reading.next() == ["a", "b"]
    path.rename(path.with_name("old"))  # keeps its inode from being given to the new file
    append(path, "c\n")
    assert reading.all() == ["c"]


def test_rotated_twice_the_file_in_between_is_read_too(path: Path) -> None:
    reading = Reading(path)
    append(path, "a\n")
    assert reading.next() == ["a"]
    path.rename(path.with_name("calls.csv.2"))
    append(path, "b\n")
    path.rename(path.with_name("calls.csv.1"))
    append(path, "c\n")
    assert reading.all() == ["b", "c"]


def test_a_file_cut_short_in_place_is_read_from_its_beginning(path: Path) -> None:
    reading = Reading(path)
    append(path, "first\n", "second\n")
    assert reading.next() == ["first", "second"]
    path.write_text("x\n")
    assert reading.next() == ["x"]
    assert reading.next() == []


def test_a_position_outlives_the_reader(path: Path) -> None:
    append(path, "a\n", "b\n")
    first = CdrFile(path).read("")
    append(path, "c\n")
    again = CdrFile(path).read(first.position)
    assert again.lines == ("c",)
    assert CdrFile(path).read(first.position) == again, "reading changes nothing"


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_no_character_but_the_newline_ends_a_line(path: Path, character: str) -> None:
    append(path, line(src=f"08{character}12") + "\n")
    (text,) = Reading(path).all()
    assert parse(text).caller == f"08{character}12"
