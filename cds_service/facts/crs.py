"""CRS grade by ASTCT: as documented, as derived from vital signs and support, and whether the two agree.

A derived grade speaks only where it is proven. Absent data never lowers a grade: without both pressure and oxygenation
it is a lower bound at most. In children pressure has no number here, so only support counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cds_service.facts.graded import documented, grade_at
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.since import last_at
from cds_service.facts.support import Support, support_at
from cds_service.knowledge.model import CrsGrade

_AGREE = "no"


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived grade: `low` is proven at least; `exact` also at most; `evidence` says in words from what.

    `open_since` is when something was recorded that may mean more and is not understood, or may be running (None:
    nothing); `open_why` says what.
    """

    low: int
    exact: bool
    certain_zero: bool
    evidence: str
    support: Support
    open_since: datetime | None
    open_why: tuple[str, ...]


def facts(given: CrsGrade, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`derived`, `differ`, `grade`, `open`, `running`, `alone` and `not-established`."""
    since = last_at(given.infusions, reading)
    child = is_child(known[given.child])
    derived = derive(given, reading.now, reading, since, child)
    told = known[given.documented]
    yield _derived_fact(given, derived, reading, child)
    yield _differ(given, told, derived, reading)
    grade = _grade(given, told, derived, child)
    yield grade
    yield _open_grade(given, told, derived, grade, reading)
    yield from _support_facts(given, told, derived, reading)
    yield _prophylaxis(given, told, derived, known, reading)


def is_child(child: Fact) -> bool:
    """An unknown age is read as a child's: the pressure limit is for adults, and a child's grade needs more proof."""
    return child.value is not False


def derive(given: CrsGrade, moment: datetime, reading: Reading, since: datetime | None, child: bool) -> Derived:
    """The grade that vital signs and support of the window before `moment` prove."""
    seen = support_at(given, moment, reading, since)
    fever = seen.temperature is not None and seen.temperature >= reading.policies[given.fever]
    hypotensive = not child and seen.systolic is not None and seen.systolic < reading.policies[given.hypotension]
    pressors = len(seen.drugs.vasopressors)
    by_pressure = 4 if pressors > 1 else 3 if seen.pressors else 2 if hypotensive else 0
    low = max(by_pressure, seen.oxygen.grade)
    # Hypotension or hypoxia without fever is CRS only once something has been given that masks the fever.
    if low and not (fever or seen.fever_masked):
        low = 0 if seen.temperature is not None and not seen.pressors else low
    low = max(low, 1 if fever else 0)
    pressure_seen = seen.pressors or (not child and seen.systolic is not None)
    # Where drugs or support are not all known, a vasopressor may run beside the best of vital signs.
    complete = not reading.chart.gaps(_bounding(given))
    since_when, why = _open(given, seen, moment, reading)
    exact = pressure_seen and seen.oxygen_observed and seen.temperature is not None and complete and not why
    words = _evidence(given, seen, fever, hypotensive)
    return Derived(low, exact, exact and not seen.fever_masked, words, seen, since_when, why)


def _bounding(given: CrsGrade) -> tuple[str, ...]:
    """The queries whose absence leaves a grade without an upper bound."""
    return (given.administrations, given.oxygen.procedures)


def _open(
    given: CrsGrade, seen: Support, moment: datetime, reading: Reading
) -> tuple[datetime | None, tuple[str, ...]]:
    """Since when something may mean a higher grade, and what: a drug now, a device since it was recorded."""
    gaps = reading.chart.gaps((given.administrations,))
    why = (*(str(p) for p in seen.oxygen.puzzles), *seen.drugs.doubtful, *gaps)
    times = [p.at for p in seen.oxygen.puzzles]
    if seen.drugs.doubtful or gaps:
        times.append(moment)
    return max(times, default=None), why


def _evidence(given: CrsGrade, seen: Support, fever: bool, hypotensive: bool) -> str:
    parts = []
    if seen.temperature is not None:
        parts.append(f"{'' if fever else 'no '}fever ({seen.temperature:.1f} Cel)")
    if not fever and seen.fever_masked:
        parts.append("fever not required after antipyretic or anticytokine therapy")
    if seen.drugs.vasopressors:
        parts.append(f"vasopressor: {', '.join(seen.drugs.vasopressors)}")
    if seen.drugs.uncounted:
        parts.append(f"{given.vasopressors.uncounted} {'(not counted)' if seen.drugs.vasopressors else 'alone'}")
    if seen.systolic is not None:
        parts.append(f"{'hypotension' if hypotensive else 'systolic'} {seen.systolic:g} mm[Hg]")
    if seen.oxygen.words:
        parts.append(seen.oxygen.words + (" (flow not recorded)" if seen.oxygen.at_least else ""))
    elif seen.oxygen_observed:
        parts.append("no oxygen device recorded")
    parts += [puzzle.words for puzzle in seen.oxygen.puzzles]
    return "; ".join(parts)


def is_proven(given: CrsGrade, derived: Derived, child: bool) -> bool:
    """Whether a derived grade may be used as the grade: nothing may mean more, and in a child a vasopressor runs."""
    if derived.low < given.highest_grade and (derived.open_why or derived.support.oxygen.at_least):
        return False
    if child:
        return derived.support.pressors
    return derived.low >= 2 or derived.exact


def _derived_fact(given: CrsGrade, derived: Derived, reading: Reading, child: bool) -> Fact:
    name, seen = "derived", derived.support
    if is_proven(given, derived, child):
        more = {"text": derived.evidence, "unusable": seen.unusable}
        return Fact(name, derived.low, "{grade}", reading.now, seen.sources, **more)  # type: ignore[arg-type]
    gaps = "; ".join(reading.chart.gaps((given.vitals, *_bounding(given))))
    why = gaps or "; ".join(derived.open_why) or "pressure and oxygenation were not both observed in the window"
    if child:
        why = "in a child only a documented grade or a running vasopressor counts"
    more = {"unusable": seen.unusable, "not_understood": _strange(derived)}
    return unknown(name, why, text=derived.evidence, sources=seen.sources, **more)


def _strange(derived: Derived) -> tuple[str, ...]:
    """The records that were not understood."""
    seen = derived.support
    return tuple(dict.fromkeys((*(p.ref for p in seen.oxygen.puzzles), *seen.drugs.not_understood)))


def _differ(given: CrsGrade, told: Fact, derived: Derived, reading: Reading) -> Fact:
    """What the derived grade is against the documented one, where that is proven; with nothing documented there is
    nothing to differ from."""
    name = "differ"
    gaps = "; ".join(reading.chart.gaps((given.conditions, given.vitals, *_bounding(given))))
    if told.value is None:
        return unknown(name, gaps) if gaps else Fact(name, _AGREE)
    # Normal pressure and oxygen under a fever that is masked are grade 1.
    low = max(derived.low, 1) if derived.exact and not derived.certain_zero else derived.low
    grade = int(told.value)
    # What ended is no grade to differ from, unless it has come back for sure.
    ended = grade_at(reading.now, documented(given.scale, given.conditions, reading).grades) is None
    more = low > grade and (low >= 2 or (derived.exact and not ended))
    # Breathing support that is not for lack of oxygen hides what the oxygen need would be.
    bounded = derived.exact and not derived.support.oxygen.airway
    less = bounded and low < grade
    text = f"documented {grade}, derived {low} ({derived.evidence})"
    if gaps and not (more or less):
        return unknown(name, gaps, sources=told.sources)
    value = "higher" if more else _how_much_lower(given, told, low, reading) if less else _AGREE
    return Fact(name, value, sources=told.sources + derived.support.sources, text=text)


def _how_much_lower(given: CrsGrade, told: Fact, low: int, reading: Reading) -> str:
    """Vital signs that say one less soon after a grade was written are no disagreement."""
    eased = given.eased
    fresh = told.as_of is not None and reading.hours_since(told.as_of) <= reading.windows[eased.within]
    return "eased" if fresh and (told.value, low) == (eased.documented, eased.derived) else "lower"


def _grade(given: CrsGrade, told: Fact, derived: Derived, child: bool) -> Fact:
    """The grade that rules use: the documented one; where there is none in time, a proven derived one.

    What is newer than the documented grade and may mean more leaves it unknown, unless it is the highest.
    """
    newer = derived.open_since is not None and (told.as_of is None or derived.open_since > told.as_of)
    open_ = "; ".join(derived.open_why)
    if told.value is not None and int(told.value) < given.highest_grade and newer:
        why = f"documented grade {told.value}, but it may be higher now: {open_}"
        strange = {"unusable": told.unusable + derived.support.unusable, "not_understood": _strange(derived)}
        return unknown("grade", why, sources=told.sources, **strange)
    if told.value is not None:
        notes = (*told.notes, "documented")
        return Fact("grade", told.value, "{grade}", told.as_of, told.sources, notes=notes, unusable=told.unusable)
    if is_proven(given, derived, child):
        notes = (f"derived from {derived.evidence}", f"documented grade: {told.why}")
        seen = derived.support
        return Fact("grade", derived.low, "{grade}", None, seen.sources, notes=notes, unusable=told.unusable)
    hint = f"; at least {derived.low} ({derived.evidence})" if derived.low else ""
    why = f"{told.why}, and vital signs do not prove one{hint}" + (f"; {open_}" if open_ else "")
    strange = {"unusable": told.unusable + derived.support.unusable, "not_understood": _strange(derived)}
    return unknown("grade", why, sources=told.sources, **strange)


def _open_grade(given: CrsGrade, told: Fact, derived: Derived, grade: Fact, reading: Reading) -> Fact:
    """Whether the grade is not known although the chart tells of CRS, or may: a record that is old, unclear or of
    another scale, support that is not understood, a query that was not read. Where nothing was said, it is not open."""
    queries = (given.conditions, given.vitals, *_bounding(given))
    why = (*reading.chart.gaps(queries), *derived.open_why, *told.unusable, *told.sources)
    # Fever alone is no sign of a grade that matters.
    open_ = grade.value is None and bool(why or derived.low > 1 or derived.support.oxygen.at_least)
    return Fact("open", open_, sources=told.sources, text=grade.why if open_ else "")


def _support_facts(given: CrsGrade, told: Fact, derived: Derived, reading: Reading) -> Iterator[Fact]:
    drugs = derived.support.drugs
    gaps = "; ".join((*reading.chart.gaps((given.administrations,)), *drugs.doubtful))
    strange = drugs.not_understood
    if derived.support.pressors:
        names = (*drugs.vasopressors, *((given.vasopressors.uncounted,) if drugs.uncounted else ()))
        yield Fact("running", True, sources=drugs.sources, text=", ".join(names))
    else:
        yield unknown("running", gaps, not_understood=strange) if gaps else Fact("running", False)
    alone = drugs.uncounted and not drugs.vasopressors
    if not alone and gaps and not drugs.vasopressors:
        yield unknown("alone", gaps, not_understood=strange)
    else:
        yield Fact("alone", alone, sources=drugs.sources if alone else ())
    yield _told("for-the-heart", drugs.inotropes, (given.administrations,), reading, ", ".join(drugs.inotropes))
    # With a documented grade nobody needs to be asked what the support is for, or what the other scale means.
    asked = told.value is None
    airway = derived.support.oxygen.airway if asked else ()
    yield _told("airway", airway, (given.vitals, given.oxygen.procedures) if asked else (), reading, "")
    others = documented(given.scale, given.conditions, reading).others if asked else ()
    words = "; ".join(dict.fromkeys(r.concept.label for r in others))
    yield _told("other-scale", refs(others), (given.vitals, given.conditions) if asked else (), reading, words)


def _told(name: str, found: tuple[str, ...], queries: tuple[str, ...], reading: Reading, text: str) -> Fact:
    """True with what was found; false only where the reads were complete."""
    gaps = "; ".join(reading.chart.gaps(queries))
    return unknown(name, gaps) if gaps and not found else Fact(name, bool(found), text=text)


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
    series = documented(given.scale, given.conditions, reading).grades
    told = grade_at(moment, series)
    if told is not None:
        return told.grade
    derived = derive(given, moment, reading, last_at(given.infusions, reading), is_child(child))
    if derived.support.oxygen.presumed:
        return None  # Nobody recorded that the support was in use then.
    return derived.low if is_proven(given, derived, is_child(child)) else None


def grades_of(name: str, reading: Reading) -> CrsGrade:
    """The computation of grades of this name."""
    found = reading.select.catalogue.computed[name]
    assert isinstance(found, CrsGrade)  # checked at load
    return found
