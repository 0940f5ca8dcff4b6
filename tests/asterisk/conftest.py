"""Fixtures of the tests with a real Asterisk 22 and SIPp's phones."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from native.root import Install, find_asterisk
from pln_ivr.calls.prompt_files import build_prompts, files_of, load_texts
from pln_ivr.speech import BYTES_PER_SECOND
from tests.asterisk.talk import Talk
from tests.asterisk.world import REPO, World

CACHE = REPO / ".cache"


@pytest.fixture(scope="session")
def install() -> Install:
    """Asterisk itself: from PATH, or the root that is built once."""
    return find_asterisk(CACHE)


SHORT_SECONDS = 2.0


@pytest.fixture(scope="session")
def spoken() -> Path:
    """The prompts as callers hear them, built once."""
    folder = CACHE / "prompts"
    for language, file in files_of(REPO / "asterisk-conf/prompts/id.toml", ["en"]):
        build_prompts(load_texts(file, language), folder / language)
    return folder


@pytest.fixture(scope="session")
def prompts(spoken: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their beginnings: most tests are about what comes after eight seconds of the notice. A module
    in which callers are met while they hear them takes the whole ones."""
    folder = tmp_path_factory.mktemp("prompts") / "short"
    shutil.copytree(spoken, folder)
    for file in folder.rglob("*.alaw"):
        file.write_bytes(file.read_bytes()[: int(SHORT_SECONDS * BYTES_PER_SECOND)])
    return folder


@pytest.fixture
def make_world(
    install: Install, prompts: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., World]]:
    """Makes started worlds: make_world(["101"], ADMISSION__CAPACITY="3")."""
    worlds: list[World] = []

    def make(agents: list[str], **env: str) -> World:
        name = re.sub(r"\W+", "-", request.node.name)[:40]
        # Its name is the instance's in Asterisk's root, which test processes share.
        folder = tmp_path / f"{name}-{os.getpid()}-{len(worlds)}"
        folder.mkdir()
        world = World(install, prompts, folder, agents, **env)
        worlds.append(world)
        world.start()
        return world

    yield make
    for world in worlds:
        world.stop()


@pytest.fixture
def talks(make_world: Callable[..., World]) -> Iterator[Callable[..., Talk]]:
    """Makes a world in which 101 talks with a customer: talks("102", AGENTS__KEY="...")."""
    with ExitStack() as stack:

        def make(*others: str, **env: str) -> Talk:
            world = make_world(["101", *others], **{"AGENTS__WRAP_UP_SECONDS": "0", **env})
            return stack.enter_context(Talk.begun(world))

        yield make
