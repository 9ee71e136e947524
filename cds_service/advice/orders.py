"""Which orders an answer would place: drafts that change or go, new orders, monitoring that is not ordered yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cds_service.advice.model import Answer, DosePlan, Offer
from cds_service.chart.vocabulary import Concept, concept
from cds_service.contract import OWN_CARD, UNEVALUATED
from cds_service.facts.model import Reading
from cds_service.facts.order import OrderInHand
from cds_service.knowledge.model import CardOrder

# The query of what is ordered already: it is left out of what a card offers.
ORDERED = "service-requests"
_LIVE = {"draft", "active", "on-hold"}


def offers(plans: Iterable[DosePlan], kind: str, order: OrderInHand) -> tuple[Offer, ...]:
    """One offer for each dose: the first draft of that kind becomes it; without one, the selected draft gives way."""
    drafts = order.of_kind(kind)
    changes = drafts[0] if drafts else None
    removes = () if drafts else tuple(d for d in order.of_kind(order.kind) if d.selected)
    return tuple(Offer(kind, plan, changes, removes) for plan in plans)


def card_of(answer: Answer) -> str:
    """A rule's own card, unless the decision is not the rule's own but came of the whole."""
    if answer.rule.id == UNEVALUATED:
        return answer.rule.card
    return answer.decision if answer.decision in OWN_CARD else answer.rule.card


def not_ordered_yet(orders: Iterable[CardOrder], present: Sequence[Concept]) -> tuple[CardOrder, ...]:
    """Those of a card's orders that nothing among `present` is already."""
    return tuple(order for order in orders if not _is_ordered(order, present))


def ordered_already(reading: Reading) -> list[Concept]:
    """What is ordered or drafted. A single order of long ago, which nobody closed, orders nothing any more."""
    hours = reading.windows["monitoring-order-recent"]
    live = [r for r in reading.chart.of(ORDERED) if r.status in _LIVE]
    requests = [r for r in live if r.when is None or "occurrenceTiming" in r.raw or reading.within(r, hours)]
    return [r.concept for r in requests] + [concept(d.get("code")) for d in reading.order.others]


def _is_ordered(order: CardOrder, present: Sequence[Concept]) -> bool:
    text = order.text.lower()
    return any((order.system, order.code) in p.codes or p.text == text for p in present)
