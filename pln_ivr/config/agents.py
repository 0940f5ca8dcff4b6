"""The sections of the people at phones, and of the calls that they place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pln_ivr.config.section import Digit, Name, Seconds, Section


class Agents(Section):
    """People at phones, and how long their phones may ring."""

    roster: Path = Path("roster.toml")
    """Who may be an agent; SIGHUP has it read again."""
    ring_deadline_seconds: Annotated[float, Field(gt=0, le=120)] = 11.0
    """The offer is withdrawn this long after the phone began to ring: the end of the third
    ring at Indonesia's cadence of 1 s on, 4 s off (rings start at 0, 5 and 10 s)."""
    dial_deadline_seconds: Annotated[float, Field(gt=0, le=60)] = 4.0
    """How long a phone may take to begin to ring before it counts as unreachable."""
    unreachable_pause_seconds: Seconds = 10.0
    """No offer goes to an agent's phone for this long after it could not be reached."""
    qualify_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """How often Asterisk asks each phone whether it is there (OPTIONS); 0 asks never, and then
    a phone counts as reachable while it is registered."""
    pause_after_misses: Annotated[int, Field(ge=0)] = 3
    """After so many missed third rings in a row the agent is paused; 0: never."""
    wrap_up_seconds: Annotated[float, Field(ge=0)] = 15.0
    """The agent's own time after a conversation, unless ended by *11 or a disposition."""
    pauses: dict[Digit, Name] = Field(
        default={"1": "istirahat", "2": "salat", "3": "rapat", "4": "pelatihan"}
    )
    """Reasons of a pause by the digit keyed after *12."""
    dispositions: dict[Digit, Name] = Field(
        default={
            "1": "selesai",
            "2": "tindak-lanjut",
            "3": "salah-sambung",
            "4": "mesin-penjawab",
        }
    )
    """What a conversation came to, by the digit keyed after *13."""
    flag_rings_supervisors: bool = False
    """Whether a white flag rings the free supervisors' phones, one after the other."""
    codec: Literal["alaw", "ulaw"] = "alaw"
    """Preferred at the agents' phones; the trunk's own, so that nothing is transcoded."""
    encryption: Literal["none", "required"] = "none"
    """required: only SRTP, its keys in the SDP; the phones then belong on TLS (PLN_TLS_CERT)."""
    certificate: Path | None = None
    """The certificate that their phones see over TLS (PLN_TLS_CERT); /metrics shows its end."""


class Outbound(Section):
    """Calls that agents place to customers, over the trunk. Each takes a seat."""

    gateway: Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]+(:[0-9]{1,5})?)?$")] = ""
    """The carrier's side of the trunk, host or host:port; empty: no customer can be called."""
    endpoint: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "trunk-1"
    """The trunk's endpoint in Asterisk: trunk-1 is the first of PLN_TRUNK_PEERS."""
    number: Annotated[str, Field(pattern=r"^\+?[0-9]{1,20}$")] = "123"
    """What the customer's display shows."""
    ring_seconds: Annotated[float, Field(gt=0, le=120)] = 30.0
    """How long a customer's phone may ring."""
