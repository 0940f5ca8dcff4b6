"""The menu's settings: what is wrong with them is said in one line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from pln_ivr.calls.prompt_files import files_of, load_texts
from pln_ivr.config import load
from pln_ivr.errors import ConfigError
from pln_ivr.rules import menu_of, require_prompts

TEXTS = Path(__file__).parents[2] / "asterisk-conf" / "prompts" / "id.toml"
ENTRY = '[menu]\nentry = "a"\n'


def page(name: str, keys: str, more: str = "") -> str:
    return (
        f'[menu.menus.{name}]\nprompt = "menu-{name}"\n{more}\n[menu.menus.{name}.keys]\n{keys}\n'
    )


def faults(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "pln.toml"
    file.write_text(text)
    try:
        load(file)
    except ConfigError as error:
        return [line.removeprefix(f"{file}: ") for line in str(error).splitlines()]
    return []


AGENT = '0 = { do = "agent" }'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY + page("a", AGENT), []),
        (ENTRY + page("a", '1 = { queue = "tagihan" }\n"*" = { menu = "a" }'), []),
        (
            ENTRY + page("b", AGENT),
            ["menu.entry: there is no menu 'a'; menu.menus has: b"],
        ),
        (
            ENTRY + page("a", AGENT + '\n1 = { queue = "umum" }', 'queue = "lain"'),
            [
                f"menu.menus.a.{key}: there is no queue {name!r}; queues.names has:"
                " gangguan, keluhan, pasang-baru, tagihan"
                for key, name in (("queue", "lain"), ("keys.1", "umum"))
            ],
        ),
        (
            ENTRY + page("a", AGENT + '\n1 = { menu = "c" }'),
            ["menu.menus.a.keys.1: there is no menu 'c'; menu.menus has: a"],
        ),
        (
            ENTRY + page("a", AGENT, 'language = "jv"'),
            ["menu.menus.a.language: 'jv' is not among prompts.languages: en"],
        ),
        (
            ENTRY + page("a", AGENT) + page("b", AGENT),
            [
                "menu.menus.b: no key leads here from 'a'; give one menu = \"b\", or take this"
                " menu out"
            ],
        ),
        (
            ENTRY + page("a", '1 = { menu = "b" }') + page("b", '"#" = { menu = "a" }'),
            [
                f"menu.menus.{name}: no key here, nor in the menus that keys lead to from here,"
                ' goes to an agent; add one, like 0 = { do = "agent" }'
                for name in "ab"
            ],
        ),
        (
            ENTRY + page("a", AGENT + '\n1 = { menu = "b" }') + page("b", '1 = { do = "hang_up" }'),
            [
                "menu.menus.b: no key here, nor in the menus that keys lead to from here,"
                ' goes to an agent; add one, like 0 = { do = "agent" }'
            ],
        ),
        ('[menu]\nentry = ""\n' + page("a", '1 = { queue = "umum" }'), []),
        (
            '[queues]\nentry = "umum"\n[queues.names.umum]\n',
            [
                "menu: the menu that there is by default does not fit these queues.names and"
                ' prompts.languages; write one, [menu.menus.NAME], or set menu.entry = "" for none'
            ],
        ),
    ],
)
def test_a_tree(tmp_path: Path, text: str, said: list[str]) -> None:
    assert faults(tmp_path, text) == said


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ('1 = { queue = "tagihan", menu = "a" }', "give one of queue, menu, say and do"),
        ("1 = {}", "give one of queue, menu, say and do"),
        ('1 = { do = "dance" }', "menu.menus.a.keys.1.do: "),
        ('1 = { qeue = "tagihan" }', "menu.menus.a.keys.1.qeue: "),
        ('12 = { do = "agent" }', "menu.menus.a.keys.12"),
        ('A = { do = "agent" }', "menu.menus.a.keys.A"),
        ('1 = "tagihan"', "menu.menus.a.keys.1: "),
    ],
)
def test_a_key(tmp_path: Path, keys: str, where: str) -> None:
    (line,) = faults(tmp_path, ENTRY + page("a", keys))
    assert where in line


@pytest.mark.parametrize(
    "setting",
    ["no_input_seconds = 0", "no_input_tries = 0", "invalid_tries = 10", "most_keys = 101"],
)
def test_patience_has_its_limits(tmp_path: Path, setting: str) -> None:
    (line,) = faults(tmp_path, f"[menu]\n{setting}\n")
    assert line.startswith(f"menu.{setting.split()[0]}: ")


def test_the_examples_of_the_readme_are_right(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    blocks = [block for block in readme.split("```") if block.startswith("toml\n")]
    examples = [block for block in blocks if "[menu]" in block or "[information." in block]
    assert len(examples) == 2
    for example in examples:
        assert faults(tmp_path, example.removeprefix("toml")) == []


def test_a_prompt_that_was_not_built_is_named(tmp_path: Path) -> None:
    menu = menu_of(load(None).menu)
    assert menu
    for prompt, language in menu.prompts:
        (tmp_path / language).mkdir(exist_ok=True)
        (tmp_path / language / f"{prompt}.alaw").write_bytes(b"\xd5")
    require_prompts(menu, tmp_path)
    require_prompts(None, tmp_path / "nowhere")
    (tmp_path / "en" / "menu-english.alaw").rename(tmp_path / "menu-english.alaw")
    require_prompts(menu, tmp_path)  # said in the first language, then
    (tmp_path / "menu-english.alaw").write_bytes(b"")
    (tmp_path / "goodbye.alaw").unlink()
    with pytest.raises(ConfigError) as error:
        require_prompts(menu, tmp_path)
    assert sorted(str(error.value).splitlines()) == [
        f"menu.menus.english: there is no prompt 'menu-english' in {tmp_path / 'en'}; write its"
        " text into en.toml and run pln-ivr prompts build",
        f"menu: there is no prompt 'goodbye' in {tmp_path}; write its text into the texts file"
        " and run pln-ivr prompts build",
    ]


def test_the_default_menu_has_its_texts_and_english_lacks_none_that_a_caller_hears() -> None:
    settings = load(None)
    texts = {
        language: load_texts(file, language).texts
        for language, file in files_of(TEXTS, settings.prompts.languages)
    }
    menu = menu_of(settings.menu)
    assert menu
    for prompt, language in menu.prompts:
        assert prompt in texts[language]
    spoken_before_the_choice = {"notice", "menu-utama", "menu-gangguan"}
    not_by_us = {"on-hold"}  # Asterisk's own music class
    for_agents = ("agent-", "recording-")
    for_callers = {name for name in texts[""] if not name.startswith(for_agents)}
    assert for_callers - spoken_before_the_choice - not_by_us == set(texts["en"]) - {
        "menu-english",
        "menu-outage",
    }
