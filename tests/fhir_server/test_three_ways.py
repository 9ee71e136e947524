"""Whatever way a chart comes, the cards are the same: prefetch alone, the FHIR server alone, half and half."""

from __future__ import annotations

import pytest

from tests.fhir_server.asking import CANARY, Asker, offering
from tests.fhir_server.good import GoodServer
from tests.support.charts import site
from tests.support.vignettes import Vignette, vignettes

CASES = vignettes()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_cards(case: Vignette, good: GoodServer, at_site: dict[str, Asker]) -> None:
    asker = at_site[site(case.given)]
    whole = case.call(asker.templates(case.hook))
    expected = asker.ask(whole).cards
    server = offering({key: value for key, value in whole.items() if key != "prefetch"}, good.base)
    halves = [dict(list(whole["prefetch"].items())[start::2]) for start in (0, 1)]
    good.seen.clear()
    assert asker.ask(server).cards == expected
    assert good.seen
    assert {given for _, given in good.seen} == {f"Bearer {CANARY}"}
    for half in halves:
        assert asker.ask({**server, "prefetch": half}).cards == expected


def test_pages_were_followed(good: GoodServer) -> None:
    """The comparison above means something only while charts do not fit on one page."""
    longest = max(sum(r["resourceType"] == "Observation" for r in chart) for chart in good.charts.values())
    assert longest > good.page
