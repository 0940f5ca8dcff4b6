"""An agent's phone on TLS and SRTP, as set by PLN_TLS_CERT and agents.encryption."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from native.pbx import Pbx, PbxSettings, free_port
from native.phones import Phones
from native.root import Install
from tests.asterisk.conftest import install, prompts, spoken
from tests.asterisk.softphone import Softphone
from tests.asterisk.sound import both_tones
from tests.asterisk.talk import CUSTOMER, SITI
from tests.asterisk.world import SECRET, World, eventually
from tests.hardening.secure_phone import SecurePhone

__all__ = ["install", "prompts", "spoken"]  # fixtures


class SecureWorld(World):
    """The tests' world with a certificate, and phones that must encrypt."""

    def __init__(self, install: Install, prompts: Path, folder: Path) -> None:
        super().__init__(
            install, prompts, folder, ["101"],
            AGENTS__ENCRYPTION="required", AGENTS__WRAP_UP_SECONDS="0",
        )  # fmt: skip
        keys = self.pbx.folder / "lib/keys"
        self.certificate = keys / "certificate.pem"
        inside = install.inside(keys)
        tls_port = free_port()
        settings = PbxSettings(
            tls=(f"{inside}/certificate.pem", f"{inside}/key.pem"), tls_port=tls_port
        )
        self.pbx = Pbx(install, self.pbx.folder, settings)
        self.phones = Phones(self.pbx.sip_port)
        self._env["AGENTS__CERTIFICATE"] = str(self.certificate)
        keys.mkdir(parents=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec",
             "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", keys / "key.pem",
             "-out", self.certificate, "-days", "30", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True,
        )  # fmt: skip


@pytest.fixture
def world(install: Install, prompts: Path, tmp_path: Path) -> Iterator[SecureWorld]:
    folder = tmp_path / f"tls-{os.getpid()}"
    folder.mkdir()
    world = SecureWorld(install, prompts, folder)
    try:
        world.start()
        yield world
    finally:
        world.stop()


def test_a_conversation_over_tls_and_srtp(world: SecureWorld) -> None:
    settings = world.pbx.settings
    with (
        SecurePhone("ag-101", SECRET, settings.tls_port, world.certificate, SITI) as agent,
        Softphone("08120001111", settings.sip_port, CUSTOMER) as customer,
    ):
        assert agent.wire.version in ("TLSv1.2", "TLSv1.3")
        assert agent.register() == 200
        assert agent.call("*11") == 200
        assert agent.ended.wait(10)
        eventually(lambda: world.metric("pln_ivr_agents", state="ready") == 1, 5, "readiness")
        assert customer.call("123") == 200
        assert customer.hears(SITI, within=30)
        assert agent.hears(CUSTOMER)
        time.sleep(3)
        customer.hang_up()
        world.settled()
    row = world.ended(1)[0]
    assert row.ended_at
    assert row.talking_at
    seconds = (row.ended_at - row.talking_at).total_seconds()
    both_tones(world.recording(row), left=CUSTOMER, right=SITI, seconds=seconds)
    assert world.metric("pln_ivr_certificate_expires_timestamp_seconds") > 1e9
    assert world.pbx.complaints() == []


def test_a_phone_in_the_clear_is_refused(world: SecureWorld) -> None:
    port = world.register("101")
    assert world.phones.dial_code("ag-101", SECRET, "*11", port).finals == {488: 1}
