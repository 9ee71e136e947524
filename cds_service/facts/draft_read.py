"""What a draft says, as far as a decision needs it: values only, so that it can be recorded and decided on again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.chart.vocabulary import concept
from cds_service.facts.draft_dose import kilograms, route_otherwise
from cds_service.facts.model import Facts, Reading
from cds_service.facts.order_use import is_other, use_of
from cds_service.facts.routes import route_of


@dataclass(frozen=True, slots=True)
class DraftRead:
    """One draft. Doses are None where they cannot be computed (`facts.dosage`); `route` is the id of one of ours or
    empty, and `names_route` tells whether any was named. `has_id` tells whether it can be changed, `other_use` whether
    it is for a use that no pathway answers."""

    kind: str
    selected: bool
    has_id: bool
    other_use: bool
    names_route: bool
    route: str
    dose_mg: float | None
    interval_h: float | None
    daily_mg: float | None


def read_drafts(reading: Reading, facts: Facts) -> tuple[DraftRead, ...]:
    """All drafts of known kinds, in their order."""
    return tuple(_read(reading, facts))


def _read(reading: Reading, facts: Facts) -> Iterator[DraftRead]:
    weight = kilograms(facts["weight"])
    for draft in reading.order.drafts:
        dosage = draft.dosage(weight)
        yield DraftRead(
            kind=draft.kind,
            selected=draft.selected,
            has_id=bool(draft.resource.id),
            other_use=is_other(use_of(draft.resource, reading), reading),
            names_route=bool(dosage.route),
            route=_route(dosage.route, reading),
            dose_mg=dosage.dose_mg,
            interval_h=dosage.interval_h,
            daily_mg=None if route_otherwise(draft, reading) else dosage.daily_mg,
        )


def _route(written: Mapping[str, Any] | None, reading: Reading) -> str:
    return route_of(concept(written), reading) or ""
