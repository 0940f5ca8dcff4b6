"""What callers can be told without an agent: texts and opening hours from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.calls.prompt_files import Prompts, build_prompts, load_texts, outdated_prompts
from pln_ivr.config import load
from pln_ivr.errors import ConfigError, PromptError
from pln_ivr.rules import texts_of
from pln_ivr.wording import ENGLISH, INDONESIAN, Day, number, spoken_week

TEXTS = Path(__file__).parents[2] / "asterisk-conf" / "prompts" / "id.toml"
OFFICE: list[Day] = [*[(480, 960)] * 5, (480, 720), None]
SETTINGS = """
[information.texts.bayar]
text = "Bayarlah di bank,\\n   atau di kantor pos."
translations = { en = "Pay at a bank." }
[information.texts.token]
text = "Token dibeli di mana saja."
[information.hours.kantor]
text = "Kantor kami buka:"
translations = { en = "Our office hours:" }
monday = "08:00-16:30"
"""


@pytest.mark.parametrize(
    ("week", "language", "said"),
    [
        (
            OFFICE,
            INDONESIAN,
            "Senin sampai Jumat, pukul delapan sampai pukul enam belas."
            " Sabtu, pukul delapan sampai pukul dua belas. Minggu, tutup.",
        ),
        (
            OFFICE,
            ENGLISH,
            "Monday to Friday, 8 AM to 4 PM. Saturday, 8 AM to 12 PM. Sunday, closed.",
        ),
        ([(0, 1440)] * 7, INDONESIAN, "setiap hari, dua puluh empat jam."),
        ([(0, 1440)] * 7, ENGLISH, "every day, twenty-four hours."),
        (
            [(450, 1425)] * 7,
            INDONESIAN,
            "setiap hari, pukul tujuh lewat tiga puluh menit sampai pukul dua puluh tiga"
            " lewat empat puluh lima menit.",
        ),
        ([(5, 1440)] * 7, ENGLISH, "every day, 12:05 AM to 12 AM."),
        ([None] * 7, ENGLISH, "every day, closed."),
    ],
)
def test_a_week_in_words(week: Sequence[Day], language: str, said: str) -> None:
    assert spoken_week(week, language) == said


HOURS = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 719), st.integers(720, 1440)),
)


@given(st.lists(HOURS, min_size=7, max_size=7))
def test_every_day_of_the_week_is_told_once(week: list[Day]) -> None:
    names = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
    told: list[str] = []
    for part in spoken_week(week, INDONESIAN).rstrip(".").split(". "):
        days = part.split(", ")[0]
        if days == "setiap hari":
            told += names
        else:
            first, _, last = days.partition(" sampai ")
            told += names[names.index(first) : names.index(last or first) + 1]
    assert told == list(names)


def test_numbers_in_words() -> None:
    said = {0: "nol", 9: "sembilan", 10: "sepuluh", 11: "sebelas", 12: "dua belas"}
    said |= {19: "sembilan belas", 20: "dua puluh", 21: "dua puluh satu", 59: "lima puluh sembilan"}
    assert {value: number(value) for value in said} == said
    assert len({number(value) for value in range(100)}) == 100


def texts(tmp_path: Path, text: str) -> dict[str, Prompts]:
    file = tmp_path / "pln.toml"
    file.write_text(text + f'\n[prompts]\ntexts = "{TEXTS}"\n')
    return {prompts.language: prompts for prompts in texts_of(load(file))}


def test_information_becomes_prompts_beside_those_of_the_files(tmp_path: Path) -> None:
    spoken = texts(tmp_path, SETTINGS)
    information = {
        language: {k: v for k, v in prompts.texts.items() if k.startswith("info-")}
        for language, prompts in spoken.items()
    }
    assert information == {
        "": {
            "info-bayar": "Bayarlah di bank, atau di kantor pos.",
            "info-token": "Token dibeli di mana saja.",
            "info-kantor": "Kantor kami buka: Senin, pukul delapan sampai pukul enam belas lewat"
            " tiga puluh menit. Selasa sampai Minggu, tutup.",
        },
        "en": {
            "info-bayar": "Pay at a bank.",
            "info-kantor": "Our office hours: Monday, 8 AM to 4:30 PM. Tuesday to Sunday, closed.",
        },
    }
    assert spoken[""].texts.keys() > load_texts(TEXTS).texts.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[information.texts.a]\ntext = "x"\n[information.hours.a]\ntext = "y"',
            "information.hours.a: information.texts has this name as well",
        ),
        (
            '[information.texts.a]\ntext = "x"\ntranslations = { jv = "y" }',
            "information.texts.a.translations.jv: not among prompts.languages: en",
        ),
        (
            '[prompts]\nlanguages = ["en", "jv"]\n[information.hours.a]\ntext = "x"\n'
            'translations = { jv = "y" }',
            "information.hours.a.translations.jv: the week can be said in en only",
        ),
        ("[information.texts.a]\n", "information.texts.a.text: Field required"),
        ('[information.texts.a]\ntext = ""', "information.texts.a.text: "),
        ('[information.texts."A b"]\ntext = "x"', "information.texts"),
        *(
            (f'[information.hours.a]\ntext = "x"\nmonday = "{hours}"', "information.hours.a.monday")
            for hours in ("8-16", "08:00", "16:00-08:00", "08:00-08:00", "08:60-16:00")
        ),
        *(
            (f'[information.hours.a]\ntext = "x"\nmonday = "{hours}"', "information.hours.a.monday")
            for hours in ("08:00-24:01", "08:00-16:75", "٠٨:00-16:00")
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "pln.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{file}: {said}")


def test_a_text_that_stands_in_both_places_is_refused(tmp_path: Path) -> None:
    mine = tmp_path / "id.toml"
    mine.write_text(TEXTS.read_text() + '\ninfo-bayar = "Bayar."\n')
    (tmp_path / "en.toml").write_text("[prompts]\n")
    settings = tmp_path / "pln.toml"
    settings.write_text(SETTINGS)
    with pytest.raises(PromptError, match=r"prompts\.info-bayar: the settings have a text of this"):
        list(texts_of(load(settings), mine))


def test_a_text_that_has_changed_since_it_was_spoken_is_known(tmp_path: Path) -> None:
    prompts = Prompts(TEXTS, load_texts(TEXTS).voice, {"info-a": "Satu dua tiga."})
    build_prompts(prompts, tmp_path / "out")
    assert outdated_prompts(prompts, tmp_path / "out") == []
    changed = Prompts(TEXTS, prompts.voice, {"info-a": "Empat.", "info-b": "Lima."})
    assert outdated_prompts(changed, tmp_path / "out") == ["info-a"]
    studio = tmp_path / "studio"
    studio.mkdir()
    (studio / "info-a.alaw").write_bytes((tmp_path / "out" / "info-a.alaw").read_bytes())
    assert outdated_prompts(prompts, tmp_path / "out", studio) == ["info-a"]
    build_prompts(prompts, tmp_path / "out", studio)
    assert outdated_prompts(prompts, tmp_path / "out", studio) == []
    assert outdated_prompts(prompts, tmp_path / "out") == ["info-a"]
