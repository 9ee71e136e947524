"""Who the patient is: age and size. What is not known of a birth date is never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta

from cds_service.chart.figures import rounded
from cds_service.chart.times import parse_when
from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Facts, Reading, unknown
from cds_service.knowledge.model import Age, LabelSize, Unread

_YEAR_DAYS = 365.2425
_GENDERS = ("male", "female", "other", "unknown")


@dataclass(frozen=True, slots=True)
class _Years:
    """The age as far as it is known: its fact (of the later possible birth), the youngest and oldest it can be."""

    fact: Fact
    youngest: float
    oldest: float


def age(name: str) -> Find:
    """The age in years, of the later possible birth."""
    return lambda reading, known: _years(name, reading).fact


def _years(name: str, reading: Reading) -> _Years:
    patient = reading.chart.patient()
    birth = parse_when(patient.text("birthDate")) if patient else None
    if patient is None or birth is None or birth.start > reading.horizon:
        why = "no Patient resource" if patient is None else "no usable birthDate"
        return _Years(unknown(name, why), 0.0, 200.0)
    youngest = (reading.now - birth.end) / timedelta(days=_YEAR_DAYS)
    oldest = (reading.now - birth.start) / timedelta(days=_YEAR_DAYS)
    whole = _completed_years(reading, birth.start.year, birth.start.month, birth.start.day)
    precise = len(patient.text("birthDate")) == len("2000-01-01")
    value = float(whole) if precise and whole >= 1 else round(max(youngest, 0.0), 2)
    low, high = (float(whole), float(whole) + 0.99) if precise else (youngest, oldest)
    return _Years(Fact(name, value, "a", sources=(patient.ref,)), low, high)


def _completed_years(reading: Reading, year: int, month: int, day: int) -> int:
    now = reading.now.astimezone(UTC)  # One moment is one age, however its zone is spelled.
    return now.year - year - ((now.month, now.day) < (month, day))


def deceased(name: str) -> Find:
    """Whether the patient is recorded as deceased: a time that cannot be read is one, a time to come is none yet."""

    def find(reading: Reading, known: Facts) -> Fact:
        patient = reading.chart.patient()
        if patient is None:
            return unknown(name, "no Patient resource")
        written = patient.raw.get("deceasedDateTime")
        when = parse_when(written) if isinstance(written, str) else None
        told = patient.raw.get("deceasedBoolean") is True or written is not None
        still_to_come = when is not None and when.start > reading.horizon
        at = when.start if when is not None and told else None
        return Fact(name, told and not still_to_come, as_of=at, sources=(patient.ref,))

    return find


def gender(name: str) -> Find:
    """The administrative gender (FHIR: male, female, other, unknown), where it is one of these."""

    def find(reading: Reading, known: Facts) -> Fact:
        patient = reading.chart.patient()
        written = patient.text("gender") if patient else ""
        if patient is None or written not in _GENDERS:
            return unknown(name, "no Patient resource" if patient is None else "no usable gender")
        return Fact(name, written, sources=(patient.ref,))

    return find


def unread(name: str, source: Unread) -> Find:
    """Whether a query was not read whole, a record of what it answers could not be used, or the other fact is true."""

    def find(reading: Reading, known: Facts) -> Fact:
        answered = known[source.about] if source.about else None
        spoiled = answered.unusable if answered is not None and answered.value is None else ()
        gaps = (*reading.chart.gaps((source.unread,)), *spoiled)
        other = known[source.beside] if source.beside else None
        if other is not None and other.value is True:
            return Fact(name, True, sources=other.sources, text="; ".join((*gaps, other.text)))
        return Fact(name, bool(gaps), text="; ".join(gaps))

    return find


def younger_than(name: str, limit: Age) -> Find:
    """Whether the patient is younger than an age; unknown where the birth date is too coarse to tell."""

    def find(reading: Reading, known: Facts) -> Fact:
        years, years_limit = _years(name, reading), reading.policies[limit.limit]
        sources = years.fact.sources
        if years.fact.value is None:
            return unknown(name, years.fact.why)
        if years.youngest < years_limit <= years.oldest and int(years.youngest) != int(years.oldest):
            return unknown(name, "birthDate is too coarse to tell whether the patient is an adult", sources=sources)
        return Fact(name, years.oldest < years_limit, sources=sources)

    return find


def smaller_than(name: str, size: LabelSize) -> Find:
    """Whether a child is younger, or lighter, than a label allows for."""

    def find(reading: Reading, known: Facts) -> Fact:
        child, weight = known[size.child], known[size.weight]
        if child.value is not True:
            return Fact(name, False) if child.value is False else unknown(name, child.why)
        months = _months(reading)
        if months is not None and months < reading.policies[size.months]:
            return Fact(name, True, sources=child.sources, text=f"{months:.0f} completed months old")
        if weight.value is None:
            return unknown(name, weight.why)
        kilograms, least = float(weight.value), reading.policies[size.kilograms]
        if kilograms < least:
            return Fact(name, True, sources=weight.sources, text=f"{rounded(kilograms, [least])} kg")
        return Fact(name, False, sources=weight.sources)

    return find


def _months(reading: Reading) -> float | None:
    patient = reading.chart.patient()
    birth = parse_when(patient.text("birthDate")) if patient else None
    if birth is None or birth.end > reading.now:
        return None if birth is None or birth.start > reading.now else 0.0
    now = reading.now.astimezone(UTC)
    whole = (now.year - birth.end.year) * 12 + now.month - birth.end.month
    return float(whole - (now.day < birth.end.day))
