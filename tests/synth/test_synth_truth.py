"""Synthetic patients of every dialect are answered as their truth says, which no rule wrote."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cds_service.tools.synth as package
from cds_service.tools.synth.check import Services, compare
from cds_service.tools.synth.dialect import dialects
from cds_service.tools.synth.export import write
from cds_service.tools.synth.figures import figures
from cds_service.tools.synth.patients import patient_of
from cds_service.tools.synth.policy import policy

SEED = 2026
# What writes courses, charts and truths; `check` alone may know of a service.
WRITERS = [path for path in sorted(Path(package.__file__).parent.glob("*.py")) if path.stem != "check"]


@pytest.fixture(scope="module")
def services() -> Services:
    """One service for each dialect's site."""
    return Services()


@pytest.mark.parametrize("rate", [0.0, 0.04])
def test_patients_of_each_dialect_are_answered_as_the_truth_says(
    tmp_path: Path, rate: float, services: Services
) -> None:
    told = tuple(dialects().values())
    patients = (patient_of(figures(), policy(), told, SEED, number, rate) for number in range(8 if rate else 12))
    list(write(patients, tmp_path, "bundle"))
    found = [each for compared in compare(tmp_path, services) for each in compared]
    assert {each.dialect for each in found} == set(dialects())
    assert [each.line() for each in found if not each.agrees] == []
    assert len({each.decision for each in found}) >= 6


@pytest.mark.parametrize("path", WRITERS, ids=lambda path: path.stem)
def test_the_truth_is_written_without_the_rules(path: Path) -> None:
    """What writes it imports nothing that reads charts or rules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    own = {name for name in imported if name.startswith("cds_service.")}
    assert own <= {name for name in own if name.startswith("cds_service.tools.synth")} | {
        "cds_service.errors",
        "cds_service.tools.options",
    }
