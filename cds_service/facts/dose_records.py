"""Which records of a drug may be doses of it; of the others, why they are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.chart.resource import Resource
from cds_service.chart.units import Converted, number_of
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.model import Facts, LeftOut, Reading
from cds_service.facts.not_given import of_concepts, of_status, of_text
from cds_service.facts.routes import says_route
from cds_service.facts.ways import texts_of
from cds_service.knowledge.model import DistinctDoses, OtherRoute

_WRITTEN_MG = 0.5  # a fixed amount is written in whole milligrams


def by_route(
    given: DistinctDoses, reading: Reading, known: Facts, query: str
) -> tuple[list[Resource], list[LeftOut], list[str]]:
    """The records of the drug whose product and route count, a line for each other one, and doubts about the former."""
    kept: list[Resource] = []
    left_out: list[LeftOut] = []
    doubts: list[str] = []
    products = (reading.terms[given.in_], reading.terms[given.other_route.in_])
    for record in reading.chart.matching((query,), *products):
        other = _by_other_route(given.other_route, record, reading, known)
        if other is None:
            doubts.append(f"{record.ref} may be {given.other_route.words}: that needs a current weight")
        if other:
            left_out.append(LeftOut(record.ref, given.other_route.words))
        else:
            kept.append(record)
    return kept, left_out, doubts


def not_given(given: DistinctDoses, record: Resource, reading: Reading) -> str:
    """Why nothing was given; "" where something was, or may have been."""
    if reading.is_(given.not_done, record):
        return "not given"
    if _says_not_given(given, record, reading) and not _says_given(given, record, reading):
        return "not given"
    doses = [part.get("dose") for part in record.dosages]
    amounts = [number_of(dose.get("value")) for dose in doses if isinstance(dose, Mapping)]
    return "an amount of 0" if amounts and not any(amount is None or amount > 0 for amount in amounts) else ""


def doubtfully_given(given: DistinctDoses, record: Resource, reading: Reading) -> str:
    """Why a dose may not have been given although its status says so; "" where nothing speaks against it. Words of a
    plan speak against it only where they are all that a clause says.

    FHIR R4: `statusReason` is the reason why an administration was not performed.
    """
    said = _says_given(given, record, reading)
    if said and _says_not_given(given, record, reading):
        return f"{record.ref} says both that it was given and that it was not"
    reasons = [text for text in of_concepts([record.raw.get("statusReason")]) if text]
    plan = reading.terms[given.planned]
    reasons += [clause.text for clause in _said_of_dose(given, record, reading) if plan.names(clause)]
    if said or not reasons:
        return ""
    return f"{record.ref} may not have been given: {'; '.join(reasons)[:80]}"


def is_dose(given: DistinctDoses, record: Resource, reading: Reading) -> bool:
    """Whether a record is a whole dose by its status: given, or stopped after an amount that it states."""
    if reading.is_(given.counted, record):
        return True
    table = reading.units[given.other_route.analyte]
    return reading.is_(given.stopped, record) and any(
        isinstance(amount := table.convert(dose), Converted) and amount.value > 0 for dose in _amounts(record)
    )


def _says_not_given(given: DistinctDoses, record: Resource, reading: Reading) -> bool:
    return any(reading.terms[given.nothing_given].matches(c) for c in _said_of_dose(given, record, reading))


def _says_given(given: DistinctDoses, record: Resource, reading: Reading) -> bool:
    words = reading.terms[given.something_given]
    return any(words.recognised(c).says(words.id) for c in _said_of_dose(given, record, reading))


def _said_of_dose(given: DistinctDoses, record: Resource, reading: Reading) -> list[Concept]:
    """What is said of giving it, without the clauses that name another drug."""
    others = [reading.terms[name] for name in given.other_drugs]
    told = record.remember("said of giving", _said_of_giving)
    return [said for said in told if not any(other.matches(said) for other in others)]


def _said_of_giving(record: Resource) -> list[Concept]:
    """What stands as reason of its status, as method and as words of the dose; each clause for itself."""
    return [*of_status(record), *of_text(record)]


def _by_other_route(other: OtherRoute, record: Resource, reading: Reading, known: Facts) -> bool | None:
    """Whether a dose was given by the route that does not count; None where that needs a weight that is not known."""
    if record.matches(reading.terms[other.in_]):
        return True
    routes, words = record.remember("routes", _routes)
    if any(says_route(other.route, said, reading) for said in (*routes, *words)):
        return True
    counted = reading.terms[other.counted]
    stated = any(counted.recognised(c).held for c in routes)
    if stated or any(counted.matches(said) for said in words) or not _is_fixed(other, record, reading):
        return False
    # Without a route that anybody understands the fixed amount is a dose of another use, but in a small child it may be
    # one by weight.
    if known[other.child].value is False and known[other.weight].value is None:
        return True
    weight = known[other.weight].value
    return None if weight is None else float(weight) >= reading.policies[other.from_weight]


def _is_fixed(other: OtherRoute, record: Resource, reading: Reading) -> bool:
    fixed = reading.policies[other.amount]
    table = reading.units[other.analyte]
    converted = [table.convert(dose) for dose in _amounts(record)]
    return any(isinstance(c, Converted) and abs(c.value - fixed) <= _WRITTEN_MG for c in converted)


def _amounts(record: Resource) -> Iterator[Mapping[str, Any]]:
    """The amounts at once that a record states."""
    for part in record.dosages:
        rates = part.get("doseAndRate")
        rows = [r.get("doseQuantity") for r in rates if isinstance(r, Mapping)] if isinstance(rates, list) else []
        yield from (amount for amount in (part.get("dose"), *rows) if isinstance(amount, Mapping))


def _routes(record: Resource) -> tuple[list[Concept], list[Concept]]:
    """What stands as route, and the words that may name one beside it."""
    parts = record.dosages
    methods = [concept(p.get("method")) for p in parts]
    words = [*methods, concept({"text": record.concept.text}), *record.remember("dosage words", texts_of)]
    return [concept(p.get("route")) for p in parts], words
