"""Supervisors at a conversation, ordered over the API and heard at the phones."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from pln_ivr.outcomes import Reason, Result, TalkEnd
from tests.asterisk.talk import CHIEF, CUSTOMER, SITI, Talk
from tests.asterisk.world import World, eventually


class Api:
    """The API as a supervisor with a token sees it."""

    def __init__(self, world: World, extension: str = "901") -> None:
        made = world.command(
            "token", "create", "dewi", "--role", "supervisor", "--extension", extension
        )
        assert made.returncode == 0, made.stderr
        self._token = next(word for word in made.stdout.split() if word.startswith("pln_"))
        self._url = f"http://127.0.0.1:{world.console_port}/api"

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """The answer, or the status if it is a refusal."""
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token if token is None else token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code

    def supervise(self, mode: str) -> None:
        (talk,) = self.ask("GET", "/conversations")
        path = f"/conversations/{talk['call_id']}/supervision"
        assert self.ask("POST", path, {"mode": mode}) == {"ok": True}


def test_a_supervisor_listens_whispers_barges_and_takes_over(talks: Callable[..., Talk]) -> None:
    talk = talks("901")
    chief, api = talk.phone("901", CHIEF, ready=False), Api(talk.world)
    api.supervise("listen")
    assert chief.hears(CUSTOMER, SITI)
    assert talk.agent.hears(CUSTOMER), "and not the supervisor"
    assert talk.customer.hears(SITI)
    api.supervise("whisper")
    assert talk.agent.hears(CUSTOMER, CHIEF)
    assert talk.customer.hears(SITI)
    api.supervise("barge")
    assert talk.customer.hears(SITI, CHIEF)
    assert talk.agent.hears(CUSTOMER, CHIEF)
    (shown,) = api.ask("GET", "/conversations")
    assert shown["supervisors"] == [["901", "barge"]]
    api.supervise("take_over")
    assert talk.agent.ended.wait(5)
    assert talk.customer.hears(CHIEF)
    assert chief.hears(CUSTOMER)
    chief.hang_up()
    (row,) = talk.world.ended(1)
    assert (row.outcome, row.reason, row.agent) == (Result.ANSWERED, Reason.AGENT_HUNG_UP, "901")
    ends = [(offer.agent, offer.talk_end) for offer in talk.world.offers(row)]
    assert ends == [("101", TalkEnd.TAKEN_OVER), ("901", TalkEnd.AGENT_HUNG_UP)]
    assert talk.customer.ended.wait(5)
    talk.ended()
    kept = talk.world.supervisions(row)
    assert [each.mode for each in kept] == ["listen", "whisper", "barge", "take_over"]
    assert all(each.ended_at and each.ordered_by == "dewi" for each in kept)


def test_the_agent_may_leave_a_supervisor_behind(talks: Callable[..., Talk]) -> None:
    """Who listens to a conversation that is over is sent home."""
    talk = talks("901")
    chief, api = talk.phone("901", CHIEF, ready=False), Api(talk.world)
    api.supervise("whisper")
    assert chief.hears(CUSTOMER, SITI)
    talk.agent.hang_up()
    assert chief.ended.wait(5)
    talk.ended()


def test_flags_and_agents_over_the_api(talks: Callable[..., Talk]) -> None:
    talk = talks("901")
    chief, api = talk.phone("901", CHIEF, ready=False), Api(talk.world)
    talk.agent.press("*9")
    (flag,) = eventually(lambda: api.ask("GET", "/flags"), 5, "the flag")
    assert api.ask("POST", f"/flags/{flag['flag_id']}/take") == {"ok": True}
    assert talk.agent.hears(CUSTOMER, CHIEF)
    assert chief.hears(CUSTOMER, SITI)
    states = {agent["extension"]: agent["state"] for agent in api.ask("GET", "/agents")}
    assert states == {"101": "talking", "901": "talking"}
    wish = {"wish": "paused", "pause": "rapat"}
    assert api.ask("PUT", "/agents/101/wish", wish) == {"ok": True}
    assert api.ask("GET", "/agents", token="pln_nobody") == 401
    assert api.ask("GET", "/agents", token="") == 401
    assert api.ask("POST", "/flags/none/take") == 404
    talk.ended()
    eventually(lambda: talk.world.metric("pln_ivr_agents", state="paused") == 1, 5, "the pause")
    assert talk.world.metric("pln_ivr_api_denied_total", reason="unknown") >= 1
