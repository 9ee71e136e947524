"""The status of a patient for whom nothing is ordered: it says what an order would be told, and no loss calms it."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from cds_service.contract import ASKS, RANK, STATUS, SUGGESTS, TOLD_BY_STATUS
from cds_service.knowledge import Knowledge
from cds_service.service import Service
from tests.support.calmer import calmer, tone
from tests.support.cards import explanation
from tests.support.losses import LOSSES, Loss
from tests.support.places import Asked, Cards, Places, answer, every_chart

EACH = 3
HOOK = "patient-view"
# What an order adds to what is found without one: stops that are about the order itself.
OF_AN_ORDER = {"order-exceeds-max", "duplicate", "vaccine-warning"}


class Charts:
    """Every example and vignette in which anakinra is just selected, and the same chart without an order."""

    def __init__(self, folder: Path) -> None:
        self._places = Places(folder)
        charts = takewhile(lambda c: c.kind != "acceptance", every_chart(self._places))
        self.all = [c for c in charts if c.call["hook"] == "order-select" and _is_only_a_drug(c.call)]

    def cards(self, chart: Asked, call: Mapping[str, Any]) -> tuple[int, Cards]:
        return answer(self._places.service(chart.place), call)

    def status(self, chart: Asked, loss: Loss | None = None, query: str = "") -> tuple[int, Cards]:
        """The answer to the chart without its orders, with one of its queries lost."""
        call = loss.call(chart.call, query) if loss else chart.call
        context = {k: v for k, v in call["context"].items() if k not in ("draftOrders", "selections")}
        return self.cards(chart, {**call, "hook": HOOK, "context": context})


def _is_only_a_drug(call: Mapping[str, Any]) -> bool:
    """One draft of anakinra, without a dose, a route or a reason."""
    drafts = [entry["resource"] for entry in call["context"]["draftOrders"]["entry"]]
    plain = not any({"dosageInstruction", "reasonCode", "reasonReference"} & draft.keys() for draft in drafts)
    return len(drafts) == 1 and plain and "anakinra" in json.dumps(drafts[0]).lower()


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Charts:
    return Charts(tmp_path_factory.mktemp("places"))


def test_a_status_tells_what_an_order_would_be_answered(charts: Charts) -> None:
    """Its most important finding is the first card of an order that was just selected; where the order itself is
    stopped, of what is found beside that."""
    assert len(charts.all) >= 40
    wrong = []
    for chart in charts.all:
        ordered = [explanation(card) for card in charts.cards(chart, chart.call)[1]]
        wanted = next((e for e in ordered if e["decision"] not in OF_AN_ORDER), None)
        found = [each for card in charts.status(chart)[1] for each in explanation(card).get("also", ())]
        told = found[0]["decision"] if found else "none"
        if wanted and wanted["decision"] in TOLD_BY_STATUS and told != _without_region(wanted["decision"]):
            wrong.append(f"{chart.name}: an order is told {wanted['decision']}, the status {told}")
    assert wrong == []


def _without_region(decision: str) -> str:
    """Which order a region allows is no part of a status."""
    return "suggest" if decision == "suggest-restricted" else decision


def test_a_status_is_one_card_that_orders_nothing(charts: Charts) -> None:
    for chart in charts.all:
        _, cards = charts.status(chart)
        assert len(cards) <= 1, chart.name
        for card in cards:
            assert explanation(card)["decision"] == STATUS
            assert card["source"]["topic"]["code"] == "car-t-status"
            assert "dosePlan" not in explanation(card)
            assert not {"suggestions", "selectionBehavior"} & card.keys()
            assert [reason["code"] for reason in card["overrideReasons"]] == ["data-wrong"]
            ranks = [RANK[each["decision"]] for each in explanation(card).get("also", ())]
            assert ranks == sorted(ranks)


_LOSSES = [pytest.param(loss, id=loss.name) for loss in LOSSES if not (loss.server or loss.empty_is_unknown)]


@pytest.mark.parametrize("loss", _LOSSES)
def test_what_is_not_read_never_calms_a_status(loss: Loss, charts: Charts) -> None:
    """Statements and microbiology reports are weak queries (clinical policy 6.1 R5): their loss is said."""
    sample = random.Random(loss.name).sample(charts.all, EACH)
    calmed = []
    for chart in sample:
        before = tone(charts.status(chart)[1])
        for query in chart.call["prefetch"].keys() - {"statements", "reports", *(["patient"] if loss.lists else [])}:
            status, cards = charts.status(chart, loss, query)
            if said := calmer(before, tone(cards, status)):
                calmed.append(f"{chart.name}: {query}: {said}")
    assert calmed == []


def test_its_prefetch_is_what_it_looks_at(ours: Knowledge) -> None:
    service = Service.start(ours)
    asked = {entry["hook"]: entry["prefetch"] for entry in service.discovery()}
    (kind,) = service.program.without_order
    assert asked[HOOK].keys() == set(service.program.plans[HOOK, kind].gatherer.queries)
    assert asked["order-select"].keys() - asked[HOOK].keys() == {"immunizations", "service-requests"}
    assert {k: v for k, v in asked["order-select"].items() if k in asked[HOOK]} == asked[HOOK]


def test_every_rule_that_it_asks_is_one_of_the_order(ours: Knowledge) -> None:
    """A rule whose finding a status tells cannot be left out of it."""
    program = Service.start(ours).program
    (kind,) = program.without_order
    of_order = program.plans[ASKS[HOOK], kind].rules
    told = {r.id for r in of_order if r.finding.decision in {None, *TOLD_BY_STATUS} or r.finding.screens}
    assert {rule.id for rule in program.plans[HOOK, kind].rules} == told | {"car-t-status"}
    assert SUGGESTS <= TOLD_BY_STATUS
