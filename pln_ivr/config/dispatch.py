"""The dispatch's section of the settings: where reports of outages are sent to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from pln_ivr.config.section import Seconds, Section

SHORTEST_SECRET = 16


class Dispatch(Section):
    """The field dispatch, which gets each report and each cluster as a signed webhook."""

    url: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$")] = ""
    """Gets POST requests; empty: nothing is sent, and nothing kept to be sent."""
    secret: SecretStr = SecretStr("")
    """Signs them, 16 characters at least; belongs in the environment."""
    seconds: Seconds = 10.0
    """Deadline of one request."""
    give_up_hours: Annotated[float, Field(gt=0, le=720)] = 24.0
    """So long a delivery is tried; then it is a dead letter, until somebody has it retried."""

    @model_validator(mode="after")
    def _signed(self) -> Dispatch:
        if self.url and len(self.secret.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(
                f"url needs a secret of {SHORTEST_SECRET} characters at least"
                " (PLN_IVR_DISPATCH__SECRET)"
            )
        return self
