"""Strangers at the SIP port: calls in progress do not notice, and the log names who it was."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from native.pbx import Pbx
from native.phones import Phones
from tests.asterisk.conftest import install, make_world, prompts, spoken, talks
from tests.asterisk.pbx_fixtures import asterisk_install, new_pbx
from tests.asterisk.talk import CUSTOMER, SITI, Talk
from tests.asterisk.world import REPO, World, eventually
from tests.hardening.ports import listening, without_resolver
from tests.hardening.stranger import ADDRESS, Silence, Stranger, calls, guesses, mutated
from tests.monitoring.tools import TOOLS, program

__all__ = [
    "asterisk_install",
    "install",
    "make_world",
    "new_pbx",
    "prompts",
    "spoken",
    "talks",
]  # fixtures
FILTER = REPO / "docker/fail2ban/filter.d/pln-asterisk.conf"
GAP_SECONDS = 1.0


@pytest.mark.timeout(180)
def test_calls_do_not_notice_strangers(talks: Callable[..., Talk]) -> None:
    """A flood of calls from nobody, guessed passwords, and messages that are no SIP."""
    talk = talks()
    world = talk.world
    before = world.pbx.pid
    _listens_as_documented(world)
    with Stranger(world.pbx.sip_port) as stranger, Silence(talk.agent, talk.customer) as silence:
        stranger.send(calls(1500, stranger.port), a_second=300)
        stranger.send(guesses(600, stranger.port), a_second=200)
        stranger.send(mutated(4000, stranger.port, seed=123), a_second=800)
    assert world.pbx.pid == before, "Asterisk died of it"
    assert silence.longest < GAP_SECONDS
    assert talk.agent.hears(CUSTOMER)
    assert talk.customer.hears(SITI)
    assert world.seats() == 1, "a stranger has no seat"
    with world.phones.caller(hold=0.5) as next_one:
        assert next_one.wait().finals == {200: 1}
    _the_log_names_them_and_nobody_else(world)
    talk.ended()


def _listens_as_documented(world: World) -> None:
    """The table "Ports" of docs/operations.md. RTP ports are there while there are calls."""
    settings, loopback = world.pbx.settings, "127.0.0.1"
    first, last = settings.rtp
    asterisk = listening([world.pbx.pid or 0])
    named = {
        ("udp", loopback, settings.sip_port),
        ("tcp", loopback, settings.sip_port),
        ("tcp", loopback, settings.http_port),
        ("tcp", loopback, settings.ami_port),
    }
    media = {entry for entry in asterisk if entry[0] == "udp6" and first <= entry[2] <= last}
    assert named <= asterisk
    assert len(media) in (4, 5), "two legs, RTP and RTCP each; the resolver may be among them"
    assert without_resolver(asterisk - named - media) == set()
    assert listening([world.app.pid]) == {("tcp", loopback, world.console_port)}


def _the_log_names_them_and_nobody_else(world: World) -> None:
    log = world.pbx.log_dir / "security.log"
    found = fail2ban_regex(log)
    assert set(found) == {ADDRESS}, "not the agent who registered, not a name in somebody's name"
    assert len(found) >= 300, "every third guess at least"


def fail2ban_regex(log: Path) -> list[str]:
    """The address of each line of the log that Debian's fail2ban finds with our filter."""
    done = subprocess.run(
        ["/usr/bin/python3", program("fail2ban-regex"), "-c", TOOLS / "etc/fail2ban",
         "--out", "ip", log, FILTER],
        env={**os.environ, "PYTHONPATH": str(TOOLS / "usr/lib/python3/dist-packages")},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, 255), done.stdout + done.stderr
    return done.stdout.split()


def test_the_jail_is_one_that_fail2ban_takes(tmp_path: Path) -> None:
    """With the stranger's log where the jail expects one; fail2ban reads all of it."""
    etc = tmp_path / "etc"
    subprocess.run(["cp", "-r", TOOLS / "etc/fail2ban", etc], check=True)
    subprocess.run(["cp", FILTER, etc / "filter.d"], check=True)
    log = tmp_path / "security.log"
    log.touch()
    jail = (REPO / "docker/fail2ban/jail.d/pln-asterisk.conf").read_text()
    (etc / "jail.d").mkdir(exist_ok=True)
    (etc / "jail.d/pln-asterisk.conf").write_text(re.sub(r"/var/lib/docker/\S+", str(log), jail))
    (etc / "jail.d/defaults-debian.conf").write_text("[sshd]\nenabled = false\n")
    done = subprocess.run(
        ["/usr/bin/python3", program("fail2ban-client"), "-c", etc, "-d"],
        env={**os.environ, "PYTHONPATH": str(TOOLS / "usr/lib/python3/dist-packages")},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'pln-asterisk', 'addlogpath'" in done.stdout
    assert "'pln-asterisk', 'maxretry', 10" in done.stdout


def test_who_is_not_permitted_is_not_even_asked_for_a_password(new_pbx: Callable[..., Pbx]) -> None:
    pbx = new_pbx(permit=("192.0.2.0/24",))
    assert pbx.complaints() == []
    with Phones(pbx.sip_port).caller(hold=0.5) as trunk:
        assert trunk.wait().finals == {200: 1}
    with Stranger(pbx.sip_port) as stranger:
        stranger.send(calls(20, stranger.port), a_second=100)
    log = pbx.log_dir / "messages.log"
    eventually(lambda: log.read_text().count("SIP ACL: Rejecting") == 20, 5, "the refusals")
    assert fail2ban_regex(log) == [ADDRESS] * 20
    assert ADDRESS not in (pbx.log_dir / "security.log").read_text()
