"""What an order says that it is for, and whether the CAR-T pathways therefore answer.

A pathway is set aside only where every draft of the kind names one other use and nothing else. An order that states
nothing, more than one thing, or that in other words ("CRS in a patient with gout") is judged as one for CAR-T toxicity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import NOTHING, Concept, concept
from cds_service.facts import crs, icans
from cds_service.facts.declared import UNCONFIRMED, is_active
from cds_service.facts.model import Fact, Facts, Reading

NOT_STATED = "not-stated"
TOXICITIES = ("crs", "icans", "hlh-iechs", *(name for _, name in (*crs.GRADES, *icans.GRADES)))


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`order-use` and `pathway-in-scope`; needs `car-t-in-scope`."""
    drafts = reading.order.of_kind(reading.order.kind)
    stated = {use_of(d.resource, reading) for d in drafts}
    use = stated.pop() if len(stated) == 1 else NOT_STATED
    sources = tuple(d.resource.ref for d in drafts) if use != NOT_STATED else ()
    uses = reading.orders.uses
    yield Fact("order-use", use, sources=sources, text=uses[use].title if use in uses else "")
    scope = known["car-t-in-scope"]
    if is_other(use, reading):
        yield Fact("pathway-in-scope", False, sources=sources, text=f"the order is for {uses[use].title}")
    else:
        yield Fact(
            "pathway-in-scope", scope.value, as_of=scope.as_of, sources=scope.sources, why=scope.why,
            text=scope.text, notes=scope.notes, unusable=scope.unusable,
        )  # fmt: skip


def is_other(use: str, reading: Reading) -> bool:
    """Whether a stated use is one that no CAR-T pathway answers."""
    return use in reading.orders.uses and not reading.orders.uses[use].pathways


def use_of(request: Resource, reading: Reading) -> str:
    """The one use of `rules/orders.yaml` that the reasons of an order name, each of them; else `not-stated`."""
    referred = referred_reasons(request, reading)
    # EHRs link an order to a problem by themselves: beside a CAR-T toxicity on record such a link proves nothing.
    told = (*stated_reasons(request), *(() if _toxicity(reading) else referred))
    found = {_named(reason, reading) for reason in told}
    return found.pop() if len(found) == 1 else NOT_STATED


def _named(reason: Concept, reading: Reading) -> str:
    naming = [name for name, use in reading.orders.uses.items() if reading.terms[use.value_set].names(reason)]
    if any(is_other(name, reading) for name in naming) and any(reading.terms[t].matches(reason) for t in TOXICITIES):
        return NOT_STATED  # Its code says one thing and its words another.
    return naming[0] if len(naming) == 1 else NOT_STATED


def _toxicity(reading: Reading) -> bool:
    """A CAR-T toxicity is on record as active."""
    matched = (r for name in TOXICITIES for r in reading.chart.matching(("conditions",), reading.terms[name]))
    return any(is_active(r, reading.now) for r in matched)


def stated_reasons(request: Resource) -> Sequence[Concept]:
    """The reasons of a MedicationRequest that it states itself, coded or in words."""
    written = request.raw.get("reasonCode")
    return [concept(r) for r in written] if isinstance(written, list) else []


def referred_reasons(request: Resource, reading: Reading) -> Sequence[Concept]:
    """The Conditions that a MedicationRequest refers to; one that has ended, or is not certain, says nothing."""
    referred = request.raw.get("reasonReference")
    found = []
    for reference in referred if isinstance(referred, list) else []:
        target = str(reference.get("reference") or "") if isinstance(reference, Mapping) else ""
        known = [r for r in reading.chart.of("conditions") if r.ref == "/".join(target.split("/")[-2:])]
        if known:
            certain = is_active(known[0], reading.now) and known[0].code("verificationStatus") not in UNCONFIRMED
            found.append(known[0].concept if certain else NOTHING)
        elif target:
            found.append(concept({"text": reference.get("display")}))
    return found
