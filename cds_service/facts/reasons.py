"""Why a drug is ordered: the reasons that an order states itself, and the Conditions that it refers to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, concept


def stated_reasons(request: Resource) -> Iterator[Concept]:
    """The reasons of a MedicationRequest that it states itself, coded or in words."""
    written = request.raw.get("reasonCode")
    return (concept(r) for r in (written if isinstance(written, list) else ()))


def references_of(request: Resource) -> Sequence[tuple[str, object]]:
    """(Type/id, display) of each reason that a MedicationRequest refers to."""
    referred = request.raw.get("reasonReference")
    found = [r for r in referred if isinstance(r, Mapping)] if isinstance(referred, list) else []
    return [("/".join(str(r.get("reference") or "").split("/")[-2:]), r.get("display")) for r in found]


def told_reasons(request: Resource, known: Collection[str]) -> Sequence[Concept]:
    """Why a drug is given, by the order itself: a Condition of the chart (`known`) that it names is judged alone."""
    named = [concept({"text": display}) for reference, display in references_of(request) if reference not in known]
    return [*stated_reasons(request), *named]


def states_reason(request: Resource) -> bool:
    """Whether an order states any reason, itself or by a reference."""
    return any(not said.empty for said in stated_reasons(request)) or bool(references_of(request))
