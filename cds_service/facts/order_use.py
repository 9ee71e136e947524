"""What an order says that it is for, and whether the CAR-T pathways therefore answer.

A pathway is set aside only where every draft of the kind states another use. An order that states nothing, or whose
stated reason cannot be found, is judged as an order for CAR-T toxicity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.model import Fact, Facts, Reading

NOT_STATED = "not-stated"


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`order-use` and `pathway-in-scope`; needs `car-t-in-scope`."""
    drafts = reading.order.of_kind(reading.order.kind)
    stated = [_use(d.resource, reading) for d in drafts]
    use = stated[0] if stated and len(set(stated)) == 1 else NOT_STATED
    sources = tuple(d.resource.ref for d in drafts) if use != NOT_STATED else ()
    uses = reading.orders.uses
    yield Fact("order-use", use, sources=sources, text=uses[use].title if use in uses else "")
    scope = known["car-t-in-scope"]
    if use in uses and not uses[use].pathways:
        yield Fact("pathway-in-scope", False, sources=sources, text=f"the order is for {uses[use].title}")
    else:
        yield Fact(
            "pathway-in-scope", scope.value, as_of=scope.as_of, sources=scope.sources, why=scope.why,
            text=scope.text, notes=scope.notes, unusable=scope.unusable,
        )  # fmt: skip


def _use(request: Resource, reading: Reading) -> str:
    """The one use of `rules/orders.yaml` that the reasons of an order name; `not-stated` for none, several, or CAR-T
    toxicity among them."""
    found = {_named(reason, reading) for reason in reasons(request, reading)}
    return found.pop() if len(found) == 1 else NOT_STATED


def _named(reason: Concept, reading: Reading) -> str:
    uses = reading.orders.uses
    matching = [name for name, use in uses.items() if reading.terms[use.value_set].matches(reason)]
    return matching[0] if matching else NOT_STATED


def reasons(request: Resource, reading: Reading) -> Sequence[Concept]:
    """The reasons of a MedicationRequest: as coded or in words, and the Conditions that it refers to."""
    written, referred = request.raw.get("reasonCode"), request.raw.get("reasonReference")
    found = [concept(r) for r in written] if isinstance(written, list) else []
    for reference in referred if isinstance(referred, list) else []:
        target = str(reference.get("reference") or "") if isinstance(reference, Mapping) else ""
        known = [r for r in reading.chart.of("conditions") if r.ref == "/".join(target.split("/")[-2:])]
        found.append(known[0].concept if known else concept({"text": reference.get("display")} if target else None))
    return found
