"""The resources that a dialect is written with: small builders of valid FHIR R4, which know nothing of a course."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cds_service.tools.synth.course import Person
from cds_service.tools.synth.dialect import Dialect, Json

_HL7: Final = "http://terminology.hl7.org/CodeSystem/"
_STATUS_CHANGED: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.statusChanged"


@dataclass(frozen=True, slots=True)
class Record:
    """A resource, what of the course it says (`about`), and since when it is in the chart."""

    resource: Json
    about: str
    at: int


@dataclass(slots=True)
class Pen:
    """Writes one patient's resources, in the order of writing; ids are counted by type."""

    dialect: Dialect
    person: Person
    records: list[Record] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def time(self, at: int) -> str:
        """A time of the course, in the dialect's zone."""
        return self.person.moment(at).isoformat()

    def concept(self, name: str) -> Json:
        """The CodeableConcept of a name."""
        return self.dialect.concept(name)

    def write(self, kind: str, about: str, at: int, elements: Mapping[str, Any], *, owner: str = "subject") -> str:
        """Keep one resource; its reference."""
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        identifier = f"{self.person.id}-{_SHORT.get(kind, kind[:3].lower())}{number}"
        about_whom = {owner: {"reference": f"Patient/{self.person.id}"}}
        self.records.append(Record({"resourceType": kind, "id": identifier} | about_whom | dict(elements), about, at))
        return f"{kind}/{identifier}"

    def observation(
        self, name: str, at: int, value: Json, *, category: str, issued: int | None = None, about: str = ""
    ) -> str:
        """A final Observation; `value` holds its value[x] or components."""
        elements: Json = {
            "status": "final",
            "category": _CATEGORIES[category],
            "code": self.concept(name),
            "effectiveDateTime": self.time(at),
        }
        if issued is not None:
            elements["issued"] = self.time(issued)
        return self.write("Observation", about or name, at, elements | value)

    def condition(
        self, name: str, onset: int, recorded: int, ended: int | None, *, verification: str = "confirmed"
    ) -> str:
        """An entry of the problem list."""
        elements: Json = {
            "clinicalStatus": _coded("condition-clinical", "active" if ended is None else "resolved"),
            "verificationStatus": _coded("condition-ver-status", verification),
            "category": _PROBLEM,
            "code": self.concept(name),
            "onsetDateTime": self.time(onset),
            "recordedDate": self.time(recorded),
        }
        if name in self.dialect.stages:
            elements["stage"] = [{"summary": {"text": self.dialect.stages[name]}}]
        if ended is not None:
            elements["abatementDateTime"] = self.time(ended)
        return self.write("Condition", name, recorded, elements)

    def drug(self, name: str) -> Json:
        """Which drug, as the dialect says it: a code, or a Medication inside, perhaps with what it is mixed with."""
        concept, how = self.concept(name), self.dialect.shapes.drug
        if how == "code":
            return {"medicationCodeableConcept": concept}
        inside: Json = {"resourceType": "Medication", "id": "drug"}
        if how == "contained":
            inside["code"] = concept
        else:
            mixed = [concept, self.concept("saline")]
            inside["ingredient"] = [{"itemCodeableConcept": each} for each in mixed]
        return {"contained": [inside], "medicationReference": {"reference": "#drug"}}

    def administration(
        self, name: str, at: int, ends: int | None, dosage: Json, *, status: str = "completed", about: str = ""
    ) -> str:
        """A row of what was given; with `ends` one that lasted."""
        when: Json = {"effectiveDateTime": self.time(at)}
        if ends is not None:
            when = {"effectivePeriod": {"start": self.time(at), "end": self.time(ends)}}
        elements = {"status": status} | self.drug(name) | when | {"dosage": dosage}
        return self.write("MedicationAdministration", about or name, at, elements)

    def order(self, name: str, at: int, ends: int | None, more: Json) -> str:
        """A drug order; with `ends` one that was completed then."""
        elements: Json = {"status": "active" if ends is None else "completed", "intent": "order"}
        if ends is not None:
            elements["extension"] = [{"url": _STATUS_CHANGED, "valueDateTime": self.time(ends)}]
        elements |= self.drug(name) | {"authoredOn": self.time(at)} | more
        return self.write("MedicationRequest", f"order-{name}", at, elements)

    def procedure(self, name: str, at: int, ends: int | None) -> str:
        """Something done; with `ends` what lasted."""
        when: Json = {"performedDateTime": self.time(at)}
        if ends is not None:
            when = {"performedPeriod": {"start": self.time(at), "end": self.time(ends)}}
        return self.write("Procedure", name, at, {"status": "completed", "code": self.concept(name)} | when)

    def allergy(self, name: str, recorded: int, *, verification: str, anaphylaxis: bool) -> str:
        """An entry of the allergy list."""
        elements: Json = {
            "clinicalStatus": _coded("allergyintolerance-clinical", "active"),
            "verificationStatus": _coded("allergyintolerance-verification", verification),
            "code": self.concept(name),
            "recordedDate": self.time(recorded),
        }
        if anaphylaxis:
            elements["criticality"] = "high"
            elements["reaction"] = [{"manifestation": [self.concept("anaphylaxis")], "severity": "severe"}]
        return self.write("AllergyIntolerance", f"allergy-{name}", recorded, elements, owner="patient")

    def report(self, name: str, at: int, issued: int, result: str, conclusion: str) -> str:
        """A microbiology report of one result."""
        elements = {
            "status": "final",
            "category": [_coded("v2-0074", "MB")],
            "code": self.concept(name),
            "effectiveDateTime": self.time(at),
            "issued": self.time(issued),
            "result": [{"reference": result}],
            "conclusion": conclusion,
        }
        return self.write("DiagnosticReport", name, at, elements)


def patient(person: Person) -> Json:
    """The Patient, marked as one that nobody is."""
    return {
        "resourceType": "Patient",
        "id": person.id,
        "meta": {"security": [{"system": f"{_HL7}v3-ActReason", "code": "HTEST", "display": "test health data"}]},
        "active": True,
        "name": [{"use": "official", "family": "Synthetic", "given": [person.id]}],
        "gender": "female" if person.female else "male",
        "birthDate": person.born.isoformat(),
    }


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": f"{_HL7}{system}", "code": code}]}


INPATIENT: Final = {"system": f"{_HL7}v3-ActCode", "code": "IMP", "display": "inpatient encounter"}
_SHORT: Final = {"MedicationAdministration": "mar", "MedicationRequest": "ord", "MedicationStatement": "home"}
_PROBLEM: Final = [_coded("condition-category", "problem-list-item")]
_CATEGORIES: Final = {
    name: [_coded("observation-category", name)] for name in ("vital-signs", "laboratory", "survey", "social-history")
}
