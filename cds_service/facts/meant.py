"""How a record says what it is: for certain, in doubt, or of a year that is past."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cds_service.chart.scopes import Sense
from cds_service.chart.vocabulary import Concept, Matcher
from cds_service.facts.model import Reading
from cds_service.knowledge.model import Meant

Says = Callable[[Concept, Reading], bool]


def said_as(meant: Meant, within: tuple[Matcher, ...], others: tuple[Matcher, ...], hours: Mapping[str, float]) -> Says:
    """Whether a concept says one of `within` as it must be meant, and none of `others` for certain."""
    margin = hours[meant.year_over] if meant.year_over else None
    hedged_by = meant.hedged_by or ()

    def sense(matcher: Matcher, found: Concept, reading: Reading, contradicted: bool) -> Sense | None:
        meaning = matcher.meaning(found)
        if meaning is None:
            return None
        if margin is not None and meaning.year and _is_over(meaning.year, reading, margin):
            return "past"
        if meaning.sense != "said":
            return meaning.sense
        hedged = bool(hedged_by) and meaning.by_code and matcher.recognised(found).hedges(hedged_by)
        return "doubted" if hedged or (contradicted and meaning.contradicted) else "said"

    def says(found: Concept, reading: Reading) -> bool:
        senses = {sense(m, found, reading, meant.contradicted is not None) for m in within}
        if not senses & {"said", "doubted"}:
            return False
        if meant.sense is not None and ("said" in senses) is not (meant.sense == "said"):
            return False
        return not any(sense(m, found, reading, False) == "said" for m in others)

    return says


def _is_over(year: int, reading: Reading, margin: float) -> bool:
    """A year before this one, which ended long enough ago."""
    ended = datetime(year + 1, 1, 1, tzinfo=UTC)
    return year < reading.now.year and reading.hours_since(ended) > margin
