"""The contract: every operation, parameter and event that the client uses exists in the
api-docs that the running Asterisk itself serves."""

from __future__ import annotations

import base64
import inspect
import json
import os
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from native.pbx import Pbx, PbxSettings
from native.root import Install
from pln_ivr.ari import events
from pln_ivr.ari.operations import Operations
from pln_ivr.ari.transport import Request

Docs = dict[str, Any]


class Recorder(Operations):
    """Operations that are not sent anywhere: what would have been asked."""

    app = "pln_ivr"

    def __init__(self) -> None:
        self.asked: list[Request] = []

    async def _hand_over(self, request: Request) -> bytes:
        self.asked.append(request)
        if request.path == "asterisk/info":
            return b'{"system": {"version": "22"}, "status": {"startup_time": ""}}'
        if request.method == "GET" and request.path.startswith("channels/"):
            return b'{"id": ""}'
        return b'{"value": ""}' if request.path == "asterisk/variable" else b"[]"

    _wait = _hand_over


pytestmark = pytest.mark.xdist_group("contract")  # one Asterisk for all of them


@pytest.fixture(scope="module")
def docs(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Docs]]:
    """Asterisk's api-docs by resource."""
    # Its name is the instance's in Asterisk's root, which test processes share.
    folder = tmp_path_factory.mktemp(f"contract-{os.getpid()}-")
    with Pbx(install, Pbx.home(install, folder.name, folder), PbxSettings()) as pbx:
        login = base64.b64encode(f"pln_ivr:{pbx.settings.password}".encode()).decode()

        def get(name: str) -> Docs:
            request = urllib.request.Request(
                f"{pbx.ari_url}/ari/api-docs/{name}.json",
                headers={"Authorization": f"Basic {login}"},
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                value = json.load(answer)
            assert isinstance(value, dict)
            return value

        names = [re.sub(r".*/|\..*", "", api["path"]) for api in get("resources")["apis"]]
        yield {name: get(name) for name in names}


async def everything_asked() -> list[tuple[str, Request]]:
    """Call every public operation once, with made-up arguments of the right types."""
    made_up: dict[str, Any] = {
        "str": "x",
        "int": 1,
        "bool": True,
        "Iterable[str]": ["x"],
        "Mapping[str, str]": {"PLN": "x"},
    }
    asked = []
    for name, method in inspect.getmembers(Operations, inspect.iscoroutinefunction):
        if name.startswith("_"):
            continue
        recorder = Recorder()
        parameters = list(inspect.signature(method).parameters.values())[1:]
        arguments = {p.name: made_up[str(p.annotation)] for p in parameters}
        await getattr(recorder, name)(**arguments)
        assert recorder.asked, name
        asked += [(name, request) for request in recorder.asked]
    return asked


def operation_for(docs: dict[str, Docs], request: Request) -> Docs | None:
    """The documented operation that a request's method and path mean."""
    for resource in docs.values():
        for api in resource["apis"]:
            pattern = re.sub(r"\{\w+\}", "[^/]+", api["path"].lstrip("/"))
            if re.fullmatch(pattern, request.path):
                for operation in api["operations"]:
                    if operation["httpMethod"] == request.method:
                        assert isinstance(operation, dict)
                        return operation
    return None


async def test_every_operation_and_parameter_exists(docs: dict[str, Docs]) -> None:
    asked = await everything_asked()
    assert len({name for name, _ in asked}) >= 18
    for name, request in asked:
        operation = operation_for(docs, request)
        assert operation, f"{name}: Asterisk has no {request}"
        known = {parameter["name"]: parameter for parameter in operation.get("parameters", [])}
        for parameter in request.query:
            assert parameter in known, f"{name}: {request} knows no parameter {parameter}"
            assert known[parameter]["paramType"] == "query"
        required = {
            key for key, p in known.items() if p.get("required") and p["paramType"] == "query"
        }
        assert required <= request.query.keys(), f"{name}: {request} needs {required}"
        if request.body is not None:
            assert any(p["paramType"] == "body" for p in known.values()), f"{name}: no body"


def test_every_event_and_field_exists(docs: dict[str, Docs]) -> None:
    models = docs["events"]["models"]

    def fields(model: str) -> set[str]:
        parents = [name for name, m in models.items() if model in m.get("subTypes", [])]
        own = set(models[model]["properties"])
        return own.union(*(fields(parent) for parent in parents)) if parents else own

    ours_by_name: dict[str, Any] = dict(events.TYPES)
    for name, event in ours_by_name.items():
        assert name in models, f"Asterisk has no event {name}"
        ours = {field.encode_name for field in msgspec.structs.fields(event)} - {"type"}
        assert ours <= fields(name), f"{name} has no {ours - fields(name)}"


def test_every_nested_field_exists(docs: dict[str, Docs]) -> None:
    pairs: list[tuple[Any, Docs]] = [
        (events.ChannelInfo, docs["channels"]["models"]["Channel"]),
        (events.CallerId, docs["channels"]["models"]["CallerID"]),
        (events.Dialplan, docs["channels"]["models"]["DialplanCEP"]),
        (events.BridgeInfo, docs["bridges"]["models"]["Bridge"]),
        (events.PlaybackInfo, docs["playbacks"]["models"]["Playback"]),
        (events.EndpointInfo, docs["endpoints"]["models"]["Endpoint"]),
    ]
    for ours, theirs in pairs:
        names = {field.encode_name for field in msgspec.structs.fields(ours)}
        assert names <= set(theirs["properties"]), f"{ours.__name__}: {names}"
