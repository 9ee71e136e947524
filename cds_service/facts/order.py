"""The order in hand: what kind of order was selected or is being signed, and which drafts stand beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.chart.empty import draft_without_empty
from cds_service.chart.read import Medications
from cds_service.chart.resource import Resource
from cds_service.chart.validation import is_resource_type
from cds_service.chart.vocabulary import Matcher
from cds_service.facts.dosage import Amounts, Dosage, dosage_of
from cds_service.knowledge.model import Orders

# The kind of a draft whose drug is not understood: a reference that nothing resolves, a code that nobody knows, or an
# entry that is no resource of FHIR R4 at all.
UNRESOLVED = "unresolved-drug"
# FHIR R4 request statuses under which a MedicationRequest in the call is no order to judge.
_GONE = {"cancelled", "stopped", "completed", "entered-in-error"}
# What names a drug in no way, whatever it holds: order screens send it before anything is chosen.
_NAMELESS = {"system", "version", "userSelected", "type", "id"}


@dataclass(frozen=True, slots=True)
class Draft:
    """One unsigned MedicationRequest of a kind that the service knows."""

    resource: Resource
    kind: str
    selected: bool
    amounts: Amounts

    def dosage(self, weight: float | None) -> Dosage:
        """What it asks for; an amount per kilogram for a patient of this weight."""
        return dosage_of(self.resource.raw, self.amounts, weight)


@dataclass(frozen=True, slots=True)
class OrderInHand:
    """The kind that is being answered ("" where none of the selected orders is ours), all selected kinds of ours (most
    important first), every draft of a known kind, and the ServiceRequests drafted beside them (raw)."""

    kind: str
    kinds: tuple[str, ...]
    drafts: tuple[Draft, ...]
    others: tuple[Mapping[str, Any], ...] = ()

    @property
    def unresolved(self) -> tuple[str, ...]:
        """The drafts whose drug is not understood: they may be of any kind."""
        return tuple(d.resource.ref for d in self.drafts if d.kind == UNRESOLVED)

    def named(self, kind: str) -> tuple[str, ...]:
        """The references of the selected drafts of a kind; of one sent without a type or an id there is none."""
        mine = (d.resource for d in self.drafts if d.kind == kind and d.selected)
        return tuple(r.ref for r in mine if r.id and not r.ref.startswith("?"))

    def of_kind(self, kind: str) -> tuple[Draft, ...]:
        """All drafts of a kind, the selected ones first."""
        return tuple(sorted((d for d in self.drafts if d.kind == kind), key=lambda d: not d.selected))


def order_in_hand(
    resources: Sequence[Mapping[str, Any]],
    selections: Sequence[str] | None,
    orders: Orders,
    terms: Mapping[str, Matcher],
    amounts: Mapping[str, Amounts],
    medications: Medications,
) -> OrderInHand:
    """Sort the call's drafts by kind. `selections` None (order-sign) means that every draft is being signed; `amounts`
    are by drug; `medications` are those that drafts may refer to."""
    wanted = None if selections is None else frozenset(selections)
    drafts = []
    for raw in resources:
        resource = Resource(draft_without_empty(raw), medications)
        kind = _kind(resource, orders, terms)
        # While an order is being written, one without any drug is no order yet.
        if kind and not (kind == UNRESOLVED and wanted is not None and is_unwritten(resource)):
            selected = wanted is None or resource.ref in wanted
            drafts.append(Draft(resource, kind, selected, amounts.get(kind, amounts[""])))
    selected_kinds = {d.kind for d in drafts if d.selected}
    others = tuple(r for r in resources if r.get("resourceType") == "ServiceRequest")
    # One that cannot be told is answered beside the others: it may be any of them, and is signed with them.
    kinds = tuple(k for k in orders.kinds if k in selected_kinds)
    return OrderInHand(kinds[0] if kinds else "", kinds, tuple(drafts), others)


def _kind(resource: Resource, orders: Orders, terms: Mapping[str, Matcher]) -> str:
    if resource.status in _GONE:
        return ""
    if not is_resource_type(resource.type):
        return UNRESOLVED  # nobody can tell what it orders
    if resource.type != "MedicationRequest":
        return ""
    if resource.raw.get("doNotPerform") is True:
        return ""
    for kind, definition in orders.kinds.items():
        if any(resource.matches(terms[name]) for name in definition.value_sets):
            return kind
    any_set = next(iter(terms.values()))
    return UNRESOLVED if any_set.recognised(resource.concept).puzzle else ""


def is_unwritten(draft: Resource) -> bool:
    """Whether an order names no drug yet. What stands where the drug should and cannot be read is no such order."""
    if not is_resource_type(draft.type) or not draft.concept.empty:
        return False
    return not any(_says(value) for name, value in draft.raw.items() if name.startswith("medication"))


def _says(value: object) -> bool:
    """Whether an element holds anything that may name a drug."""
    if isinstance(value, Mapping):
        return any(_says(each) for name, each in value.items() if name not in _NAMELESS)
    if isinstance(value, list):
        return any(_says(each) for each in value)
    return value not in (None, "", False, True)
