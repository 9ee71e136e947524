"""Synthetic patients of every dialect are answered as their truth says, which no rule wrote."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import cds_service.tools.synth as package
from cds_service.cli import main
from cds_service.tools.synth.dialect import dialects
from cds_service.tools.synth.export import write
from cds_service.tools.synth.figures import figures
from cds_service.tools.synth.patients import patient_of
from cds_service.tools.synth.policy import policy

SEED = 2026
WRITERS = sorted(Path(package.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("rate", [0.0, 0.04])
def test_patients_of_each_dialect_are_answered_as_the_truth_says(tmp_path: Path, rate: float) -> None:
    """Each at the site that its truth names."""
    told = tuple(dialects().values())
    patients = (patient_of(figures(), policy(), told, SEED, number, rate) for number in range(8 if rate else 12))
    list(write(patients, tmp_path, "bundle"))
    result = CliRunner().invoke(main, ["replay", str(tmp_path), "--truth", str(tmp_path), "--json"])
    found = json.loads(result.stdout)["patients"]
    steps = [(each["patient"], step) for each in found for step in each["steps"]]
    assert {each["patient"].rpartition(f"-{SEED}-")[0] for each in found} == set(dialects())
    assert [(patient, step) for patient, step in steps if step["wrong"]] == []
    assert len({step["decision"] for _, step in steps}) >= 6
    assert result.exit_code == 0, result.stderr


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
