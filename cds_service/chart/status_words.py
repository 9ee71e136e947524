"""The words that FHIR R4 has for the status of a record, and what stands for any other.

A record whose status is missing, or no word of the standard, is neither given nor withdrawn: nobody can tell. Source:
the required bindings of `status` in FHIR R4 4.0.1 (event-status, observation-status, diagnostic-report-status,
medicationrequest-status, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNREADABLE: Final = "unreadable"
_EVENT: Final = ("in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown")
_RESULT: Final = (
    "registered",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "cancelled",
    "entered-in-error",
    "unknown",
)
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "MedicationAdministration": frozenset(_EVENT),
    "Procedure": frozenset((*_EVENT, "preparation")),
    "Immunization": frozenset(("completed", "entered-in-error", "not-done")),
    "Observation": frozenset(_RESULT),
    "DiagnosticReport": frozenset((*_RESULT, "partial", "appended")),
    "MedicationRequest": frozenset(
        ("active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown")
    ),
    "MedicationStatement": frozenset(
        ("active", "completed", "entered-in-error", "intended", "stopped", "on-hold", "unknown", "not-taken")
    ),
}


def status_in(kind: str, written: object) -> str:
    """The status that a resource of this type states: a word of R4, whatever its case; else `unreadable`. Of types
    whose status R4 does not require, as written; "" where it is no text."""
    said = written if isinstance(written, str) else ""
    words = _WORDS.get(kind)
    if words is None or said in words:
        return said
    folded = "-".join(said.lower().replace("_", " ").replace("-", " ").split())
    return folded if folded in words else UNREADABLE
