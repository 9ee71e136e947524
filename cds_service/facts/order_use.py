"""What an order says that it is for, and whether the CAR-T pathways therefore answer.

A pathway is set aside only where every draft of the kind names one other use and nothing else. An order that states
nothing, more than one thing, or that in other words ("CRS in a patient with gout") is judged as one for CAR-T toxicity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from msgspec.structs import replace

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import NOTHING, Concept, concept
from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Facts, Reading
from cds_service.facts.reasons import references_of, stated_reasons
from cds_service.knowledge.model import OrderUse, Scope

NOT_STATED = "not-stated"


def facts(given: OrderUse, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`use`: what all drafts of the kind in hand are for; `other`: whether no CAR-T pathway answers that."""
    drafts = reading.order.of_kind(reading.order.kind)
    stated = {use_of(d.resource, reading) for d in drafts}
    use = stated.pop() if len(stated) == 1 else NOT_STATED
    sources = tuple(d.resource.ref for d in drafts) if use != NOT_STATED else ()
    uses = reading.orders.uses(reading.drug)
    text = uses[use].title if use in uses else ""
    yield Fact("use", use, sources=sources, text=text)
    yield Fact("other", is_other(use, reading), sources=sources, text=text)


def in_scope(name: str, scope: Scope) -> Find:
    """Another fact; false where the order is for a use that no pathway answers."""

    def find(reading: Reading, known: Facts) -> Fact:
        use = known[scope.use]
        if is_other(str(use.value), reading):
            return Fact(name, False, sources=use.sources, text=f"the order is for {use.text}")
        return replace(known[scope.fact], name=name)

    return find


def is_other(use: str, reading: Reading) -> bool:
    """Whether a stated use is one that no CAR-T pathway answers."""
    uses = reading.orders.uses(reading.drug)
    return use in uses and not uses[use].pathways


def use_of(request: Resource, reading: Reading) -> str:
    """The one use of the drug that is judged that the reasons of an order name, each of them; else `not-stated`."""
    given = reading.select.only(OrderUse)
    if given is None:
        return NOT_STATED
    # EHRs link an order to a problem by themselves: beside a CAR-T toxicity on record such a link proves nothing.
    referred = () if _toxicity(given, reading) else _referred(given, request, reading)
    named = ""
    for reason in chain(stated_reasons(request), referred):
        use = _named(given, reason, reading)
        if use == NOT_STATED or named not in ("", use):
            return NOT_STATED
        named = use
    return named or NOT_STATED


def _named(given: OrderUse, reason: Concept, reading: Reading) -> str:
    uses = reading.orders.uses(reading.drug)
    naming = [name for name, use in uses.items() if reading.terms[use.value_set].names(reason)]
    toxic = any(reading.terms[t].matches(reason) for t in given.toxicities)
    if toxic and any(is_other(name, reading) for name in naming):
        return NOT_STATED  # Its code says one thing and its words another.
    return naming[0] if len(naming) == 1 else NOT_STATED


def _toxicity(given: OrderUse, reading: Reading) -> bool:
    """A CAR-T toxicity is on record as active."""

    def find() -> bool:
        matched = reading.chart.found(given.conditions, tuple(reading.terms[name] for name in given.toxicities))
        return any(reading.is_(given.active, r) for r in matched)

    return reading.once("a toxicity on record", find)


def _referred(given: OrderUse, request: Resource, reading: Reading) -> Sequence[Concept]:
    """The Conditions that a MedicationRequest refers to; one that has ended, or is not certain, says nothing."""
    found = []
    conditions = reading.once("conditions by ref", lambda: _by_ref(reading.chart.of(given.conditions)))
    for target, display in references_of(request):
        known = conditions.get(target)
        if known is not None:
            certain = reading.is_(given.active, known) and not reading.is_(given.unconfirmed, known)
            found.append(known.concept if certain else NOTHING)
        elif target:
            found.append(concept({"text": display}))
    return found


def _by_ref(conditions: Iterable[Resource]) -> dict[str, Resource]:
    """By its reference the first Condition of that name."""
    found: dict[str, Resource] = {}
    for condition in conditions:
        found.setdefault(condition.ref, condition)
    return found
