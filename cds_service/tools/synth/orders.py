"""The orders that are asked about, as draft MedicationRequests; and which of them the policy permits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from cds_service.tools.synth.course import Ask, Course
from cds_service.tools.synth.dialect import UCUM, Dialect, Json
from cds_service.tools.synth.figures import Figures
from cds_service.tools.synth.policy import Policy

_ROUTES: Final = {"SC": "subcutaneous", "IV": "intravenous"}
_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Draft:
    """What is ordered: mg, hours between two doses, route; None where it does not say."""

    hook: str
    mg: float | None
    hours: float | None
    route: str
    as_needed: bool

    @property
    def complete(self) -> bool:
        """Dose and frequency are there."""
        return self.mg is not None and self.hours is not None and not self.as_needed

    @property
    def daily(self) -> float:
        """mg a day of a complete draft."""
        return self.mg * _DAY / self.hours if self.mg and self.hours else 0.0


def draft_of(course: Course, ask: Ask, figures: Figures, policy: Policy, *, severe: bool) -> Draft:
    """The draft of a moment. `severe`: the patient needs the severe regimen then."""
    kind = figures.order(ask.order)
    if not kind.permitted:
        return Draft(kind.hook, kind.dose_mg, kind.every_hours, kind.route, kind.as_needed)
    route = "intravenous" if severe else "subcutaneous"
    often, seldom = figures.severe_anakinra_every, figures.mild_anakinra_every
    if course.person.child:
        return Draft(kind.hook, child_dose(course.person.weight * 0.97, policy), often, route, False)
    return Draft(kind.hook, figures.drugs["anakinra"].mg, often if severe else seldom, route, False)


def child_dose(kg: float, policy: Policy) -> float:
    """mg of one dose of a child: by weight, whole mg below, within the maximum."""
    return float(math.floor(min(policy.value("child-dose") * kg, policy.value("child-dose-maximum"))))


def daily_maximum(course: Course, policy: Policy) -> float:
    """mg a day that nothing may exceed."""
    most = policy.value("daily-maximum")
    return min(most, policy.value("child-daily-maximum") * course.person.weight) if course.person.child else most


def permitted(draft: Draft, course: Course, policy: Policy, pathway: str) -> bool:
    """Is a complete draft a permitted regimen of the pathway (a key of the policy's `permitted`)?"""
    if not draft.complete or draft.mg is None or draft.hours is None:
        return False
    if pathway == "crs-severe" and draft.route != "intravenous":
        return False
    if course.person.child:
        least, most = policy.child_intervals
        return least <= draft.hours <= most and draft.mg <= child_dose(course.person.weight, policy)
    return (draft.mg, draft.hours) in policy.permitted[pathway]


def resource_of(draft: Draft, course: Course, dialect: Dialect) -> Json:
    """The draft as the EHR holds it while it is written."""
    order: Json = {
        "resourceType": "MedicationRequest",
        "id": "draft-anakinra",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": dialect.concept("anakinra"),
        "subject": {"reference": f"Patient/{course.person.id}"},
    }
    dosage: Json = {}
    if draft.hours is not None:
        repeat = {"frequency": 1, "period": draft.hours, "periodUnit": "h"}
        days = {"value": 3, "unit": "d", "system": UCUM, "code": "d"}
        dosage["timing"] = {"repeat": repeat | {"boundsDuration": days}}
    if draft.as_needed:
        dosage["asNeededBoolean"] = True
    if draft.route:
        dosage["route"] = dialect.concept(draft.route)
    if draft.mg is not None:
        dosage["doseAndRate"] = [{"doseQuantity": dialect.quantity("dose", draft.mg)}]
    return order | {"dosageInstruction": [dosage]} if dosage else order
