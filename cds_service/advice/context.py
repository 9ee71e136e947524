"""What a card's template may name: facts, policies, the dose, the region, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any

from cds_service.advice import words
from cds_service.advice.doses import packs, plan
from cds_service.advice.model import Answer, OrderAssessment
from cds_service.advice.words import Trusted, number
from cds_service.contract import INSUFFICIENT
from cds_service.facts.model import Fact, Facts
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import FactDefinition, RuleDefinition

Definitions = Mapping[str, FactDefinition]


class FactView:
    """A fact for templates: `{{ fact('crs-grade') }}` prints its value and unit; also `.text`, `.why`, `.known`."""

    def __init__(self, fact: Fact, title: str) -> None:
        self.known = fact.value is not None
        self.value = fact.value
        self.text = fact.text
        self.why = fact.why
        self.title = Trusted(title)
        self.notes = fact.notes
        self.unit = fact.unit

    def __str__(self) -> str:
        return shown(self.value, self.unit) if self.known else "unknown"


def shown(value: object, unit: str) -> str:
    """A value as it is read: numbers rounded, annotations such as {grade} left out, yes and no for booleans."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        said = {"a": "", "d": "d", "mg/d": "mg/day"}.get(unit, "" if unit.startswith("{") else unit)
        return f"{number(value)} {said}".strip()
    return str(value)


def standing(knowledge: Knowledge) -> dict[str, Any]:
    """What a card may print that does not depend on the patient."""
    return {"policy": _policies(knowledge)}


def base(knowledge: Knowledge, order: OrderAssessment) -> dict[str, Any]:
    """What is the same for every card about one kind of order."""
    catalogue = knowledge.catalogue.judging(order.drug)
    return {
        "fact": _facts(order.facts, catalogue),
        **standing(knowledge),
        "regimen_dose": _regimen_doses(knowledge, order.facts),
        "maximum": _maximum(order.maximum),
        **_of_drug(knowledge, order.drug),
        "site": {
            "id": Trusted(knowledge.site.id),
            "not_kept": list(knowledge.site.not_kept),
            "high_dose_protocol": knowledge.site.high_dose_protocol,
            "safety_off": _safety_off(knowledge),
        },
        "use_note": _use_note(knowledge, order.drug, order.facts),
        "kind": Trusted(knowledge.orders.kinds[order.kind].title.lower()),
        "trouble": order.trouble,
        "orders_unread": "; ".join(order.orders_unread),
        **_missing(order, catalogue),
    }


def _of_drug(knowledge: Knowledge, name: str) -> dict[str, Any]:
    """The drug that is judged: its name, what shared cards say of it alone, and its status at the site."""
    drug = knowledge.drugs.get(name)

    def note(of: str) -> Trusted:
        return Trusted(drug.notes.get(of, "") if drug else "")

    title = drug.title if drug else ""
    return {
        "Drug": Trusted(title),
        "drug": Trusted(title.lower()),
        "note": note,
        "region": _region(knowledge, name),
        "routes": [Trusted(knowledge.orders.routes[route].display) for route in (drug.routes if drug else ())],
    }


def _region(knowledge: Knowledge, drug: str) -> dict[str, Trusted]:
    """The site's region and what is known of the drug there."""
    status = knowledge.status_here(drug)
    said = {n: Trusted(getattr(status, n) if status else "") for n in ("statement", "as_of", "source")}
    return {"title": Trusted(knowledge.regions[knowledge.site.region].title), **said}


def _safety_off(knowledge: Knowledge) -> list[dict[str, Any]]:
    """Safety rules that this site has switched off, with its reasons."""
    reasons = knowledge.site.rules_off
    if not reasons:
        return []
    off = (rule for rule in knowledge.rules if rule.stratum == "safety" and rule.id in reasons)
    return [{"title": Trusted(rule.title), "reason": reasons[rule.id]} for rule in off]


def _regimen_doses(knowledge: Knowledge, facts: Facts) -> Callable[[str], Trusted]:
    """The recommended dose of a regimen for this patient, in words: for cards that show doses as text only."""

    def regimen_dose(name: str) -> Trusted:
        regimen = knowledge.regimens[name]
        made = plan(regimen.dose, regimen, facts)
        return Trusted(words.dose(made, knowledge.orders.routes) if made else "a dose that needs a current weight")

    return regimen_dose


def _use_note(knowledge: Knowledge, drug: str, facts: Facts) -> Trusted:
    """What the sources say of the use that the order states; empty where it states none."""
    use = knowledge.orders.uses(drug).get(str(facts["order-use"].value)) if "order-use" in facts else None
    return Trusted(use.note if use else "")


def _maximum(found: float | None) -> Trusted:
    """The daily maximum of the drug that the service doses, for this patient."""
    return Trusted(f"{number(found)} mg/day" if found is not None else "not known without age and weight")


def _missing(order: OrderAssessment, catalogue: Definitions) -> dict[str, Any]:
    """`stated`: what rules say is missing, in their own words. `unread`: unknown facts that kept other rules open.

    The title of a rule that could not be evaluated is no statement about the patient, so it is never printed as one.
    """
    stated = [m for m in order.missing if m.rule.finding.decision == INSUFFICIENT]
    said = {n for m in stated for n in m.facts}
    open_ = dict.fromkeys(n for m in order.missing for n in m.facts if n not in said)
    return {
        "stated": [
            {"title": Trusted(m.rule.title), "facts": [_why(order.facts[n], catalogue) for n in dict.fromkeys(m.facts)]}
            for m in stated
        ],
        "unread": [_why(order.facts[n], catalogue) for n in open_],
    }


def _why(fact: Fact, catalogue: Definitions) -> dict[str, str]:
    return {"title": Trusted(catalogue[fact.name].title), "why": fact.why or fact.text or "unknown"}


def _facts(facts: Facts, catalogue: Definitions) -> Callable[[str], FactView]:
    def fact(name: str) -> FactView:
        return FactView(facts[name], catalogue[name].title)

    return fact


def _policies(knowledge: Knowledge) -> Callable[[str], Trusted]:
    def policy(name: str) -> Trusted:
        return Trusted(number(float(knowledge.policies[name].value)))

    return policy


def of_answer(answer: Answer, knowledge: Knowledge) -> dict[str, Any]:
    """What differs from card to card."""
    routes = knowledge.orders.routes
    plan, regimen = answer.plan, answer.regimen
    dosing = knowledge.orders.kinds[regimen.order_kind].dosing if regimen else None
    return {
        "decision": answer.decision,
        "pathway": Trusted(answer.rule.pathway),
        "rule": {
            "id": Trusted(answer.rule.id),
            "title": Trusted(answer.rule.title),
            "version": Trusted(answer.rule.version),
        },
        "plan": Trusted(words.dose(plan, routes)) if plan else None,
        "days": plan.duration_days if plan else None,
        "alternatives": [Trusted(words.dose(p, routes)) for p in answer.alternatives],
        "until": words.clock(answer.until) if answer.until else None,
        "offered": bool(answer.offers),
        "other_route": Trusted(routes[answer.other_route].short) if answer.other_route else None,
        "differs": Trusted(words.drafted(answer.differs, routes)) if answer.differs else None,
        "review": Trusted(regimen.review) if regimen else None,
        "stop": Trusted(regimen.stop) if regimen else None,
        "taper": Trusted(regimen.taper) if regimen else None,
        "dispense": Trusted(f"{packs(plan, dosing.pack)} x {dosing.pack.display}") if plan and dosing else None,
        "regimen_notes": [Trusted(n) for n in regimen.notes] if regimen else [],
    }


def of_footer(answer: Answer, knowledge: Knowledge, order: OrderAssessment) -> dict[str, Any]:
    """What only the footer of the first card shows: the facts, what is unknown or unusable, the evidence.

    Unusable input is named whichever fact it stands behind: it may be why a rule stayed silent.
    """
    queries = knowledge.catalogue.queries
    return {
        "not_read": [
            {"title": Trusted(queries[q].title), "why": why, "weak": q in order.forgone}
            for q, why in order.not_read.items()
        ],
        "because": [_because(f, knowledge, order.drug) for f in answer.because],
        "unknown": [_why(f, knowledge.catalogue.judging(order.drug)) for f in order.printed],
        "left_out": [
            {"title": Trusted(knowledge.catalogue.judging(order.drug)[f.name].title), "lines": _grouped(f)}
            for f in counts(answer, order)
        ],
        "unusable": _first(dict.fromkeys(line for f in order.facts.values() for line in f.unusable)),
        "evidence": _evidence(answer.rule, knowledge),
        "overridden": [
            {
                "title": Trusted(knowledge.policies[n].title),
                "value": Trusted(shown(knowledge.policies[n].value, "")),
                "unit": Trusted(knowledge.policies[n].unit),
            }
            for n in sorted(knowledge.overridden)
        ],
    }


_MOST_LINES = 30  # of unusable records on a card: of hundreds nobody reads more


def _first(lines: Collection[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - _MOST_LINES
    return [*islice(lines, _MOST_LINES), *([f"and {more} more"] if more > 0 else [])]


def counts(answer: Answer, order: OrderAssessment) -> list[Fact]:
    """The facts behind an answer, or unknown beside it, that left records out."""
    return list(dict.fromkeys(f for f in (*answer.because, *order.unknown) if f.left_out))


def _grouped(fact: Fact) -> list[str]:
    """How many records were not counted, for each reason."""
    return [f"{times} {why}" for why, times in Counter(o.why for o in fact.left_out).items()]


def _because(fact: Fact, knowledge: Knowledge, drug: str) -> dict[str, Any]:
    return {
        "title": Trusted(knowledge.catalogue.judging(drug)[fact.name].title),
        "value": shown(fact.value, fact.unit),
        "text": fact.text,
        "notes": list(fact.notes),
        "at": words.moment(fact.as_of) if fact.as_of else "",
    }


def _evidence(rule: RuleDefinition, knowledge: Knowledge) -> list[dict[str, Any]]:
    """Only what may be shown: unverified items are hidden, refuted ones never reach a card."""
    items = [knowledge.evidence[name] for name in rule.evidence]
    return [
        {
            "title": Trusted(i.title),
            "status": Trusted({"partly": "partly verified"}.get(i.status, i.status)),
            "statement": Trusted(i.statement),
        }
        for i in items
        if i.status in ("verified", "partly")
    ]


def policies_of(rule: RuleDefinition) -> tuple[str, ...]:
    """Policies that a rule names, in its conditions or for its reader."""
    conditions = (*rule.when, *rule.unless, *(c for option in rule.any for c in option))
    named = [str(c.operand).removeprefix("policy.") for c in conditions if str(c.operand).startswith("policy.")]
    return tuple(dict.fromkeys((*named, *rule.policies)))
