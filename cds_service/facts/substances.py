"""What a record is about: its concept; for an allergy also the substances of its reactions, and how severe it was."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept

_CLAUSES = re.compile(r"[,;] ")


def concepts_of(resource: Resource) -> Sequence[Concept]:
    """The concepts that a selection's value sets are compared with."""
    if resource.type == "Procedure":
        return resource.remember("used", _used)
    if resource.type != "AllergyIntolerance":
        return (resource.concept,)
    return resource.remember("substances", _substances)


def _substances(resource: Resource) -> Sequence[Concept]:
    return (resource.concept, *(concept(r.get("substance")) for r in reactions_of(resource)))


def _used(resource: Resource) -> Sequence[Concept]:
    written = resource.raw.get("usedCode")
    return (
        (resource.concept, *(concept(used) for used in written if used))
        if isinstance(written, list)
        else (resource.concept,)
    )


def with_notes(allergy: Resource, unspecific: Matcher) -> Sequence[Concept]:
    """The concepts of an allergy; where none of them names a substance, or only an unspecific one, also what its notes
    and the descriptions of its reactions say."""
    found = concepts_of(allergy)
    if not all(unspecific.matches(each) or unspecific.recognised(each).puzzle for each in found):
        return found
    return (*found, *notes_of(allergy))


def notes_of(allergy: Resource) -> Sequence[Concept]:
    """What its notes and the descriptions of its reactions say."""
    return allergy.remember("notes", _notes)


def names_nothing(allergy: Resource, unspecific: Matcher, named_by: Sequence[Matcher]) -> bool:
    """Whether an allergy names only an unspecific class ("drug allergy"), and its notes no substance that is known."""
    if not all(each.empty or unspecific.names(each) for each in concepts_of(allergy)):
        return False
    return not any(_says(said, named_by) for said in allergy.remember("notes", _notes))


def _notes(allergy: Resource) -> Sequence[Concept]:
    written = allergy.raw.get("note")
    notes = [n.get("text") for n in written if isinstance(n, Mapping)] if isinstance(written, list) else []
    said = (*notes, *(r.get("description") for r in reactions_of(allergy)))
    return tuple(concept({"text": text}) for text in said if isinstance(text, str))


def reactions_of(resource: Resource) -> Iterator[Mapping[str, object]]:
    """The reactions of an allergy record."""
    written = resource.raw.get("reaction")
    yield from (r for r in written if isinstance(r, Mapping)) if isinstance(written, list) else ()


def says_apart(found: Concept, what: Sequence[Matcher], beside: Sequence[Matcher]) -> bool:
    """Whether a concept says `what` in a clause that does not say `beside`: an infection with a germ is no allergy."""
    return any(_says(c, what) and not _says(c, beside) for c in _clauses(found))


def says_together(found: Concept, what: Sequence[Matcher], beside: Sequence[Matcher]) -> bool:
    """Whether a concept says `what` and `beside` in one clause, now or in the past: an allergy to this very drug."""
    return _says(found, what) and any(_says(c, what) and _says(c, beside) for c in _clauses(found))


def _says(found: Concept, what: Sequence[Matcher]) -> bool:
    return any(m.mentions(found) for m in what)


def _clauses(found: Concept) -> list[Concept]:
    return [concept({"text": part}) for text in (found.text, *found.displays) for part in _CLAUSES.split(text)]


def is_severe(allergy: Resource, severe: Matcher) -> bool:
    """High criticality, a severe reaction, or a reaction of the value set in any wording."""
    return is_critical(allergy, severe) or any(r.get("severity") == "severe" for r in reactions_of(allergy))


def is_critical(allergy: Resource, severe: Matcher) -> bool:
    """High criticality, or a reaction of the value set in any wording, however severe it is called."""
    if allergy.text("criticality") == "high" or severe.matches(allergy.concept):
        return True
    for reaction in reactions_of(allergy):
        shown = reaction.get("manifestation")
        said = [concept(m) for m in shown] if isinstance(shown, list) else []
        said.append(concept({"text": reaction.get("description")}))
        if any(severe.matches(s) for s in said):
            return True
    return False
