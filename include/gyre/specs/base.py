"""The ground that everything a person writes stands on."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Spec(BaseModel):
    """A frozen model that refuses unknown fields, so that a typo is an error and not a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,47}$")]
EntryPoint = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""A function by name, `package.module:function`: named and not imported, so that reading a spec stays cheap."""
