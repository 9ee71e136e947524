"""Small builders of FHIR R4 resources of one synthetic patient. Codes come from the project's own sources only;
a concept for which there is no proven code is text only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Resource = dict[str, Any]

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CVX = "http://hl7.org/fhir/sid/cvx"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"

# name -> (system, code, display)
DRUGS: dict[str, tuple[str, str, str]] = {
    "adalimumab": (RXNORM, "327361", "adalimumab"),
    "anakinra": (RXNORM, "72435", "anakinra"),
    "axi-cel": (RXNORM, "1987398", "axicabtagene ciloleucel"),
    "brexu-cel": (RXNORM, "2387277", "brexucabtagene autoleucel"),
    "cilta-cel": (RXNORM, "2594775", "ciltacabtagene autoleucel"),
    "dexamethasone": (RXNORM, "3264", "dexamethasone"),
    "epinephrine": (RXNORM, "3992", "epinephrine"),
    "etanercept": (RXNORM, "214555", "etanercept"),
    "ide-cel": (RXNORM, "2536430", "idecabtagene vicleucel"),
    "infliximab": (RXNORM, "191831", "infliximab"),
    "liso-cel": (RXNORM, "2479136", "lisocabtagene maraleucel"),
    "MMR vaccine": (CVX, "03", "measles, mumps and rubella virus vaccine"),
    "norepinephrine": (RXNORM, "7512", "norepinephrine"),
    "pegfilgrastim": (RXNORM, "338036", "pegfilgrastim"),
    "phenylephrine": (RXNORM, "8163", "phenylephrine"),
    "tisa-cel": (RXNORM, "1986438", "tisagenlecleucel"),
    "tocilizumab": (RXNORM, "612865", "tocilizumab"),
    "tocilizumab syringe": (RXNORM, "1441527", "0.9 ML tocilizumab 180 MG/ML Prefilled Syringe"),
}
PROBLEMS: dict[str, tuple[str, str, str]] = {
    "bacteremia": (SNOMED, "5758002", "Bacteremia"),
    "E. coli sepsis": (ICD10, "A41.51", "Sepsis due to Escherichia coli [E. coli]"),
    "iec-hs": (ICD10, "D76.1", "Hemophagocytic lymphohistiocytosis"),
    "pregnancy": (ICD10, "Z33.1", "Pregnant state, incidental"),
    "sepsis": (SNOMED, "91302008", "Sepsis"),
    "SLE": (ICD10, "M32.9", "Systemic lupus erythematosus, unspecified"),
}
# name -> (LOINC code, display, UCUM code of the usual unit)
MEASURES: dict[str, tuple[str, str, str]] = {
    "alt": ("1742-6", "Alanine aminotransferase", "U/L"),
    "anc": ("751-8", "Neutrophils [#/volume] in Blood by Automated count", "10*3/uL"),
    "creatinine": ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL"),
    "crcl": ("2164-2", "Creatinine renal clearance in 24 hour Urine and Serum or Plasma", "mL/min"),
    "crp": ("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "mg/dL"),
    "dbp": ("8462-4", "Diastolic blood pressure", "mm[Hg]"),
    "ast": ("1920-8", "Aspartate aminotransferase", "U/L"),
    "ferritin": ("2276-4", "Ferritin [Mass/volume] in Serum or Plasma", "ng/mL"),
    "fibrinogen": ("3255-7", "Fibrinogen [Mass/volume] in Platelet poor plasma by Coagulation assay", "mg/dL"),
    "o2_flow": ("3151-8", "Inhaled oxygen flow rate", "L/min"),
    "platelets": ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL"),
    "sbp": ("8480-6", "Systolic blood pressure", "mm[Hg]"),
    "spo2": ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%"),
    "temp": ("8310-5", "Body temperature", "Cel"),
    "triglycerides": ("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL"),
    "weight": ("29463-7", "Body weight", "kg"),
}


def concept(text: str, coding: tuple[str, str, str] | None = None) -> Resource:
    """A CodeableConcept; text only where no coding is given."""
    if coding is None:
        return {"text": text}
    system, code, display = coding
    return {"coding": [{"system": system, "code": code, "display": display}], "text": text}


def status(axis: str, code: str) -> Resource:
    """A status CodeableConcept of HL7's own code systems, such as axis `condition-clinical`."""
    return {"coding": [{"system": f"{_TERMINOLOGY}/{axis}", "code": code}]}


def quantity(value: float, unit: str) -> Resource:
    """A Quantity in UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def instant(moment: datetime) -> str:
    """A FHIR dateTime with its zone."""
    return moment.isoformat(timespec="seconds")


@dataclass(slots=True)
class Builder:
    """Builds resources of one patient in `made`, with ids that count up by type."""

    patient_id: str
    made: list[Resource] = field(default_factory=list)

    def add(self, kind: str, owner: str = "subject", /, **elements: Any) -> Resource:
        """One resource; elements that are None are left out."""
        number = sum(1 for resource in self.made if resource["resourceType"] == kind) + 1
        resource: Resource = {"resourceType": kind, "id": f"{self.patient_id}-{kind.lower()}-{number}"}
        resource |= {name: value for name, value in elements.items() if value is not None}
        resource[owner] = {"reference": f"Patient/{self.patient_id}"}
        self.made.append(resource)
        return resource

    def patient(self, birth_date: str, gender: str) -> None:
        """The Patient, first of all."""
        self.made.insert(
            0,
            {"resourceType": "Patient", "id": self.patient_id, "gender": gender, "birthDate": birth_date},
        )

    def given(
        self,
        drug: str,
        when: datetime,
        *,
        dose: Resource | None = None,
        text: str | None = None,
        route: str | None = None,
        running: bool = False,
    ) -> None:
        """A MedicationAdministration: completed at `when`, or running since."""
        dosage = {"text": text, "route": {"text": route} if route else None, "dose": dose}
        dosage = {name: value for name, value in dosage.items() if value is not None}
        self.add(
            "MedicationAdministration",
            status="in-progress" if running else "completed",
            medicationCodeableConcept=concept(drug, DRUGS.get(drug)),
            effectiveDateTime=None if running else instant(when),
            effectivePeriod={"start": instant(when)} if running else None,
            dosage=dosage or None,
        )

    def ordered(
        self, drug: str, when: datetime | None, *, state: str = "active", dosage: Resource | None = None
    ) -> None:
        """A MedicationRequest."""
        self.add(
            "MedicationRequest",
            status=state,
            intent="order",
            medicationCodeableConcept=concept(drug, DRUGS.get(drug)),
            authoredOn=None if when is None else instant(when),
            dosageInstruction=[dosage] if dosage else None,
        )

    def problem(
        self,
        code: Resource,
        *,
        onset: datetime | None,
        recorded: datetime | None = None,
        abated: datetime | None = None,
        clinical: str = "active",
        verification: str = "confirmed",
    ) -> None:
        """A Condition; abated ones are resolved."""
        clinical = "resolved" if abated else clinical
        self.add(
            "Condition",
            clinicalStatus=status("condition-clinical", clinical),
            verificationStatus=status("condition-ver-status", verification),
            category=[status("condition-category", "encounter-diagnosis")],
            code=code,
            onsetDateTime=onset and instant(onset),
            abatementDateTime=abated and instant(abated),
            recordedDate=instant(recorded or onset) if recorded or onset else None,
        )

    def measured(self, name: str, value: float, when: datetime, unit: str | None = None) -> None:
        """An Observation of one quantity in its usual unit, or another; blood pressure comes as a panel."""
        code, display, usual = MEASURES[name]
        vital = name in ("temp", "spo2", "o2_flow", "weight", "sbp")
        self.add(
            "Observation",
            status="final",
            category=[status("observation-category", "vital-signs" if vital else "laboratory")],
            code=concept(display, (LOINC, code, display)),
            effectiveDateTime=instant(when),
            valueQuantity=quantity(value, unit or usual),
        )

    def pressure(self, systolic: float, diastolic: float, when: datetime) -> None:
        """A blood pressure panel with its two components."""
        parts = [
            {
                "code": concept(display, (LOINC, code, display)),
                "valueQuantity": quantity(value, unit),
            }
            for value, (code, display, unit) in ((systolic, MEASURES["sbp"]), (diastolic, MEASURES["dbp"]))
        ]
        self.add(
            "Observation",
            status="final",
            category=[status("observation-category", "vital-signs")],
            code=concept("Blood pressure", (LOINC, "85354-9", "Blood pressure panel")),
            effectiveDateTime=instant(when),
            component=parts,
        )

    def culture(self, organism: str | None, when: datetime) -> None:
        """A final blood culture: positive with an organism, else negative."""
        self.add(
            "Observation",
            status="final",
            category=[status("observation-category", "laboratory")],
            code=concept("Blood culture", (LOINC, "600-7", "Bacteria identified in Blood by Culture")),
            effectiveDateTime=instant(when),
            valueCodeableConcept={"text": organism or "No growth"},
            interpretation=[status("v3-ObservationInterpretation", "POS" if organism else "NEG")],
        )
