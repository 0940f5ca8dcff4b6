"""What every section of the settings is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]
Digit = Annotated[str, Field(pattern=r"^[0-9]$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class Section(BaseModel):
    """Base of every section: immutable, and an unknown key is an error, not a typo kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
