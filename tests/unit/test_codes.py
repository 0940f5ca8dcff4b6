"""Short codes: what each means, when it holds, and those dialled while nobody served them."""

from __future__ import annotations

from typing import cast

import pytest

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.codes import MISSED, NOTED, UNKNOWN, AgentCodes, Meaning, Words, meaning
from pln_ivr.calls.prompt_files import REQUIRED
from pln_ivr.calls.prompts import Prompts
from pln_ivr.errors import AriRefused, AriTimeout, OrderRefused, RefusalKind
from pln_ivr.outcomes import OfferResult
from pln_ivr.queues.agents import AgentState, Wish
from pln_ivr.queues.desk import Habits
from tests.unit.desks import House, house, roster
from tests.unit.making import arrival, channel, event

WORDS = Words(
    pauses={"1": "istirahat", "2": "salat", "0": "lain"},
    dispositions={"1": "selesai", "9": "salah-sambung"},
)
WRAPPED = Habits(same_call=0.0, wrap_up=3600.0)


@pytest.mark.parametrize(
    ("code", "said", "prompt"),
    [
        ("*10", Meaning(Wish.LOGGED_OUT), "agent-logged-out"),
        ("*11", Meaning(Wish.READY), "agent-ready"),
        ("*12", Meaning(Wish.PAUSED), "agent-away"),
        ("*121", Meaning(Wish.PAUSED, "istirahat"), "agent-away"),
        ("*120", Meaning(Wish.PAUSED, "lain"), "agent-away"),
        ("*131", Meaning(disposition="selesai"), NOTED),
        ("*139", Meaning(disposition="salah-sambung"), NOTED),
    ],
)
def test_what_a_code_means_and_what_the_agent_hears(code: str, said: Meaning, prompt: str) -> None:
    assert meaning(code, WORDS) == said
    assert said.prompt == prompt
    assert {prompt, UNKNOWN} <= set(REQUIRED)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "*",
        "*1",
        "1",
        "*13",
        "*141",
        "*129",
        "*132",
        "*1211",
        "*1311",
        "*101",
        "*111",
        "12",
        "*12x",
    ],
)
def test_a_code_that_means_nothing(code: str) -> None:
    assert meaning(code, WORDS) is None


class FakePhone:
    """Asterisk with one agent's phone, and what was said to it."""

    def __init__(self, missed: str = "") -> None:
        self.globals = {MISSED: missed}
        self.set: list[str] = []
        self.channel = Channel("c-1", lambda _: None)
        self.channel.feed(arrival("code", "*11", "ag-101"))
        self.played: list[str] = []
        self.fails = False
        self.called_out: list[str] = []
        self.at_prompt: list[AgentState] = []
        """What the agents were doing while the prompt played."""

    def codes(self, h: House) -> AgentCodes:
        self._house = h
        return AgentCodes(
            cast(Client, self), cast(Prompts, self), h.agents, h.desk, WORDS, self.call_out
        )

    async def call_out(self, extension: str) -> str:
        assert self.channel.gone, "the phone must be free to ring"
        self.called_out.append(extension)
        if self.fails:
            raise OrderRefused(RefusalKind.CONFLICT, "no")
        return "call"

    async def get_global(self, name: str) -> str:
        return self.globals[name]

    async def set_global(self, name: str, value: str) -> None:
        self.globals[name] = value
        self.set.append(name)

    async def answer(self, channel_id: str) -> None:
        if self.fails:
            raise AriTimeout("answer: nothing")

    async def play(self, phone: Channel, name: str) -> bool:
        self.played.append(name)
        self.at_prompt += [agent.state for agent in self._house.agents]
        return True

    async def hang_up(self, channel_id: str) -> None:
        self.ends()
        if self.fails:
            raise AriRefused(404, "hang up", "no such channel")

    def ends(self) -> None:
        self.channel.feed(event("ChannelDestroyed", channel=channel("c-1"), cause=16, cause_txt=""))


def state(h: House, extension: str = "101") -> tuple[str, str]:
    agent = h.agents.get(extension)
    assert agent
    return agent.state.value, agent.pause


@pytest.mark.parametrize(
    ("code", "then"),
    [
        ("*10", ("logged_out", "")),
        ("*11", ("ready", "")),
        ("*12", ("paused", "")),
        ("*122", ("paused", "salat")),
    ],
)
async def test_a_code_changes_the_agents_wish_and_is_confirmed(
    code: str, then: tuple[str, str]
) -> None:
    phone = FakePhone()
    async with house("101") as h:
        await phone.codes(h).serve(phone.channel, code, "ag-101")
        assert state(h) == then
        assert phone.channel.gone
    said = meaning(code, WORDS)
    assert said
    assert phone.played == [said.prompt]


@pytest.mark.parametrize("fails", [False, True])
async def test_who_asks_for_a_call_is_rung_when_the_phone_is_free(fails: bool) -> None:
    phone = FakePhone()
    phone.fails = fails
    async with house("101") as h:
        if fails:
            phone.ends()
        await phone.codes(h).serve(phone.channel, "*14", "ag-101")
        assert state(h) == ("ready", ""), "no wish"
    assert phone.called_out == ["101"]


async def test_nobody_is_called_for_a_code_of_long_ago() -> None:
    phone = FakePhone("*14ag-101")
    async with house("101") as h:
        await phone.codes(h).catch_up()
    assert phone.called_out == []


async def test_who_dials_ready_is_ready_when_the_phone_can_ring_and_who_pauses_at_once() -> None:
    async with house("101") as h:
        phone = FakePhone()
        await phone.codes(h).serve(phone.channel, "*12", "ag-101")
        assert phone.at_prompt == [AgentState.PAUSED]
        phone = FakePhone()
        await phone.codes(h).serve(phone.channel, "*11", "ag-101")
        assert phone.at_prompt == [AgentState.PAUSED]
        assert state(h) == ("ready", "")


@pytest.mark.parametrize("code", ["*11", "*12"])
async def test_what_was_dialled_holds_though_the_phone_hung_up_at_once_or_asterisk_is_slow(
    code: str,
) -> None:
    for gone in (True, False):
        async with house("101") as h:
            h.agents.wish("101", Wish.LOGGED_OUT, "*10")
            phone = FakePhone()
            phone.fails = not gone
            if gone:
                phone.ends()
            await phone.codes(h).serve(phone.channel, code, "ag-101")
            assert state(h)[0] == {"*11": "ready", "*12": "paused"}[code]


@pytest.mark.parametrize(
    ("code", "endpoint"),
    [("*11", "ag-999"), ("*11", "trunk-1"), ("*11", ""), ("*15", "ag-101"), ("*129", "ag-101")],
)
async def test_an_unknown_phone_and_an_unknown_code_change_nothing_and_are_told_so(
    code: str, endpoint: str
) -> None:
    phone = FakePhone()
    async with house("101") as h:
        h.agents.wish("101", Wish.LOGGED_OUT, "*10")
        await phone.codes(h).serve(phone.channel, code, endpoint)
        assert state(h) == ("logged_out", "")
    assert phone.played == [UNKNOWN]


async def test_who_is_not_on_the_roster_any_more_is_told_so() -> None:
    phone = FakePhone()
    async with house("101") as h, h.place() as place:
        offer = await h.talk(place)
        h.agents.apply(roster("102"))
        await phone.codes(h).serve(phone.channel, "*131", "ag-101")
        assert offer.disposition is None
        h.desk.settle(offer, OfferResult.ANSWERED)
    assert phone.played == [UNKNOWN]


@pytest.mark.parametrize(
    ("code", "disposition", "then"),
    [
        ("*131", "selesai", "ready"),
        ("*11", None, "ready"),
        ("*12", None, "paused"),
    ],
)
async def test_a_code_in_the_wrap_up(code: str, disposition: str | None, then: str) -> None:
    phone = FakePhone()
    async with house("101", habits=WRAPPED) as h:
        async with h.place() as place:
            offer = await h.talk(place)
            h.desk.settle(offer, OfferResult.ANSWERED)
        assert state(h)[0] == "wrap_up"
        await phone.codes(h).serve(phone.channel, code, "ag-101")
        assert state(h)[0] == then
        assert offer.disposition == disposition
        assert bool(offer.wrapped_up_at) == (then == "ready")


async def test_codes_dialled_while_nobody_served_them_are_carried_out_in_order() -> None:
    phone = FakePhone(",*12ag-101,*11ag-101,*122ag-101,*11ag-102,*10ag-103")
    async with house("101", "102", "103") as h:
        h.agents.wish("102", Wish.LOGGED_OUT, "*10")
        await phone.codes(h).catch_up()
        assert [state(h, e) for e in ("101", "102", "103")] == [
            ("paused", "salat"),
            ("ready", ""),
            ("logged_out", ""),
        ]
    assert phone.globals == {MISSED: ""}, "and only once"


async def test_what_else_stands_among_the_missed_codes_is_passed_over() -> None:
    phone = FakePhone(
        "*11ag-999,*14ag-101,*129ag-101,*11trunk-1,ag-101,*11,x,*1211ag-101,*12ag-101x"
    )
    async with house("101") as h:
        await phone.codes(h).catch_up()
        assert state(h) == ("ready", "")
        phone = FakePhone(",".join(["nonsense", "*131ag-101", "*12ag-101"]))
        await phone.codes(h).catch_up()
        assert state(h) == ("paused", "")


async def test_nothing_missed_is_nothing_asked() -> None:
    phone = FakePhone("")
    async with house("101") as h:
        await phone.codes(h).catch_up()
        assert state(h) == ("ready", "")
    assert phone.set == [], "who asks least delays the connection least"
