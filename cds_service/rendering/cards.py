"""Cards from answers. The first card is the decision on the order and carries the common footer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cds_service.chart.vocabulary import concept
from cds_service.decision.decide import INSUFFICIENT, UNEVALUATED
from cds_service.decision.doses import packs
from cds_service.decision.model import PRECLUDES, RANK, SEVERITY, SUGGESTS, Answer, Decision, DosePlan
from cds_service.engine import Findings
from cds_service.facts.model import Facts, Reading
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Card, CardOrder, RuleDefinition
from cds_service.rendering import context, fhir, words
from cds_service.rendering.explanation import EXTENSION, explain, extension, lacking, standing
from cds_service.rendering.repeated import REPEATED, brief
from cds_service.rendering.templates import FOOTER, CardTemplate, compile_cards

RULE_SYSTEM = "https://anakinra-cds.org/CodeSystem/rule"
CATALOGUE = "knowledge"  # the path below which web/catalogue.py serves a page for each rule
SOURCE_LABEL = "Anakinra CDS (draft content, not reviewed by clinicians)"
# Decisions that a rule does not take itself: what is missing, a draft that is right already, a region that forbids.
OWN_CARD = frozenset({"insufficient-data", "order-ok", "suggest-restricted"})
_LIVE = {"draft", "active", "on-hold"}


class Renderer:
    """All wording compiled; turns a decision into the `cards` of a CDS Hooks response."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._cards: Mapping[str, CardTemplate] = compile_cards(knowledge.cards)
        self._standing = {rule.id: standing(rule, knowledge) for rule in (*knowledge.rules, UNEVALUATED)}
        self._quiet = frozenset(rule.id for rule in knowledge.rules if rule.if_unknown == "quiet")
        self._reasons = {n: [r.model_dump() for r in card.override_reasons] for n, card in knowledge.cards.items()}

    def cards(
        self, decision: Decision, findings: Findings, reading: Reading, facts: Facts, public_url: str = ""
    ) -> list[dict[str, Any]]:
        """One card for each answer, in order; with links to the rules' pages where the service's address is known."""
        shared = context.base(self._knowledge, decision, reading, facts)
        made: list[dict[str, Any]] = []
        stated = [name for m in decision.missing for name in m.facts]
        unknown = lacking(findings, facts, stated, findings.outcomes)
        # What a quiet rule lacks stands in the explanation only: a card that lists every lab test hides what matters.
        printed = lacking(findings, facts, stated, [r for r in findings.outcomes if r not in self._quiet])
        days = next((a.plan.duration_days for a in decision.answers if a.plan is not None), 0)
        for answer in decision.answers:
            explained = explain(answer, findings, facts, unknown, printed)
            own = {**shared, **context.of_answer(answer, self._knowledge, reading)}
            template = self._cards[_card_of(answer)]
            summary, detail = template.fill(own)
            if not made:
                own |= context.of_footer(answer, self._knowledge, explained, facts)
                detail = f"{detail}\n\n{self._cards[FOOTER].fill(own)[1]}"
            card = self._card(answer, template.card, summary, detail, reading, days)
            if public_url:
                _link(card, answer.rule, public_url)
            rule = self._standing[answer.rule.id]
            card["extension"] = extension(answer, explained, decision, self._knowledge, reading, rule)
            made.append(card)
        return made

    def brief(self, cards: list[dict[str, Any]], since: str) -> list[dict[str, Any]]:
        """The brief form of an answer that was shown whole at `since` (HH:MM, UTC)."""
        return brief(cards, since, context.standing(self._knowledge), self._cards[REPEATED])

    def _card(
        self, answer: Answer, card: Card, summary: str, detail: str, reading: Reading, days: int
    ) -> dict[str, Any]:
        rule = answer.rule
        body: dict[str, Any] = {
            "uuid": str(uuid.uuid4()),
            "summary": summary,
            "detail": detail,
            "indicator": answer.indicator,
            "source": {
                "label": SOURCE_LABEL,
                "topic": {"system": RULE_SYSTEM, "code": rule.id, "display": _display(answer)},
            },
        }
        suggestions = self._offers(answer, reading) if answer.offers else self._monitoring(days, card, reading)
        if suggestions:
            body["suggestions"] = suggestions
            body["selectionBehavior"] = "at-most-one" if answer.offers else "any"
        if card.override_reasons:
            body["overrideReasons"] = self._reasons[card.id]
        return body

    def _offers(self, answer: Answer, reading: Reading) -> list[dict[str, Any]]:
        """One suggestion for each dose: update of the anakinra draft, or create anakinra and delete the other draft."""
        assert answer.regimen is not None  # an offer comes from a regimen
        kind = answer.regimen.order_kind
        title = self._knowledge.orders.kinds[kind].title
        found = []
        for place, plan in enumerate(answer.offers):
            label = words.dose(plan, self._knowledge.orders.routes)
            suggestion: dict[str, Any] = {
                "label": f"{title} {label}",
                "uuid": str(uuid.uuid4()),
                "actions": self._actions(kind, plan, label, reading),
            }
            if place == 0:
                suggestion["isRecommended"] = True
            found.append(suggestion)
        return found

    def _actions(self, kind: str, plan: DosePlan, label: str, reading: Reading) -> list[dict[str, Any]]:
        orders = self._knowledge.orders
        dosing = orders.kinds[kind].dosing
        assert dosing is not None  # `decide` offers nothing otherwise
        medication, name = dosing.medication, orders.kinds[kind].title.lower()
        words_ = f"{label}, for {plan.duration_days} days, then review"
        instruction = fhir.dosage(plan, orders.routes[plan.route], words_)
        dispense = fhir.dispensed(packs(plan, dosing.pack), dosing.pack)
        patient = reading.chart.patient_id
        drafts = reading.order.of_kind(kind)
        if drafts:
            resource = fhir.updated_order(drafts[0].resource.raw, instruction, dispense, medication, patient)
            return [{"type": "update", "description": f"Change the {name} order to {label}", "resource": resource}]
        when = words.moment(reading.now)
        resource = fhir.new_order(instruction, dispense, medication, patient, reading.encounter_id, when)
        actions = [{"type": "create", "description": f"Order {name} {label}", "resource": resource}]
        for draft in reading.order.of_kind(reading.order.kind):
            if draft.selected:
                what = f"Remove the {orders.kinds[draft.kind].title.lower()} draft"
                actions.append({"type": "delete", "description": what, "resourceId": draft.resource.ref})
        return actions

    def _monitoring(self, days: int, card: Card, reading: Reading) -> list[dict[str, Any]]:
        """The orders of the card that are not there already, each for the days of the course."""
        present = _ordered_already(reading)
        found = []
        for order in card.orders:
            if _is_ordered(order, present):
                continue
            when = words.moment(reading.now)
            resource = fhir.monitoring_order(order, days, reading.chart.patient_id, reading.encounter_id, when)
            action = {"type": "create", "description": order.label, "resource": resource}
            found.append({"label": order.label, "uuid": str(uuid.uuid4()), "actions": [action]})
        return found


def in_order(cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cards of several kinds of order in the contract's order; beside what precludes it, no suggestion is left."""
    decisions = [card["extension"][EXTENSION]["decision"] for card in cards]
    precluded = any(d in PRECLUDES for d in decisions)
    kept = [c for c, d in zip(cards, decisions, strict=True) if not (precluded and d in SUGGESTS)]
    for card in kept if precluded else ():
        if card.get("selectionBehavior") == "at-most-one":
            del card["suggestions"], card["selectionBehavior"]
    return sorted(kept, key=lambda c: (RANK[c["extension"][EXTENSION]["decision"]], SEVERITY[c["indicator"]]))


def _link(card: dict[str, Any], rule: RuleDefinition, public_url: str) -> None:
    """Link a card to its rule's page in the catalogue; what could not be evaluated has no page but the first one."""
    if rule is UNEVALUATED:
        url, label = f"{public_url}/{CATALOGUE}", "All rules, their criteria and sources"
    else:
        url, label = f"{public_url}/{CATALOGUE}/rules/{rule.id}", f"Rule {rule.id} {rule.version}: criteria and sources"
    card["source"]["url"] = url
    card["links"] = [{"label": label, "url": url, "type": "absolute"}]


def _display(answer: Answer) -> str:
    """The rule's title; where the rule could not be evaluated its title says nothing about the patient."""
    stated = answer.rule.finding.decision == answer.decision or answer.decision != INSUFFICIENT
    return answer.rule.title if stated or answer.rule is UNEVALUATED else f"Not evaluated: {answer.rule.title}"


def _card_of(answer: Answer) -> str:
    """A rule's own card, unless the decision is not the rule's own but came of the whole."""
    if answer.rule is UNEVALUATED:
        return answer.rule.card
    return answer.decision if answer.decision in OWN_CARD else answer.rule.card


def _ordered_already(reading: Reading) -> Sequence[Any]:
    """What is ordered or drafted. A single order of long ago, which nobody closed, orders nothing any more."""
    hours = reading.windows["monitoring-order-recent"]
    live = [r for r in reading.chart.of("service-requests") if r.status in _LIVE]
    requests = [r for r in live if r.when is None or "occurrenceTiming" in r.raw or reading.within(r, hours)]
    return [r.concept for r in requests] + [concept(d.get("code")) for d in reading.order.others]


def _is_ordered(order: CardOrder, present: Sequence[Any]) -> bool:
    text = order.text.lower()
    return any((order.system, order.code) in p.codes or p.text == text for p in present)
