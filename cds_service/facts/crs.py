"""CRS grade by ASTCT: as documented, as derived from vital signs and support, and whether the two agree.

A derived grade speaks only where it is proven. A documented one that is no longer fresh does not expire downwards: a
lower derived one only asks for a person, for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cds_service.chart.times import ago, hours_between
from cds_service.facts.crs_derived import Derived, bounding, derive, is_child, is_proven, strange
from cds_service.facts.graded import Graded, Past, documented, grade_at, in_doubt
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.since import last_at
from cds_service.knowledge.model import CrsGrade

_AGREE = "no"
_NO_TEMPERATURE = "no temperature is known and nothing was given that masks fever"


def facts(given: CrsGrade, reading: Reading, known: Facts) -> Iterator[Fact]:
    """All that the computation gives."""
    since = last_at(given.infusions, reading)
    child = is_child(known[given.child])
    derived = derive(given, reading.now, reading, since, child)
    told = known[given.documented]
    yield _derived_fact(given, derived, reading, child)
    old = _expired(given, told, reading)
    yield _differ(given, told, old, derived, child, reading)
    grade = _grade(given, told, old, derived, child, reading)
    yield grade
    yield _hours(given, told, grade, reading)
    yield _open_grade(given, told, derived, grade, reading)
    yield _unexplained(derived)
    yield from _support_facts(given, told, derived, reading)
    yield _prophylaxis(given, told, derived, known, reading)


def _derived_fact(given: CrsGrade, derived: Derived, reading: Reading, child: bool) -> Fact:
    name, seen = "derived", derived.support
    if is_proven(given, derived, child):
        more = {"text": derived.evidence, "unusable": seen.unusable}
        return Fact(name, derived.low, "{grade}", reading.now, seen.sources, **more)  # type: ignore[arg-type]
    gaps = "; ".join(reading.chart.gaps((given.vitals, *bounding(given))))
    why = gaps or "; ".join(derived.open_why) or "pressure and oxygenation were not both observed in the window"
    if derived.fever_unknown:
        why = f"{_NO_TEMPERATURE}; {why}" if gaps or derived.open_why else _NO_TEMPERATURE
    if child:
        why = "in a child only a documented grade or a running vasopressor counts"
    more = {"unusable": seen.unusable, "not_understood": strange(derived)}
    return unknown(name, why, text=derived.evidence, sources=seen.sources, **more)


def _expired(given: CrsGrade, told: Fact, reading: Reading) -> Graded | None:
    """The documented grade that would hold now, were it not too old or in doubt."""
    series = documented(given.scale, given.conditions, reading)
    current = in_doubt(reading.now, series) or grade_at(reading.now, series.grades)
    return current if told.value is None else None


def _is_remembered(given: CrsGrade, old: Graded, reading: Reading) -> bool:
    return reading.hours_since(old.recorded) <= reading.windows[given.expiry.remembered]


def _differ(given: CrsGrade, told: Fact, old: Graded | None, derived: Derived, child: bool, reading: Reading) -> Fact:
    """What the derived grade is against the documented one, where that is proven; with nothing documented there is
    nothing to differ from."""
    name = "differ"
    gaps = "; ".join(reading.chart.gaps((given.conditions, given.vitals, *bounding(given))))
    if told.value is None:
        lower = old is not None and derived.now < old.grade and is_proven(given, derived, child)
        if old is not None and lower and _is_remembered(given, old, reading):
            how = "recorded in doubt" if old.doubted and not old.undated else "recorded"
            when = "without a date" if old.undated else ago(round(reading.hours_since(old.recorded)))
            age = f"{old.grade} {how} {when}"
            text = f"{age}, vital signs now say {derived.now} ({derived.evidence})"
            return Fact(name, "expired", sources=(old.resource.ref, *derived.support.sources), text=text)
        return unknown(name, gaps) if gaps else Fact(name, _AGREE)
    grade = int(told.value)
    # Where a grade is documented, its cause was judged: a vasopressor counts without fever too.
    low = max(derived.now, derived.supported if derived.support.pressors else 0)
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


def _grade(given: CrsGrade, told: Fact, old: Graded | None, derived: Derived, child: bool, reading: Reading) -> Fact:
    """The grade that rules use: the documented one; where there is none in time, a proven derived one.

    What is newer than the documented grade and may mean more leaves it unknown, unless it is the highest.
    """
    newer = derived.open_since is not None and (told.as_of is None or derived.open_since > told.as_of)
    open_ = "; ".join(derived.open_why)
    puzzling = {"unusable": told.unusable + derived.support.unusable, "not_understood": strange(derived)}
    if told.value is not None and int(told.value) < given.highest_grade and newer:
        why = f"documented grade {told.value}, but it may be higher now: {open_}"
        return unknown("grade", why, sources=told.sources, **puzzling)
    if told.value is not None:
        notes = (*told.notes, "documented")
        return Fact("grade", told.value, "{grade}", told.as_of, told.sources, notes=notes, unusable=told.unusable)
    # One that is long past is only replaced by vital signs that are whole.
    whole = derived.both_observed or old is None or _is_remembered(given, old, reading)
    if whole and is_proven(given, derived, child):
        notes = (f"derived from {derived.evidence}", f"documented grade: {told.why}")
        value, sources = derived.now if old is not None else derived.low, derived.support.sources
        return Fact("grade", value, "{grade}", None, sources, notes=notes, unusable=told.unusable)
    hint = f"; at least {derived.low} ({derived.evidence})" if derived.low else ""
    if derived.fever_unknown and derived.low:
        hint = f"; {derived.evidence}, but {_NO_TEMPERATURE}: look for another cause too"
    why = f"{told.why}, and vital signs do not prove one{hint}" + (f"; {open_}" if open_ else "")
    return unknown("grade", why, sources=told.sources, **puzzling)


def _hours(given: CrsGrade, told: Fact, grade: Fact, reading: Reading) -> Fact:
    """For how long the documented grade has held; of a derived one nobody wrote down when it began."""
    current = grade_at(reading.now, documented(given.scale, given.conditions, reading).grades)
    if current is None or told.value is None or grade.value is None:
        return unknown("hours", grade.why or "no documented grade says since when")
    return Fact("hours", max(reading.hours_since(current.start), 0.0), "h", told.as_of, told.sources)


def _open_grade(given: CrsGrade, told: Fact, derived: Derived, grade: Fact, reading: Reading) -> Fact:
    """Whether the grade is not known although the chart tells of CRS, or may: a record that is old, unclear or of
    another scale, support that is not understood, a query that was not read. Where nothing was said, it is not open."""
    queries = (given.conditions, given.vitals, *bounding(given))
    why = (*reading.chart.gaps(queries), *derived.open_why, *told.unusable, *told.sources)
    # Fever alone is no sign of a grade that matters.
    open_ = grade.value is None and bool(why or derived.low > 1 or derived.support.oxygen.at_least)
    return Fact("open", open_, sources=told.sources, text=grade.why if open_ else "")


def _support_facts(given: CrsGrade, told: Fact, derived: Derived, reading: Reading) -> Iterator[Fact]:
    drugs = derived.support.drugs
    gaps = "; ".join((*reading.chart.gaps((given.administrations,)), *drugs.doubtful))
    puzzling = drugs.not_understood
    if derived.support.pressors:
        names = (*drugs.vasopressors, *((given.vasopressors.uncounted,) if drugs.uncounted else ()))
        yield Fact("running", True, sources=drugs.sources, text=", ".join(names))
    else:
        yield unknown("running", gaps, not_understood=puzzling) if gaps else Fact("running", False)
    alone = drugs.uncounted and not drugs.vasopressors
    if not alone and gaps and not drugs.vasopressors:
        yield unknown("alone", gaps, not_understood=puzzling)
    else:
        yield Fact("alone", alone, sources=drugs.sources if alone else ())
    yield _told("for-the-heart", drugs.inotropes, (given.administrations,), reading, ", ".join(drugs.inotropes))
    yield _oxygen(given, derived, reading)
    # With a documented grade nobody needs to be asked what the support is for, or what the other scale means.
    asked = told.value is None
    airway = derived.support.oxygen.airway if asked else ()
    yield _told("airway", airway, (given.vitals, given.oxygen.procedures) if asked else (), reading, "")
    others = documented(given.scale, given.conditions, reading).others if asked else ()
    words = "; ".join(dict.fromkeys(r.concept.label for r in others))
    yield _told("other-scale", refs(others), (given.vitals, given.conditions) if asked else (), reading, words)


def _oxygen(given: CrsGrade, derived: Derived, reading: Reading) -> Fact:
    """Whether oxygen is given now; unknown where a device is not understood, or saturation is low without one."""
    seen, name = derived.support.oxygen, "oxygen"
    if seen.words:
        return Fact(name, True, sources=seen.sources, text=seen.words)
    hypoxic = ("the saturation is low and no oxygen recorded",) if derived.support.hypoxic else ()
    why = (*reading.chart.gaps((given.vitals, given.oxygen.procedures)), *(str(p) for p in seen.puzzles), *hypoxic)
    return unknown(name, "; ".join(why)) if why else Fact(name, False)


def _unexplained(derived: Derived) -> Fact:
    """Support without CRS; "no" only where the whole is observed, or CRS is there."""
    seen, name = derived.support, "unexplained"
    if derived.unexplained or derived.exact or derived.low:
        return Fact(name, derived.unexplained, sources=seen.sources, text=derived.evidence)
    return unknown(name, "vital signs and support were not all observed", unusable=seen.unusable)


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
    established = (told.value is not None and int(told.value) >= 1) or derived.supported >= 2
    doubt = in_doubt(reading.now, documented(given.scale, given.conditions, reading))
    if not established and doubt is not None:
        return unknown(name, told.why, sources=told.sources)
    return Fact(name, not established, sources=day.sources)


def grade_then(given: CrsGrade, moment: datetime, reading: Reading, child: Fact) -> Past | None:
    """The grade at an earlier moment: recorded in time, or until it ended, or proven; else an older one that nobody has
    ended, which is no certain one. None where nothing is known."""
    told = grade_at(moment, documented(given.scale, given.conditions, reading).grades)
    if told is not None and (
        told.end is not None or hours_between(told.recorded, moment) <= reading.windows[given.expiry.within]
    ):
        return Past(told.grade, certain=not _awaits_grading(given, told, reading))
    derived = derive(given, moment, reading, last_at(given.infusions, reading), is_child(child))
    # Support is not proven where nobody recorded that it was in use then.
    proven = is_proven(given, derived, is_child(child)) and not derived.support.oxygen.presumed
    if told is None:
        return Past(derived.low, certain=True) if proven else None
    if proven and derived.now >= told.grade:
        return Past(derived.now, certain=True)
    return Past(told.grade, certain=False)


def _awaits_grading(given: CrsGrade, told: Graded, reading: Reading) -> bool:
    """Whether a grade of then is still the last word, and too old to be one: it does not expire downwards, so that a
    clinician grades again before anybody may say that it fell."""
    current = grade_at(reading.now, documented(given.scale, given.conditions, reading).grades)
    stale = reading.hours_since(told.recorded) > reading.windows[given.expiry.within]
    return current is told and stale and _is_remembered(given, told, reading)


def grades_of(name: str, reading: Reading) -> CrsGrade:
    """The computation of grades of this name."""
    found = reading.select.catalogue.computed[name]
    assert isinstance(found, CrsGrade)  # checked at load
    return found
