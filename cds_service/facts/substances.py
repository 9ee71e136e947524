"""What a record is about: its concept; for an allergy also the substances of its reactions, and how severe it was."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept

_CLAUSES = re.compile(r"[,;] ")


def concepts_of(resource: Resource) -> Sequence[Concept]:
    """The concepts that a selection's value sets are compared with."""
    if resource.type != "AllergyIntolerance":
        return (resource.concept,)
    return resource.remember("substances", _substances)


def _substances(resource: Resource) -> Sequence[Concept]:
    return (resource.concept, *(concept(r.get("substance")) for r in _reactions(resource)))


def _reactions(resource: Resource) -> Iterator[Mapping[str, object]]:
    written = resource.raw.get("reaction")
    yield from (r for r in written if isinstance(r, Mapping)) if isinstance(written, list) else ()


def says_apart(found: Concept, what: Sequence[Matcher], beside: Sequence[Matcher]) -> bool:
    """Whether a concept says `what` in a clause that does not say `beside`: an infection with a germ is no allergy."""
    if not any(m.matches(found) for m in what):
        return False
    clauses = [concept({"text": part}) for text in (found.text, *found.displays) for part in _CLAUSES.split(text)]
    return any(any(m.matches(c) for m in what) and not any(m.matches(c) for m in beside) for c in clauses)


def is_severe(allergy: Resource, severe: Matcher) -> bool:
    """High criticality, a severe reaction, or a reaction of the value set in any wording."""
    if allergy.text("criticality") == "high" or severe.matches(allergy.concept):
        return True
    for reaction in _reactions(allergy):
        shown = reaction.get("manifestation")
        said = [concept(m) for m in shown] if isinstance(shown, list) else []
        said.append(concept({"text": reaction.get("description")}))
        if reaction.get("severity") == "severe" or any(severe.matches(s) for s in said):
            return True
    return False
