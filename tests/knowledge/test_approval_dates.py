"""An approval is a date or an empty field: what a clinician writes there must be readable."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from cds_service import knowledge
from tests.support.shipped import ROOT

RULE = "rules/drugs/anakinra/asthma.yaml"


def inspected(root: Path, written: str) -> knowledge.Inspection:
    for folder in ("rules", "cards"):
        shutil.copytree(ROOT / folder, root / folder)
    text = (root / RULE).read_text(encoding="utf-8")
    (root / RULE).write_text(text.replace('approvalDate: ""', f"approvalDate: {written}"), encoding="utf-8")
    return knowledge.inspect(root)


@pytest.mark.parametrize("written", ["2026-02-03", '"2026-02-03"'])
def test_a_date_is_read(tmp_path: Path, written: str) -> None:
    found = inspected(tmp_path, written).knowledge
    assert found is not None
    assert next(r.approval_date for r in found.rules if r.id == "asthma") == date(2026, 2, 3)


def test_no_date_is_told(tmp_path: Path) -> None:
    problems = inspected(tmp_path, "in spring").problems
    assert [p for p in problems if p.startswith(f"{RULE}:5: approvalDate: ")]
