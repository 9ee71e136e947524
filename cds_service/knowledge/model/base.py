"""What all models share: frozen, camelCase keys, unknown keys refused; and the words that they are written in."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Version = Annotated[str, StringConstraints(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]
Status = Literal["draft", "active", "retired"]
Stratum = Literal["safety", "pathway", "regimen", "advice"]
STRATA: tuple[Stratum, ...] = ("safety", "pathway", "regimen", "advice")


def _date_or_none(value: object) -> object:
    """An approval that nobody gave is an empty field. A date is read here: what follows a validator is strict."""
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value) if value else None
    except ValueError as error:
        raise ValueError("expected a valid date such as 2026-11-22, or nothing") from error


OptionalDate = Annotated[
    date | None,
    BeforeValidator(_date_or_none),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"enum": ["", None]}]}),
]


class Model(BaseModel):
    """Base of all knowledge: frozen, camelCase keys, unknown keys refused, no silent type conversion."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, strict=False
    )
