"""Reading charts: every kind of bundle, Bulk Data, and everything that can be wrong with a source."""

import json
from pathlib import Path
from typing import Any

import pytest

from cds_service.tools.replay.bundles import Chart, Problem, patient_of, read, sources
from tests.support.public_data import DATA, needs

PATIENT = {"resourceType": "Patient", "id": "p1"}


def observation(name: str, patient: str = "Patient/p1") -> dict[str, Any]:
    return {"resourceType": "Observation", "id": name, "subject": {"reference": patient}}


def bundle(*entries: Any, kind: str = "collection", **more: Any) -> dict[str, Any]:
    wrapped = [entry if "resource" in entry else {"resource": entry} for entry in entries]
    return {"resourceType": "Bundle", "type": kind, "entry": wrapped, **more}


def read_all(*paths: Path) -> tuple[list[Chart], list[str]]:
    found, problems = sources(paths)
    items = [item for source in found for item in read(source)]
    charts = [item for item in items if isinstance(item, Chart)]
    return charts, [str(p) for p in problems] + [str(item) for item in items if isinstance(item, Problem)]


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def ids(chart: Chart) -> list[str]:
    return [resource["id"] for resource in chart.resources]


@pytest.mark.parametrize("kind", ["transaction", "batch", "collection", "searchset", "history", "document"])
def test_a_bundle_of_any_type_is_a_chart(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "one.json", bundle(PATIENT, observation("o1"), kind=kind))
    (chart,), problems = read_all(path)
    assert (chart.patient_id, chart.source, ids(chart)) == ("p1", str(path), ["p1", "o1"])
    assert problems == []


def test_urn_uuid_references_become_type_and_id(tmp_path: Path) -> None:
    transaction = bundle(
        {"fullUrl": "urn:uuid:aaa", "resource": {"resourceType": "Patient", "id": "aaa"}},
        {
            "fullUrl": "urn:uuid:bbb",
            "resource": {"resourceType": "Encounter", "subject": {"reference": "urn:uuid:aaa"}},
        },
        {
            "fullUrl": "urn:uuid:ccc",
            "resource": observation("ccc", "urn:uuid:aaa")
            | {"encounter": {"reference": "urn:uuid:bbb"}, "performer": [{"reference": "urn:uuid:unknown"}]},
        },
        kind="transaction",
    )
    (chart,), _ = read_all(write(tmp_path / "t.json", transaction))
    _, encounter, found = chart.resources
    assert encounter["id"] == "bbb"
    assert found["subject"] == {"reference": "Patient/aaa"}
    assert found["encounter"] == {"reference": "Encounter/bbb"}
    assert found["performer"] == [{"reference": "urn:uuid:unknown"}]


def test_a_batch_response_of_searchsets_is_flattened(tmp_path: Path) -> None:
    inner = bundle(observation("o1"), kind="searchset")
    (chart,), _ = read_all(write(tmp_path / "b.json", bundle(PATIENT, {"resource": inner}, kind="batch-response")))
    assert ids(chart) == ["p1", "o1"]


def test_several_patients_each_get_their_own_resources_and_the_shared_ones(tmp_path: Path) -> None:
    second = {"resourceType": "Patient", "id": "p2"}
    drug = {"resourceType": "Medication", "id": "m1"}
    path = write(tmp_path / "two.json", bundle(PATIENT, second, observation("o2", "http://x/fhir/Patient/p2"), drug))
    charts, problems = read_all(path)
    assert {chart.patient_id: ids(chart) for chart in charts} == {"p1": ["p1", "m1"], "p2": ["p2", "o2", "m1"]}
    assert problems == []


def test_resources_of_absent_patients_are_left_out_and_said(tmp_path: Path) -> None:
    charts, problems = read_all(write(tmp_path / "o.json", bundle(PATIENT, observation("o9", "Patient/p9"))))
    assert ids(charts[0]) == ["p1"]
    assert problems == [f"{tmp_path}/o.json: 1 resources are about patients who are not in it; they were left out"]


def test_story_is_the_tag_or_the_file_name(tmp_path: Path) -> None:
    tagged = bundle(PATIENT, meta={"tag": [{"code": "x"}, {"display": "A story"}]})
    charts, _ = read_all(write(tmp_path / "tagged.json", tagged), write(tmp_path / "plain.json", bundle(PATIENT)))
    assert [chart.story for chart in charts] == ["A story", "plain"]


def test_a_directory_is_read_recursively_and_bulk_data_is_grouped(tmp_path: Path) -> None:
    write(tmp_path / "a" / "one.json", "\ufeff" + json.dumps(bundle(PATIENT)))
    lines = [json.dumps({"resourceType": "Patient", "id": name}) for name in ("b1", "b2")]
    write(tmp_path / "bulk" / "Patient.000.ndjson", "\n".join(lines) + "\n\n")
    observations = [observation(f"o{n}", f"Patient/b{n}") | {"note": [{"text": "a\u2028b"}]} for n in (2, 1)]
    text = "\n".join(json.dumps(resource, ensure_ascii=False) for resource in observations)
    write(tmp_path / "bulk" / "Observation.000.ndjson", text)
    charts, problems = read_all(tmp_path)
    found = {chart.patient_id: ids(chart) for chart in charts}
    assert found == {"p1": ["p1"], "b1": ["o1", "b1"], "b2": ["o2", "b2"]}
    assert problems == []


def test_bad_ndjson_lines_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    path = write(tmp_path / "x.ndjson", json.dumps(PATIENT) + "\n{oops\n[1]\n" + json.dumps(observation("o1")))
    (chart,), problems = read_all(path)
    assert ids(chart) == ["p1", "o1"]
    assert problems[0].startswith(f"{path}:2:2: not JSON: ")
    assert problems[1] == f"{path}:3: expected a FHIR resource, found a JSON list"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "x.json:1:2: not JSON: Expecting property name enclosed in double quotes"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "expected a FHIR Bundle, found a JSON list"),
        ("{}", "expected a FHIR Bundle, found a JSON object without resourceType"),
        (PATIENT, "expected a FHIR Bundle, found a resource of type Patient"),
        ({"resourceType": "Bundle"}, "the Bundle has no entry with a resource"),
        ({"resourceType": "Bundle", "entry": [{}, {"resource": {}}, 1]}, "the Bundle has no entry with a resource"),
        (bundle(observation("o1")), "holds no Patient with an id"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(tmp_path: Path, content: Any, said: str) -> None:
    charts, (problem,) = read_all(write(tmp_path / "x.json", content))
    assert charts == []
    assert problem.startswith(f"{tmp_path}/x.json:")
    assert said in problem


def test_paths_that_are_not_there_or_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    (tmp_path / "empty").mkdir()
    _, problems = read_all(tmp_path / "gone", tmp_path / "empty", tmp_path / "latin.json")
    assert problems == [
        f"{tmp_path}/gone: no such file or directory",
        f"{tmp_path}/empty: holds no *.json and no *.ndjson file",
        f"{tmp_path}/latin.json: not UTF-8 text: byte 7",
    ]


@pytest.mark.parametrize(
    ("element", "reference", "owner"),
    [
        ("subject", "Patient/a", "a"),
        ("patient", "https://ehr.example/r4/Patient/a/_history/3", "a"),
        ("beneficiary", "Patient/a", "a"),
        ("subject", "Group/a", None),
        ("subject", "urn:uuid:1", None),
        ("subject", None, None),
    ],
)
def test_patient_of(element: str, reference: str | None, owner: str | None) -> None:
    assert patient_of({"resourceType": "Observation", element: {"reference": reference}}) == owner


@needs(DATA)
def test_public_data_sets_are_read_whole() -> None:
    charts, problems = read_all(DATA)
    assert problems == []
    assert len(charts) > 50
    synthea = [chart for chart in charts if "synthea-r4" in chart.source]
    assert synthea
    assert not [chart for chart in synthea if "urn:uuid:" in json.dumps(chart.resources)]
