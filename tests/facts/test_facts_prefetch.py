"""What each state of a prefetch key means: "a prefetch key that is missing, or an OperationOutcome, = not done; `null`
or an empty Bundle = no data. Failed or missing = unknown, never negative." (design, "Reading charts")"""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.errors import CallError
from tests.facts.house import REFRACTORY, TAKEN_AWAY, Case, bundle, service
from tests.facts.notation import patient, resources

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
EMPTY: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
NEXT = EMPTY | {"link": [{"relation": "next", "url": "https://example.org/2"}]}
FAILED: dict[str, Any] = {
    "OperationOutcome": OUTCOME,
    "more pages": NEXT,
    "total above": EMPTY | {"total": 3},
    "error among the results": bundle([OUTCOME]),
    "entry without a resource": EMPTY | {"entry": [{"fullUrl": "x"}]},
    "entry is no list": EMPTY | {"entry": {}},
    "a number": 3,
    "not FHIR": {"a": 1},
}
NO_DATA: dict[str, Any] = {
    "null": None,
    "empty Bundle": EMPTY,
    "empty entry": EMPTY | {"entry": []},
    "no type": {"resourceType": "Bundle"},
    "total 0": EMPTY | {"total": 0},
    "a warning only": bundle(
        [{"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "informational"}]}]
    ),
}
CATALOGUE = service().knowledge.catalogue
QUERIES = [name for name in CATALOGUE.queries if name != "patient"]
# A read that is needed to say no: (fact, query), for every fact whose successful empty read says no.
DECLARED = [
    (name, query)
    for name, definition in CATALOGUE.facts.items()
    if definition.source.empty_means == "no"
    for query in CATALOGUE.reads(name)
    if not CATALOGUE.queries[query].weak and (name, query) not in TAKEN_AWAY
]
# A computation looks at queries that not every one of its facts needs for a no, and a fact may be made of others.
COMPUTED = [
    ("pathway-in-scope", "procedures"),
    ("pathway-in-scope", "administrations"),
    ("pathway-in-late-scope", "procedures"),
    ("pathway-in-late-scope", "administrations"),
    ("vasopressor-running", "administrations"),
    ("vasopressor-running", "requests"),
    ("vasopressin-alone", "administrations"),
    ("vasopressin-alone", "requests"),
    ("inotrope-running", "administrations"),
    ("ventilation-not-for-oxygen", "procedures"),
    ("ventilation-not-for-oxygen", "vitals"),
    ("oxygen-given", "procedures"),
    ("oxygen-given", "vitals"),
    ("crs-graded-by-another-scale", "conditions"),
    ("crs-graded-by-another-scale", "vitals"),
    ("tocilizumab-doses", "administrations"),
    ("tocilizumab-doses", "requests"),
    ("tocilizumab-given-recently", "administrations"),
    ("tocilizumab-doses-stated-only", "administrations"),
    ("tocilizumab-cap-reached", "administrations"),
    ("anakinra-course-hours", "administrations"),
    ("icans-grade", "conditions"),
]
DENIABLE = [*DECLARED, *COMPUTED]


def test_every_fact_that_can_be_denied_is_here() -> None:
    """An alias stands for the fact of a drug, which is here under its own name or under that of the drug in hand."""
    deniable = {name for name in CATALOGUE.facts if CATALOGUE.empty_means(name) == "no"}
    hidden = {name for of in CATALOGUE.of_drug.values() for name in of.values()} | CATALOGUE.of_drug.keys()
    assert {name for name, _ in DENIABLE} - hidden == deniable - hidden
    assert {CATALOGUE.of_drug.get(name, {}).get("anakinra", name) for name, _ in DENIABLE} >= {
        name for name in deniable & hidden if name.startswith("anakinra-")
    }


def negative(value: object) -> bool:
    """A fact that says no: false, or zero."""
    return value is False or (value == 0 and value is not None)


@pytest.mark.parametrize(("name", "query"), DENIABLE)
def test_missing_never_reads_as_no(name: str, query: str) -> None:
    """Every fact that empty reads deny, each of its reads missing."""
    assert not negative(Case(missing=[query]).facts()[name].value)


@pytest.mark.parametrize("state", FAILED)
@pytest.mark.parametrize(("name", "query"), DENIABLE)
def test_failed_never_reads_as_no(name: str, query: str, state: str) -> None:
    assert not negative(Case(prefetch={query: FAILED[state]}).facts()[name].value)


@pytest.mark.parametrize("missing", [["procedures"], ["administrations"], ["procedures", "administrations"]])
def test_what_began_after_an_infusion_is_open_where_infusions_were_not_read(missing: list[str]) -> None:
    confirmed = {"condition": "IEC-HS", "icd": "D76.1", "onset": "1d", "id": "c"}
    assert Case(given=[confirmed], missing=missing).facts()["iec-hs-confirmed"].value is None


@pytest.mark.parametrize("state", NO_DATA)
@pytest.mark.parametrize("name", sorted({name for name, _ in DENIABLE}))
def test_no_data_reads_as_no(name: str, state: str) -> None:
    assert negative(Case(prefetch=dict.fromkeys(QUERIES, NO_DATA[state])).facts()[name].value)


@pytest.mark.parametrize("query", ["conditions", "vitals", "administrations"])
def test_grades_are_not_said_to_agree_without_a_read(query: str) -> None:
    assert Case(given=REFRACTORY, missing=[query]).facts()["crs-grades-differ"].value != "no"


# The contract: "a required input unknown (allergies, infections, drugs given, grade ...)": insufficient-data, warning.
@pytest.mark.parametrize("query", ["allergies", "conditions", "administrations", "cultures", "requests"])
@pytest.mark.parametrize("state", ["missing", *FAILED])
def test_a_required_read_that_failed_is_said(query: str, state: str) -> None:
    case = Case(
        given=REFRACTORY, **({"missing": [query]} if state == "missing" else {"prefetch": {query: FAILED[state]}})
    )
    assert case.first() == "insufficient-data warning", case.answers()
    assert not any(card.get("suggestions") for card in case.cards())


@pytest.mark.parametrize("state", NO_DATA)
@pytest.mark.parametrize("query", ["allergies", "cultures", "requests", "statements", "pregnancy-status", "procedures"])
def test_a_required_read_without_data_is_none_recorded(query: str, state: str) -> None:
    case = Case(given=REFRACTORY, prefetch={query: NO_DATA[state]})
    assert case.first() == "suggest warning", case.answers()


@pytest.mark.parametrize("query", QUERIES)
def test_nothing_else_in_the_way_of_the_base_case(query: str) -> None:
    """One missing key at a time never raises, and never makes more of an answer than the whole chart does."""
    first = Case(given=REFRACTORY, missing=[query]).first()
    assert first in ("suggest warning", "insufficient-data warning")


@pytest.mark.parametrize(
    "value", [None, OUTCOME, EMPTY, patient(id="p2"), patient(id=None), {"resourceType": "Group", "id": "p1"}]
)
def test_patient_unobtainable(value: Any) -> None:
    with pytest.raises(CallError) as error:
        Case(prefetch={"patient": value}).cards()
    assert error.value.status == 412


def test_patient_key_missing() -> None:
    with pytest.raises(CallError) as error:
        Case(missing=["patient"]).cards()
    assert error.value.status == 412


def test_patient_in_a_bundle() -> None:
    assert Case(given=REFRACTORY, prefetch={"patient": bundle([patient()])}).first() == "suggest warning"


FOREIGN = [
    {"allergy": "anakinra", "with": {"patient": {"reference": "Patient/p2"}}},
    {"condition": "Sepsis", "icd": "A41.9", "patient": "p2"},
    {"culture": "Klebsiella pneumoniae", "patient": "p2"},
    {"given": "tocilizumab", "ago": "3h", "patient": "p2"},
    {"given": "norepinephrine", "running": True, "patient": "p2"},
    {"order": "anakinra", "patient": "p2"},
    {"condition": "Sepsis", "icd": "A41.9", "without": ["subject"]},
    {"condition": "Sepsis", "icd": "A41.9", "with": {"subject": {"reference": "Patient/p11"}}},
]


@pytest.mark.parametrize("item", FOREIGN, ids=str)
def test_another_patients_resource_is_never_used_and_is_said(item: dict[str, Any]) -> None:
    """Contract: a safety input "of another patient": "a `warning` card names what could not be evaluated"."""
    case = Case(given=(*REFRACTORY, item))
    assert case.first() == "insufficient-data warning", case.answers()
    assert not any(decision in ("block", "duplicate") for decision, _, _ in case.answers())


@pytest.mark.parametrize(
    "reference", ["Patient/p1", "https://ehr.example.org/fhir/Patient/p1", "Patient/p1/_history/3"]
)
def test_spellings_of_the_patient(reference: str) -> None:
    item = {"condition": "Sepsis", "icd": "A41.9", "with": {"subject": {"reference": reference}}}
    assert Case(given=(*REFRACTORY, item)).first() == "block critical"


def test_a_page_that_reaches_beyond_the_window_is_complete() -> None:
    """Contract: "pages are read until a fact's window is covered"."""
    old = resources([{"given": "saline", "ago": "3h"}, {"given": "saline", "ago": "91d", "id": "z"}])
    for entries, value in ((old, False), (old[:1], None), (old[::-1], None)):
        facts = Case(prefetch={"administrations": NEXT | {"entry": [{"resource": r} for r in entries]}}).facts()
        assert facts["vasopressor-running"].value is value


@pytest.mark.parametrize(
    ("given", "grade"),
    [
        # Hourly vital signs fill a page in days: scores count for 12 h, and the page says that there is none in them.
        ([{"obs": "temp", "value": 37.0, "ago": "1h"}, {"obs": "temp", "value": 37.0, "ago": "13h"}], 0),
        ([{"obs": "temp", "value": 37.0, "ago": "1h"}, {"obs": "temp", "value": 37.0, "ago": "12h"}], None),
        ([{"obs": "temp", "value": 37.0, "ago": "1h"}, {"obs": "temp", "value": 37.0, "ago": "11h"}], None),
        ([{"obs": "temp", "value": 37.0, "ago": "13h"}, {"obs": "temp", "value": 37.0, "ago": "1h"}], None),
        ([{"score": "ice-score", "points": 2, "ago": "1h"}, {"obs": "temp", "value": 37.0, "ago": "11h"}], 3),
        ([{"condition": "ICANS grade 2", "icd": "G92.02", "onset": "3h", "recorded": "2h"}], 2),
    ],
)
def test_a_page_of_vital_signs_that_reaches_beyond_the_scores_leaves_no_neurological_grade_open(
    given: list[dict[str, Any]], grade: int | None
) -> None:
    found = resources(given)
    vitals = NEXT | {"entry": [{"resource": r} for r in found if r["resourceType"] == "Observation"]}
    conditions = [item for item in given if "condition" in item]
    assert Case(given=conditions, prefetch={"vitals": vitals}).facts()["icans-grade"].value == grade


def test_a_cut_list_of_conditions_is_never_complete() -> None:
    old = resources([{"condition": "Hypertension", "onset": "2000d"}])
    facts = Case(prefetch={"conditions": NEXT | {"entry": [{"resource": r} for r in old]}}).facts()
    assert facts["severe-infection"].value is None


def test_medication_in_the_same_bundle() -> None:
    """`_include`d Medications resolve references, relative or absolute."""
    drug = {"resourceType": "Medication", "id": "m1", "code": {"text": "anakinra"}}
    order = resources([{"order": "x", "reference": "Medication/m1"}])[0]
    assert Case(prefetch={"requests": bundle([order, drug])}).facts()["anakinra-active"].value is True
    url = "https://ehr.example.org/fhir/Medication/m1"
    order = resources([{"order": "x", "reference": url}])[0]
    assert Case(prefetch={"requests": bundle([order, drug])}).facts()["anakinra-active"].value is True
    for named, known in ((url, True), ("https://other.example.org/fhir/Medication/m1", None)):
        held = bundle([order])
        held["entry"].append({"resource": drug, "fullUrl": named})
        assert Case(prefetch={"requests": held}).facts()["anakinra-active"].value is known
    assert Case(prefetch={"requests": bundle([order])}).facts()["anakinra-active"].value is None
