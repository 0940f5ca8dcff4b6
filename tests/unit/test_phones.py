"""The agents' phones, as Asterisk knows them."""

from __future__ import annotations

import pytest

from pln_ivr.ari import connect
from pln_ivr.ari.channel import Hangup
from pln_ivr.metrics import Metrics
from pln_ivr.outcomes import OfferResult
from pln_ivr.queues.phones import PjsipPhones
from pln_ivr.queues.ringing import classify
from pln_ivr.queues.roster import RosterEntry
from tests.fake_ari.server import APP, PASSWORD, USER, Fault, fake_ari


@pytest.mark.parametrize(
    ("endpoint", "extension"),
    [
        ("ag-101", "101"),
        ("101", None),
        ("ag-", None),
        ("ag-1x", None),
        ("trunk-1", None),
        ("AG-101", None),
        ("xag-101", None),
        ("ag-101 ", None),
        ("", None),
    ],
)
def test_an_endpoints_extension(endpoint: str, extension: str | None) -> None:
    assert PjsipPhones.extension_of(endpoint) == extension


def entry(extension: str, name: str = "Siti", secret: str = "a secret") -> RosterEntry:
    digest = "" if secret else "0" * 32
    return RosterEntry(extension, name, {"gangguan": 1}, secret=secret, digest=digest)


async def test_pushing_a_roster_makes_asterisks_agents_those_of_the_roster() -> None:
    reachable: dict[str, bool] = {}
    async with (
        fake_ari() as fake,
        connect(fake.url, user=USER, password=PASSWORD, app=APP, meter=Metrics()) as ari,
    ):
        phones = PjsipPhones(ari, "alaw", 30, reachable.__setitem__)
        fake.endpoints = {"trunk-1": "online", "ag-101": "offline", "ag-999": "online"}
        fake.objects = {(kind, "ag-999") for kind in ("auth", "aor", "endpoint")}
        entries = {
            "101": entry("101", 'Siti "Bos" <1>; x'),
            "102": entry("102", secret=""),
        }
        await phones.push(entries)
        assert set(fake.endpoints) == {"trunk-1", "ag-101", "ag-102"}
        assert {name for _, name in fake.objects} == {"ag-101", "ag-102"}
        assert reachable == {"101": False, "102": True}
        puts = [(a.path.split("/")[-2:], a.body) for a in fake.requests if a.method == "PUT"]
        assert [path for path, _ in puts] == [
            [kind, f"ag-{extension}"]
            for extension in ("101", "102")
            for kind in ("auth", "aor", "endpoint")
        ], "each refers to those before it"
        fields = {
            path[0] + path[1]: {f["attribute"]: f["value"] for f in body["fields"]}
            for path, body in puts
        }
        assert fields["authag-101"]["password"] == "a secret"
        assert "password" not in fields["authag-102"]
        assert fields["authag-102"]["md5_cred"] == "0" * 32
        assert fields["endpointag-101"]["context"] == "from-agents"
        assert fields["endpointag-101"]["allow"] == "alaw,ulaw"
        assert fields["endpointag-101"]["callerid"] == '"Siti Bos 1 x" <101>'
        assert all(isinstance(value, str) for of in fields.values() for value in of.values())


async def test_an_endpoint_that_cannot_be_watched_yet_does_not_stop_the_others() -> None:
    reachable: dict[str, bool] = {}
    async with (
        fake_ari() as fake,
        connect(fake.url, user=USER, password=PASSWORD, app=APP, meter=Metrics()) as ari,
    ):
        fake.fault = lambda asked: (
            Fault(status=422, message="No such endpoint")
            if asked.path.endswith("/subscription")
            else None
        )
        phones = PjsipPhones(ari, "ulaw", 0, reachable.__setitem__)
        await phones.push({"101": entry("101"), "102": entry("102")})
        assert set(fake.endpoints) == {"ag-101", "ag-102"}
        assert phones.address("101") == "PJSIP/ag-101"


@pytest.mark.parametrize(
    ("hangup", "result"),
    [
        (Hangup(True, tech_cause=486), OfferResult.BUSY),
        (Hangup(True, tech_cause=600), OfferResult.BUSY),
        (Hangup(True, cause=17), OfferResult.BUSY),
        (Hangup(True, tech_cause=603, cause=21), OfferResult.DECLINED),
        (Hangup(True, tech_cause=403), OfferResult.DECLINED),
        (Hangup(True, tech_cause=607), OfferResult.DECLINED),
        (Hangup(True, cause=21), OfferResult.DECLINED),
        (Hangup(True, tech_cause=480, cause=19), OfferResult.UNREACHABLE),
        (Hangup(True), OfferResult.UNREACHABLE),
        (Hangup(True, unseen=True), OfferResult.FAILED),
    ],
)
def test_why_a_phone_did_not_answer(hangup: Hangup, result: OfferResult) -> None:
    assert classify(hangup) is result
