"""The hazard log: no orphan on either side."""

from __future__ import annotations

import ast

import pytest
import yaml

from cds_service.knowledge import Knowledge
from cds_service.tools.safety_case import HAZARDS, HazardLog, hazard_log, page, problems
from tests.support.shipped import ROOT


@pytest.fixture(scope="module")
def log() -> HazardLog:
    return hazard_log(ROOT / HAZARDS)


def test_no_orphan(log: HazardLog, ours: Knowledge) -> None:
    assert list(problems(log, ours, ROOT)) == []


def test_an_orphan_is_told(ours: Knowledge) -> None:
    written = yaml.safe_load((ROOT / HAZARDS).read_text(encoding="utf-8"))
    first, *others = written["hazards"]
    control = {"what": "nothing", "test": "tests/none.py::test_none"}
    missing = {**control, "rules": ["no-such-rule"], "code": "cds_service/none.py"}
    without = {**first, "controls": [control, missing]}
    empty = [{**other, "controls": []} if other["id"] == "H02" else other for other in others]
    found = list(
        problems(
            HazardLog.model_validate({**written, "hazards": [without, *empty, {**first, "id": "H03"}]}), ours, ROOT
        )
    )
    expected = (
        "H03: two hazards",
        "H01: nothing: expected `rules` or `code`", "H01: no such rule no-such-rule", "H01: no such code",
        "H02: expected",
        "the rule infection-severe stops an order (block) and no hazard names it",
    )  # fmt: skip
    for line in expected:
        assert any(line in each for each in found), (line, found)


def test_nothing_is_accepted_by_anybody_yet(log: HazardLog) -> None:
    assert {hazard.owner for hazard in log.hazards} == {""}
    assert page(log).count("Accepted by: nobody yet") == len(log.hazards)


def test_every_control_names_a_test_that_is_there(log: HazardLog) -> None:
    for hazard in log.hazards:
        for control in hazard.controls:
            file, _, name = control.test.partition("::")
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, control.test
