"""Proves at start that every card can be worded: for each rule that shows it, whatever is known of the patient.

Two proofs. Of every template, each name in each branch exists (`template_names`). And each rule's cards are filled in
as for a patient: with facts known in several ways, with those unknown that may be unknown where the rule holds, with
and without a dose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from msgspec import structs

from cds_service.advice import context
from cds_service.advice.doses import plan
from cds_service.advice.first_card import around
from cds_service.advice.model import Answer, DraftedDose, Missing, OrderAssessment
from cds_service.advice.template_names import Known, problems
from cds_service.advice.templates import CardTemplate
from cds_service.advice.unevaluated import NOTHING_FOUND
from cds_service.advice.unevaluated import RULE as UNEVALUATED_RULE
from cds_service.advice.words import Trusted
from cds_service.contract import ALSO, FOOTER, HEADER, INSUFFICIENT, OWN_CARD, REPEATED, SUGGESTS, DecisionName
from cds_service.facts.model import Fact, Facts, LeftOut, Scalar
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Condition, FactDefinition, Regimen, RuleDefinition
from cds_service.knowledge.occasions import Occasion
from cds_service.knowledge.placeholders import facts_of

_ALSO = {"titles": [Trusted("words")], "more": 1}
Templates = Mapping[str, CardTemplate]
Occasions = Mapping[Occasion, Sequence[RuleDefinition]]
Json = dict[str, Any]
_AT = datetime(2000, 1, 1, tzinfo=UTC)
# What a dose by weight is computed from, whichever rule asks for it.
_DOSED_BY = ("weight",)
# Answers that a first card may give, with a dose and without.
_LEADING: tuple[DecisionName, ...] = ("block", "suggest")


def card_problems(knowledge: Knowledge, templates: Templates, occasions: Occasions) -> list[str]:
    """One line for each card that could not be worded for some patient. Every card that a rule names must be there."""
    found = [*_misnamed(knowledge, templates)]
    if not found:
        # What one regimen prints, any does: doses and words of the same shape.
        regimen = next(iter(knowledge.regimens.values()), None)
        tried: set[tuple[str, str]] = set()
        around_tried: set[tuple[str, str, str]] = set()
        for occasion, rules in occasions.items():
            known = _sure_facts(rules)
            for rule in rules:
                if (rule.id, occasion.drug) not in tried:
                    tried.add((rule.id, occasion.drug))
                    found += _unfilled(knowledge, templates, occasion, rule, known[rule.id], regimen)
                    found += _around(knowledge, templates, occasion, rule, around_tried)
        first = next(iter(occasions), Occasion(""))
        found += _unfilled(knowledge, templates, first, UNEVALUATED_RULE, frozenset(), None)
        found += _around(knowledge, templates, first, UNEVALUATED_RULE, around_tried)
    return list(dict.fromkeys(found))


# ---------------------------------------------------------------- every name in every branch


def _misnamed(knowledge: Knowledge, templates: Templates) -> Iterator[str]:
    full = _full(knowledge)
    catalogue = knowledge.catalogue.facts
    views = {name: context.FactView(_known(name, catalogue[name], 0), catalogue[name].title) for name in catalogue}
    known: Known = {
        "fact": ("fact", views),
        "policy": ("policy", dict.fromkeys(knowledge.policies, Trusted("1"))),
        "note": ("note of drugs", {note: Trusted("words") for note in _notes(knowledge)}),
        "regimen_dose": ("regimen", dict.fromkeys(knowledge.regimens, Trusted("1 mg"))),
    }
    around_first = full.pop("around")
    for name, template in templates.items():
        whole = {**full, **around_first}
        sample = {HEADER: whole, FOOTER: whole, ALSO: _ALSO, REPEATED: _repeated(knowledge)}.get(name, full)
        for key in ("summary", "detail"):
            for problem in problems(getattr(template.card, key), sample, known):
                yield knowledge.problem("cards", name, (key,), problem)


def _notes(knowledge: Knowledge) -> set[str]:
    """Every note that some drug has: a card may ask for no other."""
    return {note for drug in knowledge.drugs.values() for note in drug.notes}


def _full(knowledge: Knowledge) -> Json:
    """Every variable of a card, and under `around` those of the first card's header and footer; no list is empty."""
    facts = {name: _known(name, d, 0) for name, d in knowledge.catalogue.facts.items()}
    one = next(iter(facts.values()))
    counted = structs.replace(one, left_out=(LeftOut("a record", "a reason"),))
    shown = [name for name, item in knowledge.evidence.items() if item.status in ("verified", "partly")]
    rule = UNEVALUATED_RULE.model_copy(update={"evidence": tuple(shown[:1])})
    stated = rule.model_copy(update={"finding": rule.finding.model_copy(update={"decision": INSUFFICIENT})})
    missing = (Missing(stated, (one.name,)), Missing(rule, tuple(facts)[1:2]))
    first = next(occasion for each in knowledge.occasions.of_kind.values() for occasion in each)
    order = _order(first, facts, missing=missing)
    queries = tuple(knowledge.catalogue.queries)[:2]
    order = replace(order, not_read=dict.fromkeys(queries, "not sent"), forgone=queries[1:])
    site = knowledge.site.model_copy(update={"not_kept": ("Immunization",)})
    filled = replace(knowledge, site=site, overridden=frozenset(tuple(knowledge.policies)[:1]))
    regimen = next(iter(knowledge.regimens.values()), None)
    answer = _answer(rule, "suggest", order, regimen)
    first_only = around(structs.replace(answer, because=(counted,)), filled, order, "page")
    made = {**context.base(filled, order), **context.of_answer(answer, filled)}
    return {**made, "regimen_notes": [Trusted("a note")], "around": first_only}


def _repeated(knowledge: Knowledge) -> Json:
    words = {name: Trusted("words") for name in ("since", "summary", "whole")}
    return {**context.standing(knowledge), **words, "folded": ["words"]}


# ---------------------------------------------------------------- as for a patient


def _unfilled(
    knowledge: Knowledge,
    templates: Templates,
    occasion: Occasion,
    rule: RuleDefinition,
    sure: frozenset[str],
    regimen: Regimen | None,
) -> Iterator[str]:
    """A line for each card of a rule, and for the end of it, that cannot be filled in."""
    regimen = knowledge.regimens.get(rule.regimen, regimen)
    shown = list(_shown(rule))
    parts = [(part, decision) for name, decision in shown for part in templates[name].card.parts]
    for name, decision in dict.fromkeys((*shown, *parts, *_on_first_card(rule, templates))):
        known = frozenset[str]() if decision == INSUFFICIENT else sure
        for order, told in _patients(knowledge, occasion, facts_of(templates[name].card), known):
            shared = context.base(knowledge, order)
            for dosed in (regimen, None) if regimen else (None,):
                own = {**shared, **context.of_answer(_answer(rule, decision, order, dosed), knowledge)}
                yield from _tried(knowledge, templates[name], own, rule, told)
    if rule is UNEVALUATED_RULE:
        yield from _tried(knowledge, templates[ALSO], _ALSO, rule, "")
        yield from _tried(knowledge, templates[REPEATED], _repeated(knowledge), rule, "")


def _around(
    knowledge: Knowledge,
    templates: Templates,
    occasion: Occasion,
    rule: RuleDefinition,
    tried: set[tuple[str, str, str]],
) -> Iterator[str]:
    """A line for each header and footer that cannot be filled in on a rule's first card.

    They are the same words on every rule's card: patients of every kind are tried once for each drug and decision,
    two for each rule.
    """
    for _, decision in islice(_shown(rule), 1):
        for name in (HEADER, FOOTER):
            key = (name, occasion.drug, decision)
            patients = _patients(knowledge, occasion, facts_of(templates[name].card), frozenset())
            for order, told in islice(patients, 2) if key in tried else patients:
                answer = _answer(rule, decision, order, None)
                own = {**context.base(knowledge, order), **context.of_answer(answer, knowledge)}
                own.update(around(answer, knowledge, order, ""))
                yield from _tried(knowledge, templates[name], own, rule, told)
            tried.add(key)


def _tried(knowledge: Knowledge, template: CardTemplate, own: Json, rule: RuleDefinition, told: str) -> Iterator[str]:
    for key in ("summary", "detail"):
        try:
            getattr(template, key).render(own)
        except Exception as error:  # whatever a template does wrong, it is said with the file
            what = f"cannot be worded where {rule.id} holds{told}: {error}"
            yield knowledge.problem("cards", template.card.id, (key,), what)


def _shown(rule: RuleDefinition) -> Iterator[tuple[str, DecisionName]]:
    """(card, decision) of each card that may be shown for a rule."""
    decision = rule.finding.decision
    if rule is UNEVALUATED_RULE:
        yield rule.card, INSUFFICIENT
    elif decision is not None:
        yield (decision if decision in OWN_CARD else rule.card), decision
    if rule.if_unknown == INSUFFICIENT and decision != INSUFFICIENT:
        yield INSUFFICIENT, INSUFFICIENT
    if decision in SUGGESTS:
        yield "order-ok", "order-ok"
        yield "suggest-restricted", "suggest-restricted"


def _on_first_card(rule: RuleDefinition, templates: Templates) -> Iterator[tuple[str, DecisionName]]:
    """(part, decision) of each part that the first card has while a rule holds."""
    if rule.first_card:
        for name in (rule.first_card, *templates[rule.first_card].card.parts):
            yield from ((name, decision) for decision in _LEADING)


def _patients(
    knowledge: Knowledge, occasion: Occasion, asked: Iterable[str], sure: frozenset[str]
) -> Iterator[tuple[OrderAssessment, str]]:
    """Assessments that differ in what is known, each with the words for it."""
    catalogue = knowledge.catalogue
    of_others = {alias for alias, of in catalogue.of_drug.items() if occasion.drug not in of}
    definitions = {name: catalogue.facts[name] for name in sorted({*asked, *_DOSED_BY} - of_others)}
    for variant in range(2):
        known = {name: _known(name, definition, variant) for name, definition in definitions.items()}
        yield _order(occasion, known), ""
    if bounded := {name: _bounded(name, d) for name, d in definitions.items() if catalogue.may_be_bounded(name)}:
        yield _order(occasion, {**known, **bounded}), f" and only bounds of {', '.join(bounded)} are known"
    may = [name for name in definitions if name not in sure]
    if not may:
        return
    nothing = {name: _unknown(name) for name in may}
    yield _order(occasion, {**known, **nothing}), f" and {', '.join(may)} are unknown"
    for name in may if len(may) > 1 else ():
        yield _order(occasion, {**known, name: nothing[name]}), f" and {name} is unknown"


def _order(occasion: Occasion, facts: Facts, **more: Any) -> OrderAssessment:
    """An assessment on an occasion."""
    return OrderAssessment(occasion, (), facts, NOTHING_FOUND, maximum=1.5, **more)


def _answer(rule: RuleDefinition, decision: DecisionName, order: OrderAssessment, dosed: Regimen | None) -> Answer:
    made = plan(dosed.dose, dosed, order.facts) if dosed else None
    return Answer(
        decision, "info", rule, order.occasion, regimen=dosed, plan=made, alternatives=(made,) if made else (),
        other_route=dosed.route if dosed else "",
        differs=DraftedDose(1, 6, 4, "") if dosed else None,
        until=_AT if dosed else None, reevaluate_at=_AT if dosed else None,
        because=tuple(fact for fact in order.facts.values() if fact.value is not None),
    )  # fmt: skip


_VALUES: Mapping[str, Callable[[FactDefinition], Sequence[Scalar]]] = {
    "boolean": lambda _: (True, False),
    "integer": lambda _: (3, 0),
    "number": lambda _: (81.5, 7.25),
    "code": lambda fact: fact.values or ("word",),
}


def _known(name: str, definition: FactDefinition, variant: int) -> Fact:
    values = _VALUES[definition.type](definition)
    value = values[variant % len(values)]
    return Fact(name, value, definition.unit, as_of=_AT, text="words", notes=("a note",), unusable=("a line",))


def _bounded(name: str, definition: FactDefinition) -> Fact:
    return Fact(name, None, definition.unit, as_of=_AT, text="<15", most=15.0, why="only known to be <15")


def _unknown(name: str) -> Fact:
    return Fact(name, None, why="not recorded")


# ---------------------------------------------------------------- what must be known where a rule holds


def _sure_facts(rules: Iterable[RuleDefinition]) -> dict[str, frozenset[str]]:
    """Rule id -> the facts that are known wherever it holds: its comparisons hold, and so do its findings'."""
    by_id = {rule.id: rule for rule in rules}
    known: dict[str, frozenset[str]] = {}

    def of(rule_id: str) -> frozenset[str]:
        if rule_id not in known:
            rule = by_id[rule_id]
            asked = [_compared(c) for c in rule.when]
            options = [frozenset().union(*map(_compared, option)) for option in rule.any]
            absent = [frozenset({c.fact}) for c in rule.unless if c.fact and c.operator != "known"]
            alike = frozenset.intersection(*options) if options else frozenset[str]()
            known[rule_id] = frozenset[str]().union(*asked, *absent, alike)
        return known[rule_id]

    def _compared(condition: Condition) -> frozenset[str]:
        if condition.finding:
            return of(condition.finding) if condition.operand is True and condition.operator == "is_" else frozenset()
        return frozenset({condition.fact}) if condition.operator != "known" or condition.known else frozenset()

    return {rule_id: of(rule_id) for rule_id in by_id}
