"""What a reviewer wants to know beyond what the service needs to start: cases, traces, versions, and unused files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel

from cds_service.knowledge import always, lock, sites
from cds_service.knowledge.checks import drugs
from cds_service.knowledge.files import Document
from cds_service.knowledge.loader import DRUGS, POLICIES, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import POLICY_PREFIX, Card, Case, Policy, RuleDefinition, conditions, named_in
from cds_service.knowledge.review import traces

MAX_RULE_LINES = 40


def check(loaded: Loaded) -> list[str]:
    """What a reviewer must mend, one line each: rules too long or without cases, cases that do not fit their rule,
    statements and attributes that name what is not there, and content that changed under a recorded version."""
    found: list[str] = []
    rules: Mapping[str, RuleDefinition] = loaded.table("rules")
    cases: Mapping[str, tuple[Case, ...]] = loaded.table("cases")
    for key, rule in rules.items():
        document = loaded.document("rules", key)
        found += _length(document)
        if key not in cases:
            beside = f"{document.name.rpartition('/')[0]}/{key}.cases.yaml"
            found.append(document.problem(("id",), f"expected the rule's cases in {beside}"))
        else:
            found += _cases(loaded.document("cases", key), rule, cases[key])
    for key in cases:
        found += missing(loaded.document("cases", key), (), "rule", key, rules)
    return [*found, *traces.check(loaded), *lock.problems(loaded)]


def warnings(loaded: Loaded) -> list[str]:
    """What a reviewer should know: unused files, versions that the lock does not hold yet, rules switched off."""
    site = loaded.site
    assert site is not None
    off = sites.warnings(loaded.document("rules/sites", site.id), site, loaded.table("rules"))
    return [*unused(loaded), *lock.pending(loaded), *off]


def unused(loaded: Loaded) -> list[str]:
    """One line for each value set, card, policy and regimen that no other file names."""
    used = _used(loaded)
    found: list[str] = []
    for kind, what in (("rules/terms", "value set"), ("cards", "card"), ("regimens", "regimen")):
        for key in loaded.table(kind):
            if key not in used[what]:
                document = loaded.document(kind, key)
                found.append(document.problem(("id",), f"the {what} {key} is not used by any other file"))
    for key in loaded.policies:
        if key not in used["policy"]:
            document = loaded.document(POLICIES, key)
            found.append(document.problem((key,), f"the policy {key} is not used by any other file"))
    return found


def places(loaded: Loaded) -> dict[tuple[str, int], str]:
    """(rule id, number of the case from 0) -> `file:line` of the case."""
    cases: Mapping[str, tuple[Case, ...]] = loaded.table("cases")
    found = {}
    for key, group in cases.items():
        document = loaded.document("cases", key)
        found.update({(key, index): f"{document.name}:{document.line((index,))}" for index in range(len(group))})
    return found


def _length(document: Document) -> Iterator[str]:
    lines = len(document.content.splitlines())
    if lines > MAX_RULE_LINES:
        yield f"{document.name}:{lines}: (whole file): expected at most {MAX_RULE_LINES} lines (found {lines})"


def _cases(document: Document, rule: RuleDefinition, cases: tuple[Case, ...]) -> Iterator[str]:
    wanted = ["fires", "silent"] + (["unknown"] if _can_be_unknown(rule) else [])
    for result in wanted:
        if all(case.result != result for case in cases):
            yield document.problem((), f"expected at least one case with `result: {result}`")
    names: set[str] = set()
    for index, case in enumerate(cases):
        if case.name in names:
            yield document.problem((index, "name"), f"expected another name, a case is already called {case.name!r}")
        names.add(case.name)


def _can_be_unknown(rule: RuleDefinition) -> bool:
    return any(condition.operator != "known" for _, condition in conditions(rule))


def _used(loaded: Loaded) -> dict[str, set[str]]:
    """What is named anywhere, by kind. What every answer looks up is told by `always`."""
    rules: Mapping[str, RuleDefinition] = loaded.table("rules")
    catalogue = loaded.catalogue
    orders = loaded.orders
    value_sets = {code for query in catalogue.queries.values() for code in query.codes}
    value_sets |= _named_by_facts(loaded, "value set").union(always.VALUE_SETS)
    value_sets |= {name for kind in orders.kinds.values() for name in kind.value_sets}
    value_sets |= {f"route-{name}" for name in orders.routes}
    value_sets |= {name for lies in orders.lies.values() for name in (lies.of, lies.beside)}
    return {
        "value set": value_sets
        | {use.value_set for drug in loaded.table(DRUGS).values() for use in drug.uses.values()},
        "policy": _used_policies(loaded).union(always.POLICIES),
        "card": {name for rule in rules.values() for name in (rule.card, rule.first_card)}.union(
            always.CARDS, *(card.parts for card in loaded.table("cards").values())
        ),
        "regimen": {rule.regimen for rule in rules.values()},
    }


def _named_by_facts(loaded: Loaded, *what: str) -> set[str]:
    """What the fact catalogue names of some kinds, whether or not a fact leads there."""
    catalogue = loaded.catalogue
    shared = (catalogue.results, catalogue.scales, catalogue.computed)
    models: list[BaseModel] = [model for shelf in shared for model in shelf.values()]
    models += [*catalogue.statuses.values(), *(part for parts in catalogue.records.values() for part in parts)]
    models += [fact.source for fact in catalogue.facts.values()]
    return {found.name for model in models for found in named_in(model) if found.what in what}


def _used_policies(loaded: Loaded) -> set[str]:
    catalogue = loaded.catalogue
    found = {query.window for query in catalogue.queries.values()}
    found |= {policy for drug in loaded.table(DRUGS).values() for _, policy in drugs.policies_of(drug)}
    found |= _named_by_facts(loaded, "threshold", "window", "switch")
    for rule in loaded.table("rules").values():
        found |= {*rule.policies, *((rule.finding.until.policy,) if rule.finding.until else ())}
        found |= {str(condition.operand).removeprefix(POLICY_PREFIX) for _, condition in conditions(rule)}
    return found | _named_in_cards(loaded.table("cards").values(), loaded.policies)


def _named_in_cards(cards: Iterable[Card], policies: Mapping[str, Policy]) -> set[str]:
    """Policies whose name occurs in a card, spelled with `-` or, as Jinja2 variables are, with `_`."""
    text = "\n".join(part for card in cards for part in (card.summary, card.detail))
    return {name for name in policies if name in text or name.replace("-", "_") in text}
