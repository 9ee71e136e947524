"""The 13 source attributes of a rule: of an evidence-based decision-support intervention, who made it, from what, and
which of a patient's personal data it uses. Most are derived, so that they cannot contradict the rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import ATTRIBUTES, AttributeName, Card, Condition, RuleDefinition
from cds_service.knowledge.placeholders import facts_of, prints_dose_by_weight

_CITED = ("verified", "partly")


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """One attribute of one rule, numbered from 1. `facts` are those by which the rule uses such data; else none."""

    number: int
    name: AttributeName
    title: str
    value: str
    facts: tuple[str, ...] = ()


def of_rule(knowledge: Knowledge, rule: RuleDefinition) -> tuple[AttributeValue, ...]:
    """All 13, in order; nothing where the knowledge has no table of attributes."""
    table = knowledge.source_attributes
    own = table.overrides.get(rule.id, {})
    used = _used(knowledge, rule)
    found = []
    for number, name in enumerate(ATTRIBUTES if table.attributes else (), start=1):
        attribute = table.attributes[name]
        facts = tuple(fact for fact, ways in used.items() if name in ways)
        value = own.get(name) or _derived(knowledge, rule, name, facts) or attribute.otherwise
        found.append(AttributeValue(number, name, attribute.title, value, facts))
    return tuple(found)


def as_json(knowledge: Knowledge) -> dict[str, Any]:
    """Every rule's attributes as plain data."""
    return {
        "knowledge": knowledge.digest,
        "site": knowledge.site.id,
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "version": rule.version,
                "status": rule.status,
                "attributes": [
                    {"number": a.number, "name": a.name, "title": a.title, "value": a.value, "facts": list(a.facts)}
                    for a in of_rule(knowledge, rule)
                ],
            }
            for rule in knowledge.rules
        ],
    }


def facts_behind(knowledge: Knowledge, rule: RuleDefinition) -> tuple[str, ...]:
    """Every fact that the rule's result or card rests on, also through the findings of earlier rules, each once."""
    return tuple(dict.fromkeys(_facts(knowledge, rule, frozenset())))


def _facts(knowledge: Knowledge, rule: RuleDefinition, seen: frozenset[str]) -> Iterator[str]:
    rules = {other.id: other for other in knowledge.rules}
    for condition in _conditions(rule):
        if condition.fact:
            yield condition.fact
        elif condition.finding in rules and condition.finding not in seen:
            yield from _facts(knowledge, rules[condition.finding], seen | {rule.id})
    if rule.finding.until:
        yield rule.finding.until.fact
    regimen, cards = knowledge.regimens.get(rule.regimen), list(_cards(knowledge, rule))
    if (regimen and regimen.dose.mg_per_kg) or any(prints_dose_by_weight(card) for card in cards):
        yield from ("child", "weight")
    yield from sorted({fact for card in cards for fact in facts_of(card)})


def _cards(knowledge: Knowledge, rule: RuleDefinition) -> Iterator[Card]:
    """The cards that say what the rule found, with their parts."""
    for name in (rule.card, rule.first_card):
        card = knowledge.cards.get(name)
        if card:
            yield from (card, *(knowledge.cards[part] for part in card.parts))


def _conditions(rule: RuleDefinition) -> Iterator[Condition]:
    yield from (*rule.when, *(c for alternative in rule.any for c in alternative), *rule.unless)


def _used(knowledge: Knowledge, rule: RuleDefinition) -> Mapping[str, Mapping[AttributeName, str]]:
    """Facts behind the rule that use personal data -> attribute -> how."""
    ways = knowledge.source_attributes.facts
    return {name: ways[name] for name in facts_behind(knowledge, rule) if name in ways}


def _derived(knowledge: Knowledge, rule: RuleDefinition, name: AttributeName, facts: tuple[str, ...]) -> str:
    """What the files say of an attribute; empty where they say nothing."""
    if name == "citation":
        return _citations(knowledge, rule)
    if name == "dates":
        return _dates(knowledge, rule)
    ways = knowledge.source_attributes.facts
    said = dict.fromkeys(f"{knowledge.catalogue.facts[fact].title}: {ways[fact][name]}" for fact in facts)
    return f"Used. {'; '.join(said)}." if said else ""


def _citations(knowledge: Knowledge, rule: RuleDefinition) -> str:
    """What was checked at least in part; what was not is counted and not repeated."""
    items = [knowledge.evidence[name] for name in rule.evidence if name in knowledge.evidence]
    cited = [f"{item.citation} ({item.status})" for item in items if item.status in _CITED]
    left = len(items) - len(cited)
    more = [f"{left} more that {'is' if left == 1 else 'are'} not verified and not repeated here"] if left else []
    return " · ".join((*cited, *more))


def _dates(knowledge: Knowledge, rule: RuleDefinition) -> str:
    recorded = [f"version {e.version} of {e.date} ({e.change})" for e in knowledge.versions.of("rules", rule.id)]
    released = f"approved {rule.approval_date}" if rule.approval_date else "not released: approved by nobody yet"
    reviewed = [f"last reviewed {rule.last_review_date}"] if rule.last_review_date else []
    return "; ".join((released, *reviewed, *recorded))
