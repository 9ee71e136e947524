"""By which way a drug is given: as its dosage says, or, where that names no way, as the words for the drug do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.knowledge.model import LocalUse

_WAYS = ("route", "method", "site")


def ways_of(record: Resource) -> list[Concept]:
    """Route, method and site of each dosage, as far as they are named."""
    named = (concept(dosage.get(element)) for dosage in record.dosages for element in _WAYS)
    return [said for said in named if not said.empty]


def texts_of(record: Resource) -> list[Concept]:
    """What each dosage says in free text."""
    return [concept({"text": dosage.get("text")}) for dosage in record.dosages]


def is_local(record: Resource, local: LocalUse, terms: Mapping[str, Matcher]) -> bool:
    """Whether a drug acts where it is put: by its way, form or name; by free text only where no way is named.

    A way that is neither named nor understood may be any: such a record is not left aside.
    """
    ways = ways_of(record)
    if _any(ways, local.routes, terms):
        return True
    words = [record.concept, record.form, *record.ingredients, *(() if ways else texts_of(record))]
    return _any(words, local.forms, terms)


def _any(said: Sequence[Concept], names: Sequence[str], terms: Mapping[str, Matcher]) -> bool:
    return any(terms[name].matches(words) for name in names for words in said)
