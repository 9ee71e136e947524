"""Answering prefetch templates as a FHIR server would."""

from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from cds_service.tools.replay.prefetch import TemplateError, answer, moment

LOINC = "http://loinc.org"
SUBJECT = {"subject": {"reference": "Patient/p1"}}


def observation(name: str, code: str, when: str | None = None, system: str = LOINC, **more: Any) -> dict[str, Any]:
    dated = {"effectiveDateTime": when} if when else {}
    coding = {"coding": [{"system": system, "code": code}]}
    return {"resourceType": "Observation", "id": name, "status": "final", "code": coding, **SUBJECT, **dated, **more}


def ask(template: str, *resources: dict[str, Any], **options: Any) -> Any:
    return answer({"key": template}, resources, "p1", **options).get("key")


def found(template: str, *resources: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in ask(template, *resources).get("entry", [])]


def test_read() -> None:
    patient = {"resourceType": "Patient", "id": "p1"}
    assert ask("Patient/{{context.patientId}}", {"resourceType": "Patient", "id": "p2"}, patient) == patient
    assert ask("Patient/{{context.patientId}}") is None


def test_search_by_patient_takes_only_that_patient() -> None:
    other = observation("o2", "1") | {"subject": {"reference": "Patient/p2"}}
    allergy = {"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"}}
    everything = (observation("o1", "1"), other, allergy)
    assert found("Observation?patient={{context.patientId}}", *everything) == ["o1"]
    assert found("Observation?subject=Patient/{{ context.patientId }}", *everything) == ["o1"]
    assert found("AllergyIntolerance?patient={{context.patientId}}", *everything) == ["a1"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (f"{LOINC}|1", ["loinc-1"]),
        (f"{LOINC}|1,{LOINC}|2", ["loinc-1", "loinc-2"]),
        ("1", ["loinc-1", "other-1"]),
        ("urn:x|1", ["other-1"]),
        (f"{LOINC}|", ["loinc-1", "loinc-2"]),
        (f"{LOINC}|9", []),
    ],
)
def test_token_equality(code: str, expected: list[str]) -> None:
    resources = (observation("loinc-1", "1"), observation("loinc-2", "2"), observation("other-1", "1", system="urn:x"))
    assert found(f"Observation?patient={{{{context.patientId}}}}&code={code}", *resources) == expected


def test_code_matches_the_code_and_not_the_components() -> None:
    panel = observation("panel", "85354-9", component=[{"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}}])
    assert found(f"Observation?patient=p1&code={LOINC}|8480-6", panel) == []
    assert found(f"Observation?patient=p1&code={LOINC}|85354-9", panel) == ["panel"]


def test_code_of_a_drug_and_other_tokens() -> None:
    coding = {"coding": [{"system": "urn:rx", "code": "7"}]}
    order = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "medicationCodeableConcept": coding,
        **SUBJECT,
    }
    assert found("MedicationRequest?patient=p1&code=urn:rx|7&status=active,draft", order) == ["m1"]
    assert found("MedicationRequest?patient=p1&status=draft", order) == []


def test_dirty_resources_do_not_stop_a_search() -> None:
    odd = [observation("a", "1") | {"code": value} for value in ("text", 5, None, {"coding": {"code": "1"}}, [])]
    assert found("Observation?patient=p1&code=1", *odd) == ["a"]


def test_newest_first_and_undated_last() -> None:
    resources = (
        observation("undated", "1"),
        observation("february", "1", "2026-02"),
        observation("late", "1", "2026-03-02T01:00:00+09:00"),
        observation("early", "1", "2026-03-01T14:00:00Z"),
        observation("bad", "1", "yesterday"),
        observation("period", "1") | {"effectivePeriod": {"start": "2026-03-01T15:00:00Z"}},
    )
    ordered = found("Observation?patient=p1&_sort=-date", *resources)
    assert ordered == ["late", "period", "early", "february", "undated", "bad"]
    assert found("Observation?patient=p1&_sort=date", *resources)[-1] == "late"


@pytest.mark.parametrize(
    ("kind", "rule", "element"),
    [
        ("Condition", "-recorded-date", "recordedDate"),
        ("Condition", "-onset-date", "onsetDateTime"),
        ("MedicationRequest", "-authoredon", "authoredOn"),
        ("MedicationAdministration", "-effective-time", "effectiveDateTime"),
        ("MedicationStatement", "-effective", "effectiveDateTime"),
        ("Procedure", "-date", "performedDateTime"),
        ("AllergyIntolerance", "-date", "recordedDate"),
    ],
)
def test_each_type_sorts_by_its_own_element(kind: str, rule: str, element: str) -> None:
    resources = [{"resourceType": kind, "id": day, element: f"2026-03-{day}", **SUBJECT} for day in ("01", "03", "02")]
    assert found(f"{kind}?patient=p1&_sort={rule}", *resources) == ["03", "02", "01"]


def test_ties_and_second_sort_keys() -> None:
    resources = [observation(name, "1", "2026-03-01") for name in ("b", "a", "c")]
    assert found("Observation?patient=p1&_sort=-date", *resources) == ["b", "a", "c"]
    assert found("Observation?patient=p1&_sort=-date,_id", *resources) == ["a", "b", "c"]
    resources[0]["meta"] = {"lastUpdated": "2026-03-03T00:00:00Z"}
    assert found("Observation?patient=p1&_sort=-_lastUpdated", *resources)[0] == "b"


def test_searchset_is_valid_and_says_when_there_is_more() -> None:
    resources = [observation(f"o{n}", "1", f"2026-03-0{n}") for n in (1, 2, 3)]
    page = ask("Observation?patient={{context.patientId}}&_sort=-date&_count=2", *resources)
    assert (page["type"], page["total"], len(page["entry"])) == ("searchset", 3, 2)
    assert [entry["search"] for entry in page["entry"]] == [{"mode": "match"}] * 2
    assert page["entry"][0]["fullUrl"].endswith("/Observation/o3")
    assert {link["relation"] for link in page["link"]} == {"self", "next"}
    Bundle.model_validate(page)
    whole = ask("Observation?patient={{context.patientId}}&_count=3", *resources)
    assert [link["relation"] for link in whole["link"]] == ["self"]


def test_nothing_found_is_a_searchset_without_entries() -> None:
    empty = ask("Observation?patient={{context.patientId}}")
    assert (empty["total"], "entry" in empty) == (0, False)
    Bundle.model_validate(empty)


def test_withheld_types_and_unknown_tokens_leave_the_key_out() -> None:
    allergy = {"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"}}
    template = "AllergyIntolerance?patient={{context.patientId}}"
    assert ask(template, allergy, withhold=["AllergyIntolerance"]) is None
    assert ask(template, allergy, withhold=["Condition"])["total"] == 1
    assert ask("Encounter/{{context.encounterId}}", {"resourceType": "Encounter", "id": "e1"}) is None
    encounter = {"resourceType": "Encounter", "id": "e1"}
    assert ask("Encounter/{{context.encounterId}}", encounter, context={"context.encounterId": "e1"}) == encounter
    assert ask("Practitioner/{{userPractitionerId}}", encounter) is None


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Observation?patient={{context.patientId}}&date=ge2026", "parameter 'date' cannot be answered"),
        ("Observation?patient={{context.patientId}}&code:not=1", "parameter 'code:not' cannot be answered"),
        ("Observation?patient={{context.patientId}}&_count=many", "parameter '_count' cannot be answered"),
        ("Observation?patient={{context.patientId}}&_sort=-weight", "cannot sort by 'weight'"),
        ("Patient", "expected `Type/id`"),
    ],
)
def test_a_template_beyond_this_is_an_error(template: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said.replace("(", r"\(")):
        ask(template, observation("o1", "1"))


@pytest.mark.parametrize("value", [None, 5, "", "2026-13-45", {}, {"start": 3}])
def test_unreadable_times_are_the_far_past(value: object) -> None:
    assert moment(value).year == 1


def test_partial_dates_begin_where_they_begin() -> None:
    assert moment("2026") == moment("2026-01") == moment("2026-01-01") == moment("2026-01-01T00:00:00Z")
