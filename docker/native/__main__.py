"""python3 -m native up|down|status: what docker/up and docker/down run without a Docker engine."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import sys
import time
from pathlib import Path

from native import application
from native.pbx import OPEN_FILES, Pbx, PbxSettings
from native.root import Install, LauncherError, find_asterisk
from native.state import REPO, SOFTPHONE_AGENT, TRIAL_AGENT, State, pbx_settings
from native.trial import House, place_call


def main() -> int:
    """Run one command; 0 if it did what it says."""
    parser = argparse.ArgumentParser(prog="native", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--cache", type=Path, default=REPO / ".cache")
    parser.add_argument("--purge", action="store_true", help="down: remove the cache too")
    arguments = parser.parse_args()
    state = State(arguments.cache.resolve())
    try:
        if arguments.command == "up":
            return _up(state)
        if arguments.command == "down":
            return _down(state, purge=arguments.purge)
        return _status(state)
    except LauncherError as error:
        print(f"{arguments.command}: {error}", file=sys.stderr)
        return 1


def _up(state: State) -> int:
    _say("Asterisk: looking for it; its root is built once, which takes a minute or so")
    state.cache.mkdir(parents=True, exist_ok=True)
    install = find_asterisk(state.cache)
    settings = pbx_settings(state.secrets()["PLN_IVR_ARI__PASSWORD"], os.environ)
    pbx = Pbx(install, Pbx.home(install, "up", state.run), settings)
    if pbx.pid and application.pid(state) and application.ready(state):
        _say(f"already running: Asterisk {pbx.pid}, pln-ivr {application.pid(state)}")
        _how_to_call(state, settings)
        return 0
    if not pbx.pid:  # before what takes minutes
        _refuse_taken_ports(settings)
    _say("pln-ivr: virtual environment")
    if application.install(state):
        _say("pln-ivr: installed from this checkout")
    state.write_roster()
    state.write_config(settings, pbx.monitor_dir, pbx.sounds_dir, pbx.calls_file)
    _start_pbx(state, pbx)
    if application.pid(state):
        application.stop(state)
    _say("pln-ivr: starting")
    application.start(state)
    _say(f"pln-ivr: ready, pid {application.pid(state)}, log {state.app_log}")
    _say("one call: a scripted customer dials 123, a scripted agent answers")
    good = place_call(_house(state, settings.sip_port))
    for line in pbx.complaints():
        _say(f"Asterisk complained: {line}")
    if not good:
        raise LauncherError("the call did not go through as it should; everything is left running")
    _how_to_call(state, settings)
    return 0


def _house(state: State, sip_port: int) -> House:
    config = ("--config", str(state.config))
    return House(
        sip_port=sip_port,
        secret=state.secrets()[f"AGENT_{TRIAL_AGENT}"],
        calls=application.command(state, "calls", "--last", "1", "--json", *config),
        environment=state.environment(),
        archive=state.run / "recordings",
        scratch=state.run,
    )


def _start_pbx(state: State, pbx: Pbx) -> None:
    running = pbx.pid is not None
    if not running:
        pbx.prepare()
    _say("prompts: building those that are missing or changed")
    application.build_prompts(state, pbx.sounds_dir / "id/pln")
    pbx.hand_over()
    if not running:
        _say("Asterisk: starting")
        pbx.start()
    (state.run / "asterisk.pid").write_text(f"{pbx.pid}\n")
    files = _open_files(pbx.pid)
    if files < OPEN_FILES:
        _say(
            f"Asterisk: this machine allows {files} open files, not {OPEN_FILES}; a leg takes four"
        )
    _say(f"Asterisk: ready, pid {pbx.pid}, SIP port {pbx.sip_port}, log {pbx.log_dir}")


def _down(state: State, *, purge: bool) -> int:
    stopped = [application.pid(state)]
    if (state.run / "pln-ivr.pid").exists():
        _say("pln-ivr: draining; conversations may finish for 20 s")
        application.stop(state)
    # Not find_asterisk: what never ran must not be built in order to be stopped.
    for install, folder in _homes(state):
        if folder.exists():
            pbx = Pbx(install, folder, PbxSettings())
            if pbx.pid:
                _say(f"Asterisk: stopping pid {pbx.pid}")
                stopped.append(pbx.pid)
                pbx.stop()
    (state.run / "asterisk.pid").unlink(missing_ok=True)
    _wait_until_gone([pid for pid in stopped if pid])
    if purge:
        _say(f"removing {state.cache}, with recordings and journal")
        shutil.rmtree(state.cache, ignore_errors=True)
    _say("down")
    return 0


def _wait_until_gone(pids: list[int], timeout: float = 5.0) -> None:
    """They have ended; some machines' init takes a second to clear away what remains of them."""
    deadline = time.monotonic() + timeout
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)


def _status(state: State) -> int:
    running = [Pbx(install, folder, PbxSettings()).pid for install, folder in _homes(state)]
    asterisk = next((pid for pid in running if pid), None)
    print(
        f"Asterisk {asterisk or 'not running'}, pln-ivr {application.pid(state) or 'not running'}"
    )
    return 0 if asterisk and application.pid(state) else 1


def _homes(state: State) -> list[tuple[Install, Path]]:
    """Where docker/up's Asterisk may live: in the built root, or beside the state."""
    installs = [Install(None, os.getuid(), os.getgid())]
    if (state.cache / "root/usr/sbin/asterisk").exists():
        with contextlib.suppress(LauncherError):
            installs.append(Install(state.cache / "root", 0, 0))
    return [(install, Pbx.home(install, "up", state.run)) for install in installs]


def _refuse_taken_ports(settings: PbxSettings) -> None:
    wanted = [
        (socket.SOCK_DGRAM, settings.bind, settings.sip_port, "PLN_SIP_PORT"),
        (socket.SOCK_STREAM, "127.0.0.1", settings.http_port, "PLN_HTTP_PORT"),
        (socket.SOCK_STREAM, "127.0.0.1", settings.ami_port, "PLN_AMI_PORT"),
    ]
    for kind, address, port, variable in wanted:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM)
            )
            try:
                probe.bind((address, port))
            except OSError as error:
                raise LauncherError(
                    f"port {port} on {address} cannot be used ({error.strerror}):"
                    f" stop what uses it, or set {variable} to another"
                ) from None


def _open_files(pid: int | None) -> int:
    try:
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
            if line.startswith("Max open files"):
                soft = line.split()[3]
                return OPEN_FILES if soft == "unlimited" else int(soft)
    except OSError:
        pass
    return 0


def _how_to_call(state: State, settings: PbxSettings) -> None:
    server = socket.gethostname() if settings.bind == "0.0.0.0" else settings.bind
    agent = f"ag-{SOFTPHONE_AGENT}"
    print(
        f"""
To take calls at a softphone:
  server    {server} (this machine's address), UDP or TCP port {settings.sip_port}
  user      {agent}
  password  the line AGENT_{SOFTPHONE_AGENT} in {state.secrets_file}
  dial      *11 to be ready, *12 to be away
To call as a customer: any SIP phone on this machine without registration, to 123 at
127.0.0.1:{settings.sip_port}; from elsewhere once its address is in PLN_TRUNK_PEERS.
Stop all of it: docker/down""",
        flush=True,
    )


def _say(text: str) -> None:
    print(f"-- {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
