"""Hypersensitivity to anakinra, to E. coli-derived protein, and to drugs made in E. coli.

An infection with E. coli is never an allergy. Unconfirmed records count until a clinician clears them; refuted and
erroneous ones do not; resolved ones ask for a person.
"""

from __future__ import annotations

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
    """The four facts about hypersensitivity."""
    gaps = list(reading.chart.gaps(("allergies",)))
    records, bad = [], []
    for resource in reading.chart.of("allergies"):
        if resource.code("verificationStatus") in DISPROVEN:
            continue
        substances = resource.remember("substances", _substances)
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
    drugs = [r.resource for r in records if r.drug and not r.direct and not _ended(r.resource)]
    yield boolean("hypersensitivity", [r for r in direct if not _ended(r)], gaps, lines)
    yield boolean("resolved-hypersensitivity", [r for r in direct if _ended(r)], gaps, lines)
    yield boolean("ecoli-drug-allergy", drugs, gaps, lines)
    severe = boolean("ecoli-drug-allergy-severe", [r for r in drugs if _severe(r)], gaps, lines)
    # Beside a drug that is certain, an unreadable record must not hide that drug's own review.
    yield Fact(severe.name, False) if drugs and severe.value is None else severe


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
    direct = any_in("anakinra") or ((protein or any_in("ecoli-organism")) and not drug)
    if protein and drug and any("protein" in f"{s.text} {' '.join(s.displays)}" for s in substances):
        direct = True  # Both are named: the protein itself is the contraindication.
    return _Record(resource, direct, drug)


def _ended(resource: Resource) -> bool:
    return resource.code("clinicalStatus") in _ENDED


def _severe(resource: Resource) -> bool:
    """High criticality, a severe reaction, or anaphylaxis in any wording."""
    if resource.text("criticality") == "high":
        return True
    reactions = resource.raw.get("reaction")
    for reaction in reactions if isinstance(reactions, list) else []:
        if not isinstance(reaction, Mapping):
            continue
        shown = reaction.get("manifestation")
        words = [concept(m) for m in shown] if isinstance(shown, list) else []
        text = " ".join((*(f"{w.text} {' '.join(w.displays)}" for w in words), str(reaction.get("description") or "")))
        if reaction.get("severity") == "severe" or "anaphyla" in text.lower():
            return True
    return False
