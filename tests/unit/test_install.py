"""asterisk-conf/install: what it writes, and what it says of settings that are wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PASSWORD = {"PLN_IVR_ARI__PASSWORD": "a-password-of-tests"}


def install(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run it with these settings alone."""
    return subprocess.run(
        [REPO / "asterisk-conf/install", folder],
        env={"PATH": os.environ["PATH"], **PASSWORD, **settings}, capture_output=True, text=True,
    )  # fmt: skip


def written(folder: Path, **settings: str) -> dict[str, str]:
    """The files that it writes, by name."""
    done = install(folder, **settings)
    assert done.returncode == 0, done.stderr
    return {file.name: file.read_text() for file in folder.glob("*.conf")}


def test_ari_is_on_loopback_unless_told_otherwise(tmp_path: Path) -> None:
    assert "bindaddr = 127.0.0.1\n" in written(tmp_path / "a")["http_port.conf"]
    files = written(tmp_path / "b", PLN_HTTP_BIND="0.0.0.0")
    assert "bindaddr = 0.0.0.0\n" in files["http_port.conf"]


def test_the_manager_interface_is_on_loopback_and_may_only_order_calls(tmp_path: Path) -> None:
    files = written(tmp_path, PLN_HTTP_BIND="0.0.0.0", PLN_AMI_PORT="15038")
    manager = files["manager_generated.conf"]
    assert "bindaddr = 127.0.0.1\nport = 15038\n" in manager
    assert f"secret = {PASSWORD['PLN_IVR_ARI__PASSWORD']}\nread =\nwrite = call\n" in manager
    assert install(tmp_path, PLN_AMI_PORT="0").returncode == 2


def test_without_settings_there_is_neither_tls_nor_an_access_list(tmp_path: Path) -> None:
    sip = written(tmp_path)["pjsip_generated.conf"]
    assert "[transport-tls]" not in sip
    assert "type = acl" not in sip


def test_tls_has_its_own_transport(tmp_path: Path) -> None:
    for name in ("certificate.pem", "key.pem"):
        (tmp_path / name).write_text("any")
    sip = written(
        tmp_path / "etc", PLN_TLS_CERT=f"{tmp_path}/certificate.pem",
        PLN_TLS_KEY=f"{tmp_path}/key.pem", PLN_TLS_PORT="15061",
    )["pjsip_generated.conf"]  # fmt: skip
    tls = sip.split("[transport-tls]")[1].split("\n\n")[0]
    assert "protocol = tls\nbind = 0.0.0.0:15061\n" in tls
    assert f"cert_file = {tmp_path}/certificate.pem" in tls
    assert f"priv_key_file = {tmp_path}/key.pem" in tls


def test_who_may_speak_are_the_trunk_the_named_and_this_machine(tmp_path: Path) -> None:
    sip = written(tmp_path, PLN_SIP_PERMIT="10.1.0.0/16 10.2.3.4", PLN_TRUNK_PEERS="203.0.113.7")
    acl = sip["pjsip_generated.conf"].split("[permitted]")[1].split("\n\n")[0]
    lines = [line for line in acl.splitlines() if " = " in line]
    assert lines[:2] == ["type = acl", "deny = 0.0.0.0/0"]
    permitted = {line.removeprefix("permit = ") for line in lines[2:]}
    assert permitted == {"127.0.0.1", "203.0.113.7", "10.1.0.0/16", "10.2.3.4"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"PLN_SIP_PERMIT": "10.0.0.0/33"}, "PLN_SIP_PERMIT"),
        ({"PLN_SIP_PERMIT": "everybody"}, "PLN_SIP_PERMIT must be an IPv4 address"),
        ({"PLN_TLS_CERT": "/etc/hostname"}, "set both or none"),
        ({"PLN_TLS_KEY": "/etc/hostname"}, "set both or none"),
        ({"PLN_TLS_CERT": "/nowhere.pem", "PLN_TLS_KEY": "/etc/hostname"}, "/nowhere.pem cannot"),
        ({"PLN_TLS_CERT": "c.pem", "PLN_TLS_KEY": "/etc/hostname"}, "must be an absolute path"),
        ({"PLN_TLS_CERT": "/a;b", "PLN_TLS_KEY": "/etc/hostname"}, "PLN_TLS_CERT may hold"),
        ({"PLN_TLS_PORT": "70000"}, "PLN_TLS_PORT must be from 1 to 65535"),
        ({"PLN_HTTP_BIND": "localhost"}, "PLN_HTTP_BIND must be an IPv4 address"),
        ({"PLN_TRUNK_PEERS": "1.2.3"}, "PLN_TRUNK_PEERS must be an IPv4 address"),
        ({"PLN_IVR_ARI__PASSWORD": "short"}, "at least 12 characters"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)  # fmt: skip
def test_a_wrong_setting_is_one_line_and_writes_nothing(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    done = install(tmp_path / "etc", **settings)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "etc").exists()
