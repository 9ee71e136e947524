"""Whether the record of a drug says in words that nothing was given, whatever its status: "Not Given", "Hold Dose".

Only where such words have no other meaning: as the reason of a status, and as the method of a dosage, where charts put
what became of a dose. Free text of a dosage may be an instruction ("hold if MAP > 75").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cds_service.chart.resource import Resource
from cds_service.chart.units import number_of
from cds_service.chart.vocabulary import Concept, Matcher, clauses_of
from cds_service.knowledge.model import SaidNotGiven

_RUNS: Final = "in-progress"  # FHIR R4 medication-admin-status


def says_not_given(record: Resource, said: SaidNotGiven, terms: Mapping[str, Matcher]) -> bool:
    """Whether its words say so, and neither do others say the opposite nor a rate that it is in progress."""
    return record.remember(("says not given", said.words, said.unless), lambda r: _says_not_given(r, said, terms))


def _says_not_given(record: Resource, said: SaidNotGiven, terms: Mapping[str, Matcher]) -> bool:
    if record.type != "MedicationAdministration":
        return False
    told = of_status(record)
    if not told or not any(terms[said.words].matches(clause) for clause in told):
        return False
    given = terms[said.unless]
    opposite = any(given.recognised(clause).says(given.id) for clause in (*told, *of_text(record)))
    # Of a dose that was not given the rate may be that of the order; of one in progress it is that of the pump.
    runs = record.status == _RUNS and any(rate > 0 for rate in _rates(record))
    return not (opposite or runs)


def of_status(record: Resource) -> list[Concept]:
    """What stands as reason of its status and as method of a dosage; each clause for itself."""
    told = of_concepts([record.raw.get("statusReason"), *(part.get("method") for part in record.dosages)])
    return _clauses(told)


def of_text(record: Resource) -> list[Concept]:
    """What the words of its dosages say; each clause for itself."""
    return _clauses(str(part.get("text") or "") for part in record.dosages)


def of_concepts(written: Iterable[object]) -> Iterator[str]:
    """The words of some CodeableConcepts, or of lists of them."""
    for item in written:
        for value in item if isinstance(item, list) else [item]:
            yield from _words(value)


def _words(value: object) -> Iterator[str]:
    """The words of a CodeableConcept; a code without a display may itself be words."""
    if not isinstance(value, Mapping):
        return
    yield str(value.get("text") or "")
    codings = value.get("coding")
    for coding in codings if isinstance(codings, list) else []:
        if isinstance(coding, Mapping):
            yield str(coding.get("display") or coding.get("code") or "")


def _clauses(texts: Iterable[str]) -> list[Concept]:
    return [clause for text in texts for clause in clauses_of(text)]


def _rates(record: Resource) -> Iterator[float]:
    for dosage in record.dosages:
        ratio = dosage.get("rateRatio")
        for written in (dosage.get("rateQuantity"), ratio.get("numerator") if isinstance(ratio, Mapping) else None):
            rate = number_of(written.get("value")) if isinstance(written, Mapping) else None
            if rate is not None:
                yield rate
