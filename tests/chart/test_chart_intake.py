"""How a prefetch came in, and what of it nothing recognised: codes and units only, never words of a chart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cds_service.assess import DRAFTS
from cds_service.chart.intake import NO_UNIT, UNIT_IN_WORDS, Unmapped
from cds_service.chart.vocabulary import concept
from cds_service.record import entry
from tests.facts.house import REFRACTORY, Case, bundle, service
from tests.facts.notation import NOW, PATIENT
from tests.web.test_web_audit import CANARY

LOCAL = "urn:oid:2.999.1.4"
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
OF = {"subject": {"reference": f"Patient/{PATIENT}"}}


def intake(case: Case) -> Any:
    found = service().assess(case.call(), NOW)
    assert found is not None
    return found.intake


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (bundle([{"resourceType": "Condition", "id": "c", **OF, "code": {"text": "gout"}}]), "sent"),
        (bundle([]), "empty"),
        (None, "empty"),
        (OUTCOME, "failed"),
        ("x", "failed"),
        (bundle([OUTCOME]), "failed"),
        (bundle([{"resourceType": "Condition", "id": "c", "code": {"text": "gout"}}]), "failed"),  # whose is it?
        (bundle([{"resourceType": "Condition", "id": "c", **OF}], total=7), "truncated"),
        ({"resourceType": "Condition", "id": "c", **OF, "code": {"text": "gout"}}, "truncated"),  # and what else?
    ],
)
def test_what_became_of_a_prefetch_key(value: Any, state: str) -> None:
    assert intake(Case(given=REFRACTORY, prefetch={"conditions": value})).sent["conditions"] == state


def test_a_patient_alone_is_whole() -> None:
    """It is read by its id, and not searched for."""
    assert intake(Case(given=REFRACTORY)).sent["patient"] == "sent"


def test_a_key_that_was_not_sent_is_missing() -> None:
    found = intake(Case(given=REFRACTORY, missing=["labs"])).sent
    assert (found["labs"], found["patient"]) == ("missing", "sent")


def condition(**code: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": f"c-{CANARY}", **OF, "code": code}


def observation(code: str, value: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    coding = {"coding": [{"system": "http://loinc.org", "code": code}]}
    return {"resourceType": "Observation", "id": "o", "status": "final", **OF, "code": coding, **value, **more}


def coding(system: str, code: str, display: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


@pytest.mark.parametrize(
    ("code", "met"),
    [
        # A code of the hospital's own: readable words beside it say that it is something, and no value set holds it.
        (coding(LOCAL, "CRS-2", f"CTOX {CANARY} two"), [Unmapped("conditions", "", LOCAL, "CRS-2")]),
        (coding(LOCAL, "CRS-2"), [Unmapped("conditions", "a code without words", LOCAL, "CRS-2")]),
        # A public terminology: what its words say is something else; without words nobody can tell.
        (coding("http://snomed.info/sct", "73211009", f"Something {CANARY} else"), []),
        (
            coding("http://snomed.info/sct", "123456789"),
            [Unmapped("conditions", "a code without words", "http://snomed.info/sct", "123456789")],
        ),
        (coding("http://hl7.org/fhir/sid/icd-10-cm", "M10.9", "Gout"), []),
        # Words alone, and what only looks like a code, are counted and not kept.
        ({"text": "XQZ"}, [Unmapped("conditions", "words only: an abbreviation that is not listed")]),
        ({"text": f"ordinary words {CANARY}"}, []),
        (coding(LOCAL, f"see {CANARY} there"), [Unmapped("conditions", "words only: a code without words")]),
        (coding(f"{CANARY} list", "7"), [Unmapped("conditions", "words only: a code without words")]),
    ],
)
def test_codes_that_nothing_recognised(code: dict[str, Any], met: list[Unmapped]) -> None:
    case = Case(given=REFRACTORY, prefetch={"conditions": bundle([condition(**code)])})
    assert [each for each, _ in intake(case).unmapped if each.source == "conditions"] == met


def test_a_value_set_counts_only_where_somebody_looks_for_it() -> None:
    """The words name a route of administration, which says nothing of an allergy."""
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": OF["subject"]}
    allergies = bundle([{**allergy, "code": coding(LOCAL, "A7", "topical stuff")}])
    found = intake(Case(given=REFRACTORY, prefetch={"allergies": allergies})).unmapped
    assert [each for each, _ in found] == [Unmapped("allergies", "", LOCAL, "A7")]
    assert service().program.mapped.matcher.recognised(concept({"text": "topical stuff"})).mentioned


@pytest.mark.parametrize(
    ("quantity", "unit"),
    [
        ({"value": 1.2, "unit": "mg/dL"}, None),
        ({"value": 1.2, "unit": "mg/dram"}, "mg/dram"),
        ({"value": 1.2}, NO_UNIT),
        ({"value": 1.2, "unit": f"as {CANARY} said"}, UNIT_IN_WORDS),
        ({"unit": "furlong"}, None),  # no number that anybody could read
    ],
)
def test_units_that_are_not_read(quantity: dict[str, Any], unit: str | None) -> None:
    labs = bundle([observation("2160-0", {"valueQuantity": quantity})])
    found = intake(Case(given=REFRACTORY, prefetch={"labs": labs})).unmapped
    wanted = [] if unit is None else [Unmapped("labs", "a unit that is not read", unit=unit, of="creatinine")]
    assert [each for each, _ in found] == wanted


def test_results_components_and_drafts_are_looked_at_too() -> None:
    grown = observation("600-7", {"valueCodeableConcept": coding(LOCAL, "G")})
    parted = observation("85354-9", {"component": [{"code": coding(LOCAL, "10005.1")}]})
    case = Case(given=REFRACTORY, prefetch={"cultures": bundle([grown]), "vitals": bundle([parted])})
    assert {each.source for each, _ in intake(case).unmapped} == {"cultures value", "vitals component"}
    call = Case(given=REFRACTORY).call()
    draft = {**call.draft_orders[0], "medicationCodeableConcept": coding("urn:oid:2.999.1.2", "40012")}
    found = service().assess(replace(call, draft_orders=(draft,)), NOW)
    assert found is not None
    assert [each.source for each, _ in found.intake.unmapped] == [DRAFTS]


def test_a_record_holds_codes_and_states_and_no_word_of_the_chart() -> None:
    codes = [condition(**coding(LOCAL, f"K{n}", f"{CANARY} {n}")) for n in range(70)]
    case = Case(given=REFRACTORY, prefetch={"conditions": bundle(codes)}, missing=["labs"])
    assessment, call = service().assess(case.call(), NOW), case.call()
    assert assessment is not None
    found = entry(call, assessment, service().advice(call.service_id, assessment), assessment.intake, NOW).found
    assert found["prefetch"]["missing"] == ["labs"]
    assert (len(found["unmapped"]), found["unmappedMore"]) == (60, 10)
    assert set(found["unmapped"][0]) <= {"source", "system", "code", "why", "times"}
    assert found["orders"][0]["unknown"]["creatinine-increase"] == "not-read"
    assert CANARY not in json.dumps(found)


def test_advice_is_given_whatever_happens_to_what_is_counted_beside_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = Case(given=REFRACTORY).answers()

    def broken(*given: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("cds_service.assess.unmapped", broken)
    assert Case(given=REFRACTORY).answers() == before
    assert intake(Case(given=REFRACTORY)).sent == {}
    assert "could not be counted: RuntimeError" in caplog.text
    assert CANARY not in caplog.text
