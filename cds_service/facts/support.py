"""Vital signs and organ support at a moment: what an ASTCT grade is derived from.

Everything is the worst of the window before the moment; what was not observed stays unobserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.declared import FINAL, GIVEN, quantity_of
from cds_service.facts.model import Reading

_LOW, _HIGH, _PRESSURE = 2, 3, 4


@dataclass(frozen=True, slots=True)
class Support:
    """The worst of the window. None means not observed; `oxygen_grade` is what the oxygen need alone proves.

    `doubtful` are running drugs that may be vasopressors: records that cannot be used, drugs that cannot be resolved.
    """

    temperature: float | None
    systolic: float | None
    oxygen_observed: bool
    oxygen_grade: int
    vasopressors: tuple[str, ...]
    vasopressin: bool
    doubtful: tuple[str, ...]
    fever_masked: bool
    sources: tuple[str, ...]
    unusable: tuple[str, ...]


def support_at(moment: datetime, reading: Reading, since: datetime | None) -> Support:
    """Vital signs and support in the window that ends at `moment`; `since` is the infusion."""
    low = moment - timedelta(hours=reading.windows["vitals-window"])
    # Clocks differ: what is dated a little later belongs to the moment.
    high = moment + timedelta(hours=reading.windows["clock-tolerance"])
    vitals = [r for r in reading.chart.of("vitals") if r.status in FINAL and _between(r, low, high)]
    bad: list[str] = []
    used: list[str] = []

    def values(value_set: str, analyte: str) -> list[float]:
        return _values(vitals, value_set, analyte, reading, used, bad)

    temperature = max(values("temperature", "temperature"), default=None)
    systolic = min(values("systolic-blood-pressure", "pressure") + _panel(vitals, reading, used, bad), default=None)
    flow = values("oxygen-flow", "oxygen-flow")
    saturation = values("oxygen-saturation", "oxygen-saturation")
    oxygen = _oxygen_grade(low, high, reading, vitals, flow, used)
    # A device that is not in the tables, or hypoxia with no support recorded: the oxygen need is not known.
    hypoxic = bool(saturation) and min(saturation) < reading.policies["hypoxia-saturation"]
    unclear = not oxygen and (hypoxic or _unknown_device(vitals, reading))
    pressors, vasopressin, doubtful = _vasopressors(moment, reading, used)
    return Support(
        temperature=temperature,
        systolic=systolic,
        oxygen_observed=bool(flow or saturation or oxygen) and not unclear,
        oxygen_grade=oxygen,
        vasopressors=pressors,
        vasopressin=vasopressin,
        doubtful=doubtful,
        fever_masked=_fever_masked(moment, since, reading),
        sources=tuple(dict.fromkeys(used)),
        unusable=(*bad, *doubtful),
    )


def _between(resource: Resource, low: datetime, high: datetime) -> bool:
    when = resource.when
    return when is not None and when.end >= low and when.start <= high


def _values(
    vitals: Iterable[Resource], value_set: str, analyte: str, reading: Reading, used: list[str], bad: list[str]
) -> list[float]:
    found = []
    for resource in vitals:
        if not resource.matches(reading.terms[value_set]):
            continue
        value = quantity_of(resource, reading, analyte)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
        else:
            used.append(resource.ref)
            found.append(value.value)
    return found


def _panel(vitals: Iterable[Resource], reading: Reading, used: list[str], bad: list[str]) -> list[float]:
    """Systolic pressures among the components of blood pressure panels."""
    found = []
    matcher = reading.terms["systolic-blood-pressure"]
    for resource in vitals:
        for part in resource.remember("components", _components):
            if not part.matches(matcher):
                continue
            value = resource.problem or quantity_of(part, reading, "pressure")
            if isinstance(value, str):
                bad.append(f"{resource.ref}: {value}")
            else:
                used.append(resource.ref)
                found.append(value.value)
    return found


def _components(resource: Resource) -> tuple[Resource, ...]:
    """Each component as an Observation of its own: it has a code and a value like one."""
    written = resource.raw.get("component")
    parts = [p for p in written if isinstance(p, Mapping)] if isinstance(written, list) else []
    shared = {k: resource.raw[k] for k in ("status",) if k in resource.raw}
    return tuple(Resource({"resourceType": "Observation", **shared, **part}) for part in parts)


def _oxygen_grade(
    low: datetime, high: datetime, reading: Reading, vitals: Iterable[Resource], flow: list[float], used: list[str]
) -> int:
    """The grade that oxygen devices and flow prove: the named device where there is one, else the flow."""
    grades = [0]
    terms = reading.terms
    for resource in vitals:
        device = _device_grade(resource.remember("devices", _device_concepts), reading)
        if device:
            used.append(resource.ref)
            grades.append(device)
    for resource in reading.chart.matching(("procedures",), terms["positive-pressure"]):
        running = resource.status == "in-progress" and resource.when is not None and resource.when.start <= high
        recent = resource.status == "completed" and _between(resource, low, high)
        if (running or recent) and not _not_scored(resource, reading):
            used.append(resource.ref)
            grades.append(_PRESSURE)
    if flow and max(flow) > reading.policies["low-flow-oxygen"] and max(grades) <= _LOW:
        grades.append(_HIGH)  # A cannula at 10 L/min is no low flow, whatever it is called.
    elif len(grades) == 1 and flow and max(flow) > 0:
        grades.append(_LOW)
    return max(grades)


def _device_grade(concepts: Iterable[Concept], reading: Reading) -> int:
    terms = reading.terms
    worst = 0
    for found in concepts:
        if terms["positive-pressure"].matches(found):
            worst = max(worst, _PRESSURE)
        elif terms["oxygen-high-flow"].matches(found):
            worst = max(worst, _HIGH)
        elif terms["oxygen-low-flow"].matches(found):
            worst = max(worst, _LOW)
    return worst


def _unknown_device(vitals: Iterable[Resource], reading: Reading) -> bool:
    """A measurement names breathing support that no table of devices holds, and not one from home."""
    support, home = reading.terms["breathing-support"], reading.terms["support-not-for-oxygen"]
    for resource in vitals:
        for found in resource.remember("devices", _device_concepts):
            if support.matches(found) and not home.matches(found) and not _device_grade((found,), reading):
                return True
    return False


def _device_concepts(resource: Resource) -> list[Concept]:
    """Wherever charts write the device: its reference, the method, the value, or a component."""
    raw = resource.raw
    device = raw.get("device")
    found = [concept({"text": device.get("display")})] if isinstance(device, Mapping) else []
    found += [concept(raw.get("method")), concept(raw.get("valueCodeableConcept"))]
    components = raw.get("component")
    for part in components if isinstance(components, list) else []:
        if isinstance(part, Mapping):
            found.append(concept(part.get("valueCodeableConcept")))
    return [c for c in found if not c.empty]


def _not_scored(procedure: Resource, reading: Reading) -> bool:
    """A home device, or a tube that only protects the airway: neither scores, unless lack of oxygen is named beside."""
    reasons, notes = procedure.raw.get("reasonCode"), procedure.raw.get("note")
    said = [concept(r) for r in reasons] if isinstance(reasons, list) else []
    for note in notes if isinstance(notes, list) else []:
        if isinstance(note, Mapping):
            said.append(concept({"text": note.get("text")}))
    said.append(procedure.concept)
    terms = reading.terms
    elsewhere = any(terms["support-not-for-oxygen"].matches(s) for s in said)
    return elsewhere and not any(terms["lack-of-oxygen"].matches(s) for s in said)


def _vasopressors(moment: datetime, reading: Reading, used: list[str]) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """Distinct running vasopressors by substance, whether vasopressin runs (it never adds to the count), and doubts."""
    recent = moment - timedelta(hours=reading.windows["vasopressor-recent"])
    tolerance = timedelta(hours=reading.windows["clock-tolerance"])
    names: dict[str, None] = {}
    vasopressin = False
    doubts: list[str] = []
    lost = "; ".join(("drug not resolved", *reading.chart.lost_drugs(("administrations",))))
    sets = (reading.terms["vasopressin"], reading.terms["vasopressor"])
    nameless_ones = reading.once("nameless drugs", lambda: _nameless(reading))
    for resource in (*reading.chart.matching(("administrations",), *sets), *nameless_ones):
        is_vasopressin = resource.matches(reading.terms["vasopressin"])
        nameless = resource.concept.empty
        undated = resource.when is None and (resource.problem or resource.status in GIVEN)
        if not _running(resource, moment + tolerance, recent) and not undated:
            continue
        if resource.problem or nameless or undated:
            doubts.append(f"{resource.ref}: {resource.problem or (lost if nameless else 'no usable time')}")
            continue
        used.append(resource.ref)
        if is_vasopressin:
            vasopressin = True
        else:
            names[_substance(resource, reading)] = None
    return tuple(names), vasopressin, tuple(doubts)


def _nameless(reading: Reading) -> list[Resource]:
    return [r for r in reading.chart.of("administrations") if r.concept.empty]


# Each is a value set of its own: brands, spellings and strengths of one substance count once.
_SUBSTANCES = ("norepinephrine", "epinephrine", "phenylephrine", "dopamine")


def _substance(resource: Resource, reading: Reading) -> str:
    for name in _SUBSTANCES:
        if resource.matches(reading.terms[name]):
            return name
    label = resource.concept.label.lower().split()
    return label[0] if label else resource.ref


def _running(resource: Resource, latest: datetime, recent: datetime) -> bool:
    when = resource.when
    if when is None or when.start > latest:
        return False
    if resource.status == "in-progress":
        return resource.end("effectivePeriod") is None or when.end >= recent
    return resource.status == "completed" and when.end >= recent


def _fever_masked(moment: datetime, since: datetime | None, reading: Reading) -> bool:
    """An antipyretic, tocilizumab or a corticosteroid was given since the infusion: fever is no longer required."""
    sets = [reading.terms[n] for n in ("tocilizumab", "corticosteroid", "antipyretic")]
    for resource in reading.chart.matching(("administrations",), *sets):
        if resource.status not in ("completed", "in-progress") or resource.when is None:
            continue
        if (since is None or resource.when.end >= since) and resource.when.start <= moment:
            return True
    return False
