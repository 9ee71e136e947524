"""The shipped rules as a collection: what holds for all of them and no single file can show."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from cds_service.commands.check import command
from cds_service.knowledge.review import MAX_RULE_LINES
from tests.support.shipped import ROOT, inspection, missing_parts, rule_files

pytestmark = pytest.mark.skipif(bool(missing_parts()), reason=f"not written yet: {', '.join(missing_parts())}")
FILES = [pytest.param(path, id=path.stem) for path in rule_files()]


def test_the_checkout_has_no_problems() -> None:
    assert inspection().problems == ()


def test_check_passes_at_every_shipped_site() -> None:
    for site in sorted(path.stem for path in ROOT.glob("rules/sites/*.yaml")):
        result = CliRunner().invoke(command, ["--root", str(ROOT), "--site", site])
        assert result.exit_code == 0, f"{site}: {result.stderr}"


def test_rule_ids_are_unique() -> None:
    repeated = [name for name, count in Counter(path.stem for path in rule_files()).items() if count > 1]
    assert repeated == []


@pytest.mark.parametrize("path", FILES)
def test_rule_has_cases_beside_it(path: Path) -> None:
    assert path.with_name(f"{path.stem}.cases.yaml").is_file()


@pytest.mark.parametrize("path", FILES)
def test_rule_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_RULE_LINES


@pytest.mark.parametrize("path", FILES)
def test_rule_can_be_reviewed(path: Path) -> None:
    rule = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule["version"])
    assert {"approvalDate", "lastReviewDate", "status"} <= rule.keys()
    assert re.match(r"When .*\bthen\b", rule["rationale"], re.DOTALL), "expected prose: When ..., then ..."
    # Nothing becomes active that nobody approved.
    assert rule["status"] != "active" or rule["approvalDate"]


def test_no_rule_leans_on_refuted_evidence() -> None:
    knowledge = inspection().knowledge
    assert knowledge is not None
    refuted = {name for name, evidence in knowledge.evidence.items() if evidence.status == "refuted"}
    assert {
        rule.id: sorted(refuted & set(rule.evidence)) for rule in knowledge.rules if refuted & set(rule.evidence)
    } == {}
