"""What an allergy record says of its reactions: whether they were only of a kind that is no reason to stop."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.substances import is_critical, is_severe, notes_of, reactions_of
from cds_service.knowledge.model import OnlyReactions

_NAME = re.compile(r"[^\W\d_]{4}|[^\x00-\u024f]")  # a longer word, or a sign of a script without spaces


@dataclass(frozen=True, slots=True)
class Only:
    """A `reactions` of the catalogue with all that it names resolved."""

    only: Matcher
    beside: Matcher
    never: tuple[Matcher, ...]
    severe: Matcher
    stops: Callable[[Resource, Matcher], bool]

    def __call__(self, allergy: Resource) -> bool:
        """Every reaction is one of these, none stops it, and nothing beside them speaks of another one."""
        shown = [m for reaction in reactions_of(allergy) for m in manifestations(reaction)]
        if not shown or self.stops(allergy, self.severe):
            return False
        told = (allergy.concept, *shown, *notes_of(allergy))
        if any(m.mentions(said) for said in told for m in self.never):
            return False
        return all(self._is_only(said) for said in shown)

    def _is_only(self, said: Concept) -> bool:
        """Whether nothing is named but these reactions, and words beside them that name none."""
        if not self.only.matches(said):
            return False
        rest = " ".join(self.only.without(text) for text in (said.text, *said.displays) if text)
        return not _NAME.search(self.beside.without(rest))


def compiled(given: OnlyReactions, terms: Mapping[str, Matcher]) -> Only:
    """A `reactions` of the catalogue as a test of a record."""
    never = tuple(terms[name] for name in given.never)
    stops = is_critical if given.however_severe else is_severe
    return Only(terms[given.only], terms[given.beside], never, terms[given.severe], stops)


def manifestations(reaction: Mapping[str, object]) -> list[Concept]:
    """What shows of a reaction, each as a concept; nothing where none is written."""
    written = reaction.get("manifestation")
    return [found for m in written if not (found := concept(m)).empty] if isinstance(written, list) else []
