"""What the site declares about itself; never inferred from the chart."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.facts.model import Fact, Facts, Reading


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`site-tocilizumab-shortage` and `site-one-click-allowed`."""
    site = reading.site
    yield Fact("site-tocilizumab-shortage", site.tocilizumab_shortage, text=f"site {site.id}")
    yield Fact("site-one-click-allowed", reading.one_click, text=f"site {site.id}")
