"""Names of other knowledge inside a model: what kind each is of, so that one walk finds every reference and use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator

from cds_service.knowledge.model.base import Id

POLICY_PREFIX = "policy."


@dataclass(frozen=True, slots=True)
class Names:
    """Marks a field that names something else: `what` it names, such as `value set`."""

    what: str


def _policy(written: str) -> str:
    if not written.startswith(POLICY_PREFIX):
        raise ValueError("expected policy.<name>")
    return written.removeprefix(POLICY_PREFIX)


def _one_or_more(written: object) -> object:
    """A single name may stand without brackets."""
    return (written,) if isinstance(written, str) else tuple(written) if isinstance(written, list) else written


def _none_written_twice(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names) or not names:
        raise ValueError("expected at least one name, each once")
    return names


Several = (
    BeforeValidator(_one_or_more, json_schema_input_type=Id | tuple[Id, ...]),
    AfterValidator(_none_written_twice),
)
ValueSetId = Annotated[Id, Names("value set")]
ValueSets = Annotated[tuple[ValueSetId, ...], *Several]
StatusId = Annotated[Id, Names("status")]
Statuses = Annotated[tuple[StatusId, ...], *Several]
# Without its prefix once it is read; `Window` is a policy in a unit of time, `Switch` one that is true or false.
Threshold = Annotated[str, AfterValidator(_policy), Names("threshold")]
Window = Annotated[str, AfterValidator(_policy), Names("window")]
Switch = Annotated[str, AfterValidator(_policy), Names("switch")]
AnalyteId = Annotated[Id, Names("analyte")]
QueryId = Annotated[Id, Names("query")]
RecordsId = Annotated[Id, Names("records")]
SourceId = Annotated[Id, Names("query or records")]
FactId = Annotated[Id, Names("fact")]
KindId = Annotated[Id, Names("order kind")]
ResultId = Annotated[Id, Names("result")]
ScaleId = Annotated[Id, Names("scale")]
CourseId = Annotated[Id, Names("computation")]

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """One name where it stands: the path below the model, what kind it is of, and the name."""

    path: Path
    what: str
    name: str


def models_in(value: object) -> Iterator[BaseModel]:
    """Every model in a value, itself and those below it included, in the order in which they are written."""
    if isinstance(value, BaseModel):
        yield value
        value = [getattr(value, field) for field in type(value).model_fields]
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        yield from models_in(item)


def named_in(model: BaseModel) -> Iterator[Named]:
    """Every name of other knowledge in a model and in the models below it."""
    for field, key, what in _fields(type(model)):
        yield from _named(getattr(model, field), (key,), what)


@cache
def _fields(model: type[BaseModel]) -> tuple[tuple[str, str, str], ...]:
    """Of each field of a model: its name, its key in a file, and what its names are of."""
    found = []
    for field, info in model.model_fields.items():
        marks = [mark.what for mark in info.metadata if isinstance(mark, Names)]
        found.append((field, info.alias or field, marks[0] if marks else _inner(info.annotation)))
    return tuple(found)


def _named(value: Any, here: Path, what: str) -> Iterator[Named]:
    if isinstance(value, BaseModel):
        yield from (Named((*here, *found.path), found.what, found.name) for found in named_in(value))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _named(item, (*here, index), what)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _named(item, (*here, key), what)
    elif isinstance(value, str) and value and what:
        yield Named(here, what, value)


def _inner(annotation: Any) -> str:
    """What the names inside a tuple, a dict or an optional field are of."""
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, Names):
            return mark.what
    inner = (_inner(part) for part in getattr(annotation, "__args__", ()))
    return next((what for what in inner if what), "")
