"""How a concept belongs to value sets, and how several readings of it become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from cds_service.chart.scopes import SENSES, Sense


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a concept belongs to a value set: by code or words, how it is meant, and the year that its words name (0:
    none). `contradicted` where only words of the clinician's own say so, beside a code of a system that is known whole
    and that is in no value set. `beside` is how the words beside its code say the same, where they do. What is denied
    by an exclusion alone is `excluded`: "Gram-negative" is not negative, and denies no growth."""

    sense: Sense
    by_code: bool = False
    year: int = 0
    contradicted: bool = False
    beside: Sense | None = None
    excluded: bool = False

    @property
    def in_words(self) -> Sense | None:
        """How words say it, beside a code or alone; None where only a code does."""
        return self.beside if self.by_code else self.sense


@dataclass(frozen=True, slots=True)
class Recognition:
    """Every value set that a concept belongs to; `puzzle` says why it was not understood ("" where it was).

    `held` are the value sets of which it says that they are so now, for certain or in doubt; `mentioned` those too that
    are past.
    """

    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    puzzle: str = ""
    held: frozenset[str] = field(init=False)
    mentioned: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        senses = {name: meaning.sense for name, meaning in self.meanings.items() if meaning.sense != "denied"}
        object.__setattr__(self, "mentioned", frozenset(senses))
        object.__setattr__(self, "held", frozenset(name for name, sense in senses.items() if sense != "past"))

    def says(self, set_id: str) -> bool:
        """Whether the concept says this for certain."""
        return set_id in self.meanings and self.meanings[set_id].sense == "said"

    def denies(self, set_id: str) -> bool:
        """Whether the concept says that it is not so."""
        return set_id in self.meanings and self.meanings[set_id].sense == "denied"

    def negates(self, set_id: str) -> bool:
        """The same, and by words of denial: "not sterile", but not "Gram-negative", where "negative" is excluded."""
        return self.denies(set_id) and not self.meanings[set_id].excluded

    def hedges(self, set_ids: Iterable[str]) -> bool:
        """Whether its words only doubt or deny these, or call them past, whatever its codes say."""
        told = {meaning.in_words for name in set_ids if (meaning := self.meanings.get(name)) is not None} - {None}
        return bool(told) and "said" not in told


def join(meanings: dict[str, Meaning], more: Mapping[str, Meaning], barred: Iterable[str]) -> None:
    """Add readings; of two for one value set the more alarming stands, and a code stands above words."""
    for name, meaning in more.items():
        if name in barred:
            continue
        known = meanings.get(name)
        if known is None or (not known.by_code and _rank(meaning) < _rank(known)):
            meanings[name] = meaning


def say_beside(meanings: dict[str, Meaning], told: Mapping[str, Meaning]) -> None:
    """Keep how words say what a code says; of several the more alarming."""
    for name, meaning in told.items():
        coded = meanings.get(name)
        if coded is not None and coded.by_code:
            said = min((meaning.sense, coded.beside or meaning.sense), key=SENSES.index)
            meanings[name] = replace(coded, beside=said)


def _rank(meaning: Meaning) -> tuple[int, int, bool]:
    return SENSES.index(meaning.sense), meaning.year and 1, meaning.excluded
