"""What the service itself needs of the files, whichever rules there are: names, in their form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cds_service.contract import FOOTER, OWN_CARD, REPEATED, UNEVALUATED
from cds_service.knowledge import Knowledge

HOURS: Mapping[str, float] = {"min": 1 / 60, "h": 1.0, "d": 24.0}
AMOUNTS = "drug-amount"
# What every evaluation looks at, whichever rules run: the decision computes doses from them.
FACTS = ("child", "weight", "age")
_CARDS = (FOOTER, REPEATED, UNEVALUATED, *sorted(OWN_CARD))
_WINDOWS = ("clock-tolerance", "monitoring-order-recent", "quiet-repeat-window")


def unmet(knowledge: Knowledge) -> Iterator[str]:
    """One line for each thing that is not there: `file:line: key: what was expected`."""
    yield from _own_names(knowledge)
    yield from _windows(knowledge)
    for route in knowledge.orders.routes:
        if f"route-{route}" not in knowledge.value_sets:
            what = f"expected a value set route-{route} in rules/terms: the words and codes of this route"
            yield knowledge.problem("rules/orders.yaml", "", ("routes", route), what)


def _own_names(knowledge: Knowledge) -> Iterator[str]:
    for name in _CARDS:
        if name not in knowledge.cards:
            yield knowledge.problem("cards", name, (), "required: a card that the service itself shows")
    for name in _WINDOWS:
        if not _is_window(knowledge, name):
            what = f"required: a policy in {', '.join(HOURS)} that the service itself reads"
            yield knowledge.problem("rules/policies.yaml", "", (name,), what)
    if AMOUNTS not in knowledge.analytes:
        yield knowledge.problem("rules/units.yaml", "", (AMOUNTS,), "required: the units in which drugs are dosed")
    if not knowledge.orders.kinds:
        yield knowledge.problem("rules/orders.yaml", "", ("kinds",), "expected at least one kind of order")
    for name in FACTS:
        if name not in knowledge.catalogue.facts:
            yield knowledge.problem("rules/facts.yaml", "", ("facts", name), "required: doses are computed from it")


def _windows(knowledge: Knowledge) -> Iterator[str]:
    """Policies that are named as windows are times."""
    facts = "rules/facts.yaml"
    named = [(facts, "", ("queries", n, "window"), q.window) for n, q in knowledge.catalogue.queries.items()]
    for rule in knowledge.rules:
        if until := rule.finding.until:
            named.append(("rules", rule.id, ("finding", "until", "policy"), until.policy))
    for kind, key, path, name in named:
        if name and not _is_window(knowledge, name):
            what = f"expected the name of a policy in {', '.join(HOURS)} (found {name})"
            yield knowledge.problem(kind, key, path, what)


def _is_window(knowledge: Knowledge, name: str) -> bool:
    policy = knowledge.policies.get(name)
    return policy is not None and policy.unit in HOURS
