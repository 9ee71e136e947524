"""What the site declares about itself; never inferred from the chart."""

from __future__ import annotations

from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Facts, Reading


def policy(name: str, policy: str) -> Find:
    """A yes-or-no policy of the site as a fact, so that a rule can ask for it."""

    def find(reading: Reading, known: Facts) -> Fact:
        value = reading.policies[policy] > 0
        return Fact(name, value, text=f"site {reading.site.id}" if value else "")

    return find


def says(name: str, what: str) -> Find:
    """What else the site says: a shortage that it declares, or whether its region allows a one-click order."""
    if what == "one-click-allowed":
        return lambda reading, known: Fact(name, reading.one_click, text=f"site {reading.site.id}")
    return lambda reading, known: Fact(name, reading.site.tocilizumab_shortage, text=f"site {reading.site.id}")
