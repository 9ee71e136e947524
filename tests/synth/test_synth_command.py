"""`anakinra-cds synth`: what it writes, says and refuses."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from cds_service.cli import main


def test_patients_are_written_with_their_truths(tmp_path: Path) -> None:
    out = tmp_path / "made"
    result = CliRunner().invoke(main, ["synth", "--n", "4", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{out}: 4 patients, ")
    assert len(list(out.glob("*.truth.json"))) == 4
    assert len(list(out.glob("*.json"))) == 8
    again = CliRunner().invoke(main, ["synth", "--n", "4", "--out", str(out)])
    assert again.exit_code == 1
    assert "not empty" in again.stderr


def test_one_dialect_as_ndjson(tmp_path: Path) -> None:
    out = tmp_path / "made"
    arguments = ["synth", "--n", "3", "--seed", "1", "--dialect", "mii", "--format", "ndjson", "--dirt", "0.1"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    lines = (out / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["patient"] for line in lines] == [f"mii-1-{number:05d}" for number in range(3)]
    assert len((out / "Patient.ndjson").read_text(encoding="utf-8").splitlines()) == 3


def test_where_to_write_is_asked_for() -> None:
    result = CliRunner().invoke(main, ["synth"])
    assert result.exit_code == 2
    assert "--out" in result.stderr
