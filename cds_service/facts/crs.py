"""CRS grade by ASTCT: as documented, as derived from vital signs and support, and whether the two agree.

A derived grade speaks only where it is proven. Absent data never lowers a grade: without both pressure and oxygenation
it is a lower bound at most. In children pressure has no number here, so only support counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cds_service.facts.car_t import infused_at
from cds_service.facts.graded import current_grade, documented, grade_at
from cds_service.facts.model import Fact, Facts, Reading, unknown
from cds_service.facts.support import Support, support_at

GRADES = tuple((n, f"crs-grade-{n}") for n in range(1, 6))


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived grade: `low` is proven at least; `exact` also at most; `evidence` says in words from what."""

    low: int
    exact: bool
    certain_zero: bool
    evidence: str
    support: Support


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """The CRS facts; needs `child` and the CAR-T facts."""
    since = infused_at(reading)
    # An unknown age is no adult's: the pressure limit is for adults.
    child = known["child"].value is not False
    derived = derive(reading.now, reading, since, child)
    told = current_grade("crs-grade-documented", GRADES, "crs", reading, "crs-grade-max-age", nothing=None)
    yield told
    yield _derived_fact(derived, reading, child)
    yield _differ(told, derived, reading)
    yield _grade(told, derived, child)
    yield from _support_facts(derived, reading)
    yield _prophylaxis(told, derived, known, reading)


def derive(moment: datetime, reading: Reading, since: datetime | None, child: bool) -> Derived:
    """The grade that vital signs and support of the window before `moment` prove."""
    seen = support_at(moment, reading, since)
    fever = seen.temperature is not None and seen.temperature >= reading.policies["fever"]
    hypotensive = not child and seen.systolic is not None and seen.systolic < reading.policies["adult-hypotension"]
    pressors = len(seen.vasopressors)
    by_pressure = 4 if pressors > 1 else 3 if pressors or seen.vasopressin else 2 if hypotensive else 0
    low = max(by_pressure, seen.oxygen_grade)
    # Hypotension or hypoxia without fever is CRS only once something has been given that masks the fever.
    if low and not (fever or seen.fever_masked):
        low = 0 if seen.temperature is not None and not (pressors or seen.vasopressin) else low
    low = max(low, 1 if fever else 0)
    pressure_seen = bool(pressors or seen.vasopressin) or (not child and seen.systolic is not None)
    # Where the drugs given are not all known, a vasopressor may be running beside the best of vital signs.
    drugs_known = not (reading.chart.gaps(("administrations",)) or seen.doubtful)
    exact = pressure_seen and seen.oxygen_observed and seen.temperature is not None and drugs_known
    words = _evidence(seen, fever, hypotensive)
    return Derived(low, exact, exact and not seen.fever_masked, words, seen)


def _evidence(seen: Support, fever: bool, hypotensive: bool) -> str:
    parts = []
    if seen.temperature is not None:
        parts.append(f"{'fever' if fever else 'no fever'} ({seen.temperature:.1f} Cel)")
    if not fever and seen.fever_masked:
        parts.append("fever not required after antipyretic or anticytokine therapy")
    if seen.vasopressors:
        parts.append(f"vasopressor: {', '.join(seen.vasopressors)}")
    if seen.vasopressin:
        parts.append("vasopressin (not counted)" if seen.vasopressors else "vasopressin alone")
    if seen.systolic is not None:
        parts.append(f"{'hypotension' if hypotensive else 'systolic'} {seen.systolic:g} mm[Hg]")
    if seen.oxygen_grade:
        parts.append({2: "low-flow oxygen", 3: "high-flow oxygen", 4: "positive pressure"}[seen.oxygen_grade])
    elif seen.oxygen_observed:
        parts.append("no oxygen device recorded")
    return "; ".join(parts)


def is_proven(derived: Derived, child: bool) -> bool:
    """Whether a derived grade may be used as the grade: in a child only where a vasopressor runs."""
    if child:
        return bool(derived.support.vasopressors or derived.support.vasopressin)
    return derived.low >= 2 or derived.exact


def _derived_fact(derived: Derived, reading: Reading, child: bool) -> Fact:
    name, seen = "crs-grade-derived", derived.support
    if is_proven(derived, child):
        more = {"text": derived.evidence, "unusable": seen.unusable}
        return Fact(name, derived.low, "{grade}", reading.now, seen.sources, **more)  # type: ignore[arg-type]
    gaps = "; ".join(reading.chart.gaps(("vitals", "administrations")))
    why = gaps or "pressure and oxygenation were not both observed in the window"
    if child:
        why = "in a child only a documented grade or a running vasopressor counts"
    return unknown(name, why, text=derived.evidence, sources=seen.sources, unusable=seen.unusable)


def _differ(told: Fact, derived: Derived, reading: Reading) -> Fact:
    """True only where the difference is proven; with nothing documented there is nothing to differ from."""
    name = "crs-grades-differ"
    gaps = "; ".join(reading.chart.gaps(("conditions", "vitals", "administrations")))
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
        return Fact("crs-grade", told.value, "{grade}", told.as_of, told.sources, notes=notes, unusable=told.unusable)
    if is_proven(derived, child):
        notes = (f"derived from {derived.evidence}", f"documented grade: {told.why}")
        seen = derived.support
        return Fact("crs-grade", derived.low, "{grade}", None, seen.sources, notes=notes, unusable=told.unusable)
    hint = f"; at least {derived.low} ({derived.evidence})" if derived.low else ""
    why = f"{told.why}, and vital signs do not prove one{hint}"
    return unknown("crs-grade", why, sources=told.sources, unusable=told.unusable + derived.support.unusable)


def _support_facts(derived: Derived, reading: Reading) -> Iterator[Fact]:
    seen = derived.support
    gaps = (*reading.chart.gaps(("administrations",)), *seen.doubtful)
    running = bool(seen.vasopressors or seen.vasopressin)
    if running:
        names = (*seen.vasopressors, *(("vasopressin",) if seen.vasopressin else ()))
        yield Fact("vasopressor-running", True, sources=seen.sources, text=", ".join(names))
    else:
        yield unknown("vasopressor-running", "; ".join(gaps)) if gaps else Fact("vasopressor-running", False)
    alone = seen.vasopressin and not seen.vasopressors
    if not alone and gaps and not seen.vasopressors:
        yield unknown("vasopressin-alone", "; ".join(gaps))
    else:
        yield Fact("vasopressin-alone", alone, sources=seen.sources if alone else ())


def _prophylaxis(told: Fact, derived: Derived, known: Facts, reading: Reading) -> Fact:
    """The day of infusion, and no CRS that anybody documented or that support proves.

    Fever alone on that day is not yet CRS: only a clinician can exclude its other causes.
    """
    name = "prophylaxis-window"
    day = known["car-t-day"]
    if day.value is None:
        return unknown(name, day.why)
    if int(day.value) != int(reading.policies["prophylaxis-day"]):
        return Fact(name, False, sources=day.sources)
    established = (told.value is not None and int(told.value) >= 1) or derived.low >= 2
    return Fact(name, not established, sources=day.sources)


def grade_then(moment: datetime, reading: Reading, since: datetime | None, child: bool) -> int | None:
    """The grade at an earlier moment: documented, else derived where proven; None where neither is known."""
    series, _ = documented(GRADES, reading)
    told = grade_at(moment, series)
    if told is not None:
        return told.grade
    derived = derive(moment, reading, since, child)
    return derived.low if is_proven(derived, child) else None
