"""The menu: what callers choose from before they wait. Pure: where a caller is, and what is
pressed, tell what comes next.

Every walk ends. Silence, and keys that mean nothing, lead to an agent after so many in a row,
and so do all keys after so many in all: a caller without a keypad, or one who is lost, is
somebody to talk to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pln_ivr.calls.dialogues.bill_words import PROMPTS as BILL_PROMPTS
from pln_ivr.calls.dialogues.customer_number import PROMPTS as REPORT_PROMPTS
from pln_ivr.calls.dialogues.phone_number import PROMPTS as CALLBACK_PROMPTS
from pln_ivr.outcomes import BillEnd, MenuEnd, ReportEnd

NO_INPUT, INVALID, TO_AGENT, GOODBYE = "menu-no-input", "menu-invalid", "menu-agent", "goodbye"
PROMPTS = (NO_INPUT, INVALID, TO_AGENT, GOODBYE)
"""What is said besides the menus themselves: nothing was pressed; that means nothing; you are put
through to an agent; thank you for calling."""


class Kind(StrEnum):
    """What a choice comes to."""

    QUEUE = "queue"  # join this line
    MENU = "menu"  # hear this menu
    SAY = "say"  # hear this prompt, then the menu again
    AGENT = "agent"  # join the menu's own line
    REPEAT = "repeat"  # hear the menu again
    HANG_UP = "hang_up"  # be let go
    REPORT = "report"  # report an outage
    CALLBACK = "callback"  # be called back
    BILL = "bill"  # hear the bill


@dataclass(frozen=True, slots=True)
class Choice:
    """What a key does. `target` is the line, the menu or the prompt."""

    kind: Kind
    target: str = ""

    @property
    def word(self) -> str:
        """What stands for it in the journal and in metrics."""
        return self.target or self.kind


@dataclass(frozen=True, slots=True)
class Page:
    """One menu. `queue` empty: the line that the number dialled has; `language` empty: the
    house's."""

    name: str
    prompt: str
    keys: Mapping[str, Choice]
    queue: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """All menus, and how much patience there is: see the settings' section."""

    entry: str
    pages: Mapping[str, Page]
    no_input_seconds: float
    no_input_tries: int
    invalid_tries: int
    most_keys: int

    @property
    def prompts(self) -> dict[tuple[str, str], str]:
        """Every prompt that is said in it, with the language that it is said in; and the menu."""
        said = {
            (prompt, page.language): page.name
            for page in self.pages.values()
            for prompt in (
                page.prompt,
                *(choice.target for choice in page.keys.values() if choice.kind is Kind.SAY),
            )
        }
        kinds = {choice.kind for page in self.pages.values() for choice in page.keys.values()}
        reporting = REPORT_PROMPTS if kinds & {Kind.REPORT, Kind.BILL} else ()
        billing = BILL_PROMPTS if Kind.BILL in kinds else ()
        calling = CALLBACK_PROMPTS if Kind.CALLBACK in kinds else ()
        more = (*PROMPTS, *reporting, *billing, *calling)
        return said | {(prompt, ""): "" for prompt in more}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a caller is. `silences` and `wrong` are those in a row; `path` the words of what has
    been chosen."""

    page: str
    silences: int = 0
    wrong: int = 0
    keys: int = 0
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listen:
    """Say these words, and wait for a key."""

    at: Position
    words: tuple[str, ...]

    @property
    def path(self) -> tuple[str, ...]:
        """The words of what has been chosen."""
        return self.at.path


@dataclass(frozen=True, slots=True)
class Leave:
    """The menu is over. `queue` is the line to join, empty: the one that the number dialled has;
    None: the caller is let go. `words` are said before."""

    path: tuple[str, ...]
    end: MenuEnd
    queue: str | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Have the caller report an outage; `reported` tells what comes after it."""

    at: Position

    @property
    def path(self) -> tuple[str, ...]:
        """The words of what has been chosen."""
        return self.at.path


@dataclass(frozen=True, slots=True)
class CallBack:
    """Have the caller be called back; `asked_back` tells what comes after it. `queue` as in
    Page."""

    at: Position
    queue: str

    @property
    def path(self) -> tuple[str, ...]:
        """The words of what has been chosen."""
        return self.at.path


@dataclass(frozen=True, slots=True)
class LookUp:
    """Have the caller hear the bill; `looked_up` tells what comes after it."""

    at: Position

    @property
    def path(self) -> tuple[str, ...]:
        """The words of what has been chosen."""
        return self.at.path


Step = Listen | Leave | Report | LookUp | CallBack


def begin(menu: Menu) -> Listen:
    """What the caller hears first."""
    return Listen(Position(menu.entry), (menu.pages[menu.entry].prompt,))


def follow(menu: Menu, at: Position, key: str | None) -> Step:
    """What comes after this key, or after none in time (None)."""
    page = menu.pages[at.page]
    if key is None:
        at = replace(at, silences=at.silences + 1, wrong=0, path=(*at.path, MenuEnd.NO_INPUT))
        if at.silences >= menu.no_input_tries:
            return _to_agent(page, at, MenuEnd.NO_INPUT)
        return Listen(at, (NO_INPUT, page.prompt))
    at = replace(at, silences=0, keys=at.keys + 1)
    choice = page.keys.get(key)
    if choice is None:
        at = replace(at, wrong=at.wrong + 1, path=(*at.path, MenuEnd.INVALID))
        if at.wrong >= menu.invalid_tries:
            return _to_agent(page, at, MenuEnd.INVALID)
        step: Step = Listen(at, (INVALID, page.prompt))
    else:
        at = replace(at, wrong=0, path=(*at.path, choice.word))
        step = _chosen(menu, page, at, choice)
    if isinstance(step, Listen) and at.keys >= menu.most_keys:
        return _to_agent(page, at, MenuEnd.TOO_MANY_KEYS)
    return step


def reported(menu: Menu, at: Position, end: ReportEnd, to_agent: bool) -> Leave:
    """What comes after a report that ended like this; `to_agent`: the caller wants one still."""
    page, path = menu.pages[at.page], (*at.path, end)
    if end is ReportEnd.NO_INPUT:
        return Leave(path, MenuEnd.NO_INPUT, page.queue, (TO_AGENT,))
    if end is ReportEnd.INVALID:
        return Leave(path, MenuEnd.INVALID, page.queue, (TO_AGENT,))
    if to_agent or end not in (ReportEnd.REGISTERED, ReportEnd.REPEATED):
        return Leave(path, MenuEnd.AGENT, page.queue, (TO_AGENT,))
    return Leave(path, MenuEnd.LET_GO, words=(GOODBYE,))


def asked_back(menu: Menu, at: Position, noted: bool) -> Leave:
    """What comes after the wish to be called back; not `noted`: the caller waits on."""
    if noted:
        return Leave(at.path, MenuEnd.CALLBACK, words=(GOODBYE,))
    return Leave(at.path, MenuEnd.AGENT, menu.pages[at.page].queue, (TO_AGENT,))


def looked_up(menu: Menu, at: Position, end: BillEnd, words: tuple[str, ...]) -> Listen | Leave:
    """What comes after a bill that was looked up with this end, of which this is to be said."""
    page = menu.pages[at.page]
    at = replace(at, path=(*at.path, end))
    if end in (BillEnd.TOLD, BillEnd.UNKNOWN):
        return Listen(at, (*words, page.prompt))
    why = {BillEnd.NO_INPUT: MenuEnd.NO_INPUT, BillEnd.INVALID: MenuEnd.INVALID}
    return Leave(at.path, why.get(end, MenuEnd.AGENT), page.queue, (*words, TO_AGENT))


def _chosen(menu: Menu, page: Page, at: Position, choice: Choice) -> Step:
    match choice.kind:
        case Kind.QUEUE:
            return Leave(at.path, MenuEnd.CHOSEN, choice.target)
        case Kind.AGENT:
            return Leave(at.path, MenuEnd.AGENT, page.queue)
        case Kind.HANG_UP:
            return Leave(at.path, MenuEnd.LET_GO, words=(GOODBYE,))
        case Kind.MENU:
            page = menu.pages[choice.target]
            return Listen(replace(at, page=page.name), (page.prompt,))
        case Kind.SAY:
            return Listen(at, (choice.target, page.prompt))
        case Kind.REPORT:
            return Report(at)
        case Kind.CALLBACK:
            return CallBack(at, page.queue)
        case Kind.BILL:
            return LookUp(at)
        case Kind.REPEAT:
            return Listen(at, (page.prompt,))


def _to_agent(page: Page, at: Position, end: MenuEnd) -> Leave:
    return Leave(at.path, end, page.queue, (TO_AGENT,))
