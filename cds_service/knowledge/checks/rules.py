"""Rules: facts, findings, policies, card, regimen, pathway and evidence that exist and fit their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic.alias_generators import to_camel

from cds_service.knowledge.checks.comparisons import ORDERINGS, misfit, operators
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import RULES, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import (
    POLICY_PREFIX,
    ROLES,
    STRATA,
    Condition,
    FactDefinition,
    OfGroup,
    RuleDefinition,
    conditions,
    runs_at,
)

Scalar = bool | int | float | str
_NO_UNIT = "1"  # UCUM's: a ratio, or a number of nothing


def names(loaded: Loaded) -> Iterator[str]:
    """Every name in a rule is one of what is there, and its finding has the parts that belong together."""
    for key, rule in loaded.table(RULES).items():
        document = loaded.document(RULES, key)
        yield from _scopes(loaded, document, rule)
        yield from _names(loaded, document, rule)
        yield from _card(loaded, document, rule)
        yield from _until(loaded, document, rule)


def findings(loaded: Loaded) -> Iterator[str]:
    """A finding that is asked for belongs to a rule of an earlier stratum that runs wherever this one does."""
    for key, rule in loaded.table(RULES).items():
        for path, condition in conditions(rule):
            if condition.finding:
                yield from _finding(loaded, loaded.document(RULES, key), rule, path, condition)


def comparisons(loaded: Loaded) -> Iterator[str]:
    """Every comparison fits its fact: a comparison of its type, with a value of its type and unit."""
    for key, rule in loaded.table(RULES).items():
        document = loaded.document(RULES, key)
        for number, alternative in enumerate(rule.any):
            if not alternative:
                yield document.problem(("any", number), "an empty list always holds; write a condition or remove it")
        of_drug, drugs = loaded.catalogue.of_drug, loaded.occasions.drugs(rule)
        for path, condition in conditions(rule):
            for drug in drugs if condition.fact in of_drug else ():
                if drug not in of_drug[condition.fact]:
                    told = f"{drug} has no such fact: its drug.yaml does not say what {condition.fact} is made of"
                    yield document.problem((*path, "fact"), told)
            if condition.fact:
                yield from _fact(loaded, document, path, condition)


def _scopes(loaded: Loaded, document: Document, rule: RuleDefinition) -> Iterator[str]:
    """The orders and drugs that a rule is for."""
    for key in ("orders", "about"):
        for index, scope in enumerate(getattr(rule, key)):
            path: YamlPath = (key, index)
            if isinstance(scope, OfGroup):
                yield from missing(document, (*path, "group"), "group", scope.group, loaded.groups)
            else:
                yield from missing(document, path, "order kind", scope, loaded.orders.kinds)
    if rule.orders and not list(loaded.occasions.pairs(rule)):
        yield document.problem(("orders",), "expected an order or a drug for which it runs; no drug is in these groups")
    if rule.shown_as and ("<drug>" not in rule.shown_as or not rule.finding.decision):
        yield document.problem(("shownAs",), "expected an id with <drug> in it, of a rule that has a decision")


def _names(loaded: Loaded, document: Document, rule: RuleDefinition) -> Iterable[str]:
    orders = loaded.orders
    if not rule.hooks:
        yield document.problem(("hooks",), "expected at least one hook")
    if not rule.orders:
        yield document.problem(("orders",), "expected at least one order kind")
    if rule.pathway:
        yield from missing(document, ("pathway",), "pathway", rule.pathway, orders.pathways)
    if rule.regimen:
        yield from missing(document, ("regimen",), "regimen", rule.regimen, loaded.table("regimens"))
    for index, name in enumerate(rule.policies):
        yield from missing(document, ("policies", index), "policy", name, (*loaded.policies, *ROLES))
    for index, name in enumerate(rule.evidence):
        evidence = loaded.table("rules/evidence")
        yield from missing(document, ("evidence", index), "evidence", name, evidence)
        if name in evidence and evidence[name].status == "refuted":
            yield document.problem(("evidence", index), f"{name} is refuted; a rule must not lean on it, remove it")


def _card(loaded: Loaded, document: Document, rule: RuleDefinition) -> Iterable[str]:
    decision, indicator = rule.finding.decision, rule.finding.indicator
    if rule.card:
        yield from missing(document, ("card",), "card", rule.card, loaded.table("cards"))
    if rule.first_card:
        yield from missing(document, ("firstCard",), "card", rule.first_card, loaded.table("cards"))
    if decision and not rule.card:
        yield document.problem(("card",), f"a rule with the decision {decision} needs a card")
    if rule.card and not decision:
        yield document.problem(("finding", "decision"), f"a rule with the card {rule.card} needs a decision")
    if decision and not indicator:
        yield document.problem(("finding", "indicator"), "required beside a decision")
    if indicator and not decision and not rule.card:
        yield document.problem(("finding", "decision"), "required beside an indicator")
    if rule.finding.once_in and decision != "caution":
        yield document.problem(("finding", "onceIn"), "only a caution may be left out when it is shown once")
    if rule.finding.said_by and decision != "caution":
        yield document.problem(("finding", "saidBy"), "only a caution may be left out where another rule says it")
    for index, name in enumerate(rule.finding.said_by):
        yield from missing(document, ("finding", "saidBy", index), "rule", name, loaded.table("rules"))
    if route := rule.finding.only_by_route:
        yield from missing(document, ("finding", "onlyByRoute"), "route", route, loaded.orders.routes)


def _until(loaded: Loaded, document: Document, rule: RuleDefinition) -> Iterator[str]:
    """Time alone changes what counts hours. That the policy is a window is looked at with all windows."""
    if rule.finding.until is None:
        return
    path, name = ("finding", "until", "fact"), rule.finding.until.fact
    yield from missing(document, path, "fact", name, loaded.catalogue.facts)
    fact = loaded.catalogue.facts.get(name)
    if fact and (fact.type not in ("number", "integer") or fact.unit != "h"):
        yield document.problem(
            path, f"expected a fact that counts hours ({name} is a {fact.type} {fact.unit})".replace(" )", ")")
        )


def _finding(
    loaded: Loaded, document: Document, rule: RuleDefinition, path: YamlPath, condition: Condition
) -> Iterable[str]:
    rules = loaded.table(RULES)
    here = (*path, "finding")
    other = rules.get(condition.finding)
    if other is None:
        yield from missing(document, here, "rule", condition.finding, rules)
        return
    if STRATA.index(other.stratum) >= STRATA.index(rule.stratum):
        yield document.problem(
            here, f"expected a rule of a stratum before {rule.stratum} ({other.id} is of {other.stratum})"
        )
    if other.status == "retired" and rule.status != "retired":
        yield document.problem(here, f"{other.id} is retired and never evaluated; remove the condition")
    # Where the other rule does not run, its finding would be unknown and so would this rule.
    theirs = set(loaded.occasions.pairs(other))
    kinds = [kind for kind, drug in loaded.occasions.pairs(rule) if not {(kind, drug), (kind, "")} & theirs]
    for what, lacking in (("hook", [h for h in rule.hooks if not runs_at(other, h)]), ("order kind", kinds)):
        if lacking:
            yield document.problem(here, f"{other.id} does not run for the {what} {', '.join(lacking)}, this rule does")
    if other.shown_as:
        yield document.problem(here, f"{other.id} is shown under the name of a drug; no rule can ask for its finding")
    if condition.operator not in ("is_", "known") or not isinstance(condition.operand, bool):
        key = to_camel(condition.operator.rstrip("_"))
        yield document.problem((*path, key), "a finding is compared with `is: true`, `is: false` or `known`")


def _fact(loaded: Loaded, document: Document, path: YamlPath, condition: Condition) -> Iterable[str]:
    facts, policies = loaded.catalogue.facts, loaded.policies
    fact = facts.get(condition.fact)
    if fact is None:
        yield from missing(document, (*path, "fact"), "fact", condition.fact, facts)
        return
    operator, operand = condition.operator, condition.operand
    here = (*path, to_camel(operator.rstrip("_")))
    allowed = operators(fact)
    if operator not in allowed:
        spelled = ", ".join(to_camel(name.rstrip("_")) for name in allowed)
        yield document.problem(here, f"{condition.fact} is a {fact.type}; expected one of {spelled}")
        return
    if operator == "known":
        return
    if isinstance(operand, str) and operand.startswith(POLICY_PREFIX):
        name = operand.removeprefix(POLICY_PREFIX)
        yield from missing(document, here, "policy", name, policies)
        if name not in policies:
            return
        wanted, unit = fact.unit or _NO_UNIT, policies[name].unit or _NO_UNIT
        if unit != wanted:
            yield document.problem(here, f"expected a policy in {wanted}, as {condition.fact} ({name} is in {unit})")
        for value in _values(loaded, name):
            yield from _operand(document, here, fact, operator, value)
    elif isinstance(operand, str) and operator in ORDERINGS:
        yield document.problem(here, f"expected a number or policy.<name> (found {operand})")
    else:
        yield from _operand(document, here, fact, operator, operand)


def _values(loaded: Loaded, name: str) -> Iterator[Scalar]:
    """What a policy is worth: as it ships, and at each site that changes it."""
    yield loaded.policies[name].value
    for site in loaded.table("rules/sites").values():
        if name in site.policies:
            yield site.policies[name]


def _operand(document: Document, path: YamlPath, fact: FactDefinition, operator: str, operand: Scalar) -> Iterable[str]:
    expected = misfit(fact, operand, is_bound=operator in ORDERINGS)
    if expected:
        shown = str(operand).lower() if isinstance(operand, bool) else operand
        yield document.problem(path, f"expected {expected} (found {shown})")
