"""How a kind of hospital writes: the concepts, units and shapes of dialects.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from functools import lru_cache
from typing import Any, Final, Literal

import yaml

from cds_service.tools.synth.figure_parts import Model
from cds_service.tools.synth.figures import FOLDER

UCUM: Final = "http://unitsofmeasure.org"
Json = dict[str, Any]


class Shapes(Model):
    """Which resource says what."""

    cells: Literal["procedure", "administration"]
    regrade: Literal["observation", "condition"]
    oxygen: Literal["component", "rows", "procedure"]
    drug: Literal["code", "contained", "ingredients"]
    vasopressor: Literal["period", "rows"]
    report: bool


class Unit(Model):
    """A unit, and how a value of courses.yaml is written in it: value x factor + offset."""

    unit: str
    digits: int
    factor: float = 1
    offset: float = 0


class DialectFile(Model):
    """One dialect as the file has it."""

    title: str
    site: str
    zone: int
    shapes: Shapes
    units: dict[str, Unit]
    concepts: dict[str, dict[str, Any]]


class DialectsFile(Model):
    """The whole file."""

    owner: str
    date: Any
    source: str
    systems: dict[str, str]
    common: dict[str, dict[str, Any]]
    units: dict[str, Unit]
    dialects: dict[str, DialectFile]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A dialect, ready to write with: CodeableConcepts and units by the names that courses use."""

    name: str
    title: str
    site: str
    zone: timezone
    shapes: Shapes
    units: Mapping[str, Unit]
    concepts: Mapping[str, Json]
    stages: Mapping[str, str]

    def concept(self, name: str) -> Json:
        """The CodeableConcept of a name."""
        return self.concepts[name]

    def quantity(self, name: str, value: float) -> Json:
        """A value in this dialect's unit."""
        unit = self.units[name]
        written = round(value * unit.factor + unit.offset, unit.digits)
        return {"value": written if unit.digits else int(written), "unit": unit.unit, "system": UCUM, "code": unit.unit}


@lru_cache(maxsize=1)
def dialects() -> Mapping[str, Dialect]:
    """All dialects by name, in the order of the file."""
    content = yaml.load((FOLDER / "dialects.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    file = DialectsFile.model_validate(content)
    return {name: _dialect(name, told, file) for name, told in file.dialects.items()}


def _dialect(name: str, told: DialectFile, file: DialectsFile) -> Dialect:
    concepts = file.common | told.concepts
    return Dialect(
        name=name,
        title=told.title,
        site=told.site,
        zone=timezone(timedelta(hours=told.zone)),
        shapes=told.shapes,
        units=file.units | told.units,
        concepts={each: _concept(content, file.systems) for each, content in concepts.items()},
        stages={each: content["stage"] for each, content in concepts.items() if "stage" in content},
    )


def _concept(content: Mapping[str, Any], systems: Mapping[str, str]) -> Json:
    """`{system: [code, display], text: words, stage: words}` as a CodeableConcept."""
    coding = [
        {"system": systems[system], "code": code[0], "display": code[1]}
        for system, code in content.items()
        if system not in ("text", "stage")
    ]
    written: Json = {"coding": coding} if coding else {}
    return written | ({"text": content["text"]} if "text" in content else {})
