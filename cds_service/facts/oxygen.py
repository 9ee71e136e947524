"""The oxygen that a patient needs at a moment, from every place where charts write a device, a flow or a fraction.

What names a device that no table holds, or oxygen without a device, is not understood: the need is then at least that
of low flow, and nothing bounds it above.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cds_service.chart.resource import Resource
from cds_service.chart.times import When
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.model import Reading
from cds_service.facts.observed import components_of, how_of, is_withheld, numbers_in, parts_of, value_of, words_of
from cds_service.facts.oxygen_words import device_of, in_use
from cds_service.facts.quantity import quantity_of
from cds_service.knowledge.model import CrsGrade, Device, Oxygen


@dataclass(frozen=True, slots=True)
class Puzzle:
    """What was not understood: when it was recorded, the record, and what is written there."""

    at: datetime
    ref: str
    words: str

    def __str__(self) -> str:
        return f"{self.ref}: {self.words}"


@dataclass(frozen=True, slots=True)
class Breathing:
    """The worst oxygen need of a window: its grade, and the words for it.

    `observed`: something was recorded, and all of it was understood. `at_least`: a cannula whose flow is not known.
    `presumed`: nothing says that the support was still in use. `airway` are records of breathing support that is said
    not to be for lack of oxygen.
    """

    grade: int
    words: str
    observed: bool
    at_least: bool
    presumed: bool
    puzzles: tuple[Puzzle, ...]
    airway: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(slots=True)
class _Told:
    """What one Observation says of oxygen: flows in L/min, fractions in percent, devices, what is not understood."""

    ref: str
    when: When
    flows: list[float] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    puzzles: list[str] = field(default_factory=list)
    airway: bool = False
    none: bool = False

    @property
    def says(self) -> bool:
        """Whether it says anything of oxygen at all."""
        return bool(self.flows or self.fractions or self.devices or self.puzzles or self.airway or self.none)


def breathing(given: CrsGrade, low: datetime, high: datetime, reading: Reading) -> Breathing:
    """The oxygen need between two moments."""
    told = [t for t in _all_told(given, reading) if t.when.end >= low and t.when.start <= high]
    seen = [grade for t in told for grade in _grades(given, t, told, reading)]
    procedures, airway, strange = _procedures(given, low, high, reading)
    seen += procedures
    flows = [flow for t in told for flow in t.flows]
    graded = max((each.grade for each in seen), default=0)
    flow_grade, words = _flow_grade(given.oxygen, max(flows, default=0.0), reading)
    if flow_grade > graded and (not graded or flow_grade > given.oxygen.low):
        seen.append(_Grade(flow_grade, words, False, next(t.ref for t in told if max(flows) in t.flows)))
        graded = flow_grade
    named = any(t.devices for t in told) or bool(procedures)
    puzzles = strange + [Puzzle(t.when.start, t.ref, why) for t in told for why in _puzzles(given, t, named, reading)]
    worst = [each for each in seen if each.grade == graded and graded]
    return Breathing(
        grade=max(graded, given.oxygen.low) if puzzles else graded,
        words="; ".join(dict.fromkeys(each.words for each in worst)),
        observed=bool(told or seen) and not puzzles,
        at_least=bool(worst) and all(each.at_least for each in worst),
        presumed=bool(worst) and all(each.presumed for each in worst),
        puzzles=tuple(puzzles),
        airway=(*(t.ref for t in told if t.airway), *airway),
        sources=tuple(dict.fromkeys((*(t.ref for t in told if t.flows), *(each.ref for each in seen)))),
    )


class _Grade(NamedTuple):
    """The grade that one record proves, the words for it, and whether it is a least one, or only presumed."""

    grade: int
    words: str
    at_least: bool
    ref: str
    presumed: bool = False


def _all_told(given: CrsGrade, reading: Reading) -> list[_Told]:
    numbers = reading.terms[given.flow.in_], reading.terms[given.oxygen.fraction.in_]

    def find(vitals: Iterable[Resource]) -> list[tuple[Resource, _Told]]:
        dated = ((r, r.when) for r in vitals if _may_tell(r, numbers) and r.when is not None)
        return [(r, told) for r, when in dated if (told := _told(given, r, when, reading)).says]

    said = reading.chart.remember(given.vitals, ("oxygen told", reading.select), find)
    return reading.once("oxygen told", lambda: [told for r, told in said if reading.is_(given.final, r)])


# Where an Observation says more than one number.
_WORDS: Final = frozenset(
    {"valueCodeableConcept", "valueString", "valueBoolean", "component", "device", "method", "dataAbsentReason"}
)


def _may_tell(record: Resource, numbers: Sequence[Matcher]) -> bool:
    """False where it is nothing but a number that is neither a flow nor a fraction: so are most of a chart."""
    raw = record.raw
    if not _WORDS.isdisjoint(raw):
        return True
    return "valueQuantity" in raw and any(matcher.matches(record.concept) for matcher in numbers)


def _told(given: CrsGrade, resource: Resource, when: When, reading: Reading) -> _Told:
    told, hows = _Told(resource.ref, when), how_of(resource)
    for part in parts_of(resource):
        _tell_numbers(given, part, told, reading)
        about = any(reading.terms[name].matches(part.concept) for name in (given.oxygen.device, given.flow.in_))
        if not (value := value_of(part)).empty:
            _tell_device(given, value, told, reading, about)
        elif part.raw.get("valueBoolean") is True:
            _tell_device(given, part.concept, told, reading, reading.terms[given.oxygen.device].matches(part.concept))
        elif about and not hows and is_withheld(part):
            told.puzzles.append(f"{part.concept.label or 'an oxygen row'} whose value cannot be seen")
    for how in hows:
        _tell_device(given, how, told, reading, False)
    if any(told.flows) and not told.devices:
        told.puzzles += _unnamed(given, resource, reading)
    return told


def _unnamed(given: CrsGrade, resource: Resource, reading: Reading) -> Iterator[str]:
    """What stands beside a flow without a device and was not understood: it may name one."""
    beside = [(how, how) for how in how_of(resource)]
    beside += [(part.concept, found) for part in components_of(resource) for found in (part.concept, value_of(part))]
    for named, found in beside:
        if (found is named or not found.empty) and reading.terms[given.oxygen.device].recognised(found).puzzle:
            yield f"a flow beside what is not understood ({named.label or 'no words'})"


def _tell_numbers(given: CrsGrade, part: Resource, told: _Told, reading: Reading) -> None:
    """A flow or a fraction that is the part's own value."""
    if "valueQuantity" not in part.raw:
        return
    if reading.terms[given.flow.in_].matches(part.concept):
        flow = quantity_of(part, reading, given.flow.analyte)
        if isinstance(flow, str):
            told.puzzles.append(f"an oxygen flow that cannot be used ({flow})")
        else:
            told.flows.append(flow.value)
    elif reading.terms[given.oxygen.fraction.in_].matches(part.concept):
        fraction = quantity_of(part, reading, given.oxygen.fraction.analyte)
        if not isinstance(fraction, str):
            told.fractions.append(fraction.value)


def _tell_device(given: CrsGrade, found: Concept, told: _Told, reading: Reading, about: bool) -> None:
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
    if _not_scored(oxygen, (found,), reading):
        told.airway = told.airway or (support and terms[oxygen.airway].matches(found))
        told.none = told.none or about
    elif device is not None:
        told.devices.append(device)
    elif air:
        told.none = True
    elif support and not flows:
        told.puzzles.append(f"an oxygen device that is not understood ({found.label or 'no words'})")


def _grades(given: CrsGrade, told: _Told, others: Sequence[_Told], reading: Reading) -> Iterator[_Grade]:
    """What each device of a record proves, by the flow or the fraction that stands beside it."""
    for device in told.devices:
        if device.by_flow:
            flows = told.flows or [flow for t in _beside(given, told, others, reading) for flow in t.flows]
            grade, words = _flow_grade(given.oxygen, max(flows, default=0.0), reading)
            yield _Grade(grade, words, False, told.ref) if flows else _Grade(device.grade, device.words, True, told.ref)
            continue
        fractions = told.fractions or [f for t in _beside(given, told, others, reading) for f in t.fractions]
        air = device.none_at_air and bool(fractions) and max(fractions) <= reading.policies[given.oxygen.air]
        yield _Grade(0 if air else device.grade, device.words, False, told.ref)


def _beside(given: CrsGrade, told: _Told, others: Iterable[_Told], reading: Reading) -> Iterator[_Told]:
    reach = timedelta(hours=reading.windows[given.oxygen.beside])
    return (t for t in others if abs(t.when.start - told.when.start) <= reach)


def _flow_grade(given: Oxygen, flow: float, reading: Reading) -> tuple[int, str]:
    """A cannula at 10 L/min is no low flow, whatever it is called."""
    grade = 0 if flow <= 0 else given.low if flow <= reading.policies[given.low_flow] else given.high
    return grade, next((device.words for device in given.devices if device.grade == grade), "")


def _puzzles(given: CrsGrade, told: _Told, named: bool, reading: Reading) -> Iterator[str]:
    yield from told.puzzles
    rich = [f for f in told.fractions if f > reading.policies[given.oxygen.air]]
    if rich and not named:
        yield f"inspired oxygen {max(rich):g} % without a device"


def _procedures(
    given: CrsGrade, low: datetime, high: datetime, reading: Reading
) -> tuple[list[_Grade], list[str], list[Puzzle]]:
    """What breathing support that is recorded as a Procedure proves, the support that is not for lack of oxygen, and
    what is not understood."""
    oxygen = given.oxygen
    seen: list[_Grade] = []
    airway: list[str] = []
    strange: list[Puzzle] = []
    for procedure in reading.once("breathing procedures", lambda: _of_breathing(given, reading)):
        device = device_of(oxygen, procedure.concept, reading)
        if not _in_use(given, procedure, device, low, high, reading):
            continue
        said = _said(procedure)
        if _not_scored(oxygen, said, reading):
            if any(reading.terms[oxygen.airway].matches(s) for s in said):
                airway.append(procedure.ref)
        elif device is not None:
            over = procedure.when is not None and procedure.when.end < low and _open(procedure)
            presumed = procedure.when is None or (over and not reading.is_(oxygen.under_way, procedure))
            seen.append(_Grade(device.grade, device.words, device.by_flow, procedure.ref, presumed))
        else:
            what = f"a procedure that may support breathing ({procedure.concept.label or 'no words'})"
            # What is in progress is so now, whatever was written since it began.
            when = None if reading.is_(oxygen.under_way, procedure) else procedure.when
            strange.append(Puzzle(when.start if when else high, procedure.ref, what))
    return seen, airway, strange


def _of_breathing(given: CrsGrade, reading: Reading) -> list[Resource]:
    """Procedures that support breathing, and those in progress of which nobody can say what they are."""
    oxygen = given.oxygen
    support = reading.terms[oxygen.breathing_support]
    sets = (*(reading.terms[name] for name in dict.fromkeys(d.in_ for d in oxygen.devices)), support)
    known = {id(r) for r in reading.chart.found(oxygen.procedures, sets)}
    return [
        procedure
        for procedure in reading.chart.of(oxygen.procedures)
        if id(procedure) in known
        or (reading.is_(oxygen.under_way, procedure) and support.recognised(procedure.concept).puzzle)
    ]


def _in_use(
    given: CrsGrade, procedure: Resource, device: Device | None, low: datetime, high: datetime, reading: Reading
) -> bool:
    """In progress, or completed in the window, or a little earlier without an end and no lesser device since."""
    when, oxygen = procedure.when, given.oxygen
    if when is None or when.start > high:
        return when is None and reading.is_(oxygen.under_way, procedure)
    if reading.is_(oxygen.under_way, procedure):
        return True
    if not reading.is_(oxygen.done, procedure):
        return False
    if when.end >= low:
        return not (_open(procedure) and _lesser_since(given, when.start, device, high, reading))
    open_since = high - timedelta(hours=reading.windows[oxygen.open_within])
    return _open(procedure) and when.start >= open_since and not _lesser_since(given, when.start, device, high, reading)


def _open(procedure: Resource) -> bool:
    return "performedPeriod" in procedure.raw and procedure.end("performedPeriod") is None


def _lesser_since(given: CrsGrade, start: datetime, device: Device | None, high: datetime, reading: Reading) -> bool:
    least = device.grade if device else 0
    later = (t for t in _all_told(given, reading) if start < t.when.start <= high)
    return any(t.none or t.flows or any(d.grade < least for d in t.devices) for t in later)


def _said(procedure: Resource) -> list[Concept]:
    reasons, notes = procedure.raw.get("reasonCode"), procedure.raw.get("note")
    said = [concept(r) for r in reasons] if isinstance(reasons, list) else []
    texts = (n.get("text") for n in notes if isinstance(n, dict)) if isinstance(notes, list) else ()
    return [*said, *(concept({"text": text}) for text in texts), procedure.concept]


def _not_scored(given: Oxygen, said: Iterable[Concept], reading: Reading) -> bool:
    """A home device, or a tube that only protects the airway: neither scores, unless lack of oxygen is named beside."""
    terms, told = reading.terms, tuple(said)
    elsewhere = any(terms[name].matches(s) for name in (given.not_for_oxygen, given.airway) for s in told)
    return elsewhere and not any(terms[given.lack_of_oxygen].matches(s) for s in told)
