"""Is this resource surely valid FHIR R4? A strict sketch of the models of fhir.resources, compiled for speed.

The sketch is drawn from those models and knows nothing of its own: the same elements, required ones and choices, with
narrower texts, numbers and dates than they allow. What it accepts they accept (`tests/chart/test_chart_sketch.py`
holds it to that); of what it does not accept it says nothing, and they are asked. An element that it leaves out (what
a type holds of itself, such as extensions within extensions) is one that it does not accept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from fhir.resources.R4B import get_fhir_model_class
from fhir_core import types as primitives
from msgspec import Meta

# Left out: other resources inside this one; and what charts hardly hold, since each model more costs at start.
_ASIDE: Final = frozenset({
    "Address", "Age", "Attachment", "CodeableReference", "ContactDetail", "ContactPoint", "Contributor", "Count",
    "DataRequirement", "Distance", "Expression", "FHIRPrimitiveExtension", "Money", "ParameterDefinition", "RatioRange",
    "RelatedArtifact", "Resource", "SampledData", "Signature", "TriggerDefinition", "UsageContext",
})  # fmt: skip

_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31"
_DATE = rf"(19|20)\d\d-({_DAY})"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
_INSTANT = rf"{_DATE}T{_TIME}(Z|[+-](0\d|1[0-3]):[0-5]\d)"
_PARTIAL = r"(19|20)\d\d(-(0[1-9]|1[0-2]))?"
_MOST: Final = 1e9  # beyond any number of a chart


def _text(pattern: str) -> Any:
    return Annotated[str, Meta(pattern=rf"\A({pattern})\Z")]


# The primitive types of fhir.resources whose values a sketch can tell; `Integer` and what is made of it have bounds.
_TEXTS: Final[Mapping[type, Any]] = {
    primitives.String: _text(r"[ \r\n\t\S]+"),
    primitives.Markdown: _text(r"[ \r\n\t\S]+"),
    primitives.Code: _text(r"\S+( \S+)*"),
    primitives.Id: _text(r"[A-Za-z0-9.-]{1,64}"),
    primitives.Uri: _text(r"\S+"),
    primitives.Canonical: _text(r"\S+"),
    primitives.Date: _text(rf"{_DATE}|{_PARTIAL}"),
    primitives.DateTime: _text(rf"{_INSTANT}|{_DATE}|{_PARTIAL}"),
    primitives.Instant: _text(_INSTANT),
    primitives.Time: _text(_TIME),
    primitives.Decimal: Annotated[float, Meta(ge=-_MOST, le=_MOST)],
}


def sketches(kinds: Iterable[str]) -> Mapping[str, msgspec.json.Decoder[Any]]:
    """A decoder for each type of resource: it raises msgspec.MsgspecError where a resource is not surely valid."""
    drawing = _Drawing()
    return {kind: msgspec.json.Decoder(drawing.of(get_fhir_model_class(kind), kind)) for kind in kinds}


class _Drawing:
    """The structs of some models, each made once."""

    def __init__(self) -> None:
        self._made: dict[type, Any] = {}
        self._open: set[type] = set()

    def of(self, model: Any, resource: str = "") -> Any:
        """The struct of a model; None where it is inside itself."""
        if model in self._open:
            return None
        if model not in self._made:
            self._open.add(model)
            self._made[model] = self._struct(model, resource)
            self._open.remove(model)
        return self._made[model]

    def _struct(self, model: Any, resource: str) -> Any:
        own = model.model_construct()
        needed = {name for name, _ in own.get_required_fields()}
        fields: list[tuple[Any, ...]] = []
        for name, field in model.model_fields.items():
            kind = None if name.endswith("__ext") or name == "fhir_comments" else self._kind(field.annotation)
            needs = field.is_required() or (field.alias or name) in needed
            if kind is None and needs:
                return None
            if kind is not None:
                fields.append((name, kind, msgspec.field(name=field.alias) if needs else _absent(field.alias)))
        if resource:
            fields.append(("resourceType", Literal[resource]))
        choices = own.get_one_of_many_fields()
        required = [p for p, names in choices.items() if _is_required(model, names)]
        checks = {"__post_init__": _chosen(choices.values(), [choices[p] for p in required], {f[0] for f in fields})}
        fields.sort(key=lambda f: len(f) == 3 and f[2].default is msgspec.UNSET)
        return msgspec.defstruct(
            model.__name__, fields, forbid_unknown_fields=True, namespace=checks if choices else None, gc=False
        )

    def _kind(self, annotation: Any) -> Any:
        """The type of an element; None where it is left out."""
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin in (Union, UnionType):
            (one,) = [each for each in inner if each is not NoneType] if len(inner) == 2 else [None]
            return self._kind(one)
        if origin is list:
            each = self._kind(inner[0])
            return None if each is None else Annotated[GenericAlias(list, (each,)), Meta(min_length=1)]
        if origin is Annotated:
            return _primitive(inner[1])
        if annotation is bool:
            return bool
        if isinstance(annotation, type) and issubclass(annotation, primitives.FhirBase):
            return None if annotation.__name__.removesuffix("Type") in _ASIDE else self.of(annotation.get_model_klass())
        return None


def _absent(alias: str | None) -> Any:
    return msgspec.field(name=alias, default=msgspec.UNSET)


def _primitive(told: Any) -> Any:
    if isinstance(told, primitives.Integer):
        return Annotated[int, Meta(ge=told.min_length, le=told.max_length)]
    return _TEXTS.get(type(told))


def _is_required(model: Any, names: Iterable[str]) -> bool:
    return any(model.model_fields[name].json_schema_extra["one_of_many_required"] for name in names)


def _chosen(
    choices: Iterable[Iterable[str]], required: Iterable[Iterable[str]], drawn: set[str]
) -> Callable[[Any], None]:
    """Of each choice at most one, of a required one exactly one."""
    most = [tuple(n for n in names if n in drawn) for names in choices]
    least = [tuple(n for n in names if n in drawn) for names in required]

    def check(made: Any) -> None:
        for names in most:
            if sum(getattr(made, name) is not msgspec.UNSET for name in names) > 1:
                raise ValueError("more than one of a choice")
        for names in least:
            if all(getattr(made, name) is msgspec.UNSET for name in names):
                raise ValueError("none of a choice")

    return check
