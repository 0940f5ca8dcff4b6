"""What each answer of Asterisk means: fine, the caller has gone, or a fault of ours."""

from __future__ import annotations

import json

import pytest

from pln_ivr.ari.transport import Request, check
from pln_ivr.errors import AriRefused, Gone

PLAY = Request("POST", "channels/c-1/play/p-1", {"media": "sound:x", "callerId": "081234567890"})
ANSWER = Request("POST", "channels/c-1/answer", {})


def said(message: str) -> str:
    return json.dumps({"message": message})


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_fine(status: int) -> None:
    check(PLAY, status, "")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "Channel not found"),
        (404, ""),
        (409, "Channel not in Stasis application"),
        (412, "Channel in invalid state"),
        (400, "Channel not found"),
        (400, "Provided originator channel was not found"),
        (400, "Failed to execute function"),
        (422, "Channel not in Stasis application"),
        (500, "CHANNEL NOT FOUND"),
    ],
)
def test_gone(status: int, message: str) -> None:
    with pytest.raises(Gone, match=str(status)):
        check(PLAY, status, said(message))


def test_500_to_an_answer_means_gone_and_elsewhere_it_does_not() -> None:
    with pytest.raises(Gone):
        check(ANSWER, 500, said("Failed to answer channel"))
    with pytest.raises(AriRefused):
        check(PLAY, 500, said("Failed to queue playback"))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, said("Invalid parameter")),
        (401, said("Authentication required")),
        (403, said("Forbidden")),
        (422, said("No such format")),
        (500, said("Allocation failed")),
        (500, json.dumps({"error": "Allocation failed"})),
        (503, "<html>not JSON</html>"),
        (500, b"\xff\xfe broken"),
        (500, ""),
        (500, "[]"),
        (302, "null"),
        (500, json.dumps({"message": {"not": "text"}})),
    ],
)
def test_refused(status: int, body: str | bytes) -> None:
    with pytest.raises(AriRefused) as refusal:
        check(PLAY, status, body)
    assert refusal.value.status == status
    assert refusal.value.operation == "POST channels/c-1/play/p-1"


def test_the_text_is_one_line_names_the_request_and_hides_the_query() -> None:
    with pytest.raises(AriRefused) as refusal:
        check(PLAY, 500, said("Allocation failed"))
    text = str(refusal.value)
    assert text == "Asterisk refused POST channels/c-1/play/p-1: 500 Allocation failed"
    assert "0812" not in text + str(PLAY)


def test_a_long_answer_is_cut() -> None:
    with pytest.raises(AriRefused) as refusal:
        check(PLAY, 500, said("x" * 10_000))
    assert len(str(refusal.value)) < 400
