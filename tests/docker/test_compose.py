"""docker/up, docker/upgrade and docker/down on a real Docker engine, with calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from native.pbx import complaints_in, free_port
from native.phones import Phones
from tests.asterisk.softphone import Softphone
from tests.docker.stack import NO_ENGINE, Stack, engine, wait_until
from tests.hardening.ports import listening, without_resolver
from tests.hardening.stranger import Silence

SITI, CUSTOMER = 660, 440


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A copy of the checkout on an engine; brought down again whatever happens."""
    with engine() as client:
        if client is None:
            pytest.skip(NO_ENGINE)
        stack = Stack(
            tmp_path_factory.mktemp("compose") / "checkout", client,
            PLN_IVR_ADMISSION__CAPACITY="2", PLN_IVR_AGENTS__WRAP_UP_SECONDS="0",
            PLN_IVR_DRAIN__DEADLINE_SECONDS="2", PLN_IVR_MENU__ENTRY="",
            COMPOSE_PROFILES="",
        )  # fmt: skip
        try:
            yield stack
        finally:
            stack.run("docker/down", "--purge")


@pytest.mark.timeout(1800)
def test_up_calls_alarms_upgrade_and_down(stack: Stack) -> None:
    """One story, because its beginning takes minutes."""
    _up(stack)
    _listens_as_documented(stack)
    _is_locked_in(stack)
    _a_full_house_raises_an_alarm(stack)
    _an_upgrade_keeps_a_conversation(stack)
    _a_backup_brings_everything_back(stack)
    _down(stack)


def _up(stack: Stack) -> None:
    up = stack.run("docker/up")
    assert up.returncode == 0, up.stdout + up.stderr
    print(up.stdout)
    assert "answered" in up.stdout
    assert ".opus" in up.stdout or ".ogg" in up.stdout
    for service in ("asterisk", "pln-ivr", "prometheus"):
        assert f"running: {service} Up" in up.stdout
        assert f"image pln-ivr/{service}" in up.stdout or service == "prometheus"
    assert up.stdout.count("(healthy)") == 3
    wait_until(lambda: stack.figure("count(up == 1)") == 2, 60, "both are scraped")
    wait_until(
        lambda: stack.figure('sum(pln_ivr_calls_total{outcome="answered"})') == 1, 60, "its figures"
    )
    log = stack.compose("logs", "--no-color", "asterisk")
    assert complaints_in(log) == []
    print(stack.compose("exec", "-T", "pln-ivr", "pln-ivr", "check"))


def _listens_as_documented(stack: Stack) -> None:
    """The table "Ports" of docs/operations.md, as it is while nobody calls."""
    loopback = "127.0.0.1"
    assert without_resolver(listening(stack.processes("asterisk"))) == {
        ("udp", loopback, stack.sip_port),  # PLN_SIP_BIND is loopback here
        ("tcp", loopback, stack.sip_port),
        ("tcp", loopback, stack.http_port),
        ("tcp", loopback, stack.ami_port),
    }
    assert listening(stack.processes("pln-ivr")) == {("tcp", loopback, stack.console_port)}
    assert listening(stack.processes("prometheus")) == {("tcp", loopback, stack.prometheus_port)}


def _is_locked_in(stack: Stack) -> None:
    """Own user, no capability, nothing to write to but the volumes; no secret in the settings."""
    for service in ("asterisk", "pln-ivr"):
        for pid in stack.processes(service):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # a health check that is over
            assert "\nUid:\t5060\t5060\t5060\t5060\n" in status, status
            assert "\nCapEff:\t0000000000000000\n" in status, status
        wrote = stack.run("docker/compose", "exec", "-T", service, "touch", "/usr/local/x")
        assert "Read-only file system" in wrote.stderr
        container = stack.compose("ps", "--quiet", service).strip()
        password = (stack.state / "secrets/ari_password").read_text()
        assert password not in stack.said("docker", "inspect", container)
    # Not what it was installed with, wherever it may lie.
    found = "find /opt/pln/venv -name pip -o -name setuptools -o -name tests -o -name '*.pyx'"
    assert stack.compose("exec", "-T", "pln-ivr", "sh", "-c", found) == ""


def _a_full_house_raises_an_alarm(stack: Stack) -> None:
    alarm = 'ALERTS{alertname="HouseFull",alertstate="firing"}'
    assert stack.figure(alarm) is None
    phones = Phones(stack.sip_port)
    with phones.caller(hold=200.0, calls=2, rate=5, timeout=240) as house:
        wait_until(lambda: stack.metric("pln_ivr_seats_in_use") == 2, 20, "a full house")
        with phones.caller() as late:
            assert late.wait().finals == {486: 1}
        wait_until(lambda: stack.figure(alarm) == 1, 120, "the alarm")
        house.stop()
    # SIPp is ended without its callers' BYE: Asterisk gives the seats back by hand.
    stack.compose("exec", "-T", "asterisk", "asterisk", "-rx", "channel request hangup all")
    wait_until(lambda: stack.metric("pln_ivr_seats_in_use") == 0, 20, "an empty house")
    wait_until(lambda: stack.figure(alarm) is None, 90, "the end of the alarm")


def _an_upgrade_keeps_a_conversation(stack: Stack) -> None:
    port, secret = free_port(), stack.secret("101")
    phones = Phones(stack.sip_port)
    assert phones.register("ag-101", secret, port).finals[200] == 1
    assert phones.dial_code("ag-101", secret, "*11", port).finals[200] == 1
    before = stack.compose("ps", "--quiet", "pln-ivr")
    with (
        Softphone("ag-101", stack.sip_port, SITI, port) as agent,
        Softphone("08120001111", stack.sip_port, CUSTOMER) as customer,
    ):
        assert customer.call("123") == 200
        assert customer.hears(SITI, within=30)
        assert agent.hears(CUSTOMER)
        with Silence(customer, agent) as silence:
            # The next image differs from this one as another version's would.
            later = stack.folder / "pln_ivr/upgraded.py"
            later.write_text('"""A file of the next version."""\n')
            upgraded = stack.said("docker/upgrade")
        later.unlink()
        print(upgraded)
        assert re.search(r"away for [0-9]+\.[0-9] s\n", upgraded)
        assert silence.longest < 1.0, "the customer heard a gap"
        assert agent.hears(CUSTOMER)
        assert not customer.ended.is_set()
        assert stack.compose("ps", "--quiet", "pln-ivr") != before
        files = "ls /opt/pln/venv/lib/python3*/site-packages/pln_ivr"
        assert "upgraded.py" in stack.compose("exec", "-T", "pln-ivr", "sh", "-c", files)
        customer.hang_up()
    wait_until(lambda: _last(stack)["ended_at"] is not None, 20, "the end in the journal")
    row = _last(stack)
    assert (row["outcome"], row["reason"]) == ("answered", "caller_hung_up")
    assert row["recording"]
    wait_until(lambda: stack.metric("pln_ivr_seats_in_use") == 0, 10, "return of the seat")


def _last(stack: Stack) -> dict[str, object]:
    return stack.calls()[0]


def _a_backup_brings_everything_back(stack: Stack) -> None:
    # The trial's and the upgrade's.
    wait_until(lambda: _filed(stack) == 2, 30, "the filing of both recordings")
    _publish(stack)
    calls, audio = stack.calls(), _statement(stack)
    kept = stack.folder.parent / "backup"
    stack.said("docker/backup", str(kept))
    refused = stack.run("docker/restore", str(kept))
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    stack.said("docker/down", "--purge")
    assert stack.left() == []
    stack.said("docker/restore", str(kept))
    stack.compose("up", "--detach", "--wait")
    assert stack.calls() == calls
    assert _filed(stack) == 2
    assert _statement(stack) == audio, "callers hear it again"


def _publish(stack: Stack) -> None:
    program = ("exec", "-T", "pln-ivr", "pln-ivr", "statement")
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    stack.compose(*program, "draft", "--cause", "coba", "--until", until, "--by", "Rina")
    stack.compose(*program, "approve", "1", "--publish", "--by", "Budi")
    wait_until(lambda: stack.metric("pln_ivr_statements_live") == 1, 20, "a live statement")


def _statement(stack: Stack) -> str:
    """What Asterisk would play of it, by its checksum."""
    return stack.compose(
        "exec", "-T", "asterisk", "sha256sum", "/usr/share/asterisk/sounds/id/pln/statement-1.alaw"
    )


def _filed(stack: Stack) -> int:
    """How many recordings lie in the archive, whole by their hashes; none may be missing."""
    told = stack.compose("exec", "-T", "pln-ivr", "pln-ivr", "recordings", "verify", "--json")
    return int(json.loads(told)["filed"])


def _down(stack: Stack) -> None:
    assert stack.left()
    stack.said("docker/down")
    kept = stack.said("docker", "volume", "ls", "--quiet")
    assert f"{stack.name}_data" in kept, "down alone keeps recordings and journal"
    stack.said("docker/down", "--purge")
    assert stack.left() == []
    assert not stack.state.exists()
