"""The service level as it stands."""

from __future__ import annotations

from pln_ivr.queues.service import ServiceLevels


def test_who_gave_up_in_time_does_not_count() -> None:
    levels = ServiceLevels({"gangguan": 20.0})
    assert levels.level("gangguan") is None
    levels.left("gangguan", 20.0, answered=True, gave_up=False)
    levels.left("gangguan", 21.0, answered=True, gave_up=False)
    levels.left("gangguan", 19.0, answered=False, gave_up=True)
    levels.left("gangguan", 60.0, answered=False, gave_up=True)
    levels.left("-", 1.0, answered=True, gave_up=False)
    assert (levels.counted("gangguan"), levels.in_time("gangguan")) == (3, 1)
    assert levels.level("gangguan") == 1 / 3
    assert levels.counted("-") == 0
