"""The menu's section of the settings, and what can be wrong with a tree of menus."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pln_ivr.config.section import Name, Seconds, Section

Key = Annotated[str, Field(pattern=r"^[0-9*#]$")]


class MenuKey(Section):
    """What a key does: exactly one of these is given."""

    queue: Name | Literal[""] = ""
    """The caller joins this line."""
    menu: Name | Literal[""] = ""
    """The caller hears this menu."""
    say: Name | Literal[""] = ""
    """The caller hears this prompt, and then the menu again."""
    do: Literal["", "agent", "repeat", "hang_up", "report", "bill", "callback"] = ""
    """agent: the caller joins the menu's own line. repeat: hears the menu again. hang_up: is
    said goodbye to. report: reports an outage. bill: hears the bill, see the section on it.
    callback: is called back, with a place in the menu's own line."""

    @model_validator(mode="after")
    def _one_thing(self) -> MenuKey:
        if sum(map(bool, (self.queue, self.menu, self.say, self.do))) != 1:
            raise ValueError("give one of queue, menu, say and do")
        return self


class MenuPage(Section):
    """One menu: what is said, and what the keys do."""

    prompt: Name
    language: Name | Literal[""] = ""
    """What is said from here on is said in this one of prompts.languages; empty: in that of
    prompts.texts."""
    queue: Name | Literal[""] = ""
    """The line of who asks for an agent here, keys nothing, or nothing that has a meaning; empty:
    the one that the number dialled has."""
    keys: dict[Key, MenuKey] = Field(default={})


def _default_menus() -> dict[str, MenuPage]:
    """Outage, billing, new connection, complaints, the other language, an agent."""
    lines = {
        "2": MenuKey(queue="tagihan"),
        "3": MenuKey(queue="pasang-baru"),
        "4": MenuKey(queue="keluhan"),
        "0": MenuKey(do="agent"),
        "#": MenuKey(do="repeat"),
    }
    outage = {
        "1": MenuKey(do="report"),
        "0": MenuKey(do="agent"),
        "#": MenuKey(do="repeat"),
    }
    line = "gangguan"
    return {
        "utama": MenuPage(
            prompt="menu-utama",
            keys=lines | {"1": MenuKey(menu="gangguan"), "9": MenuKey(menu="english")},
        ),
        "gangguan": MenuPage(
            prompt="menu-gangguan", queue=line, keys=outage | {"*": MenuKey(menu="utama")}
        ),
        "english": MenuPage(
            prompt="menu-english",
            language="en",
            keys=lines | {"1": MenuKey(menu="outage"), "9": MenuKey(menu="utama")},
        ),
        "outage": MenuPage(
            prompt="menu-outage",
            language="en",
            queue=line,
            keys=outage | {"*": MenuKey(menu="english")},
        ),
    }


class Menu(Section):
    """What callers choose from before they wait."""

    entry: Name | Literal[""] = "utama"
    """The menu that callers hear first; empty: there is none, they join their line at once. Who
    dialled a number that has a line of its own (queues.dialled) has chosen already."""
    no_input_seconds: Seconds = 5.0
    """How long after a menu's last word a caller may take to press a key."""
    no_input_tries: Annotated[int, Field(ge=1, le=9)] = 2
    """So often in a row a menu is said to who presses nothing; then an agent is asked."""
    invalid_tries: Annotated[int, Field(ge=1, le=9)] = 3
    """So many keys in a row may mean nothing; then an agent is asked."""
    most_keys: Annotated[int, Field(ge=1, le=100)] = 20
    """So many keys a caller may press in all; then an agent is asked."""
    menus: dict[Name, MenuPage] = Field(default_factory=_default_menus)


def menu_faults(
    menu: Menu, queues: Collection[str], languages: Collection[str], bills: bool = False
) -> list[str]:
    """What is wrong with the tree, a line for each; nothing if there is no menu. `bills`: they
    can be looked up."""
    if not menu.entry:
        return []
    if menu.entry not in menu.menus:
        return [
            f"menu.entry: there is no menu {menu.entry!r}; menu.menus has: {_listed(menu.menus)}"
        ]
    if "menus" not in menu.model_fields_set:
        return list(_misfit_of_default(menu, queues, languages))
    faults = list(_unknown_names(menu, queues, languages))
    faults += [] if bills else _without_bills(menu)
    return faults or [*_unreachable(menu), *_without_agent(menu)]


def _misfit_of_default(
    menu: Menu, queues: Collection[str], languages: Collection[str]
) -> Iterator[str]:
    """One line, in the words of somebody who has never seen this menu."""
    if any(_unknown_names(menu, queues, languages)):
        yield (
            "menu: the menu that there is by default does not fit these queues.names and"
            ' prompts.languages; write one, [menu.menus.NAME], or set menu.entry = "" for none'
        )


def _unknown_names(
    menu: Menu, queues: Collection[str], languages: Collection[str]
) -> Iterator[str]:
    for name, page in menu.menus.items():
        where = f"menu.menus.{name}"
        if page.language and page.language not in languages:
            yield (
                f"{where}.language: {page.language!r} is not among prompts.languages:"
                f" {_listed(languages)}"
            )
        lines = {"queue": page.queue} | {f"keys.{k}": key.queue for k, key in page.keys.items()}
        for at, queue in lines.items():
            if queue and queue not in queues:
                yield (
                    f"{where}.{at}: there is no queue {queue!r}; queues.names has:"
                    f" {_listed(queues)}"
                )
        for k, key in page.keys.items():
            if key.menu and key.menu not in menu.menus:
                yield (
                    f"{where}.keys.{k}: there is no menu {key.menu!r}; menu.menus has:"
                    f" {_listed(menu.menus)}"
                )


def _without_bills(menu: Menu) -> Iterator[str]:
    for name, page in menu.menus.items():
        for k, key in page.keys.items():
            if key.do == "bill":
                yield f"menu.menus.{name}.keys.{k}: bill needs bill.url, where bills are looked up"


def _unreachable(menu: Menu) -> Iterator[str]:
    reached = _reached(menu, menu.entry)
    for name in menu.menus:
        if name not in reached:
            yield (
                f"menu.menus.{name}: no key leads here from {menu.entry!r};"
                f' give one menu = "{name}", or take this menu out'
            )


def _without_agent(menu: Menu) -> Iterator[str]:
    for name in menu.menus:
        pages = [menu.menus[reached] for reached in _reached(menu, name)]
        if not any(key.queue or key.do == "agent" for page in pages for key in page.keys.values()):
            yield (
                f"menu.menus.{name}: no key here, nor in the menus that keys lead to from here,"
                ' goes to an agent; add one, like 0 = { do = "agent" }'
            )


def _reached(menu: Menu, start: str) -> set[str]:
    """The menus that keys lead to from this one, itself included."""
    found, ahead = {start}, [start]
    while ahead:
        for key in menu.menus[ahead.pop()].keys.values():
            if key.menu and key.menu not in found:
                found.add(key.menu)
                ahead.append(key.menu)
    return found


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
