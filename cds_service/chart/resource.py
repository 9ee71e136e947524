"""One FHIR resource as it came, with what is derived from it remembered: concept, patient, times, validity.

Resources live as long as the parsed prefetch value that they came in (see `read.py`), so a repeated call derives
nothing twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from cds_service.chart.medication import drug_of, ingredients_of, medication_named
from cds_service.chart.server import unversioned
from cds_service.chart.status_words import UNREADABLE, status_in
from cds_service.chart.times import YEARS, When, parse_when
from cds_service.chart.validation import as_read, problem_of
from cds_service.chart.vocabulary import NOTHING, Concept, Matcher, concept

T = TypeVar("T")


class derived(Generic[T]):  # reads as what it does, like `property`
    """A property that is derived once and then an attribute: `functools.cached_property` without the lock that it takes
    before Python 3.12. Two threads may both derive it, and derive the same."""

    def __init__(self, derive: Callable[[Any], T]) -> None:
        self._derive = derive
        self._name = derive.__name__
        self.__doc__ = derive.__doc__

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> T:
        made: T
        made = instance.__dict__[self._name] = self._derive(instance)
        return made


# FHIR R4: where each resource type says what it is about, and which element says when it was true.
_MEDICATION: Final = "medicationCodeableConcept"
_CONCEPT: Final = {
    "MedicationAdministration": _MEDICATION,
    "MedicationRequest": _MEDICATION,
    "MedicationStatement": _MEDICATION,
    "Immunization": "vaccineCode",
}
_TIMES = {
    "Condition": ("onsetDateTime", "onsetPeriod", "recordedDate"),
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod"),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod"),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod", "dateAsserted"),
    "MedicationRequest": ("authoredOn",),
    "AllergyIntolerance": ("onsetDateTime", "recordedDate", "lastOccurrence"),
    "Immunization": ("occurrenceDateTime",),
    "ServiceRequest": ("authoredOn", "occurrenceDateTime"),
}


def _element_of(kind: str) -> str:
    return _CONCEPT.get(kind, "code")


_NO_STATUS = "status: expected one that FHIR R4 knows"
_LONGEST_ID = 128  # twice what FHIR R4 allows: some servers write longer ones


def reference_to(raw: Mapping[str, Any]) -> str:
    """`Type/id`; for a type that is missing, and for an id that is missing or too long to be one, what stands for it:
    short, and another for each id."""
    kind = raw.get("resourceType")
    identity = str(raw.get("id") or "")
    if len(identity) > _LONGEST_ID:
        digest = hashlib.sha256(identity.encode(errors="surrogatepass")).hexdigest()
        identity = f"{identity[:32]}~{digest[:16]}"
    return f"{kind if isinstance(kind, str) and kind else '?'}/{identity or '?'}"


class Resource:
    """A raw resource of the chart; every property is derived once and never raises on odd input."""

    def __init__(self, raw: Mapping[str, Any], medications: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.raw = raw
        self.type = str(raw.get("resourceType", ""))
        self.id = str(raw.get("id") or "")
        self.ref = reference_to(raw)
        self.medications = medications or {}
        self._remembered: dict[object, Any] = {}

    def __repr__(self) -> str:
        return f"Resource({self.ref})"

    @derived
    def patient_id(self) -> str:
        """The bare id of the patient that this resource is about; "" where it names none."""
        if self.type == "Patient":
            return self.id
        subject = self.raw.get("subject") or self.raw.get("patient")
        reference = subject.get("reference") if isinstance(subject, dict) else None
        if not isinstance(reference, str) or "Patient/" not in reference:
            return ""
        return reference.split("Patient/", 1)[1].split("/", 1)[0]

    @derived
    def concept(self) -> Concept:
        """What the resource is about (code, medication, vaccine), normalised."""
        element = _element_of(self.type)
        return concept(self.raw.get(element)) if element != _MEDICATION else self._medication()

    def _medication(self) -> Concept:
        own = concept(self.raw.get(_MEDICATION))
        reference = self.raw.get("medicationReference")
        if not own.empty or not isinstance(reference, Mapping):
            return own
        found = self._medication_at(reference)
        resolved = drug_of(found, self._medication_at) if found is not None else NOTHING
        return resolved if not resolved.empty else concept({"text": reference.get("display")})

    def _medication_at(self, reference: object) -> Mapping[str, Any] | None:
        """The Medication that a reference of this resource names, where it came with it or with another query."""
        target = str(reference.get("reference") or "") if isinstance(reference, Mapping) else ""
        if not target.startswith("#"):
            return medication_named(self.medications, unversioned(target)) if target else None
        held = self.raw.get("contained")
        parts = held if isinstance(held, list) else []
        return next((c for c in parts if isinstance(c, Mapping) and c.get("id") == target[1:]), None)

    @derived
    def ordered_by(self) -> tuple[str, ...]:
        """`Type/id` of each order that it says it carries out, or follows from."""
        named = [self.raw.get("request")]
        for element in ("basedOn", "derivedFrom"):
            value = self.raw.get(element)
            named += value if isinstance(value, list) else [value]
        written = (each.get("reference") for each in named if isinstance(each, Mapping))
        return tuple("/".join(unversioned(each).split("/")[-2:]) for each in written if isinstance(each, str))

    @derived
    def ingredients(self) -> tuple[Concept, ...]:
        """What the Medication that the resource refers to is mixed of; empty where it names no ingredients."""
        found = self._medication_at(self.raw.get("medicationReference"))
        return ingredients_of(found, self._medication_at)

    @derived
    def form(self) -> Concept:
        """The form of the Medication that the resource refers to: a cream, a tablet; empty where nothing says it."""
        found = self._medication_at(self.raw.get("medicationReference"))
        return concept(found.get("form") if found is not None else None)

    @derived
    def dosages(self) -> tuple[Mapping[str, Any], ...]:
        """The dosages of a drug that is given, stated or ordered."""
        written = self.raw.get("dosage") or self.raw.get("dosageInstruction")
        each = written if isinstance(written, list) else [written]
        return tuple(dosage for dosage in each if isinstance(dosage, Mapping))

    @derived
    def unresolved(self) -> str:
        """The reference that alone names the drug, where nothing here says which drug that is; else ""."""
        reference = self.raw.get("medicationReference")
        if not isinstance(reference, Mapping) or not self.concept.empty:
            return ""
        target = reference.get("reference")
        return unversioned(target) if isinstance(target, str) and not target.startswith("#") else ""

    def matches(self, matcher: Matcher) -> bool:
        """Whether the resource's concept is in a value set."""
        return matcher.matches(self.concept)

    @derived
    def problem(self) -> str:
        """Why what is read of the resource is no valid FHIR R4 ("" where it is). What it is about is another question:
        where that is missing or malformed, it is as not understood as an empty concept."""
        problem = problem_of(self.raw)
        if problem:
            read = as_read(self.raw)
            problem = problem_of(read if "medicationReference" in read else {**read, _element_of(self.type): {}})
        return problem or (_NO_STATUS if self.status == UNREADABLE else "")

    @derived
    def status(self) -> str:
        """The status by FHIR R4's word for it; `unreadable` where it is missing, or no word of R4."""
        return status_in(self.type, self.raw.get("status"))

    @derived
    def when(self) -> When | None:
        """When the resource was true: the first of its type's time elements that can be read."""
        for element in _TIMES.get(self.type, ()):
            found = self.time(element)
            if found is not None:
                return found
        return None

    def remember(self, key: object, derive: Callable[[Resource], T]) -> T:
        """What `derive` makes of this resource, made once. The key names what is derived."""
        if key not in self._remembered:
            self._remembered[key] = derive(self)
        made: T = self._remembered[key]
        return made

    def time(self, element: str) -> When | None:
        """One time element as an interval; a Period runs from its start to its end (or start, if still open).

        None for a time that nothing can have been recorded at, such as the year 9999; a Period may end then.
        """
        value = self.raw.get(element)
        if not isinstance(value, dict):
            return recorded(value)
        start, end = recorded(value.get("start")), self.end(element)
        if start is None:
            return recorded(value.get("end"))
        last = end or start
        return When(start.start, last.end) if start.start <= last.end else None

    def end(self, element: str) -> When | None:
        """The end of a Period; None where it is open, or names no time."""
        value = self.raw.get(element)
        written = value.get("end") if isinstance(value, Mapping) else None
        return parse_when(written) if isinstance(written, str) else None

    def text(self, element: str) -> str:
        """A string element; "" where it is missing or something else."""
        value = self.raw.get(element)
        return value if isinstance(value, str) else ""

    def code(self, element: str) -> str:
        """The first code of a CodeableConcept element such as clinicalStatus; its text where it has no code."""
        return self.remember(("code", element), lambda r: _first_code(r.raw.get(element)))


def recorded(value: object) -> When | None:
    """A written time at which something may have been recorded of a patient; None for anything else."""
    when = parse_when(value) if isinstance(value, str) else None
    return when if when is not None and when.start.year in YEARS else None


def _first_code(value: object) -> str:
    found = concept(value)
    return found.codes[0][1] if found.codes else found.text
