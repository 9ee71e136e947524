"""A site whose EHR holds no MedicationStatements: they are not asked for, and their absence is said, not guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service import knowledge
from cds_service.contract import EXPLANATION
from cds_service.errors import KnowledgeError
from cds_service.service import Service
from tests.facts.house import REFRACTORY, Case, service
from tests.facts.notation import NOW


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "ward.yaml"
    path.write_text("extend: us\nid: ward\nnotKept: [MedicationStatement]\n", encoding="utf-8")
    return path


def test_it_is_not_asked_for_and_not_missing(site: Path) -> None:
    ward = Service.start(knowledge.load(site=str(site)))
    assert "statements" not in ward.discovery()[0]["prefetch"]
    call = Case(given=REFRACTORY, missing=("statements",)).call()
    first = ward.answer(call, NOW)["cards"][0]
    assert first["summary"].startswith("Anakinra 100 mg SC q12h")
    assert "MedicationStatement" in first["detail"]


def test_elsewhere_it_is_missing_and_said() -> None:
    """Large vendors serve none in R4: orders and drugs given decide, and the first card says what was not read (R5)."""
    call = Case(given=REFRACTORY, missing=("statements",)).call()
    first = service().answer(call, NOW)["cards"][0]
    assert first["extension"][EXPLANATION]["decision"] == "suggest"
    assert "Stated and home drugs were not read" in first["detail"], first["detail"]


def test_each_query_that_was_gone_without_is_said_in_its_own_sentence() -> None:
    call = Case(given=REFRACTORY, missing=("statements", "reports")).call()
    first = service().answer(call, NOW)["cards"][0]
    assert "Stated and home drugs were not read. Microbiology reports were not read." in first["detail"]


def test_reports_of_cultures_need_not_be_kept(tmp_path: Path) -> None:
    """Where a laboratory files its cultures as Observations alone, no report of them can be missing."""
    path = tmp_path / "lab.yaml"
    path.write_text("extend: us\nid: lab\nnotKept: [DiagnosticReport]\n", encoding="utf-8")
    lab = Service.start(knowledge.load(site=str(path)))
    assert "reports" not in lab.discovery()[0]["prefetch"]
    first = lab.answer(Case(given=REFRACTORY, missing=("reports",)).call(), NOW)["cards"][0]
    assert first["extension"][EXPLANATION]["decision"] == "suggest"
    assert "Microbiology reports were not read" not in first["detail"]


def test_what_is_sent_is_read(site: Path) -> None:
    ward = Service.start(knowledge.load(site=str(site)))
    call = Case(given=(*REFRACTORY, {"stated": "anakinra"})).call()
    assert ward.answer(call, NOW)["cards"][0]["extension"][EXPLANATION]["decision"] == "duplicate"


def test_allergies_cannot_be_left_out(site: Path) -> None:
    site.with_name("wrong.yaml").write_text("extend: us\nid: wrong\nnotKept: [AllergyIntolerance]\n", encoding="utf-8")
    with pytest.raises(KnowledgeError, match="notKept"):
        knowledge.load(site=str(site.with_name("wrong.yaml")))
