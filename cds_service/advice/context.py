"""What a card's template may name: facts, policies, the dose, the region, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from cds_service.advice import words
from cds_service.advice.doses import plan
from cds_service.advice.first_card import listed
from cds_service.advice.model import Answer, DosePlan, OrderAssessment
from cds_service.advice.words import Trusted, number
from cds_service.chart.times import clock
from cds_service.contract import INSUFFICIENT, PATHWAY
from cds_service.facts.model import Fact, Facts
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Catalogue, FactDefinition, RuleDefinition
from cds_service.knowledge.model.drugs import Drug, named_for

Definitions = Mapping[str, FactDefinition]


class FactView:
    """A fact for templates: `{{ fact('crs-grade') }}` prints its value and unit; also `.text`, `.why`, `.known`, and
    `.partial`: it does without a query that was not read, and may lack what only that holds."""

    def __init__(self, fact: Fact, title: str, partial: bool = False) -> None:
        self.known = fact.value is not None or fact.is_bounded
        self._bound = words.spoken(fact.text) if fact.is_bounded else ""
        self.value = fact.value
        self.text = words.spoken(fact.text)
        self.why = words.spoken(fact.why)
        self.title = Trusted(title)
        self.notes = fact.notes
        self.unit = fact.unit
        self.partial = partial

    def __str__(self) -> str:
        return self._bound or (shown(self.value, self.unit) if self.known else "unknown")


def shown(value: object, unit: str) -> str:
    """A value as it is read: numbers rounded, annotations such as {grade} left out, yes and no for booleans."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        said = {"a": "", "1": "", "d": "d", "mg/d": "mg/day"}.get(unit, "" if unit.startswith("{") else unit)
        return f"{number(value)} {said}".strip()
    return str(value)


def standing(knowledge: Knowledge) -> dict[str, Any]:
    """What a card may print that does not depend on the patient."""
    return {"policy": _policies(knowledge)}


def base(knowledge: Knowledge, order: OrderAssessment) -> dict[str, Any]:
    """What is the same for every card about one kind of order.

    `judged('hypersensitivity')`: whether the drug has such a fact; one without contraindications has not.
    """
    catalogue = knowledge.catalogue.judging(order.drug)
    return {
        "fact": _facts(order, knowledge.catalogue, catalogue),
        "judged": order.facts.__contains__,
        **standing(knowledge),
        "regimen_dose": _regimen_doses(knowledge, order.facts),
        "maximum": _maximum(order.maximum),
        **_of_drug(knowledge, order.drug),
        "site": {
            "id": Trusted(knowledge.site.id),
            "not_kept": list(knowledge.site.not_kept),
            "high_dose_protocol": knowledge.site.high_dose_protocol,
            "safety_off": _safety_rules(knowledge, order.drug, knowledge.site.rules_off),
            "safety_silent": _safety_rules(knowledge, order.drug, knowledge.site.silent_rules),
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
    said = {n: Trusted(getattr(status, n) if status else "") for n in ("statement", "short", "as_of", "source")}
    return {"title": Trusted(knowledge.regions[knowledge.site.region].title), **said}


def _safety_rules(knowledge: Knowledge, drug: str, named: Collection[str]) -> list[Trusted]:
    """The titles of those safety rules that are among some names."""
    if not named:
        return []
    found = (rule.title for rule in knowledge.rules if rule.stratum == "safety" and rule.id in named)
    of = knowledge.drugs.get(drug)
    return [Trusted(named_for(of, title) if of else title) for title in found]


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
    """`stated`: what rules say is missing, in their own words. `lacking`: unknown facts behind them, and behind rules
    that unknown facts kept open, as many as a card has room for; `lacking_more` how many others there are.

    The title of a rule that could not be evaluated is no statement about the patient, so it is never printed as one.
    """
    stated = [m.rule.title for m in order.missing if m.rule.finding.decision == INSUFFICIENT]
    facts = (order.facts[n] for n in dict.fromkeys(n for m in order.missing for n in m.facts))
    lacking, more = listed((catalogue[f.name].title, f.why or f.text or "unknown") for f in facts)
    return {"stated": [Trusted(title) for title in stated], "lacking": lacking, "lacking_more": more}


def _facts(order: OrderAssessment, catalogue: Catalogue, definitions: Definitions) -> Callable[[str], FactView]:
    lost = frozenset(order.forgone)

    def fact(name: str) -> FactView:
        partial = bool(lost) and not lost.isdisjoint(catalogue.reads(name))
        return FactView(order.facts[name], definitions[name].title, partial)

    return fact


def _policies(knowledge: Knowledge) -> Callable[[str], Trusted]:
    def policy(name: str) -> Trusted:
        return Trusted(number(float(knowledge.policies[name].value)))

    return policy


def of_answer(answer: Answer, knowledge: Knowledge) -> dict[str, Any]:
    """What differs from card to card."""
    routes = knowledge.orders.routes
    plan, regimen = answer.plan, answer.regimen
    return {
        "decision": answer.decision,
        "leads": answer.leads,
        "pathway": Trusted(answer.rule.pathway),
        "found": _found(answer),
        "rule": {
            "id": Trusted(answer.rule.id),
            "title": Trusted(answer.rule.title),
            "version": Trusted(answer.rule.version),
        },
        "plan": Trusted(words.dose(plan, routes)) if plan else None,
        "days": plan.duration_days if plan else None,
        "alternatives": [Trusted(words.dose(p, routes)) for p in answer.alternatives],
        "until": _clock(answer.until, knowledge),
        "holds_until": _clock(answer.reevaluate_at, knowledge),
        "offered": bool(answer.offers),
        "other_route": Trusted(routes[answer.other_route].short) if answer.other_route else None,
        "differs": Trusted(words.drafted(answer.differs, routes)) if answer.differs else None,
        "review": Trusted(regimen.review) if regimen else None,
        "regimen_notes": [Trusted(n) for n in regimen.notes] if regimen else [],
        "part": _part(plan, knowledge.drugs.get(answer.occasion.drug)),
    }


def _part(plan: DosePlan | None, drug: Drug | None) -> Trusted:
    """What a dose is called that is no number of whole packs of any of the drug's products; empty for one that is."""
    products = drug.products if drug else ()
    if plan is None or any(plan.dose_mg % product.mg == 0 for product in products):
        return Trusted("")
    return Trusted(next((product.part for product in products), ""))


def _clock(moment: datetime | None, knowledge: Knowledge) -> Trusted | None:
    return Trusted(clock(moment, knowledge.site.timezone)) if moment is not None else None


def _found(answer: Answer) -> dict[str, Any]:
    """What a status tells: the titles of hard stops, of what a person must decide and of screens; the pathway's answer,
    and why."""

    def titles(*decisions: str) -> list[Trusted]:
        return [Trusted(each.rule.title) for each in answer.found if each.decision in decisions]

    pathway = next((each for each in answer.found if each.decision in PATHWAY), None)
    return {
        "stops": titles("block"),
        "reviews": titles("review"),
        "screens": titles("caution"),
        "decision": Trusted(pathway.decision) if pathway else "",
        "pathway": Trusted(next((each.rule.pathway for each in answer.found if each.rule.pathway), "")),
        "title": Trusted(pathway.rule.title) if pathway else "",
    }


def policies_of(rule: RuleDefinition) -> tuple[str, ...]:
    """Policies that a rule names, in its conditions or for its reader."""
    conditions = (*rule.when, *rule.unless, *(c for option in rule.any for c in option))
    named = [str(c.operand).removeprefix("policy.") for c in conditions if str(c.operand).startswith("policy.")]
    return tuple(dict.fromkeys((*named, *rule.policies)))
