"""What the site declares about itself; never inferred from the chart."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.facts.model import Fact, Facts, Reading
from cds_service.knowledge.model import FactDefinition


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`site-tocilizumab-shortage` and `site-one-click-allowed`."""
    site = reading.site
    yield Fact("site-tocilizumab-shortage", site.tocilizumab_shortage, text=f"site {site.id}")
    yield Fact("site-one-click-allowed", reading.one_click, text=f"site {site.id}")


def policy(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """A yes-or-no policy of the site as a fact, so that a rule can ask for it."""
    value = reading.policies[definition.source.target] > 0
    return Fact(name, value, text=f"site {reading.site.id}" if value else "")
