"""Words an assessment: one card for each answer, with its suggestions as FHIR. Decides nothing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cds_service.advice import context, fhir, words
from cds_service.advice.doses import packs
from cds_service.advice.explanation import extension, named_orders, standing
from cds_service.advice.first_card import also, around
from cds_service.advice.model import Answer, Assessment, Offer
from cds_service.advice.orders import card_of
from cds_service.advice.repeated import brief
from cds_service.advice.templates import CardTemplate
from cds_service.advice.unevaluated import RULE as UNEVALUATED_RULE
from cds_service.chart.times import clock
from cds_service.contract import (
    ALSO,
    CATALOGUE,
    FOOTER,
    HEADER,
    INSUFFICIENT,
    REPEATED,
    RULE_SYSTEM,
    SOURCE_LABEL,
    UNEVALUATED,
)
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Card, RuleDefinition
from cds_service.knowledge.occasions import Occasion

Json = dict[str, Any]


class Wording:
    """All wording compiled; safe to use from several threads."""

    def __init__(
        self,
        knowledge: Knowledge,
        templates: Mapping[str, CardTemplate],
        occasions: Mapping[Occasion, Sequence[RuleDefinition]],
    ) -> None:
        self._knowledge = knowledge
        self._cards = templates
        self._standing = {
            (occasion, rule.id): standing(rule, knowledge)
            for occasion, rules in occasions.items()
            for rule in (*rules, UNEVALUATED_RULE)
        }
        self._reasons = {name: override_reasons(knowledge, card) for name, card in knowledge.cards.items()}

    def cards(self, assessment: Assessment, public_url: str = "", since: datetime | None = None) -> list[Json]:
        """One card for each answer, in order; with links to the rules' pages where the service's address is known.

        `since`: when the whole of this very answer was shown; then it is said briefly.
        """
        shared = {order.occasion: context.base(self._knowledge, order) for order in assessment.orders}
        made = [self._card(answer, assessment, shared[answer.occasion], public_url) for answer in assessment.answers]
        if since is None or not made:
            return made
        shown_at = clock(since, self._knowledge.site.timezone)
        return brief(assessment.answers, made, shown_at, context.standing(self._knowledge), self._cards[REPEATED])

    def part(self, name: str, answer: Answer, assessment: Assessment) -> str:
        """What one card's own detail says of an answer, for the page that tells of it; empty where it says nothing."""
        order = assessment.of(answer.occasion)
        known = {**context.base(self._knowledge, order), **context.of_answer(answer, self._knowledge)}
        said = self._cards[name].detail.render({**known, **around(answer, self._knowledge, order, "")})
        return said.strip()

    def _card(self, answer: Answer, assessment: Assessment, shared: Json, public_url: str) -> Json:
        order, template = assessment.of(answer.occasion), self._cards[card_of(answer)]
        own = {**shared, **context.of_answer(answer, self._knowledge)}
        page = rule_page(answer.rule, public_url) if public_url else ""
        summary, detail = template.fill(own)
        if answer.leads:
            own |= around(answer, self._knowledge, order, page)
            ends = (self._cards[name].fill(own)[1] for name in (*order.first_card, FOOTER))
            parts = (self._cards[HEADER].fill(own)[1], detail, *ends)
            detail = "\n\n".join(part for part in parts if part)
        if answer.also:
            named = also(answer, words.words_of(f"{summary} {detail}"))
            if named["more"]:  # names come before what this card would say: its page says it
                detail, named = "", also(answer, words.words_of(summary))
            detail = f"{detail}\n\n{self._cards[ALSO].fill(named)[1]}".strip()
        card = outline(answer, summary, detail)
        if suggestions := self._suggestions(answer, assessment):
            card["suggestions"] = suggestions
            card["selectionBehavior"] = "at-most-one" if answer.offers else "any"
        if reasons := self._reasons[template.card.id]:
            card["overrideReasons"] = reasons
        if page:
            _link(card, answer.rule, page)
        told = self._standing[answer.occasion, answer.rule.id]
        card["extension"] = extension(answer, order, assessment.now, self._knowledge, told) | named_orders(order)
        return card

    def _suggestions(self, answer: Answer, assessment: Assessment) -> list[Json]:
        """One for each dose, the recommended first; else one for each monitoring order."""
        found = [self._offer(offer, assessment) for offer in answer.offers]
        if found:
            found[0]["isRecommended"] = True
            return found
        patient, encounter, when = assessment.patient_id, assessment.encounter_id, words.moment(assessment.now)
        for order in answer.monitoring:
            resource = fhir.monitoring_order(order, answer.days, patient, encounter, when)
            action = {"type": "create", "description": order.label, "resource": resource}
            found.append({"label": order.label, "uuid": str(uuid.uuid4()), "actions": [action]})
        return found

    def _offer(self, offer: Offer, assessment: Assessment) -> Json:
        label = words.dose(offer.plan, self._knowledge.orders.routes)
        title = self._knowledge.orders.kinds[offer.kind].title
        actions = self._actions(offer, label, title.lower(), assessment)
        return {"label": f"{title} {label}", "uuid": str(uuid.uuid4()), "actions": actions}

    def _actions(self, offer: Offer, label: str, name: str, assessment: Assessment) -> list[Json]:
        """Update of the draft, or create the order and delete the drafts in whose place it comes."""
        orders, plan, patient = self._knowledge.orders, offer.plan, assessment.patient_id
        dosing = orders.kinds[offer.kind].dosing
        assert dosing is not None  # nothing is offered otherwise
        text = f"{label}, for {plan.duration_days} days, then review"
        instruction = fhir.dosage(plan, orders.routes[plan.route], text)
        dispense = fhir.dispensed(packs(plan, dosing.pack), dosing.pack)
        if offer.changes is not None:
            raw = offer.changes.resource.raw
            resource = fhir.updated_order(raw, instruction, dispense, dosing.medication, patient)
            return [{"type": "update", "description": f"Change the {name} order to {label}", "resource": resource}]
        encounter, when = assessment.encounter_id, words.moment(assessment.now)
        resource = fhir.new_order(instruction, dispense, dosing.medication, patient, encounter, when)
        actions = [{"type": "create", "description": f"Order {name} {label}", "resource": resource}]
        for draft in offer.removes:
            what = f"Remove the {orders.kinds[draft.kind].title.lower()} draft"
            actions.append({"type": "delete", "description": what, "resourceId": draft.resource.ref})
        return actions


def outline(answer: Answer, summary: str, detail: str) -> Json:
    """What every card has."""
    return {
        "uuid": str(uuid.uuid4()),
        "summary": summary,
        "detail": detail,
        "indicator": answer.indicator,
        "source": {
            "label": SOURCE_LABEL,
            "topic": {"system": RULE_SYSTEM, "code": answer.rule.id, "display": _display(answer)},
        },
    }


def override_reasons(knowledge: Knowledge, card: Card | None = None) -> list[Json]:
    """The Codings that a card, or one without a text of its own, can be overridden with."""
    return [reason.model_dump(exclude={"always"}) for reason in knowledge.reasons_against(card)]


def rule_page(rule: RuleDefinition, public_url: str) -> str:
    """A rule's page in the catalogue; what could not be evaluated has no page but the first one."""
    return f"{public_url}/{CATALOGUE}" + ("" if rule.id == UNEVALUATED else f"/rules/{rule.id}")


def _link(card: Json, rule: RuleDefinition, page: str) -> None:
    """Link a card to where its rule is explained."""
    whole = "All rules, their criteria and sources"
    label = whole if rule.id == UNEVALUATED else f"Rule {rule.id} {rule.version}: criteria and sources"
    card["source"]["url"] = page
    card["links"] = [{"label": label, "url": page, "type": "absolute"}]


def _display(answer: Answer) -> str:
    """The rule's title; where the rule could not be evaluated its title says nothing about the patient."""
    rule = answer.rule
    stated = rule.finding.decision == answer.decision or answer.decision != INSUFFICIENT
    return rule.title if stated or rule.id == UNEVALUATED else f"Not evaluated: {rule.title}"
