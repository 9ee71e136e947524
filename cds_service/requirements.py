"""What the service itself needs of the files, whichever rules there are: names, in their form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cds_service.knowledge import Knowledge, always

HOURS: Mapping[str, float] = {"min": 1 / 60, "h": 1.0, "d": 24.0}
AMOUNTS = "drug-amount"
# What every evaluation looks at, whichever rules run: the decision computes doses from them.
FACTS = ("child", "weight", "age")


def unmet(knowledge: Knowledge) -> Iterator[str]:
    """One line for each thing that is not there: `file:line: key: what was expected`."""
    for name in always.CARDS:
        if name not in knowledge.cards:
            yield knowledge.problem("cards", name, (), "required: a card that the service itself shows")
    for name in always.POLICIES:
        if not _is_window(knowledge, name):
            what = f"required: a policy in {', '.join(HOURS)} that the service itself reads"
            yield knowledge.problem("rules/policies/service.yaml", "", (name,), what)
    if AMOUNTS not in knowledge.analytes:
        yield knowledge.problem("rules/units.yaml", "", (AMOUNTS,), "required: the units in which drugs are dosed")
    if not knowledge.orders.kinds:
        yield knowledge.problem("rules/orders.yaml", "", ("kinds",), "expected at least one kind of order")
    for name in FACTS:
        if name not in knowledge.catalogue.facts:
            yield knowledge.problem("rules/facts.yaml", "", ("facts", name), "required: doses are computed from it")


def _is_window(knowledge: Knowledge, name: str) -> bool:
    policy = knowledge.policies.get(name)
    return policy is not None and policy.unit in HOURS
