"""Metrics: closed sets of labels, and figures that are read when scraped."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest
from aiohttp import ClientSession

from pln_ivr.console.server import serve
from pln_ivr.errors import ConfigError
from pln_ivr.metrics import Metrics
from pln_ivr.outcomes import REASONS, OfferResult, Outcome, Reason, Result
from tests.fake_ari.world import eventually


def figures(metrics: Metrics) -> dict[str, float]:
    """The exposition: a figure by name and labels."""
    lines = metrics.render().decode().splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def test_every_outcome_is_there_from_the_start_at_zero() -> None:
    shown = figures(Metrics())
    for result, reasons in REASONS.items():
        for reason in reasons:
            assert shown[f'pln_ivr_calls_total{{outcome="{result}",reason="{reason}"}}'] == 0
    for offer in OfferResult:
        assert shown[f'pln_ivr_offer_seconds_count{{result="{offer}"}}'] == 0


def test_a_call_is_counted_with_its_times() -> None:
    metrics = Metrics()
    metrics.call_ended(Outcome(Result.ANSWERED, Reason.AGENT_HUNG_UP), 12.0, 70.0)
    metrics.call_ended(Outcome(Result.REJECTED, Reason.FULL), None, None)
    shown = figures(metrics)
    name = 'pln_ivr_calls_total{outcome="answered",reason="agent_hung_up"}'
    assert shown[name] == 1
    assert shown['pln_ivr_calls_total{outcome="rejected",reason="full"}'] == 1
    assert shown['pln_ivr_waiting_seconds_sum{outcome="answered"}'] == 12.0
    assert shown["pln_ivr_talking_seconds_sum"] == 70.0
    assert shown["pln_ivr_talking_seconds_count"] == 1
    assert 'pln_ivr_waiting_seconds_count{outcome="rejected"}' not in shown


def test_what_asterisk_and_prompts_do_is_counted() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.event("StasisStart")
        metrics.request("POST", "http", "Gone")
    metrics.prompt_failed("notice")
    metrics.offer_ended(OfferResult.MISSED, 11.0)
    shown = figures(metrics)
    assert shown['pln_ivr_ari_events_total{type="StasisStart"}'] == 2
    request = 'pln_ivr_ari_requests_total{method="POST",result="Gone",transport="http"}'
    assert shown[request] == 2
    assert shown['pln_ivr_prompts_failed_total{prompt="notice"}'] == 1
    assert shown['pln_ivr_offer_seconds_sum{result="missed"}'] == 11.0


def test_gauges_are_read_when_scraped() -> None:
    metrics = Metrics()
    seats = 1.0
    metrics.gauge("pln_ivr_seats_in_use", "Seats", lambda: seats)
    agents = {"ready": 2.0, "talking": 0.0}
    metrics.groups("pln_ivr_agents", "Agents", "state", lambda: agents)
    assert figures(metrics)["pln_ivr_seats_in_use"] == 1
    seats, agents["talking"] = 7.0, 1.0
    shown = figures(metrics)
    assert shown["pln_ivr_seats_in_use"] == 7
    assert shown['pln_ivr_agents{state="talking"}'] == 1


def test_names_say_whose_they_are_and_two_metrics_do_not_share_anything() -> None:
    one, two = Metrics(), Metrics()
    one.event("StasisStart")
    assert 'pln_ivr_ari_events_total{type="StasisStart"}' not in figures(two)
    assert all(re.match(r"pln_ivr_|process_", name) for name in figures(one))


async def test_the_loops_lag_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pln_ivr.metrics.LAG_PROBE_SECONDS", 0.001)
    metrics = Metrics()
    watching = asyncio.create_task(metrics.watch_loop())
    name = "pln_ivr_event_loop_lag_seconds_count"
    await eventually(lambda: figures(metrics)[name] >= 3, "three measurements")
    watching.cancel()


async def test_the_console_serves_metrics_and_health() -> None:
    state = {"asterisk": True, "journal": True}
    metrics = Metrics()
    async with (
        serve("127.0.0.1", 0, metrics.render, lambda: state, {}, "") as port,
        ClientSession() as ask,
    ):
        base = f"http://127.0.0.1:{port}"
        async with ask.get(f"{base}/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert "pln_ivr_calls_total" in await answer.text()
        async with ask.get(f"{base}/readyz") as answer:
            assert (answer.status, await answer.json()) == (200, state)
        state["asterisk"] = False
        async with ask.get(f"{base}/readyz") as answer:
            assert (answer.status, await answer.json()) == (503, state)
        async with ask.get(f"{base}/healthz") as answer:
            assert answer.status == 200


async def test_the_console_says_whose_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with serve("127.0.0.1", port, bytes, dict, {}, ""):
                pass


async def test_the_console_takes_orders_from_who_shows_the_token() -> None:
    given: list[str] = []
    orders = {"drain": lambda: given.append("drain")}
    async with (
        serve("127.0.0.1", 0, bytes, dict, orders, "the-token") as port,
        ClientSession() as ask,
    ):
        url = f"http://127.0.0.1:{port}/orders"
        for token, name, status in (
            ("", "drain", 401),
            ("wrong", "drain", 401),
            ("the-token", "dance", 404),
            ("the-token", "drain", 202),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            async with ask.post(f"{url}/{name}", headers=headers) as answer:
                assert answer.status == status
    assert given == ["drain"]
    async with serve("127.0.0.1", 0, bytes, dict, orders, "") as port, ClientSession() as ask:
        headers = {"Authorization": "Bearer "}
        url = f"http://127.0.0.1:{port}/orders/drain"
        async with ask.post(url, headers=headers) as answer:
            assert answer.status == 401, "without a password nobody gives orders"
    assert given == ["drain"]
