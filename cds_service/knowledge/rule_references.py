"""Cross checks of one rule: its facts, findings, policies, card, regimen, pathway and evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic.alias_generators import to_camel

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import GROUPS, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import (
    POLICY_PREFIX,
    ROLES,
    STRATA,
    Catalogue,
    Condition,
    Evidence,
    FactDefinition,
    OfGroup,
    Orders,
    Policy,
    RuleDefinition,
)
from cds_service.knowledge.occasions import Occasions

ORDERINGS = ("at_least", "above", "at_most", "below")
Scalar = bool | int | float | str


def conditions(rule: RuleDefinition) -> Iterator[tuple[YamlPath, Condition]]:
    """Every condition of the rule with its path in the file."""
    for index, condition in enumerate(rule.when):
        yield ("when", index), condition
    for number, alternative in enumerate(rule.any):
        for index, condition in enumerate(alternative):
            yield ("any", number, index), condition
    for index, condition in enumerate(rule.unless):
        yield ("unless", index), condition


def check(loaded: Loaded, occasions: Occasions, document: Document, rule: RuleDefinition) -> Iterable[str]:
    """Every reference of this rule that does not resolve or does not fit, one line each."""
    yield from _scopes(loaded, occasions, document, rule)
    yield from _names(loaded, document, rule)
    yield from _card(loaded, document, rule)
    for path, condition in conditions(rule):
        if condition.finding:
            yield from _finding(loaded, occasions, document, rule, path, condition)
        else:
            yield from _fact(loaded, document, path, condition)


def misfit(fact: FactDefinition, value: Scalar) -> str:
    """What was expected of a value of this fact; empty where it fits."""
    if fact.type == "boolean":
        return "" if isinstance(value, bool) else "true or false"
    if fact.type == "code":
        if isinstance(value, str) and (not fact.values or value in fact.values):
            return ""
        return f"one of {', '.join(fact.values)}" if fact.values else "a code"
    wanted: type | tuple[type, ...] = int if fact.type == "integer" else (int, float)
    is_number = isinstance(value, wanted) and not isinstance(value, bool)
    return "" if is_number else "a whole number" if fact.type == "integer" else "a number"


def _scopes(loaded: Loaded, occasions: Occasions, document: Document, rule: RuleDefinition) -> Iterable[str]:
    """The orders and drugs that a rule is for."""
    kinds, groups = loaded.singles["rules/orders.yaml"].kinds, loaded.singles[GROUPS]
    for key in ("orders", "about"):
        for index, scope in enumerate(getattr(rule, key)):
            path: YamlPath = (key, index)
            if isinstance(scope, OfGroup):
                yield from missing(document, (*path, "group"), "group", scope.group, groups)
            else:
                yield from missing(document, path, "order kind", scope, kinds)
    if rule.orders and not list(occasions.pairs(rule)):
        yield document.problem(("orders",), "expected an order or a drug for which it runs; no drug is in these groups")
    if rule.shown_as and ("<drug>" not in rule.shown_as or not rule.finding.decision):
        yield document.problem(("shownAs",), "expected an id with <drug> in it, of a rule that has a decision")


def _names(loaded: Loaded, document: Document, rule: RuleDefinition) -> Iterable[str]:
    orders: Orders = loaded.singles["rules/orders.yaml"]
    if not rule.hooks:
        yield document.problem(("hooks",), "expected at least one hook")
    if not rule.orders and set(rule.hooks) != {"patient-view"}:
        yield document.problem(("orders",), "expected at least one order kind")
    if rule.pathway:
        yield from missing(document, ("pathway",), "pathway", rule.pathway, orders.pathways)
    if rule.regimen:
        yield from missing(document, ("regimen",), "regimen", rule.regimen, loaded.table("regimens"))
    for index, name in enumerate(rule.policies):
        known = loaded.singles["rules/policies.yaml"]
        yield from missing(document, ("policies", index), "policy", name, (*known, *ROLES))
    for index, name in enumerate(rule.evidence):
        evidence: Mapping[str, Evidence] = loaded.table("rules/evidence")
        yield from missing(document, ("evidence", index), "evidence", name, evidence)
        if name in evidence and evidence[name].status == "refuted":
            yield document.problem(("evidence", index), f"{name} is refuted; a rule must not lean on it, remove it")


def _card(loaded: Loaded, document: Document, rule: RuleDefinition) -> Iterable[str]:
    decision, indicator = rule.finding.decision, rule.finding.indicator
    if rule.card:
        yield from missing(document, ("card",), "card", rule.card, loaded.table("cards"))
    if decision and not rule.card:
        yield document.problem(("card",), f"a rule with the decision {decision} needs a card")
    until = rule.finding.until
    if until:
        here = ("finding", "until")
        yield from missing(document, (*here, "fact"), "fact", until.fact, loaded.singles["rules/facts.yaml"].facts)
        yield from missing(document, (*here, "policy"), "policy", until.policy, loaded.singles["rules/policies.yaml"])
    if rule.card and not decision:
        yield document.problem(("finding", "decision"), f"a rule with the card {rule.card} needs a decision")
    if decision and not indicator:
        yield document.problem(("finding", "indicator"), "required beside a decision")
    if indicator and not decision and not rule.card:
        yield document.problem(("finding", "decision"), "required beside an indicator")


def _finding(
    loaded: Loaded,
    occasions: Occasions,
    document: Document,
    rule: RuleDefinition,
    path: YamlPath,
    condition: Condition,
) -> Iterable[str]:
    rules: Mapping[str, RuleDefinition] = loaded.table("rules")
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
    ours, theirs = occasions.pairs(rule), set(occasions.pairs(other))
    kinds = [kind for kind, drug in ours if not {(kind, drug), (kind, "")} & theirs]
    for what, lacking in (("hook", [h for h in rule.hooks if h not in other.hooks]), ("order kind", kinds)):
        if lacking:
            yield document.problem(here, f"{other.id} does not run for the {what} {', '.join(lacking)}, this rule does")
    if other.shown_as:
        yield document.problem(here, f"{other.id} is shown under the name of a drug; no rule can ask for its finding")
    if condition.operator not in ("is_", "known") or not isinstance(condition.operand, bool):
        key = to_camel(condition.operator.rstrip("_"))
        yield document.problem((*path, key), "a finding is compared with `is: true`, `is: false` or `known`")


def _fact(loaded: Loaded, document: Document, path: YamlPath, condition: Condition) -> Iterable[str]:
    catalogue: Catalogue = loaded.singles["rules/facts.yaml"]
    policies: Mapping[str, Policy] = loaded.singles["rules/policies.yaml"]
    fact = catalogue.facts.get(condition.fact)
    if fact is None:
        yield from missing(document, (*path, "fact"), "fact", condition.fact, catalogue.facts)
        return
    operator, operand = condition.operator, condition.operand
    here = (*path, to_camel(operator.rstrip("_")))
    allowed = _operators(fact)
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
        unit = policies[name].unit
        if _differ(unit, fact.unit):
            yield document.problem(here, f"expected a policy in {fact.unit}, as {condition.fact} ({name} is in {unit})")
        operand = policies[name].value
    elif isinstance(operand, str) and operator in ORDERINGS:
        yield document.problem(here, f"expected a number or policy.<name> (found {operand})")
        return
    yield from _operand(document, here, fact, operator, operand)


def _differ(unit: str, other: str) -> bool:
    """Whether two UCUM units differ; annotations such as `{dose}` have no dimension and say nothing."""
    return bool(unit and other) and unit != other and not unit.startswith("{") and not other.startswith("{")


def _operand(document: Document, path: YamlPath, fact: FactDefinition, operator: str, operand: Scalar) -> Iterable[str]:
    if operator in ORDERINGS:
        is_number = isinstance(operand, int | float) and not isinstance(operand, bool)
        expected = "" if is_number else "a number"
    else:
        expected = misfit(fact, operand)
    if expected:
        shown = str(operand).lower() if isinstance(operand, bool) else operand
        yield document.problem(path, f"expected {expected} (found {shown})")


def _operators(fact: FactDefinition) -> tuple[str, ...]:
    """The comparisons that fit a fact. Numbers are never compared for equality: they are measured and rounded."""
    if fact.type == "boolean":
        return ("is_", "known")
    if fact.type == "code":
        return ("is_", "is_not", "known")
    return (*(("is_",) if fact.type == "integer" else ()), *ORDERINGS, "known")
