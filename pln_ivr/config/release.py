"""The release section of the settings: what becomes of callers when more come than can wait."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pln_ivr.config.section import Seconds, Section


class Release(Section):
    """Announce and release: while a statement is live, some seats are for brief visits alone."""

    share: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    """While a statement is live, so large a share of the seats is for callers who hear notice and
    statement, may report, and are let go; who waits, rings or talks has the others. 0: never. A
    quarter of 720 seats, at a minute for each visit, serves 180 callers a minute: more than the 148
    of the blackout day; the rest still holds five waiting callers for each of 105 agents."""
    tries: Annotated[int, Field(ge=1, le=5)] = 2
    """So often a brief visitor is told what to press; then they are said goodbye to."""
    key_seconds: Seconds = 5.0
    """How long after the last word of it a key may be pressed."""
    longest_seconds: Annotated[float, Field(ge=30, le=600)] = 180.0
    """After the statement, a brief visit is over in this time, whatever is being keyed."""
