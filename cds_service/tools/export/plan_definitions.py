"""Rules as FHIR PlanDefinitions: when they are evaluated, which conditions must hold, and what they propose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Card, CardOrder, Evidence, Regimen, RuleDefinition
from cds_service.tools.export import activity_definitions as activities
from cds_service.tools.export.extensions import compound, extension
from cds_service.tools.export.fhir import DRAFT_NOTICE, RULE_SYSTEM, Json, canonical, coding, definition, given, lines
from cds_service.tools.export.fhirpath import expressions
from cds_service.tools.export.libraries import FACTS, POLICIES, variable

KIND: Final = "PlanDefinition"
_SHOWN: Final = ("verified", "partly")
_TYPE_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/plan-definition-type"
_COLLECTION: Final = (
    "One rule of a collection: evaluate the rules of earlier strata first, and propose no order where a safety rule,"
    " missing data or a review withholds it."
)


def plan_definition(knowledge: Knowledge, rule: RuleDefinition) -> Json:
    """One rule. `usage` holds its limits, one a line; an approval that nobody gave is not there."""
    return definition(
        KIND,
        rule.id,
        extension=list(extension("named-policy", tuple(variable(name) for name in knowledge.occasions.policies(rule)))),
        version=rule.version,
        title=rule.title,
        status=rule.status,
        type={"coding": [{"system": _TYPE_SYSTEM, "code": "eca-rule", "display": "ECA Rule"}]},
        description=rule.rationale,
        usage=lines(_COLLECTION, "" if rule.approval_date else DRAFT_NOTICE, *rule.limits),
        approvalDate=rule.approval_date and rule.approval_date.isoformat(),
        lastReviewDate=rule.last_review_date and rule.last_review_date.isoformat(),
        topic=[{"coding": [coding(RULE_SYSTEM, rule.id, rule.title)]}],
        relatedArtifact=[*_citations(knowledge, rule), *_findings(knowledge, rule)],
        library=[canonical("Library", FACTS), canonical("Library", POLICIES)],
        action=[_action(knowledge, rule)],
    )


def _citations(knowledge: Knowledge, rule: RuleDefinition) -> Iterator[Json]:
    """What may be cited; what is unverified or refuted is not exported at all."""
    for name in rule.evidence:
        item = knowledge.evidence[name]
        if item.status in _SHOWN and item.citation:
            yield _citation(item)


def _citation(item: Evidence) -> Json:
    said = compound(
        "evidence",
        status=item.status,
        statement=item.statement,
        why=item.why,
        checkedOn=item.checked_on,
        population=item.population,
        n=item.n,
        design=item.design,
    )
    return given(
        extension=[said],
        type="citation",
        label=item.id,
        display=item.title,
        citation=item.citation,
        url=item.url if item.url.startswith(("https://", "http://")) else "",
    )


def _findings(knowledge: Knowledge, rule: RuleDefinition) -> Iterator[Json]:
    """The rules whose findings the conditions ask for."""
    conditions = (*rule.when, *(c for alternative in rule.any for c in alternative), *rule.unless)
    versions = {other.id: other.version for other in knowledge.rules}
    for name in dict.fromkeys(condition.finding for condition in conditions if condition.finding):
        yield {"type": "depends-on", "resource": canonical(KIND, name, versions[name])}


# ---------------------------------------------------------------- what it does


def _action(knowledge: Knowledge, rule: RuleDefinition) -> Json:
    card = knowledge.cards.get(rule.card)
    regimen = knowledge.regimens.get(rule.regimen)
    proposed = [_doses(knowledge, regimen)] if regimen else []
    monitoring = [_monitoring(card)] if card and card.orders else []
    return given(
        extension=list(_said(knowledge, rule, card)),
        title=rule.title,
        textEquivalent=_text(card) if card else "",
        trigger=[{"type": "named-event", "name": hook} for hook in rule.hooks],
        condition=[
            {"kind": "applicability", "expression": {"language": "text/fhirpath", "expression": expression}}
            for expression in expressions(rule)
        ],
        action=[*proposed, *monitoring],
    )


def _said(knowledge: Knowledge, rule: RuleDefinition, card: Card | None) -> Iterator[Json]:
    finding = rule.finding
    yield from extension("stratum", rule.stratum)
    yield from extension("order-kind", knowledge.occasions.kinds(rule))
    yield from extension("if-unknown", rule.if_unknown)
    yield from extension("decision", finding.decision)
    yield from extension("indicator", finding.indicator)
    yield from extension("pathway", rule.pathway)
    yield from extension("withholds-order", finding.withholds_order or None)
    if finding.until:
        yield compound("until", fact=finding.until.fact, policy=variable(finding.until.policy))
    if card:
        reasons = tuple(coding(r.system, r.code, r.display) for r in knowledge.reasons_against(card))
        yield compound(
            "card",
            id=card.id,
            version=card.version,
            summary=card.summary,
            detail=card.detail,
            overrideReason=reasons,
        )


def _text(card: Card) -> str:
    """The card as plain text, where it is that: a template is none before it is filled."""
    whole = lines(card.summary, card.detail.strip())
    return "" if "{{" in whole or "{%" in whole or "{#" in whole else whole


def _doses(knowledge: Knowledge, regimen: Regimen) -> Json:
    """The regimen's doses as alternatives. None is preselected: a clinician chooses."""
    actions = [
        given(
            extension=list(extension("recommended", True if dose is regimen.dose else None)),
            title=activities.words(knowledge, regimen, dose),
            definitionCanonical=activities.reference(name, regimen.version),
        )
        for name, dose in activities.doses(regimen)
    ]
    return {"title": regimen.title, "selectionBehavior": "at-most-one", "action": actions}


def _monitoring(card: Card) -> Json:
    """The card's orders, each its own choice."""
    actions = [_order(card, name, order) for name, order in activities.orders(card)]
    return {"title": "Monitoring orders", "selectionBehavior": "any", "action": actions}


def _order(card: Card, name: str, order: CardOrder) -> Json:
    return {"title": order.label, "definitionCanonical": activities.reference(name, card.version)}
