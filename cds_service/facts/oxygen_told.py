"""What one Observation says of oxygen, wherever charts write it: flow, fraction, device, or what is not understood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cds_service.chart.resource import Resource
from cds_service.chart.times import LAST, When
from cds_service.chart.units import Beyond, Bounded, Converted, UnitTable, Unusable
from cds_service.chart.vocabulary import Concept, Matcher
from cds_service.facts.model import Reading
from cds_service.facts.observed import (
    components_of,
    how_of,
    is_taken,
    numbers_in,
    parts_of,
    quantity_in,
    value_of,
    words_of,
)
from cds_service.facts.oxygen_words import device_of, in_use
from cds_service.knowledge.model import CrsGrade, Device, Oxygen


@dataclass(slots=True)
class Told:
    """What one Observation says of oxygen: flows in L/min, fractions in percent and those that cannot be read, devices,
    what is not understood; `blank` are rows that say nothing."""

    ref: str
    when: When
    flows: list[float] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    puzzles: list[str] = field(default_factory=list)
    blank: list[str] = field(default_factory=list)
    airway: bool = False
    none: bool = False

    @property
    def says(self) -> bool:
        """Whether it says anything of oxygen at all."""
        told = (self.flows, self.fractions, self.unread, self.devices, self.puzzles, self.blank)
        return self.airway or self.none or any(told)

    @property
    def says_need(self) -> bool:
        """Whether it says how oxygen is given, or that none is."""
        return bool(self.devices or self.flows or self.none)

    @property
    def may_support(self) -> bool:
        """Whether it says that oxygen is given, or may say so."""
        return bool(self.devices or self.puzzles or self.blank or any(self.flows))


def all_told(given: CrsGrade, reading: Reading) -> list[Told]:
    """What each Observation says of oxygen that says when."""
    return reading.once("oxygen told", lambda: [t for r, t in _rows(given, reading) if r.when is not None])


def undated_support(given: CrsGrade, reading: Reading) -> list[str]:
    """References of the Observations of support, or of what may be some, whose time nobody can read."""
    undated = (t for r, t in _rows(given, reading) if r.when is None)
    return [t.ref for t in undated if t.may_support]


def _rows(given: CrsGrade, reading: Reading) -> list[tuple[Resource, Told]]:
    rows = tuple(reading.terms[n] for n in (given.flow.in_, given.oxygen.fraction.in_, given.oxygen.device))

    def find(vitals: Iterable[Resource]) -> list[tuple[Resource, Told]]:
        said = ((r, _told(given, r, r.when or _NO_TIME, reading)) for r in vitals if _may_tell(r, rows))
        return [(r, told) for r, told in said if told.says]

    said = reading.chart.remember(given.vitals, ("oxygen told", reading.select), find)

    def final() -> list[tuple[Resource, Told]]:
        nameless = [(r, _nameless(r, t)) for r, t in find(reading.chart.nameless(given.vitals)) if t.may_support]
        return [(r, told) for r, told in (*said, *nameless) if reading.is_(given.final, r)]

    return reading.once("oxygen rows", final)


def _nameless(record: Resource, told: Told) -> Told:
    """A record of support that names no patient: it may be this one's."""
    return Told(record.ref, told.when, puzzles=["an oxygen row that names no patient"])


_NO_TIME: Final = When(LAST, LAST)
# Where an Observation says more than one number.
_WORDS: Final = frozenset(
    {"valueCodeableConcept", "valueString", "valueBoolean", "component", "device", "method", "dataAbsentReason"}
)


def _may_tell(record: Resource, rows: Sequence[Matcher]) -> bool:
    """False where it is nothing but a number of something else: so are most of a chart."""
    return not _WORDS.isdisjoint(record.raw) or any(matcher.matches(record.concept) for matcher in rows)


def _told(given: CrsGrade, resource: Resource, when: When, reading: Reading) -> Told:
    told, hows = Told(resource.ref, when), how_of(resource)
    for part in parts_of(resource):
        is_number = _tell_numbers(given, part, told, reading)
        about = any(reading.terms[name].matches(part.concept) for name in (given.oxygen.device, given.flow.in_))
        if not (value := value_of(part)).empty:
            _tell_device(given, value, told, reading, about)
        elif part.raw.get("valueBoolean") is True:
            _tell_device(given, part.concept, told, reading, reading.terms[given.oxygen.device].matches(part.concept))
        elif about and not (is_number or hows) and _is_open(part):
            hidden = told.puzzles if "dataAbsentReason" in part.raw else told.blank
            hidden.append(f"{part.concept.label or 'an oxygen row'} whose value cannot be seen")
    for how in hows:
        _tell_device(given, how, told, reading, False)
    if any(told.flows) and not told.devices:
        told.puzzles += _unnamed(given, resource, reading)
    if not told.says and resource.matches(reading.terms[given.oxygen.device]) and resource.problem:
        told.puzzles.append("an oxygen row that cannot be used")
    return told


def _is_open(part: Resource) -> bool:
    """Whether a row that is there to say something says nothing that can be read, and not that nobody looked."""
    return is_taken(part) and part.raw.get("valueBoolean") is not False and not part.raw.get("component")


def _unnamed(given: CrsGrade, resource: Resource, reading: Reading) -> Iterator[str]:
    """What stands beside a flow without a device and was not understood: it may name one."""
    beside = [(how, how) for how in how_of(resource)]
    beside += [(part.concept, found) for part in components_of(resource) for found in (part.concept, value_of(part))]
    for named, found in beside:
        if (found is named or not found.empty) and reading.terms[given.oxygen.device].recognised(found).puzzle:
            yield f"a flow beside what is not understood ({named.label or 'no words'})"


def _tell_numbers(given: CrsGrade, part: Resource, told: Told, reading: Reading) -> bool:
    """A flow or a fraction that is the part's own value; False where it has none."""
    if (quantity := quantity_in(part)) is None:
        return False
    if reading.terms[given.flow.in_].matches(part.concept):
        if "valueString" in part.raw:
            return True  # read with the words of a device
        table = reading.units[given.flow.analyte]
        if "valueInteger" in part.raw:  # a type without a unit: litres a minute, as flows are charted
            quantity = {**quantity, "unit": table.analyte.unit}
        flow = part.problem or table.convert(quantity)
        if isinstance(flow, Converted):
            told.flows.append(flow.value)
        else:
            why = flow if isinstance(flow, str) else flow.why
            told.puzzles.append(f"an oxygen flow that cannot be used ({why})")
        return True
    if reading.terms[given.oxygen.fraction.in_].matches(part.concept):
        table = reading.units[given.oxygen.fraction.analyte]
        fraction = part.problem or table.convert(quantity)
        if isinstance(fraction, Converted):
            told.fractions.append(fraction.value)
        elif isinstance(fraction, str) or not _is_less(fraction, quantity, table):
            why = fraction if isinstance(fraction, str) else fraction.why
            told.unread.append(f"inspired oxygen that cannot be read ({why})")
        return True
    return False


def _is_less(found: Unusable, quantity: Mapping[str, Any], table: UnitTable) -> bool:
    """Whether a number that is no fraction of oxygen says that there is none: it is zero, or less than air has."""
    return quantity.get("value") == 0 or (table.has_unit(quantity) and not isinstance(found, Beyond | Bounded))


def _tell_device(given: CrsGrade, found: Concept, told: Told, reading: Reading, about: bool) -> None:
    """A device by its name, with the numbers that stand beside it; `about`: the record is there to name one."""
    oxygen, terms = given.oxygen, reading.terms
    found = in_use(oxygen, found, reading)
    text, air = words_of(found), terms[oxygen.room_air].matches(found)
    device = device_of(oxygen, found, reading)
    flows = list(numbers_in(text, reading.units[given.flow.analyte])) if device or about else []
    if device or about:
        told.flows += flows
        # A percentage beside room air is the saturation.
        if device or not air or terms[oxygen.fraction.in_].matches(found):
            told.fractions += numbers_in(text, reading.units[oxygen.fraction.analyte])
    support = about or device is not None or terms[oxygen.breathing_support].matches(found)
    if not_scored(oxygen, (found,), reading):
        told.airway = told.airway or (support and terms[oxygen.airway].matches(found))
        told.none = told.none or about
    elif device is not None:
        told.devices.append(device)
    elif air:
        told.none = True
    elif support and not flows:
        told.puzzles.append(f"an oxygen device that is not understood ({found.label or 'no words'})")


def not_scored(given: Oxygen, said: Iterable[Concept], reading: Reading) -> bool:
    """A home device, or a tube that only protects the airway: neither scores, unless lack of oxygen is named beside."""
    terms, told = reading.terms, tuple(said)
    elsewhere = any(terms[name].matches(s) for name in (given.not_for_oxygen, given.airway) for s in told)
    return elsewhere and not any(terms[given.lack_of_oxygen].matches(s) for s in told)
