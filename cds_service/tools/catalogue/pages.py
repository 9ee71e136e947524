"""What each page of the catalogue tells: plain data for the templates, built from the knowledge alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cds_service.contract import SEVERITY
from cds_service.knowledge import Knowledge, always, source_attributes
from cds_service.knowledge.model import (
    Card,
    FactDefinition,
    Regimen,
    RuleDefinition,
    SitePolicy,
    ValueSet,
    named_for,
)
from cds_service.knowledge.placeholders import facts_of
from cds_service.tools.catalogue import evidence, order, pathways, selections, sentences, sites, trace
from cds_service.tools.catalogue.links import INDEX
from cds_service.tools.catalogue.sentences import Sentence, Threshold
from cds_service.tools.catalogue.shown import Shown


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its name (see `links.INDEX`), its template, its title, and what the template may name."""

    name: str
    template: str
    title: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """What one column of a case table tells of: a fact or the finding of an earlier rule."""

    target: str
    title: str
    unit: str


@dataclass(frozen=True, slots=True)
class CaseTable:
    """The cases of a rule: `rows` are (name, result, one cell for each column); an empty cell is unknown."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


def pages(written: Knowledge, shown: Shown) -> Iterator[Page]:
    """Every page of the catalogue; `shown` are its cards on example patients."""
    knowledge = replace(written, rules=tuple(_named(written, rule) for rule in written.rules))
    yield Page(INDEX, "index", "Knowledge of the Anakinra CDS", _index(knowledge))
    for rule in knowledge.rules:
        for name in knowledge.occasions.names(rule):
            yield Page(f"rules/{name}", "rule", rule.title, _rule(knowledge, rule, shown, name))
    for name in order.drawn(knowledge):
        title = f"Pathway {name}: from criteria to the answer"
        yield Page(f"pathways/{name}", "pathway", title, pathways.pathway(knowledge, name))
    for value_set in knowledge.value_sets.values():
        yield Page(f"value-sets/{value_set.id}", "value_set", value_set.title, _value_set(knowledge, value_set))
    yield Page("statements", "statements", "Statements of the sources", trace.coverage(knowledge))
    yield Page("regimens", "regimens", "Orders and regimens", _regimens(knowledge))
    yield Page("cards", "cards", "Cards", _cards(knowledge, shown))
    yield Page("sites", "sites", "Regions and sites", sites.sites(knowledge))
    yield Page("facts", "facts", "Facts", _facts(knowledge))
    yield Page("policies", "policies", "Policies: thresholds and windows", _policies(knowledge))
    yield Page("evidence", "evidence", "Evidence", _evidence(knowledge))


def _named(knowledge: Knowledge, rule: RuleDefinition) -> RuleDefinition:
    """A rule with a title to read: that of its drug, or of whichever drug is in hand."""
    drugs = knowledge.occasions.drugs(rule)
    if len(drugs) == 1:
        return rule.model_copy(update={"title": named_for(knowledge.drugs[drugs[0]], rule.title)})
    title = rule.title.replace("<Drug>", "The drug in hand").replace("<name>", "the drug in hand")
    return rule.model_copy(update={"title": title})


def _index(knowledge: Knowledge) -> dict[str, Any]:
    statuses = Counter(item.status for item in knowledge.evidence.values())
    return {
        "steps": tuple(order.steps(knowledge)),
        "rules": knowledge.rules,
        "drawn": [(f"pathways/{name}", name) for name in order.drawn(knowledge)],
        "value_sets": sorted(knowledge.value_sets.values(), key=lambda v: v.title.lower()),
        "case_count": sum(len(group) for group in knowledge.cases.values()),
        "unreviewed": trace.unreviewed(knowledge),
        "statement_counts": trace.coverage(knowledge)["counts"],
        "evidence_counts": [(status, statuses[status]) for status in evidence.STATUSES],
        "facts": knowledge.catalogue.facts,
        "policies": knowledge.policies,
        "regimens": knowledge.regimens,
        "cards": knowledge.cards,
    }


# ---------------------------------------------------------------- one rule


def _rule(knowledge: Knowledge, rule: RuleDefinition, shown: Shown, name: str) -> dict[str, Any]:
    def said(conditions: Any) -> list[Sentence]:
        return [sentences.sentence(knowledge, condition) for condition in conditions]

    regimen = knowledge.regimens.get(rule.regimen)
    return {
        "rule": rule,
        "orders": [knowledge.orders.kinds[kind].title for kind in knowledge.occasions.kinds(rule)],
        "when": said(rule.when),
        "alternatives": [said(alternative) for alternative in rule.any],
        "unless": said(rule.unless),
        "until": sentences.until(knowledge, rule.finding.until) if rule.finding.until else None,
        "policies": list(_rule_policies(knowledge, rule)),
        "evidence": [evidence.line(knowledge, name) for name in rule.evidence],
        "cases": _cases(knowledge, rule),
        "regimen": _regimen(knowledge, regimen) if regimen else None,
        "card": knowledge.cards.get(rule.card or rule.first_card),
        "shown": shown.rules.get(name) or shown.cards.get(rule.card or rule.first_card),
        "is_drawn": rule.pathway in order.drawn(knowledge),
        "leads_to": [r for r in knowledge.rules if any(c.finding == rule.id for c in sentences.conditions(r))],
        "statements": trace.statements_of(knowledge, rule),
        "versions": knowledge.versions.of("rules", rule.id),
        "attributes": source_attributes.of_rule(knowledge, rule),
    }


def _rule_policies(knowledge: Knowledge, rule: RuleDefinition) -> Iterator[Threshold]:
    """Each policy that the rule compares with, names for its reader, or that limits the age of a fact it asks for."""
    where = dict.fromkeys(sentences.policies_in(rule), "criterion")
    if rule.finding.until:
        where.setdefault(sentences.policy_name(rule.finding.until.policy), "time that changes the answer")
    for name in knowledge.occasions.policies(rule):
        where.setdefault(name, "named by the rule")
    for condition in sentences.conditions(rule):
        fact = knowledge.catalogue.facts.get(condition.fact)
        for name in knowledge.catalogue.names(condition.fact, "window") if fact else ():
            where.setdefault(name, f"window of: {fact.title if fact else ''}")
    return (sentences.threshold(knowledge, name, place) for name, place in where.items())


def _cases(knowledge: Knowledge, rule: RuleDefinition) -> CaseTable:
    """The cases as a table; its columns come in the order of the criteria."""
    cases = knowledge.cases.get(rule.id, ())
    keys = dict.fromkeys((bool(c.finding), c.finding or c.fact) for c in sentences.conditions(rule))
    for case in cases:
        keys |= dict.fromkeys((False, name) for name in case.facts)
        keys |= dict.fromkeys((True, name) for name in case.findings)
    rows = []
    for case in cases:
        told = {(False, n): sentences.shown(v) for n, v in case.facts.items()}
        told |= {(True, n): "holds" if v else "does not hold" for n, v in case.findings.items()}
        rows.append((case.name, case.result, tuple(told.get(key, "") for key in keys)))
    return CaseTable(tuple(_column(knowledge, *key) for key in keys), tuple(rows))


def _column(knowledge: Knowledge, is_finding: bool, name: str) -> Column:
    if is_finding:
        titles = {rule.id: rule.title for rule in knowledge.rules}
        return Column(f"rules/{name}", f"Rule “{titles.get(name, name)}”", "")
    fact = knowledge.catalogue.facts[name]
    unit = "" if fact.unit.startswith("{") else sentences.unit(fact.unit)  # {grade} repeats what the title says
    return Column(f"facts#{name}", fact.title, unit)


def _regimen(knowledge: Knowledge, regimen: Regimen) -> dict[str, Any]:
    return {
        "of": regimen,
        "route": knowledge.orders.routes[regimen.route].display,
        "dose": sentences.dose(regimen.dose),
        "alternatives": [sentences.dose(dose) for dose in regimen.alternatives],
        "permitted": [sentences.dose(dose) for dose in regimen.permitted],
    }


def _regimens(knowledge: Knowledge) -> dict[str, Any]:
    rules = {name: [r for r in knowledge.rules if r.regimen == name] for name in knowledge.regimens}
    return {
        "regimens": [(_regimen(knowledge, regimen), rules[name]) for name, regimen in knowledge.regimens.items()],
        "kinds": knowledge.orders.kinds,
        "drugs": knowledge.drugs,
        "groups": knowledge.groups,
        "policy_links": lambda names: [(f"policies#{name}", name) for name in names],
        "uses": {drug.title: drug.uses for drug in knowledge.drugs.values() if drug.uses},
        "pathways": knowledge.orders.pathways,
        "value_sets": knowledge.value_sets,
    }


def _cards(knowledge: Knowledge, shown: Shown) -> dict[str, Any]:
    """Cards in the order in which their decisions are taken, then what stands on other cards."""
    groups: dict[str, list[dict[str, Any]]] = {title: [] for title in order.CARD_GROUPS}
    for name, card in knowledge.cards.items():
        rules, seen = _showing(knowledge, name), shown.cards.get(name)
        line = {"of": card, "rules": rules, "shown": seen, "title": _card_title(card)}
        groups[order.card_group(knowledge, name)].append(line)
    told = [(title, sorted(lines, key=_place)) for title, lines in groups.items() if lines]
    return {"groups": told, "count": len(knowledge.cards), "own": knowledge.site_cards}


def _place(line: Mapping[str, Any]) -> tuple[bool, int, str]:
    """Cards that an example shows first, the most severe of them first."""
    indicators = [rule.finding.indicator for rule in line["rules"] if rule.finding.indicator]
    return line["shown"] is None, min((SEVERITY[i] for i in indicators), default=len(SEVERITY)), line["of"].id


def _card_title(card: Card) -> str:
    """Its name, where no example words it: a summary that is a template is never shown as one."""
    return card.id.replace("-", " ").capitalize() if "{" in card.summary else card.summary


def _showing(knowledge: Knowledge, name: str) -> list[RuleDefinition]:
    """The rules that show a card, as their own or as a part of it."""
    within = {name, *(card.id for card in knowledge.cards.values() if name in card.parts)}
    return [rule for rule in knowledge.rules if {rule.card, rule.first_card} & within]


# ---------------------------------------------------------------- value sets, facts, policies, evidence


def _value_set(knowledge: Knowledge, value_set: ValueSet) -> dict[str, Any]:
    catalogue, name = knowledge.catalogue, value_set.id
    return {
        "value_set": value_set,
        "facts": _facts_naming(knowledge, name, "value set"),
        "queries": {n: q for n, q in catalogue.queries.items() if name in q.codes},
        "kinds": {n: k for n, k in knowledge.orders.kinds.items() if name in k.value_sets},
        "uses": {n: use for drug in knowledge.drugs.values() for n, use in drug.uses.items() if name == use.value_set},
        "versions": knowledge.versions.of("value_sets", name),
    }


def _facts_naming(knowledge: Knowledge, name: str, *what: str) -> dict[str, FactDefinition]:
    """The facts that go by a value set or a policy, also through the records and computations that they come from."""
    catalogue = knowledge.catalogue
    return {n: f for n, f in catalogue.facts.items() if name in catalogue.names(n, *what)}


def _facts(knowledge: Knowledge) -> dict[str, Any]:
    return {
        "facts": [_fact(knowledge, name, fact) for name, fact in knowledge.catalogue.facts.items()],
        "queries": knowledge.catalogue.queries,
        "records": list(selections.records_in_words(knowledge)),
        "analytes": knowledge.analytes,
        "value_sets": knowledge.value_sets,
    }


def _fact(knowledge: Knowledge, name: str, fact: FactDefinition) -> dict[str, Any]:
    catalogue, source = knowledge.catalogue, fact.source
    return {
        "name": name,
        "of": fact,
        "unit": sentences.unit(fact.unit),
        "source": list(selections.in_words(knowledge, source)),
        "reads": [(query, catalogue.queries[query]) for query in catalogue.reads(name)],
        "needs": [(needed, catalogue.facts[needed]) for needed in catalogue.needs(name)],
        "empty_means": catalogue.empty_means(name),
        "max_age": sentences.threshold(knowledge, source.max_age) if source.max_age else None,
        "used_by": [r for r in knowledge.rules if any(c.fact == name for c in sentences.conditions(r))],
        "printed_by": [card.id for card in knowledge.cards.values() if name in facts_of(card)],
        "policies": catalogue.names(name, "window", "threshold", "switch"),
        "value_sets": [knowledge.value_sets[v] for v in catalogue.names(name, "value set")],
    }


def _policies(knowledge: Knowledge) -> dict[str, Any]:
    rows = []
    for name in knowledge.policies:
        rules = [r for r in knowledge.rules if name in (*sentences.policies_in(r), *knowledge.occasions.policies(r))]
        facts = _facts_naming(knowledge, name, "window", "threshold")
        drugs = [drug for drug in knowledge.drugs.values() if any(name in of for of in drug.roles.values())]
        rows.append(
            {
                "of": sentences.threshold(knowledge, name),
                "rules": rules,
                "facts": facts,
                "drugs": drugs,
                "decides": _decided(knowledge, name),
                "queries": {n: q for n, q in knowledge.catalogue.queries.items() if q.window == name},
                "is_always": name in always.POLICIES,
            }
        )
    return {"policies": rows}


def _decided(knowledge: Knowledge, policy: str) -> dict[str, FactDefinition]:
    """The facts that say nothing but what this policy is set to."""
    facts = knowledge.catalogue.facts.items()
    return {n: f for n, f in facts if isinstance(f.source, SitePolicy) and f.source.policy == policy}


def _evidence(knowledge: Knowledge) -> dict[str, Any]:
    lines = [evidence.line(knowledge, name) for name in sorted(knowledge.evidence)]
    return {"groups": [(status, [line for line in lines if line.status == status]) for status in evidence.STATUSES]}
