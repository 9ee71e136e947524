"""Every check that files must pass before anything starts: one list, run by `load` and by `inspect` alike.

A check is a plain function from files that were read without problems to the lines that say what is wrong. Whatever
could break a start or an answer is found here; what only a reviewer needs to know is in `knowledge.review`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from cds_service.knowledge import lock
from cds_service.knowledge.checks import (
    capacity,
    cards,
    cases,
    catalogue,
    drugs,
    facts,
    orders,
    policies,
    regimens,
    rules,
    sites,
    timeline,
    units,
)
from cds_service.knowledge.loader import Loaded

Check = Callable[[Loaded], Iterable[str]]

CHECKS: Final[tuple[Check, ...]] = (
    lock.gone,
    policies.bounds,
    policies.windows,
    sites.sites,
    units.analytes,
    catalogue.queries,
    catalogue.prefetch,
    facts.facts,
    catalogue.opposites,
    orders.kinds,
    drugs.drugs,
    orders.pathways,
    orders.routes,
    regimens.regimens,
    cards.cards,
    rules.names,
    rules.findings,
    rules.comparisons,
    cases.cases,
    timeline.picture,
    capacity.rulesets,
    capacity.keys,
)


def problems(loaded: Loaded) -> list[str]:
    """Everything that these files must not be started with, each line once."""
    return list(dict.fromkeys(problem for check in CHECKS for problem in check(loaded)))
