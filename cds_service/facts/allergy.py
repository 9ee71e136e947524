"""Hypersensitivity to anakinra, to E. coli-derived protein, and to drugs made in E. coli.

An infection with E. coli is never an allergy. Unconfirmed records count until a clinician clears them; refuted and
erroneous ones do not; resolved ones ask for a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.declared import DISPROVEN, boolean
from cds_service.facts.model import Fact, Facts, Reading

_ENDED = {"resolved", "inactive"}


@dataclass(frozen=True, slots=True)
class _Record:
    resource: Resource
    direct: bool
    drug: bool


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """The five facts about hypersensitivity."""
    gaps = list(reading.chart.gaps(("allergies",)))
    records, bad = [], []
    for resource in reading.chart.of("allergies"):
        if resource.code("verificationStatus") in DISPROVEN:
            continue
        substances = substances_of(resource)
        if all(s.empty for s in substances):
            gaps.append(f"{resource.ref} names no substance")
            continue
        record = _classify(resource, substances, reading.terms)
        if (record.direct or record.drug) and resource.problem:
            bad.append(f"{resource.ref}: {resource.problem}")
        elif record.direct or record.drug:
            records.append(record)
    lines = tuple(bad)
    direct = [r.resource for r in records if r.direct]
    of_drugs = [r.resource for r in records if r.drug and not r.direct]
    drugs = [r for r in of_drugs if not is_ended(r)]
    yield boolean("hypersensitivity", [r for r in direct if not is_ended(r)], gaps, lines)
    yield boolean("resolved-hypersensitivity", [r for r in direct if is_ended(r)], gaps, lines)
    yield boolean("ecoli-drug-allergy", drugs, gaps, lines)
    yield boolean("resolved-ecoli-drug-allergy", [r for r in of_drugs if is_ended(r)], gaps, lines)
    severe = boolean("ecoli-drug-allergy-severe", [r for r in drugs if _severe(r, reading.terms)], gaps, lines)
    # Beside a drug that is certain, an unreadable record must not hide that drug's own review.
    yield Fact(severe.name, False) if drugs and severe.value is None else severe


def substances_of(resource: Resource) -> list[Concept]:
    """What an AllergyIntolerance is about: its code, and the substances of its reactions."""
    return resource.remember("substances", _substances)


def _substances(resource: Resource) -> list[Concept]:
    found = [resource.concept]
    reactions = resource.raw.get("reaction")
    for reaction in reactions if isinstance(reactions, list) else []:
        if isinstance(reaction, Mapping):
            found.append(concept(reaction.get("substance")))
    return found


def _classify(resource: Resource, substances: list[Concept], terms: Mapping[str, Matcher]) -> _Record:
    """A named drug made in E. coli is judged as that drug; the bare organism or its protein as the contraindication."""

    def any_in(name: str) -> bool:
        return any(terms[name].matches(s) for s in substances)

    drug = any_in("ecoli-derived-drug")
    protein = any_in("ecoli-protein")
    organism = any(_organism(s, terms) for s in substances)
    direct = any_in("anakinra") or ((protein or organism) and not drug)
    if protein and drug and any_in("named-protein"):
        direct = True  # Both are named: the protein itself is the contraindication.
    return _Record(resource, direct, drug)


def _organism(found: Concept, terms: Mapping[str, Matcher]) -> bool:
    """Names the organism in a part that does not speak of an infection."""
    if not terms["ecoli-organism"].matches(found):
        return False
    clauses = [concept({"text": part}) for text in (found.text, *found.displays) for part in re.split(r"[,;] ", text)]
    return any(terms["ecoli-organism"].matches(c) and not terms["infection-word"].matches(c) for c in clauses)


def is_ended(resource: Resource) -> bool:
    """Recorded as resolved or inactive."""
    return resource.code("clinicalStatus") in _ENDED


def _severe(resource: Resource, terms: Mapping[str, Matcher]) -> bool:
    """High criticality, a severe reaction, or anaphylaxis in any wording."""
    if resource.text("criticality") == "high" or terms["anaphylaxis"].matches(resource.concept):
        return True
    reactions = resource.raw.get("reaction")
    for reaction in reactions if isinstance(reactions, list) else []:
        if not isinstance(reaction, Mapping):
            continue
        shown = reaction.get("manifestation")
        said = [concept(m) for m in shown] if isinstance(shown, list) else []
        said.append(concept({"text": reaction.get("description")}))
        if reaction.get("severity") == "severe" or any(terms["anaphylaxis"].matches(s) for s in said):
            return True
    return False
