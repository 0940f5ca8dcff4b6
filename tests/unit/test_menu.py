"""The menu, pure: what follows from each key, and that every walk ends."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.calls.dialogues.menu import (
    GOODBYE,
    INVALID,
    NO_INPUT,
    PROMPTS,
    TO_AGENT,
    Choice,
    Kind,
    Leave,
    Listen,
    Menu,
    Page,
    Report,
    Step,
    begin,
    follow,
    reported,
)
from pln_ivr.config.menu import Menu as MenuSettings
from pln_ivr.config.menu import menu_faults
from pln_ivr.outcomes import MenuEnd, ReportEnd
from pln_ivr.rules import menu_of

KEYS = "0123456789*#"
QUEUES = ("gangguan", "tagihan", "pasang-baru", "keluhan")


def menu(*pages: Page, tries: int = 2, wrong: int = 3, most: int = 20) -> Menu:
    return Menu(pages[0].name, {page.name: page for page in pages}, 5.0, tries, wrong, most)


def walked(tree: Menu, keys: Iterable[str | None]) -> Step:
    """Where these keys lead; None is silence."""
    step: Step = begin(tree)
    for key in keys:
        assert isinstance(step, Listen), "the menu was over before the last key"
        step = follow(tree, step.at, key)
    return step


def default() -> Menu:
    made = menu_of(MenuSettings())
    assert made
    return made


HOURS = Page(
    "utama",
    "menu-utama",
    {
        "1": Choice(Kind.QUEUE, "gangguan"),
        "5": Choice(Kind.SAY, "info-jam"),
        "6": Choice(Kind.MENU, "lain"),
        "7": Choice(Kind.HANG_UP),
        "0": Choice(Kind.AGENT),
        "#": Choice(Kind.REPEAT),
    },
)
MORE = Page("lain", "menu-lain", {"*": Choice(Kind.MENU, "utama")}, queue="keluhan", language="en")
TREE = menu(HOURS, MORE)


@pytest.mark.parametrize(
    ("key", "queue"),
    [("2", "tagihan"), ("3", "pasang-baru"), ("4", "keluhan")],
)
@pytest.mark.parametrize("before", ["", "9", "99", "#", "9#"])
def test_the_lines_of_the_menu_that_is_there_by_default(before: str, key: str, queue: str) -> None:
    left = walked(default(), before + key)
    assert isinstance(left, Leave)
    assert (left.queue, left.end, left.words) == (queue, MenuEnd.CHOSEN, ())
    assert left.path[-1] == queue


@pytest.mark.parametrize("before", ["", "9", "1*", "91*9"])
def test_an_outage_is_reported_or_talked_about(before: str) -> None:
    step = walked(default(), before + "11")
    assert isinstance(step, Report)
    assert step.at.path[-1] == "report"
    left = walked(default(), before + "10")
    assert isinstance(left, Leave)
    assert (left.queue, left.end, left.words) == ("gangguan", MenuEnd.AGENT, ())
    silent = walked(default(), [*before, "1", None, None])
    assert isinstance(silent, Leave)
    assert (silent.queue, silent.end) == ("gangguan", MenuEnd.NO_INPUT)


@pytest.mark.parametrize(
    ("end", "to_agent", "menu_end", "queue"),
    [
        (ReportEnd.REGISTERED, False, MenuEnd.LET_GO, None),
        (ReportEnd.REPEATED, False, MenuEnd.LET_GO, None),
        (ReportEnd.REGISTERED, True, MenuEnd.AGENT, "gangguan"),
        (ReportEnd.AGENT, True, MenuEnd.AGENT, "gangguan"),
        (ReportEnd.NO_INPUT, True, MenuEnd.NO_INPUT, "gangguan"),
        (ReportEnd.INVALID, True, MenuEnd.INVALID, "gangguan"),
        (ReportEnd.UNAVAILABLE, True, MenuEnd.AGENT, "gangguan"),
        (ReportEnd.UNAVAILABLE, False, MenuEnd.AGENT, "gangguan"),
    ],
)
def test_after_a_report_the_caller_is_let_go_or_has_an_agent(
    end: ReportEnd, to_agent: bool, menu_end: MenuEnd, queue: str | None
) -> None:
    step = walked(default(), "11")
    assert isinstance(step, Report)
    left = reported(default(), step.at, end, to_agent)
    assert left == Leave(
        ("gangguan", "report", end), menu_end, queue, (GOODBYE if queue is None else TO_AGENT,)
    )


@pytest.mark.parametrize("before", ["", "9"])
def test_zero_asks_for_an_agent_of_the_line_that_was_dialled(before: str) -> None:
    left = walked(default(), before + "0")
    assert isinstance(left, Leave)
    assert (left.queue, left.end, left.words) == ("", MenuEnd.AGENT, ())


def test_nine_is_the_other_language_and_back() -> None:
    english = walked(default(), "9")
    assert isinstance(english, Listen)
    assert default().pages[english.at.page].language == "en"
    assert english.words == ("menu-english",)
    back = walked(default(), "99")
    assert isinstance(back, Listen)
    assert (default().pages[back.at.page].language, back.words) == ("", ("menu-utama",))
    assert back.at.path == ("english", "utama")


def test_what_is_said_is_followed_by_the_menu() -> None:
    for keys, words in {
        "": ("menu-utama",),
        "5": ("info-jam", "menu-utama"),
        "#": ("menu-utama",),
        "6": ("menu-lain",),
        "8": (INVALID, "menu-utama"),
        "6#": (INVALID, "menu-lain"),
    }.items():
        step = walked(TREE, keys)
        assert isinstance(step, Listen)
        assert step.words == words, keys
    silent = walked(TREE, [None])
    assert isinstance(silent, Listen)
    assert silent.words == (NO_INPUT, "menu-utama")


def test_who_presses_nothing_gets_an_agent() -> None:
    assert walked(TREE, [None, None]) == Leave(
        ("no_input", "no_input"), MenuEnd.NO_INPUT, "", (TO_AGENT,)
    )
    left = walked(TREE, ["6", None, None])
    assert isinstance(left, Leave)
    assert left.queue == "keluhan", "the menu's own line"


def test_silences_and_wrong_keys_count_in_a_row() -> None:
    assert isinstance(walked(TREE, [None, "#", None, "5", None]), Listen)
    assert isinstance(walked(TREE, "88#88"), Listen)
    left = walked(TREE, "888")
    assert isinstance(left, Leave)
    assert (left.end, left.queue, left.words) == (MenuEnd.INVALID, "", (TO_AGENT,))


def test_going_round_ends_at_an_agent() -> None:
    round_and_round = menu(HOURS, MORE, most=4)
    assert isinstance(walked(round_and_round, "6*6"), Listen)
    left = walked(round_and_round, "6*66")
    assert isinstance(left, Leave)
    assert (left.end, left.queue) == (MenuEnd.TOO_MANY_KEYS, "keluhan")
    chosen = walked(round_and_round, "6*#1")
    assert isinstance(chosen, Leave)
    assert chosen.end is MenuEnd.CHOSEN, "the last key may still be a choice"


def test_who_needs_nothing_more_is_let_go() -> None:
    assert walked(TREE, "57") == Leave(("info-jam", "hang_up"), MenuEnd.LET_GO, None, (GOODBYE,))


def test_the_path_is_words_and_no_key_stands_in_it() -> None:
    step = walked(default(), ["9", None, "8", "#"])
    assert isinstance(step, Listen)
    assert step.at.path == ("english", "no_input", "invalid", "repeat")


def test_the_prompts_that_a_menu_needs() -> None:
    assert TREE.prompts == {
        ("menu-utama", ""): "utama",
        ("info-jam", ""): "utama",
        ("menu-lain", "en"): "lain",
        **{(prompt, ""): "" for prompt in PROMPTS},
    }


# -- of every menu there can be -------------------------------------------------------------

NAMES = ("a", "b", "c")
CHOICES = st.one_of(
    st.sampled_from(QUEUES).map(lambda name: Choice(Kind.QUEUE, name)),
    st.sampled_from(NAMES).map(lambda name: Choice(Kind.MENU, name)),
    st.just(Choice(Kind.SAY, "info-x")),
    st.sampled_from([Kind.AGENT, Kind.REPEAT, Kind.HANG_UP, Kind.REPORT]).map(Choice),
)
PRESSED = st.sampled_from([*KEYS, None])


@st.composite
def menus(draw: st.DrawFn) -> Menu:
    pages = [
        Page(
            name,
            f"menu-{name}",
            draw(st.dictionaries(st.sampled_from(KEYS), CHOICES, max_size=5)),
            draw(st.sampled_from(["", *QUEUES])),
        )
        for name in NAMES
    ]
    tries = st.integers(1, 4)
    return menu(*pages, tries=draw(tries), wrong=draw(tries), most=draw(st.integers(1, 12)))


@given(menus(), st.data())
def test_every_walk_ends(tree: Menu, data: st.DataObject) -> None:
    longest = (tree.most_keys + 1) * tree.no_input_tries
    step: Step = begin(tree)
    for _ in range(longest):
        if isinstance(step, Leave):
            break
        if isinstance(step, Report):
            end, to_agent = data.draw(st.sampled_from(ReportEnd)), data.draw(st.booleans())
            step = reported(tree, step.at, end, to_agent)
            assert (step.queue is None) == (step.words == (GOODBYE,))
            return
        step = follow(tree, step.at, data.draw(PRESSED))
    assert isinstance(step, Leave)
    assert len(step.path) <= longest
    assert (step.queue is None) == (step.end is MenuEnd.LET_GO)
    failed = step.end in (MenuEnd.NO_INPUT, MenuEnd.INVALID, MenuEnd.TOO_MANY_KEYS)
    assert step.words == ((TO_AGENT,) if failed else (GOODBYE,) if step.queue is None else ())


@given(menus(), st.lists(PRESSED, max_size=30))
def test_from_everywhere_silence_leads_to_an_agent(tree: Menu, pressed: list[str | None]) -> None:
    step = begin(tree)
    for key in pressed:
        following = follow(tree, step.at, key)
        if not isinstance(following, Listen):
            break
        step = following
        assert step.words[-1] == tree.pages[step.at.page].prompt, "the caller knows where they are"
    at = step.at
    for _ in range(tree.no_input_tries):
        silent = follow(tree, at, None)
        if isinstance(silent, Leave):
            assert silent.queue == tree.pages[at.page].queue
            return
        at = silent.at
    pytest.fail("silence did not end the menu")


@given(menus(), st.lists(PRESSED, max_size=30))
def test_the_path_holds_words_of_the_menu_only(tree: Menu, pressed: list[str | None]) -> None:
    words = {choice.word for page in tree.pages.values() for choice in page.keys.values()}
    words |= {MenuEnd.NO_INPUT, MenuEnd.INVALID}
    step: Step = begin(tree)
    for key in pressed:
        if not isinstance(step, Listen):
            break
        step = follow(tree, step.at, key)
    path = step.path if isinstance(step, Leave) else step.at.path
    assert set(path) <= words


@st.composite
def settings(draw: st.DrawFn) -> MenuSettings:
    """Menus as somebody may write them, right or wrong."""
    key = st.one_of(
        st.sampled_from(QUEUES).map(lambda name: {"queue": name}),
        st.sampled_from(NAMES).map(lambda name: {"menu": name}),
        st.sampled_from(["agent", "repeat", "hang_up"]).map(lambda name: {"do": name}),
    )
    pages = {
        name: {
            "prompt": f"menu-{name}",
            "keys": draw(st.dictionaries(st.sampled_from(KEYS), key, max_size=4)),
        }
        for name in draw(st.sets(st.sampled_from(NAMES), min_size=1))
    }
    made = {"entry": draw(st.sampled_from(sorted(pages))), "menus": pages}
    return MenuSettings.model_validate(made)


@given(settings())
def test_what_passes_as_right_has_a_way_by_keys_to_an_agent_from_every_menu(
    written: MenuSettings,
) -> None:
    tree = menu_of(written)
    assert tree
    right = not menu_faults(written, QUEUES, ())
    if any(
        choice.kind is Kind.MENU and choice.target not in tree.pages
        for page in tree.pages.values()
        for choice in page.keys.values()
    ):
        assert not right
        return
    reached = _pages_by_keys(tree, tree.entry)
    everywhere = all(
        any(
            choice.kind in (Kind.QUEUE, Kind.AGENT)
            for page in _pages_by_keys(tree, name)
            for choice in tree.pages[page].keys.values()
        )
        for name in tree.pages
    )
    assert right == (everywhere and reached == set(tree.pages))


def _pages_by_keys(tree: Menu, start: str) -> set[str]:
    """Where `follow` itself leads, pressing whatever there is."""
    found: set[str] = set()
    ahead = [begin(Menu(start, tree.pages, 5.0, 9, 9, 100)).at]
    while ahead:
        at = ahead.pop()
        if at.page not in found:
            found.add(at.page)
            steps = (follow(tree, at, key) for key in tree.pages[at.page].keys)
            ahead += [step.at for step in steps if isinstance(step, Listen)]
    return found
