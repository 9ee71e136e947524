"""Who the patient is: age, weight, pregnancy. A child's weight is never estimated and never old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from itertools import groupby

from cds_service.chart.resource import Resource
from cds_service.chart.times import parse_when
from cds_service.facts.declared import FINAL, boolean, is_active, newest_first, quantity_of
from cds_service.facts.model import Fact, Facts, Reading, unknown, usable
from cds_service.facts.result import NEGATIVE, POSITIVE, codes_of, value_of

_YEAR_DAYS = 365.2425


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`age`, `child`, `weight`, `child-weight-current`, `below-label-size`, `pregnancy`."""
    age, youngest, oldest = _age(reading)
    yield age
    child = _child(reading, age, youngest, oldest)
    yield child
    weight, current = _weight(reading, child)
    yield weight
    yield current
    yield _below_label(reading, child, weight, youngest)
    yield _pregnancy(reading)


def _age(reading: Reading) -> tuple[Fact, float, float]:
    """The age fact in years (of the later possible birth), and the youngest and oldest it can be."""
    patient = reading.chart.patient()
    birth = parse_when(patient.text("birthDate")) if patient else None
    if patient is None or birth is None or birth.start > reading.horizon:
        why = "no Patient resource" if patient is None else "no usable birthDate"
        return unknown("age", why), 0.0, 200.0
    youngest = (reading.now - birth.end) / timedelta(days=_YEAR_DAYS)
    oldest = (reading.now - birth.start) / timedelta(days=_YEAR_DAYS)
    whole = _completed_years(reading, birth.start.year, birth.start.month, birth.start.day)
    precise = len(patient.text("birthDate")) == len("2000-01-01")
    value = float(whole) if precise and whole >= 1 else round(max(youngest, 0.0), 2)
    low, high = (float(whole), float(whole) + 0.99) if precise else (youngest, oldest)
    return Fact("age", value, "a", sources=(patient.ref,)), low, high


def _completed_years(reading: Reading, year: int, month: int, day: int) -> int:
    now = reading.now.astimezone(UTC)  # One moment is one age, however its zone is spelled.
    return now.year - year - ((now.month, now.day) < (month, day))


def _child(reading: Reading, age: Fact, youngest: float, oldest: float) -> Fact:
    limit = reading.policies["adult-age"]
    if age.value is None:
        return unknown("child", age.why)
    if youngest < limit <= oldest and int(youngest) != int(oldest):
        return unknown("child", "birthDate is too coarse to tell whether the patient is an adult", sources=age.sources)
    return Fact("child", oldest < limit, sources=age.sources)


def _weight(reading: Reading, child: Fact) -> tuple[Fact, Fact]:
    """The newest usable weight, and whether it is current enough for a child's dose."""
    matcher = reading.terms["body-weight"]
    adult = child.value is False
    limit = "adult-weight-max-age" if adult else "child-weight-max-age"
    weighed = reading.chart.matching(("weights",), matcher)
    found = newest_first(r for r in weighed if r.status in FINAL and reading.past(r))
    bad: list[str] = []
    for resource in found:
        value = quantity_of(resource, reading, "weight", adult=adult)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
            continue
        assert resource.when is not None
        notes = (f"converted from {value.written}",) if value.written else ()
        if reading.within(resource, reading.windows[limit]):
            fact = Fact(
                "weight", value.value, "kg", resource.when.start, (resource.ref,), notes=notes, unusable=tuple(bad)
            )
            until = resource.when.end + timedelta(hours=reading.windows[limit])
            return fact, replace(_current(child, True, resource, ""), until=None if adult else until)
        days = resource.when.hours_before(reading.now) / 24
        why = f"newest weight {value.value:g} kg is {days:.0f} days old; a current weight is needed"
        stale = unknown("weight", why, as_of=resource.when.start, sources=(resource.ref,), unusable=tuple(bad))
        return stale, _current(child, False, resource, why)
    gaps = "; ".join(reading.chart.gaps(("weights",)))
    why = "no usable weight" if bad else gaps or "no weight recorded"
    return unknown("weight", why, unusable=tuple(bad)), _current(
        child, False, None, f"{why}; a current weight is needed"
    )


def _current(child: Fact, value: bool, resource: Resource | None, why: str) -> Fact:
    sources = (resource.ref,) if resource else ()
    if child.value is False:
        return Fact("child-weight-current", True, text="not needed for an adult")
    if value:
        return Fact("child-weight-current", True, sources=sources)
    return unknown("child-weight-current", why, sources=sources)


def _below_label(reading: Reading, child: Fact, weight: Fact, youngest: float) -> Fact:
    name = "below-label-size"
    if child.value is not True:
        return Fact(name, False) if child.value is False else unknown(name, child.why)
    months = _months(reading)
    if months is not None and months < reading.policies["child-minimum-age"]:
        return Fact(name, True, sources=child.sources, text=f"{months:.0f} completed months old")
    if weight.value is None:
        return unknown(name, weight.why)
    if float(weight.value) < reading.policies["child-minimum-weight"]:
        return Fact(name, True, sources=weight.sources, text=f"{float(weight.value):g} kg")
    return Fact(name, False, sources=weight.sources)


def _months(reading: Reading) -> float | None:
    patient = reading.chart.patient()
    birth = parse_when(patient.text("birthDate")) if patient else None
    if birth is None or birth.end > reading.now:
        return None if birth is None or birth.start > reading.now else 0.0
    now = reading.now.astimezone(UTC)
    whole = (now.year - birth.end.year) * 12 + now.month - birth.end.month
    return float(whole - (now.day < birth.end.day))


def _pregnancy(reading: Reading) -> Fact:
    """A pregnancy on the problem list, or the newest status or test that says so.

    An answer that cannot be understood is no "not pregnant": what was said before it may still hold.
    """
    chart, terms = reading.chart, reading.terms
    matched = chart.matching(("conditions",), terms["pregnancy"])
    found, bad = usable(r for r in matched if is_active(r, reading.now))
    sets = (terms["pregnancy-status"], terms["pregnancy-test"])
    tests = [r for r in chart.matching(("pregnancy-status",), *sets) if r.status in FINAL]
    lost: list[str] = []
    unclear: list[str] = []
    for _, taken in groupby(newest_first(r for r in tests if reading.past(r)), key=lambda r: r.when):
        latest = list(taken)
        said = [(r, _says_pregnant(r, reading)) for r in latest if not r.problem]
        # Of several at one time each counts: one that says pregnant is enough.
        found += [r for r, answer in said if answer]
        lost += [f"{r.ref}: {r.problem}" for r in latest if r.problem]
        unclear += [f"{r.ref} does not say whether pregnant" for r, answer in said if answer is None]
        if any(answer is not None for _, answer in said):
            break
    return boolean("pregnancy", found, (*chart.gaps(("conditions", "pregnancy-status")), *unclear), (*bad, *lost))


def _says_pregnant(observation: Resource, reading: Reading) -> bool | None:
    """What the answer says; None where it says neither. One that says both is read as pregnant."""
    terms = reading.terms
    value = value_of(observation)
    codes = codes_of(observation, value)
    yes = terms["pregnancy"].matches(value) or terms["pregnancy-answer-yes"].matches(value)
    if yes or codes & POSITIVE or observation.raw.get("valueBoolean") is True:
        return True
    no = terms["pregnancy-answer-no"].matches(value)
    return False if no or codes & NEGATIVE or observation.raw.get("valueBoolean") is False else None
