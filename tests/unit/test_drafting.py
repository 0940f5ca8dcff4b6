"""Drafting a statement: what is refused, how it reads, and that it is spoken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from native.tones import write_tone
from pln_ivr.errors import EntryError, PromptError
from pln_ivr.journal.statements import Statements
from pln_ivr.outages import drafting
from pln_ivr.outages.drafting import Draft, DraftError, DraftRules, check, make_draft, words_of
from pln_ivr.outcomes import StatementStatus
from pln_ivr.speech import BYTES_PER_SECOND, Voice
from tests.unit.pronouncing import prepare

NOW = datetime(2019, 8, 4, 5, 30, tzinfo=UTC)
JAKARTA, JAYAPURA = ZoneInfo("Asia/Jakarta"), ZoneInfo("Asia/Jayapura")
HOUR = timedelta(hours=1)


def rules(*areas: str) -> DraftRules:
    return DraftRules(areas, JAKARTA, timedelta(hours=24), Voice)


def draft(**changes: Any) -> Draft:
    made: dict[str, Any] = {"cause": "gangguan transmisi", "expires_at": NOW + HOUR}
    return Draft(**(made | changes))


def test_the_words_of_a_whole_statement() -> None:
    whole = draft(areas=("Jakarta", "Banten", "Bandung"), restoration_at=NOW + 5.25 * HOUR)
    assert words_of(whole, JAKARTA) == (
        "Pengumuman dari PLN. Saat ini terjadi gangguan listrik di Jakarta, Banten dan Bandung."
        " Penyebabnya gangguan transmisi. Listrik diperkirakan menyala kembali pada hari Minggu"
        " tanggal empat Agustus, pukul tujuh belas lewat empat puluh lima menit Waktu Indonesia"
        " Barat. Kami mohon maaf atas ketidaknyamanan ini."
    )
    assert "pukul sembilan belas lewat empat puluh lima menit Waktu Indonesia Timur" in words_of(
        whole, JAYAPURA
    )


def test_the_words_of_what_nobody_knows() -> None:
    assert words_of(draft(cause=" belum diketahui. "), JAKARTA) == (
        "Pengumuman dari PLN. Saat ini terjadi gangguan listrik di seluruh wilayah pelayanan."
        " Penyebabnya belum diketahui. Waktu pulihnya listrik belum dapat kami perkirakan."
        " Kami mohon maaf atas ketidaknyamanan ini."
    )
    assert words_of(draft(text="  Listrik   padam. "), JAKARTA) == "Listrik padam."


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"cause": ""}, "cause", "must be words"),
        ({"cause": " "}, "cause", "must be words"),
        ({"cause": "a\nb"}, "cause", "must be words"),
        ({"cause": "a" * 201}, "cause", "200 letters at most"),
        ({"text": "a" * 1001}, "text", "1000 letters at most"),
        ({"areas": ("Bandung", "Bandung")}, "areas", "named twice"),
        ({"areas": ("",)}, "areas", "must be words"),
        ({"areas": ("Ban\ndung",)}, "areas", "must be words"),
        ({"expires_at": NOW}, "expires_at", "that time is past"),
        ({"expires_at": NOW + 25 * HOUR}, "expires_at", "for 24 hours at most"),
        ({"restoration_at": NOW}, "restoration_at", "a time that is past"),
        ({"restoration_at": NOW + timedelta(days=31)}, "restoration_at", "within 30 days"),
        ({"recording": Path("x.wav")}, "text", "a recording needs its words"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(DraftError, match=said) as error:
        check(draft(**changes), rules(), NOW)
    assert error.value.field == field


def test_the_areas_are_those_of_the_settings_if_there_are_any() -> None:
    check(draft(areas=("Garut",)), rules(), NOW)
    check(draft(areas=("Garut",)), rules("Bandung", "Garut"), NOW)
    check(draft(), rules("Bandung"), NOW)
    with pytest.raises(DraftError, match="there is no area 'Garut'; there are: Bandung, Cimahi"):
        check(draft(areas=("Garut",)), rules("Bandung", "Cimahi"), NOW)


Make = Callable[..., Any]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    url = prepare(f"sqlite:///{tmp_path}/journal.db")

    def made(by: str = "Rina", **changes: Any) -> tuple[Any, bytes]:
        row = make_draft(url, draft(**changes), rules(), by, NOW)
        with Statements(url) as statements:
            assert statements.one(row.version, NOW) == row
            return row, statements.audio(row.version)

    return made


def test_a_draft_can_be_heard(make: Make) -> None:
    row, audio = make()
    assert (row.version, row.status, row.drafted_by) == (1, StatementStatus.DRAFT, "Rina")
    assert 5 < len(audio) / BYTES_PER_SECOND < 30
    longer, more = make(cause="gangguan transmisi di jalur utara dan kerusakan gardu induk")
    assert longer.version == 2
    assert len(more) > len(audio)


def test_a_recording_is_heard_instead_of_the_voice(make: Make, tmp_path: Path) -> None:
    recording = write_tone(tmp_path / "word.alaw", 440, seconds=3.0)
    row, audio = make(text="Listrik padam.", recording=recording)
    assert (row.recorded, row.text) == (True, "Listrik padam.")
    assert len(audio) / BYTES_PER_SECOND == pytest.approx(3.2, abs=0.2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("word.wav", b"this is no audio at all"),
        ("word.wav", b""),
        ("word.mp3", b"ID3"),
        ("word.alaw", b"just a text\n"),
        ("word.flac", b"\x00" * 100),
        ("word.alaw", b"\xd5" * 8000),
    ],
)
def test_a_file_that_is_no_audio_is_refused_by_name(
    make: Make, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PromptError, match=name):
        make(text="Listrik padam.", recording=tmp_path / name)


def test_a_recording_that_is_not_there(make: Make, tmp_path: Path) -> None:
    for name in ("none.wav", "none.alaw"):
        with pytest.raises(PromptError, match=name):
            make(text="Listrik padam.", recording=tmp_path / name)


def test_nobody_hears_a_speech(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "LONGEST_SECONDS", 2.0)
    with pytest.raises(DraftError, match="to say, and may take 2") as error:
        make()
    assert error.value.field == "text"


def test_a_drafter_has_a_name(make: Make) -> None:
    with pytest.raises(EntryError, match="say who you are"):
        make(by=" ")
