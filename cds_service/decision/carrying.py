"""Which facts an answer rests on: those that made its rule hold, through the findings that it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.engine import Findings
from cds_service.facts.model import Facts


def carrying(rule_id: str, findings: Findings, facts: Facts) -> Iterator[str]:
    """Names of facts, in the order of the rule's conditions; a name may come twice."""
    outcome = findings.outcomes.get(rule_id)
    for name in outcome.holds if outcome else ():
        if name in facts:
            yield name
        else:
            yield from carrying(name, findings, facts)
