"""CRS grade by ASTCT: as documented, as derived from vital signs and support, and whether the two agree.

A derived grade speaks only where it is proven. Absent data never lowers a grade: without both pressure and oxygenation
it is a lower bound at most. In children pressure has no number here, so only support counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cds_service.facts.graded import documented, grade_at
from cds_service.facts.model import Fact, Facts, Reading, unknown
from cds_service.facts.since import last_at
from cds_service.facts.support import Support, support_at
from cds_service.knowledge.model import CrsGrade


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived grade: `low` is proven at least; `exact` also at most; `evidence` says in words from what."""

    low: int
    exact: bool
    certain_zero: bool
    evidence: str
    support: Support


def facts(given: CrsGrade, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`derived`, `differ`, `grade`, `running`, `alone` and `not-established`."""
    since = last_at(given.infusions, reading)
    child = is_child(known[given.child])
    derived = derive(given, reading.now, reading, since, child)
    told = known[given.documented]
    yield _derived_fact(given, derived, reading, child)
    yield _differ(given, told, derived, reading)
    yield _grade(told, derived, child)
    yield from _support_facts(given, derived, reading)
    yield _prophylaxis(given, told, derived, known, reading)


def is_child(child: Fact) -> bool:
    """An unknown age is read as a child's: the pressure limit is for adults, and a child's grade needs more proof."""
    return child.value is not False


def derive(given: CrsGrade, moment: datetime, reading: Reading, since: datetime | None, child: bool) -> Derived:
    """The grade that vital signs and support of the window before `moment` prove."""
    seen = support_at(given, moment, reading, since)
    fever = seen.temperature is not None and seen.temperature >= reading.policies[given.fever]
    hypotensive = not child and seen.systolic is not None and seen.systolic < reading.policies[given.hypotension]
    pressors = len(seen.vasopressors)
    by_pressure = 4 if pressors > 1 else 3 if pressors or seen.uncounted else 2 if hypotensive else 0
    low = max(by_pressure, seen.oxygen_grade)
    # Hypotension or hypoxia without fever is CRS only once something has been given that masks the fever.
    if low and not (fever or seen.fever_masked):
        low = 0 if seen.temperature is not None and not (pressors or seen.uncounted) else low
    low = max(low, 1 if fever else 0)
    pressure_seen = bool(pressors or seen.uncounted) or (not child and seen.systolic is not None)
    # Where the drugs given are not all known, a vasopressor may be running beside the best of vital signs.
    drugs_known = not (reading.chart.gaps((given.administrations,)) or seen.doubtful)
    exact = pressure_seen and seen.oxygen_observed and seen.temperature is not None and drugs_known
    words = _evidence(given, seen, fever, hypotensive)
    return Derived(low, exact, exact and not seen.fever_masked, words, seen)


def _evidence(given: CrsGrade, seen: Support, fever: bool, hypotensive: bool) -> str:
    parts = []
    if seen.temperature is not None:
        parts.append(f"{'' if fever else 'no '}fever ({seen.temperature:.1f} Cel)")
    if not fever and seen.fever_masked:
        parts.append("fever not required after antipyretic or anticytokine therapy")
    if seen.vasopressors:
        parts.append(f"vasopressor: {', '.join(seen.vasopressors)}")
    if seen.uncounted:
        parts.append(f"{given.vasopressors.uncounted} {'(not counted)' if seen.vasopressors else 'alone'}")
    if seen.systolic is not None:
        parts.append(f"{'hypotension' if hypotensive else 'systolic'} {seen.systolic:g} mm[Hg]")
    if seen.oxygen_grade:
        parts += [device.words for device in given.oxygen.devices if device.grade == seen.oxygen_grade]
    elif seen.oxygen_observed:
        parts.append("no oxygen device recorded")
    return "; ".join(parts)


def is_proven(derived: Derived, child: bool) -> bool:
    """Whether a derived grade may be used as the grade: in a child only where a vasopressor runs."""
    if child:
        return bool(derived.support.vasopressors or derived.support.uncounted)
    return derived.low >= 2 or derived.exact


def _derived_fact(given: CrsGrade, derived: Derived, reading: Reading, child: bool) -> Fact:
    name, seen = "derived", derived.support
    if is_proven(derived, child):
        more = {"text": derived.evidence, "unusable": seen.unusable}
        return Fact(name, derived.low, "{grade}", reading.now, seen.sources, **more)  # type: ignore[arg-type]
    gaps = "; ".join(reading.chart.gaps((given.vitals, given.administrations)))
    why = gaps or "pressure and oxygenation were not both observed in the window"
    if child:
        why = "in a child only a documented grade or a running vasopressor counts"
    return unknown(name, why, text=derived.evidence, sources=seen.sources, unusable=seen.unusable)


def _differ(given: CrsGrade, told: Fact, derived: Derived, reading: Reading) -> Fact:
    """True only where the difference is proven; with nothing documented there is nothing to differ from."""
    name = "differ"
    gaps = "; ".join(reading.chart.gaps((given.conditions, given.vitals, given.administrations)))
    if told.value is None:
        return unknown(name, gaps) if gaps else Fact(name, False)
    grade, low = int(told.value), derived.low
    more = low >= 2 and low > grade
    less = derived.exact and low < grade and (grade >= 2 or derived.certain_zero)
    raised = derived.exact and low > grade
    text = f"documented {grade}, derived {low} ({derived.evidence})"
    if gaps and not (more or less or raised):
        return unknown(name, gaps, sources=told.sources)
    return Fact(name, more or less or raised, sources=told.sources + derived.support.sources, text=text)


def _grade(told: Fact, derived: Derived, child: bool) -> Fact:
    """The grade that rules use: the documented one; where there is none in time, a proven derived one."""
    if told.value is not None:
        notes = (*told.notes, "documented")
        return Fact("grade", told.value, "{grade}", told.as_of, told.sources, notes=notes, unusable=told.unusable)
    if is_proven(derived, child):
        notes = (f"derived from {derived.evidence}", f"documented grade: {told.why}")
        seen = derived.support
        return Fact("grade", derived.low, "{grade}", None, seen.sources, notes=notes, unusable=told.unusable)
    hint = f"; at least {derived.low} ({derived.evidence})" if derived.low else ""
    why = f"{told.why}, and vital signs do not prove one{hint}"
    return unknown("grade", why, sources=told.sources, unusable=told.unusable + derived.support.unusable)


def _support_facts(given: CrsGrade, derived: Derived, reading: Reading) -> Iterator[Fact]:
    seen = derived.support
    gaps = (*reading.chart.gaps((given.administrations,)), *seen.doubtful)
    running = bool(seen.vasopressors or seen.uncounted)
    if running:
        names = (*seen.vasopressors, *((given.vasopressors.uncounted,) if seen.uncounted else ()))
        yield Fact("running", True, sources=seen.sources, text=", ".join(names))
    else:
        yield unknown("running", "; ".join(gaps)) if gaps else Fact("running", False)
    alone = seen.uncounted and not seen.vasopressors
    if not alone and gaps and not seen.vasopressors:
        yield unknown("alone", "; ".join(gaps))
    else:
        yield Fact("alone", alone, sources=seen.sources if alone else ())


def _prophylaxis(given: CrsGrade, told: Fact, derived: Derived, known: Facts, reading: Reading) -> Fact:
    """The day of infusion, and no CRS that anybody documented or that support proves.

    Fever alone on that day is not yet CRS: only a clinician can exclude its other causes.
    """
    name = "not-established"
    day = known[given.day]
    if day.value is None:
        return unknown(name, day.why)
    if int(day.value) != int(reading.policies[given.first_day]):
        return Fact(name, False, sources=day.sources)
    established = (told.value is not None and int(told.value) >= 1) or derived.low >= 2
    return Fact(name, not established, sources=day.sources)


def grade_then(given: CrsGrade, moment: datetime, reading: Reading, child: Fact) -> int | None:
    """The grade at an earlier moment: documented, else derived where proven; None where neither is known."""
    series, _ = documented(given.scale, given.conditions, reading)
    told = grade_at(moment, series)
    if told is not None:
        return told.grade
    derived = derive(given, moment, reading, last_at(given.infusions, reading), is_child(child))
    return derived.low if is_proven(derived, is_child(child)) else None


def grades_of(name: str, reading: Reading) -> CrsGrade:
    """The computation of grades of this name."""
    found = reading.select.catalogue.computed[name]
    assert isinstance(found, CrsGrade)  # checked at load
    return found
