"""Make charts dirty as real ones are: a share of the resources, each thing noted. Decided by dirt.yaml."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Any, Final

import yaml

from cds_service.tools.synth.dialect import Dialect, Json
from cds_service.tools.synth.draws import pick
from cds_service.tools.synth.figure_parts import Model
from cds_service.tools.synth.figures import FOLDER
from cds_service.tools.synth.written import Record

_TIMES: Final = ("onsetDateTime", "recordedDate", "effectiveDateTime", "performedDateTime", "issued")
_CONCEPTS: Final = ("code", "medicationCodeableConcept")
_ZONE: Final = -6  # characters of a zone: +01:00


class DirtKind(Model):
    """One thing that is done; `where: words` only where a concept has words that say the same as its code."""

    name: str
    share: float
    of: tuple[str, ...]
    where: str = ""
    also: tuple[str, ...] = ()
    lost: bool = False
    timeless: bool = False


class Dirt(Model):
    """The whole file."""

    owner: str
    date: datetime.date
    source: str
    kinds: tuple[DirtKind, ...]
    false_problem: str
    false_allergy: str
    unmapped_system: str


@dataclass(frozen=True, slots=True)
class Stain:
    """One thing that was done to one resource."""

    kind: DirtKind
    record: Record


@lru_cache(maxsize=1)
def dirt() -> Dirt:
    """The kinds of this package."""
    content = yaml.load((FOLDER / "dirt.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return Dirt.model_validate(content)


def soiled(draw: Random, rate: float, records: list[Record], dialect: Dialect) -> tuple[list[Record], list[Stain]]:
    """The records with a share of them dirty, and what was done; the same list where the rate is 0."""
    if not rate:
        return records, []
    kept: list[Record] = []
    stains: list[Stain] = []
    for record in records:
        fitting = [kind for kind in dirt().kinds if _fits(kind, record)] if draw.random() < rate else []
        if not fitting:
            kept.append(record)
            continue
        kind = pick(draw, fitting)
        made = list(_DONE[kind.name](record, dialect))
        if made != [record]:  # what has words alone already is no dirtier by that
            stains.append(Stain(kind, record))
        kept += made
    return kept, stains


def _fits(kind: DirtKind, record: Record) -> bool:
    resource = record.resource
    if resource["resourceType"] not in kind.of:
        return False
    if kind.where == "words":
        return "contained" not in resource and _words(_concept(resource)) != ""
    return kind.name != "without-unit" or bool(_quantities(resource))


def _concept(resource: Mapping[str, Any]) -> Json:
    return next((resource[name] for name in _CONCEPTS if name in resource), {})


def _words(concept: Mapping[str, Any]) -> str:
    """What a concept says in words; nothing where a local code's short name is all there is."""
    coding = concept.get("coding", [{}])[0]
    local = str(coding.get("system", "")).startswith("urn:")
    return "" if local else str(concept.get("text") or coding.get("display", ""))


def _changed(record: Record, **elements: Any) -> Record:
    return replace(record, resource=record.resource | elements)


def _named(record: Record, suffix: str, **elements: Any) -> Record:
    return _changed(record, id=f"{record.resource['id']}-{suffix}", **elements)


def _repeated(record: Record, dialect: Dialect) -> Iterator[Record]:
    yield record
    yield _named(record, "again")


def _entered_in_error(record: Record, dialect: Dialect) -> Iterator[Record]:
    yield record
    kind, said = record.resource["resourceType"], dirt()
    if kind == "Condition":
        false = _named(
            record, "error", code=dialect.concept(said.false_problem), verificationStatus=_in_error("condition")
        )
    elif kind == "AllergyIntolerance":
        concept, status = dialect.concept(said.false_allergy), _in_error("allergyintolerance")
        false = _named(record, "error", code=concept, verificationStatus=status)
    else:
        yield _named(record, "error", status="entered-in-error")
        return
    yield replace(false, resource={name: value for name, value in false.resource.items() if name != "clinicalStatus"})


def _in_error(of: str) -> Json:
    system = {"condition": "condition-ver-status", "allergyintolerance": "allergyintolerance-verification"}[of]
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": "entered-in-error"}]}


def _text_only(record: Record, dialect: Dialect) -> Iterator[Record]:
    name = next(name for name in _CONCEPTS if name in record.resource)
    yield _changed(record, **{name: {"text": _words(record.resource[name])}})


def _unmapped(record: Record, dialect: Dialect) -> Iterator[Record]:
    code = {"coding": [{"system": dirt().unmapped_system, "code": f"{len(record.about)}{abs(record.at) % 9973}"}]}
    if "contained" in record.resource:
        inside = {"resourceType": "Medication", "id": "drug", "code": code}
        yield _changed(record, contained=[inside])
        return
    yield _changed(record, **{name: code for name in _CONCEPTS if name in record.resource})


def _without(name: str) -> Callable[[Record, Dialect], Iterator[Record]]:
    def done(record: Record, dialect: Dialect) -> Iterator[Record]:
        yield replace(record, resource={key: value for key, value in record.resource.items() if key != name})

    return done


def _quantities(resource: Mapping[str, Any]) -> list[str]:
    return [name for name in ("valueQuantity", "component", "dosage") if name in resource]


def _without_unit(record: Record, dialect: Dialect) -> Iterator[Record]:
    yield _changed(record, **{name: _bare(record.resource[name]) for name in _quantities(record.resource)})


def _bare(value: Any) -> Any:
    """The same with every Quantity inside bare of its unit."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "value" in value and "unit" in value:
        return {"value": value["value"]}
    return {name: _bare(each) for name, each in value.items()}


def _without_zone(record: Record, dialect: Dialect) -> Iterator[Record]:
    yield _changed(record, **{name: record.resource[name][:_ZONE] for name in _TIMES if name in record.resource})


_DONE: Final[Mapping[str, Callable[[Record, Dialect], Iterator[Record]]]] = {
    "repeated": _repeated,
    "entered-in-error": _entered_in_error,
    "text-only": _text_only,
    "unmapped-local-code": _unmapped,
    "without-code": _without("code"),
    "without-unit": _without_unit,
    "without-status": _without("status"),
    "without-zone": _without_zone,
}
