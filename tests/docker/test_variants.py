"""What .env can choose besides, on a real engine: PostgreSQL, and a network of the containers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from native.phones import Phones
from tests.docker.stack import NO_ENGINE, Stack, engine, wait_until
from tests.hardening.ports import listening

pytestmark = pytest.mark.timeout(1800)
LOOPBACK = "127.0.0.1"
NO_BRIDGE = "the bridge variant is not tested: this engine has no bridge network"


@pytest.fixture(scope="module")
def client() -> Iterator[dict[str, str]]:
    """The environment of an engine's client."""
    with engine() as found:
        if found is None:
            pytest.skip(NO_ENGINE)
        yield found


@pytest.fixture
def make_stack(client: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes a copy of the checkout with settings; it is brought down again."""
    with ExitStack() as at_the_end:

        def make(rtp_ports: int = 4000, **settings: str) -> Stack:
            stack = Stack(
                tmp_path / "checkout", client, rtp_ports=rtp_ports, PLN_IVR_ADMISSION__CAPACITY="2",
                PLN_IVR_MENU__ENTRY="", PLN_IVR_DRAIN__DEADLINE_SECONDS="2", **settings,
            )  # fmt: skip
            at_the_end.callback(stack.run, "docker/down", "--purge")
            return stack

        yield make


def test_the_journal_is_in_postgresql(make_stack: Callable[..., Stack], tmp_path: Path) -> None:
    """Written by a call, asked for a password, backed up and brought back."""
    stack = make_stack(COMPOSE_PROFILES="postgres")
    url = f"postgresql+psycopg://pln@{LOOPBACK}:{stack.postgres_port}/pln"
    up = stack.run("docker/up", PLN_IVR_JOURNAL__URL=url)
    assert up.returncode == 0, up.stdout + up.stderr
    assert up.stdout.count("(healthy)") == 4
    assert listening(stack.processes("postgres")) == {("tcp", LOOPBACK, stack.postgres_port)}
    row = _in_postgresql(stack, "SELECT outcome, reason FROM calls")
    assert row == "answered|agent_hung_up\n", "the trial's"
    assert "password" in _without_password(stack)
    assert "journal.db" not in stack.compose("exec", "-T", "pln-ivr", "ls", "data")

    calls, kept = stack.calls(), tmp_path / "backup"
    stack.said("docker/backup", str(kept))
    stack.said("docker/down", "--purge")
    assert stack.left() == []
    stack.said("docker/restore", str(kept))
    stack.compose("up", "--detach", "--wait")
    assert stack.calls() == calls


def _in_postgresql(stack: Stack, query: str) -> str:
    return stack.compose(
        "exec", "-T", "postgres", "psql", "-U", "pln", "-p", str(stack.postgres_port),
        "--tuples-only", "--no-align", "--command", query, "pln",
    )  # fmt: skip


def _without_password(stack: Stack) -> str:
    """What somebody hears who has a way to the database and no password."""
    code = f"import psycopg; psycopg.connect('host={LOOPBACK} port={stack.postgres_port} user=pln')"
    tried = stack.run(
        "docker/compose", "exec", "-T", "pln-ivr", "/opt/pln/venv/bin/python", "-c", code
    )
    assert tried.returncode == 1, "nobody asked for a password"
    return tried.stderr


def test_the_containers_have_a_network_of_their_own(make_stack: Callable[..., Stack]) -> None:
    """Ports as compose.bridge.yaml publishes them; calls come through them from outside."""
    stack = make_stack(
        20, COMPOSE_PROFILES="", PLN_NETWORK="bridge", PLN_TRUNK_PEERS="127.0.0.1 172.16.0.0/12",
        PLN_IVR_AGENTS__WRAP_UP_SECONDS="0",
    )  # fmt: skip
    networks = stack.said("docker", "network", "ls", "--filter", "driver=bridge", "--quiet")
    if not networks:
        pytest.skip(NO_BRIDGE)
    up = stack.run("docker/up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert up.stdout.count("(healthy)") == 3
    first, last = stack.rtp
    assert _published(stack, "asterisk") == {
        (LOOPBACK, stack.sip_port, "udp"),
        (LOOPBACK, stack.sip_port, "tcp"),
        (LOOPBACK, 5061, "tcp"),
        *(("0.0.0.0", port, "udp") for port in range(first, last + 1)),
    }
    assert _published(stack, "pln-ivr") == {(LOOPBACK, stack.console_port, "tcp")}
    assert _published(stack, "prometheus") == {(LOOPBACK, stack.prometheus_port, "tcp")}
    wait_until(lambda: stack.figure("count(up == 1)") == 2, 60, "both are scraped")
    with Phones(stack.sip_port).caller(hold=4.0) as phone:
        seen = phone.wait()
    assert (seen.finals, seen.errors) == ({200: 1}, "")
    wait_until(lambda: stack.calls()[0]["ended_at"] is not None, 20, "the end in the journal")
    assert [row["outcome"] for row in stack.calls()] == ["abandoned", "answered"]
    stack.said("docker/down", "--purge")
    assert stack.left() == []


def _published(stack: Stack, service: str) -> set[tuple[str, int, str]]:
    """(address, port, protocol) on which the engine passes this machine's packets on, IPv4."""
    container = stack.compose("ps", "--quiet", service).strip()
    ports = json.loads(
        stack.said("docker", "inspect", "--format", "{{json .NetworkSettings.Ports}}", container)
    )
    return {
        (where["HostIp"], int(where["HostPort"]), inside.partition("/")[2])
        for inside, published in ports.items()
        for where in published or ()
        if ":" not in where["HostIp"]
    }
