"""An export becomes partitions of whole patients; what cannot be read is said, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cds_service.errors import CdsError
from cds_service.tools.cohort.partition import MANIFEST, Manifest, partition, patients

PATIENT = {"resourceType": "Patient", "id": "p"}


def write(folder: Path, **files: list[object]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
        (folder / f"{name}.ndjson").write_text(text, encoding="utf-8")
    return folder


def spread(folder: Path, out: Path, count: int = 3) -> Manifest:
    return partition(folder, out, lambda done, total: None, count)


def read(out: Path, count: int = 3) -> dict[str, list[dict[str, object]]]:
    return {patient: found for number in range(count) for patient, found in patients(out, number)}


def about(patient: str, **more: object) -> dict[str, object]:
    return {"resourceType": "Observation", "id": f"o-{patient}", "subject": {"reference": patient}, **more}


def test_whole_patients_whatever_the_order_of_files_and_lines(tmp_path: Path) -> None:
    ids = [f"p{n}" for n in range(40)]
    observations = [about(f"Patient/{i}", id=f"{i}-{n}") for n in range(3) for i in reversed(ids)]
    folder = write(tmp_path / "in", a=observations, b=[{**PATIENT, "id": i} for i in ids])
    manifest = spread(folder, tmp_path / "out")
    found = read(tmp_path / "out")
    assert manifest.resources == 160
    assert not manifest.problems
    assert sorted(found) == sorted(ids)
    assert all(len(resources) == 4 for resources in found.values())
    assert all((tmp_path / "out" / f"000{n}.ndjson").stat().st_size for n in range(3))


@pytest.mark.parametrize("reference", ["Patient/p", "https://ehr.example.org/fhir/Patient/p", "Patient/p/_history/3"])
def test_references_to_a_patient(tmp_path: Path, reference: str) -> None:
    folder = write(tmp_path / "in", a=[PATIENT, about(reference)])
    spread(folder, tmp_path / "out")
    assert [len(found) for found in read(tmp_path / "out").values()] == [2]


def test_what_cannot_be_read_is_said_by_file_and_line(tmp_path: Path) -> None:
    lines = [PATIENT, "{not json", "", {"id": "no type"}, "[]", {"resourceType": "Practitioner", "id": "x"}]
    folder = write(tmp_path / "in", a=lines)
    manifest = spread(folder, tmp_path / "out")
    places = [problem.rsplit("/", 1)[1].split(": ")[0] for problem in manifest.problems]
    assert places == ["a.ndjson:2", "a.ndjson:4", "a.ndjson:5"]
    assert manifest.unowned == {"Practitioner": 1}
    assert list(read(tmp_path / "out")) == ["p"]


def test_drugs_go_with_the_orders_that_refer_to_them(tmp_path: Path) -> None:
    order = {"resourceType": "MedicationRequest", "id": "r", "subject": {"reference": "Patient/p"}}
    order["medicationReference"] = {"reference": "Medication/m1"}
    drugs = [{"resourceType": "Medication", "id": f"m{n}"} for n in range(3)]
    folder = write(tmp_path / "in", a=drugs, b=[PATIENT, order, {**PATIENT, "id": "q"}])
    spread(folder, tmp_path / "out")
    found = read(tmp_path / "out")
    assert [r["id"] for r in found["p"] if r["resourceType"] == "Medication"] == ["m1"]
    assert found["q"] == [{**PATIENT, "id": "q"}]


def test_finished_partitions_are_not_made_again_and_others_are(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a=[PATIENT])
    spread(folder, tmp_path / "out")
    (tmp_path / "out" / "0000.ndjson").touch()
    before = (tmp_path / "out" / MANIFEST).stat().st_mtime_ns
    spread(folder, tmp_path / "out")
    assert (tmp_path / "out" / MANIFEST).stat().st_mtime_ns == before
    write(folder, a=[PATIENT, about("Patient/p")])
    assert spread(folder, tmp_path / "out").resources == 2
    (tmp_path / "out" / MANIFEST).write_text("{")
    assert spread(folder, tmp_path / "out").resources == 2


def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CdsError, match=r"expected a folder of \*\.ndjson files"):
        spread(tmp_path, tmp_path / "out")
