"""Vital signs and organ support at a moment: what an ASTCT grade is derived from.

Everything is the worst of the window before the moment; what was not observed stays unobserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.model import Reading
from cds_service.facts.quantity import quantity_of
from cds_service.knowledge.model import CrsGrade, Oxygen, Quantity, Vasopressors


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
    uncounted: bool
    doubtful: tuple[str, ...]
    fever_masked: bool
    sources: tuple[str, ...]
    unusable: tuple[str, ...]


def support_at(given: CrsGrade, moment: datetime, reading: Reading, since: datetime | None) -> Support:
    """Vital signs and support in the window that ends at `moment`; `since` is the infusion."""
    low = moment - timedelta(hours=reading.windows[given.within])
    # Clocks differ: what is dated a little later belongs to the moment.
    high = moment + timedelta(hours=reading.windows[given.vasopressors.clock_tolerance])
    of_vitals = reading.chart.of(given.vitals)
    vitals = [r for r in of_vitals if reading.is_(given.final, r) and _between(r, low, high)]
    bad: list[str] = []
    used: list[str] = []

    def values(what: Quantity) -> list[float]:
        return _values(vitals, what, reading, used, bad)

    temperature = max(values(given.temperature), default=None)
    pressures = values(given.systolic) + _panel(vitals, given.systolic, reading, used, bad)
    systolic = min(pressures, default=None)
    flow = values(given.flow)
    saturation = values(given.saturation)
    oxygen = _oxygen_grade(given.oxygen, low, high, reading, vitals, flow, used)
    # A device that is not in the tables, or hypoxia with no support recorded: the oxygen need is not known.
    hypoxic = bool(saturation) and min(saturation) < reading.policies[given.hypoxia]
    unclear = not oxygen and (hypoxic or _unknown_device(given.oxygen, vitals, reading))
    pressors, lone, doubtful = _vasopressors(given, moment, reading, used)
    return Support(
        temperature=temperature,
        systolic=systolic,
        oxygen_observed=bool(flow or saturation or oxygen) and not unclear,
        oxygen_grade=oxygen,
        vasopressors=pressors,
        uncounted=lone,
        doubtful=doubtful,
        fever_masked=_fever_masked(given, moment, since, reading),
        sources=tuple(dict.fromkeys(used)),
        unusable=(*bad, *doubtful),
    )


def _between(resource: Resource, low: datetime, high: datetime) -> bool:
    when = resource.when
    return when is not None and when.end >= low and when.start <= high


def _values(
    vitals: Iterable[Resource], what: Quantity, reading: Reading, used: list[str], bad: list[str]
) -> list[float]:
    found = []
    matcher = reading.terms[what.in_]
    for resource in vitals:
        if not resource.matches(matcher):
            continue
        value = quantity_of(resource, reading, what.analyte)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
        else:
            used.append(resource.ref)
            found.append(value.value)
    return found


def _panel(
    vitals: Iterable[Resource], what: Quantity, reading: Reading, used: list[str], bad: list[str]
) -> list[float]:
    """Systolic pressures among the components of blood pressure panels."""
    found = []
    matcher = reading.terms[what.in_]
    for resource in vitals:
        for part in resource.remember("components", _components):
            if not part.matches(matcher):
                continue
            value = resource.problem or quantity_of(part, reading, what.analyte)
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
    given: Oxygen,
    low: datetime,
    high: datetime,
    reading: Reading,
    vitals: Iterable[Resource],
    flow: list[float],
    used: list[str],
) -> int:
    """The grade that oxygen devices and flow prove: the named device where there is one, else the flow."""
    grades = [0]
    for resource in vitals:
        device = _device_grade(given, resource.remember("devices", _device_concepts), reading)
        if device:
            used.append(resource.ref)
            grades.append(device)
    highest = given.devices[0]
    for resource in reading.chart.matching((given.procedures,), reading.terms[highest.in_]):
        running = reading.is_(given.under_way, resource) and resource.when is not None and resource.when.start <= high
        recent = reading.is_(given.done, resource) and _between(resource, low, high)
        if (running or recent) and not _not_scored(given, resource, reading):
            used.append(resource.ref)
            grades.append(highest.grade)
    if flow and max(flow) > reading.policies[given.low_flow] and max(grades) <= given.low:
        grades.append(given.high)  # A cannula at 10 L/min is no low flow, whatever it is called.
    elif len(grades) == 1 and flow and max(flow) > 0:
        grades.append(given.low)
    return max(grades)


def _device_grade(given: Oxygen, concepts: Iterable[Concept], reading: Reading) -> int:
    """The worst of the devices; each concept is the first of the table that it is in."""
    devices = [(reading.terms[device.in_], device.grade) for device in given.devices]
    each = (next((grade for matcher, grade in devices if matcher.matches(found)), 0) for found in concepts)
    return max(each, default=0)


def _unknown_device(given: Oxygen, vitals: Iterable[Resource], reading: Reading) -> bool:
    """A measurement names breathing support that no table of devices holds, and not one from home."""
    support, home = reading.terms[given.breathing_support], reading.terms[given.not_for_oxygen]
    for resource in vitals:
        for found in resource.remember("devices", _device_concepts):
            if support.matches(found) and not home.matches(found) and not _device_grade(given, (found,), reading):
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


def _not_scored(given: Oxygen, procedure: Resource, reading: Reading) -> bool:
    """A home device, or a tube that only protects the airway: neither scores, unless lack of oxygen is named beside."""
    reasons, notes = procedure.raw.get("reasonCode"), procedure.raw.get("note")
    said = [concept(r) for r in reasons] if isinstance(reasons, list) else []
    for note in notes if isinstance(notes, list) else []:
        if isinstance(note, Mapping):
            said.append(concept({"text": note.get("text")}))
    said.append(procedure.concept)
    terms = reading.terms
    elsewhere = any(terms[given.not_for_oxygen].matches(s) for s in said)
    return elsewhere and not any(terms[given.lack_of_oxygen].matches(s) for s in said)


def _vasopressors(
    given: CrsGrade, moment: datetime, reading: Reading, used: list[str]
) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """Distinct running vasopressors by substance, whether the uncounted one runs, and doubts."""
    drugs, query = given.vasopressors, (given.administrations,)
    recent = moment - timedelta(hours=reading.windows[drugs.within])
    tolerance = timedelta(hours=reading.windows[drugs.clock_tolerance])
    names: dict[str, None] = {}
    lone = False
    doubts: list[str] = []
    lost = "; ".join(("drug not resolved", *reading.chart.lost_drugs(query)))
    sets = (reading.terms[drugs.uncounted], reading.terms[drugs.in_])
    nameless_ones = reading.once("nameless drugs", lambda: _nameless(given, reading))
    for resource in (*reading.chart.matching(query, *sets), *nameless_ones):
        nameless = resource.concept.empty
        running = _running(drugs, resource, moment + tolerance, recent, reading)
        undated = resource.when is None and (resource.problem or reading.is_(given.given, resource))
        if not running and not undated:
            continue
        if resource.problem or nameless or undated:
            doubts.append(f"{resource.ref}: {resource.problem or (lost if nameless else 'no usable time')}")
            continue
        used.append(resource.ref)
        if resource.matches(sets[0]):
            lone = True
        else:
            names[_substance(drugs, resource, reading)] = None
    return tuple(names), lone, tuple(doubts)


def _nameless(given: CrsGrade, reading: Reading) -> list[Resource]:
    return [r for r in reading.chart.of(given.administrations) if r.concept.empty]


def _substance(drugs: Vasopressors, resource: Resource, reading: Reading) -> str:
    """Each substance is a value set of its own: its brands, spellings and strengths count once."""
    for name in drugs.substances:
        if resource.matches(reading.terms[name]):
            return name
    label = resource.concept.label.lower().split()
    return label[0] if label else resource.ref


def _running(drugs: Vasopressors, resource: Resource, latest: datetime, recent: datetime, reading: Reading) -> bool:
    when = resource.when
    if when is None or when.start > latest:
        return False
    if reading.is_(drugs.under_way, resource):
        return resource.end("effectivePeriod") is None or when.end >= recent
    return reading.is_(drugs.done, resource) and when.end >= recent


def _fever_masked(given: CrsGrade, moment: datetime, since: datetime | None, reading: Reading) -> bool:
    """A drug that lowers fever was given since the infusion: fever is no longer required."""
    sets = [reading.terms[name] for name in given.fever_masked_by]
    for resource in reading.chart.matching((given.administrations,), *sets):
        if resource.when is None or not reading.is_(given.given, resource):
            continue
        if (since is None or resource.when.end >= since) and resource.when.start <= moment:
            return True
    return False
