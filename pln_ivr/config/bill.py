"""The bill's section of the settings: where bills are looked up."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from pln_ivr.config.section import Section


class Bill(Section):
    """The lookup of a customer's bill, for menus with a key that does `bill`."""

    url: Annotated[str, Field(pattern=r"^(https?://[^\s{}]+\{customer\}[^\s{}]*)?$")] = ""
    """Gets GET requests, with the customer number in place of {customer}, and answers with a bill
    as JSON, see docs/operations.md; empty: there is none."""
    token: SecretStr = SecretStr("")
    """Sent as a bearer token; belongs in the environment."""
    seconds: Annotated[float, Field(gt=0, le=10)] = 3.0
    """How long a caller waits for it; then for an agent."""
    at_once: Annotated[int, Field(ge=1, le=500)] = 50
    """So many requests may be under way; others wait, within `seconds`."""
    remembered_seconds: Annotated[float, Field(ge=0, le=86400)] = 300.0
    """So long an answer is used again for the same customer."""
