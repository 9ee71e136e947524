"""The cases are tested too: no criterion, policy, unit, dose or finding may change without a case that notices."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.tools.mutation.equivalent import read_table, stale
from cds_service.tools.mutation.steps import moved
from tests.mutants.content import Change, changes
from tests.mutants.trials import Trials
from tests.support.acceptance import acceptance_cases
from tests.support.knowledge_root import replace as replace_in
from tests.support.shipped import ROOT

HERE = Path(__file__).parent
CONTENT = HERE / "equivalent-content.yaml"
# `make mutants` tries every change of the content; `make test` every so many of them, and all criteria.
EVERY = int(os.environ.get("MUTANTS_EVERY", "120"))
# All of them take longer than one test may, and more than one processor can share.
SHARDS = 48 if EVERY == 1 else 1
RULE = "rules/shared/safety/toy-neutropenia.yaml"
CASES = "rules/shared/safety/toy-neutropenia.cases.yaml"


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["mutants", "--root", str(root), *arguments])


# ---- criteria of rules


def test_every_criterion_of_every_rule_is_tested() -> None:
    result = run(ROOT, "--equivalent", str(HERE / "equivalent.yaml"))
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    assert result.stdout.endswith(" 0 survived\n")


def test_all_are_killed(root: Path) -> None:
    result = run(root)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "8 mutants of 1 rule: 8 killed, 0 survived\n"


@pytest.mark.parametrize(
    ("case", "criterion", "changes"),
    [
        (
            "at the threshold",
            "neutrophil-count below policy.neutropenia",
            ["changed to below 0.6", "changed to atMost"],
        ),
        ("infection", "active-infection is true", ["dropped"]),
        ("no count", "active-infection is true", []),
    ],
)
def test_a_criterion_that_no_case_tests(root: Path, case: str, criterion: str, changes: list[str]) -> None:
    kept = [line for line in (root / CASES).read_text("utf-8").splitlines() if f"name: {case}" not in line]
    (root / CASES).write_text("\n".join(kept), encoding="utf-8")
    result = run(root)
    lines = result.stderr.splitlines()
    assert result.exit_code == (1 if changes else 0)
    assert len(lines) == len(changes)
    number = 1 + (root / RULE).read_text("utf-8").splitlines().index(f"  - {{fact: {_condition(criterion)}}}")
    for line, change in zip(lines, changes, strict=True):
        assert line.startswith(f"{RULE}:{number}: {criterion}: {change}")
        assert line.endswith(" and no case noticed")


def _condition(spelled: str) -> str:
    fact, comparison, operand = spelled.split()
    return f"{fact}, {comparison}: {operand}"


def test_only_some_rules(root: Path) -> None:
    assert run(root, "toy-neutropenia").stdout == "8 mutants of 1 rule: 8 killed, 0 survived\n"
    result = run(root, "toy-neutropaenia")
    assert result.exit_code == 2
    assert "no such rule toy-neutropaenia; did you mean toy-neutropenia?" in result.stderr


def test_retired_rules_are_not_tried(root: Path) -> None:
    replace_in(root, RULE, "status: draft", "status: retired")
    assert run(root).stdout == "0 mutants of 0 rules: 0 killed, 0 survived\n"


def test_files_that_cannot_be_used(root: Path) -> None:
    line = replace_in(root, RULE, "stratum: safety", "stratum: safely")
    result = run(root)
    assert result.exit_code == 1
    assert f"{RULE}:{line}: stratum: " in result.output


def test_equivalent_ones_are_excused_and_no_others(root: Path, tmp_path: Path) -> None:
    kept = [line for line in (root / CASES).read_text("utf-8").splitlines() if "at the threshold" not in line]
    (root / CASES).write_text("\n".join(kept), encoding="utf-8")
    table = tmp_path / "equivalent.yaml"
    name = "toy-neutropenia: when[0]: neutrophil-count below policy.neutropenia: changed to"
    entries = [f"{name} below 0.6", f"{name} atMost policy.neutropenia"]
    table.write_text("".join(f'- {{mutant: "{entry}", reason: for a test}}\n' for entry in entries), encoding="utf-8")
    result = run(root, "--equivalent", str(table))
    assert (result.exit_code, result.stdout) == (0, "8 mutants of 1 rule: 6 killed, 2 equivalent, 0 survived\n")
    table.write_text('- {mutant: "what nobody makes", reason: for a test}\n', encoding="utf-8")
    result = run(root, "--equivalent", str(table))
    assert result.exit_code == 1
    assert f"{table}:1: [0].mutant: expected the name of a mutant that no case notices" in result.stderr
    table.write_text("- {mutant: one}\n", encoding="utf-8")
    assert "reason: required" in run(root, "--equivalent", str(table)).output


@pytest.mark.parametrize(
    ("value", "steps"),
    [(8, (7, 9)), (0, (-1, 1)), (38.0, (37.9, 38.1)), (1.5, (1.4, 1.6)), (0.05, (0.04, 0.06)), (True, (False,))],
)
def test_steps(value: float, steps: tuple[float, ...]) -> None:
    found = moved(value)
    assert found == steps
    assert [type(each) for each in found] == [type(each) for each in steps]


# ---- policies, units, regimens, sites, findings


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return Trials(tmp_path_factory.mktemp("sites"))


def test_every_case_holds_in_this_process(trials: Trials) -> None:
    known = {case.id for case in acceptance_cases() if case.differs}
    assert set(trials.unfit) <= known


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_change_of_the_content_goes_unnoticed(trials: Trials, shard: int) -> None:
    document, excused = read_table(CONTENT)
    names = [change.name for change in changes(trials.places["us"])]
    assert len(set(names)) == len(names)
    assert set(excused) <= set(names)
    tried = list(changes(trials.places["us"]))[::EVERY][shard::SHARDS]
    unnoticed = [change.name for change in tried if trials.noticed(change) is None]
    assert [name for name in unnoticed if name not in excused] == []
    mine = {name: excused[name] for name in (change.name for change in tried) if name in excused}
    assert stale(document, mine, unnoticed) == []


def test_a_change_that_changes_nothing_is_not_noticed(trials: Trials) -> None:
    """The trials can fail: what makes no difference is no difference."""
    same = Change("nothing", "policy fever", lambda knowledge: replace(knowledge, digest="another"))
    assert trials.noticed(same) is None
