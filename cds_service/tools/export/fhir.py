"""What all exported resources share: canonical urls, names, coded values, and members left out where they are empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Medication, Status

Json = dict[str, Any]

BASE: Final = "https://anakinra-cds.org/fhir"
"""Every canonical url of the export begins with it."""

RULE_SYSTEM: Final = "https://anakinra-cds.org/CodeSystem/rule"
UCUM: Final = "http://unitsofmeasure.org"
DRAFT_NOTICE: Final = "Draft content that no clinician has reviewed; do not use it for care."
_WEAKEST_FIRST: Final[tuple[Status, ...]] = ("draft", "active", "retired")


def given(**members: object) -> Json:
    """The members that hold something: FHIR allows neither null nor an empty string, array or object."""
    return {name: value for name, value in members.items() if value not in (None, "", (), [], {})}


def canonical(kind: str, name: str, version: str = "") -> str:
    """The canonical url of a resource, of one version of it where that is named."""
    return f"{BASE}/{kind}/{name}" + (f"|{version}" if version else "")


def definition(
    kind: str,
    name: str,
    /,
    *,
    version: str,
    title: str,
    status: Status,
    extension: Iterable[Json] = (),
    **members: object,
) -> Json:
    """A resource with what every definition carries; nothing here has been tried in care, so all is experimental."""
    return given(
        resourceType=kind,
        id=name,
        extension=list(extension),
        url=canonical(kind, name),
        version=version,
        name=computer_name(name),
        title=title,
        status=status,
        experimental=True,
        **members,
    )


def edition(knowledge: Knowledge) -> str:
    """The version of what is made of many files: which files they were, and at which site, whose policies differ."""
    return f"{knowledge.digest}-{knowledge.site.id}"


def computer_name(name: str) -> str:
    """`crs-grade-2` as a name for programs: `CrsGrade2`."""
    return "".join(part.capitalize() for part in name.split("-"))


def overall(statuses: Iterable[Status]) -> Status:
    """The status of what is made of several files: a draft while any of them is one."""
    found = set(statuses)
    return next((status for status in _WEAKEST_FIRST if status in found), "draft")


def coding(system: str, code: str, display: str) -> Json:
    """A Coding."""
    return given(system=system, code=code, display=display)


def concept(of: Medication) -> Json:
    """A CodeableConcept from the tables of orders."""
    return {"coding": [coding(of.system, of.code, of.display)], "text": of.display}


def quantity(value: float | int, unit: str) -> Json:
    """A Quantity in UCUM; a bare number where there is no unit."""
    return given(value=value, unit=unit, system=UCUM if unit else "", code=unit)


def plain(number: float | int) -> float | int:
    """100.0 as 100: the files say 100, the models hold a float."""
    return int(number) if number == int(number) else number


def lines(*texts: str) -> str:
    """The texts that there are, one a line."""
    return "\n".join(text for text in texts if text)
