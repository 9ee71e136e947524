"""What an allergy record says of a substance that was borne: "tolerated anakinra 2023" is no allergy to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.reactions import manifestations
from cds_service.facts.substances import reactions_of
from cds_service.knowledge.model import OnlyTolerated

# A full stop ends a clause only after a word or a year: "E. coli" is one name.
_CLAUSE = re.compile(r"[;\n。；、，]|,(?=\s|$)|(?<=[^\W_]{3})\.(?=\s|$)")
_NAME = re.compile(r"[^\W\d_]{4}|[^\x00-\u024f]")  # a longer word, or a sign of a script without spaces


@dataclass(frozen=True, slots=True)
class Tolerated:
    """A `tolerated` of the catalogue with all that it names resolved; `what` are the substances asked about."""

    what: tuple[Matcher, ...]
    by: Matcher
    alone: Matcher
    never: tuple[Matcher, ...]
    others: tuple[Matcher, ...]

    def __call__(self, allergy: Resource, told: Sequence[Concept]) -> bool:
        """Whether everything that names the substances only says that they were borne. A record whose own concept names
        one beside a reaction, or that is of high criticality, means an allergy whatever its words are."""
        own = [found for found in told if _says(found, self.what)]
        if not own or any(not self._is_borne(found) for found in own):
            return False
        return not (allergy.concept in own and _reacted(allergy))

    def _is_borne(self, found: Concept) -> bool:
        """By its words alone: a code of the substance names what the allergy is to."""
        texts = [text for text in (found.text, *found.displays) if text]
        coded = any(meaning.by_code for m in self.what if (meaning := m.meaning(found)) is not None)
        naming = [text for text in texts if _says(concept({"text": text}), self.what)]
        return not coded and bool(naming) and all(self._clears(text) for text in naming)

    def _clears(self, text: str) -> bool:
        """Every clause that names the substance says so, or is followed by one that says nothing else; and what comes
        after it tells of no reaction, but to another substance."""
        clauses = [concept({"text": part}) for part in _CLAUSE.split(text) if part.strip()]
        named = [at for at, clause in enumerate(clauses) if _says(clause, self.what)]
        if not named or any(_says(clause, self.never) for clause in clauses[named[0] :] if not self._of_others(clause)):
            return False
        return all(
            self._bears(clauses[at]) or self._only_bears(clauses[at : at + 2]) or self._denies(clauses[at : at + 2])
            for at in named
        )

    def _bears(self, clause: Concept) -> bool:
        meaning = self.by.meaning(clause)
        return meaning is not None and meaning.sense in ("said", "past") and not _says(clause, self.others)

    def _only_bears(self, clauses: Sequence[Concept]) -> bool:
        """Whether the second of two clauses says that the substance of the first was borne, and names nothing."""
        first, *others = clauses
        says = not _says(first, self.others) and any(self._bears(clause) for clause in others)
        return says and not any(_NAME.search(self.by.without(clause.text)) for clause in others)

    def _denies(self, clauses: Sequence[Concept]) -> bool:
        """Whether a clause names the substance, and it or the next one says that there is no allergy, and nothing else:
        "Anakinra: keine Allergie", not "anakinra, no allergy test"."""
        return any(
            _says(concept({"text": text}), (self.alone,)) and not _NAME.search(self._rest(text))
            for text in (clauses[0].text, " ".join(clause.text for clause in clauses))
        )

    def _rest(self, text: str) -> str:
        for matcher in (*self.what, self.alone):
            text = matcher.without(text)
        return text

    def _of_others(self, clause: Concept) -> bool:
        return _says(clause, self.others) and not _says(clause, self.what)


def compiled(given: OnlyTolerated, what: tuple[Matcher, ...], terms: Mapping[str, Matcher]) -> Tolerated:
    """A `tolerated` of the catalogue as a test of a record and the concepts that are looked at."""
    never, others = (tuple(terms[name] for name in names) for names in (given.never, given.others))
    return Tolerated(what, terms[given.by], terms[given.alone], never, others)


def _reacted(allergy: Resource) -> bool:
    return allergy.text("criticality") == "high" or any(manifestations(r) for r in reactions_of(allergy))


def _says(found: Concept, what: Sequence[Matcher]) -> bool:
    return any(m.mentions(found) for m in what)
