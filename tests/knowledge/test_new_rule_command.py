"""`anakinra-cds new-rule`: what it writes passes `check` at once, and it overwrites nothing."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.contract import DecisionName
from cds_service.knowledge import load
from cds_service.knowledge.model import RuleDefinition
from tests.support.knowledge_root import complete, replace, retype_cases, write

RULE = "rules/shared/toy/toy-count.yaml"
CASES = "rules/shared/toy/toy-count.cases.yaml"
CARD = "cards/toy-count.yaml"


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["new-rule", *arguments, "--root", str(root)])


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def assert_checks(root: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--root", str(complete(root))])
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_rule_without_a_decision(root: Path) -> None:
    before = files(root)
    result = run(root, "shared/toy/toy-count")
    assert result.exit_code == 0, result.output
    assert files(root) - before == {RULE, CASES}
    assert_checks(root)
    rule = load(root).rules[-1]
    assert (rule.title, rule.stratum, rule.when[0].fact) == ("Toy count", "advice", "active-infection")
    assert rule.rationale.startswith("When an infection that is active")
    assert ", then " in rule.rationale


def test_keys_stand_in_the_models_order(root: Path) -> None:
    run(root, "shared/toy/toy-count")
    text = (root / RULE).read_text(encoding="utf-8")
    for_some = ("about", "shownAs", "firstCard")  # a rule for several drugs, or with a line on whatever card is first
    expected = [field.alias for field in RuleDefinition.model_fields.values() if field.alias not in for_some]
    assert list(yaml.safe_load(text)) == expected
    assert text.count("\n") <= 40


@pytest.mark.parametrize("decision", get_args(DecisionName))
def test_a_rule_with_a_decision_has_a_card(root: Path, decision: str) -> None:
    arguments = (
        "--decision",
        decision,
        "--stratum",
        "safety",
        "--title",
        'Say: "wait" & see',
        "--fact",
        "neutrophil-count",
    )
    result = run(root, "shared/toy/toy-count", *arguments)
    assert result.exit_code == 0, result.output
    assert {RULE, CASES, CARD} <= files(root)
    assert_checks(root)
    rule = next(rule for rule in load(root).rules if rule.id == "toy-count")
    assert (rule.finding.decision, rule.card, rule.stratum) == (decision, "toy-count", "safety")
    assert load(root).cards["toy-count"].summary == 'Say: "wait" & see'


def test_long_titles_make_short_summaries(root: Path) -> None:
    run(root, "shared/toy/toy-count", "--decision", "caution", "--title", "long " * 40)
    assert_checks(root)


CODE = "{computed: toy-use, give: use}"
INTEGER = "{documented: {from: conditions, scale: toy, within: policy.laboratory-max-age}}"


@pytest.mark.parametrize(
    ("kind", "source"), [("code\n    values: [none, mild]", CODE), ("code", CODE), ("integer", INTEGER)]
)
def test_every_type_of_fact(root: Path, kind: str, source: str) -> None:
    fact = f"  severity:\n    title: How severe\n    type: {kind}\n    from: {source}\n"
    replace(root, "rules/facts.yaml", "facts:\n", "facts:\n" + fact)
    assert run(root, "shared/toy/toy-count", "--fact", "severity").exit_code == 0
    assert_checks(root)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("toy/toy-count",), "expected GROUP/TOPIC/RULE-ID in lower-case words"),
        (("shared/toy/Toy_Count",), "expected GROUP/TOPIC/RULE-ID in lower-case words"),
        (("../shared/toy/toy-count",), "expected GROUP/TOPIC/RULE-ID"),
        (("sites/toy/toy-count",), "rules/sites/ does not hold rules"),
        (("shared/toy/toy-count", "--fact", "active-infecton"), "did you mean active-infection?"),
        (("shared/toy/toy-neutropenia",), "already there"),
        (("shared/safety/toy-neutropenia",), "already there"),
        (("shared/toy/toy-count", "--decision", "maybe"), "is not one of"),
    ],
)
def test_refused(root: Path, arguments: tuple[str, ...], expected: str) -> None:
    before = files(root)
    result = run(root, *arguments)
    assert result.exit_code != 0
    assert expected in result.stderr
    assert files(root) == before


@pytest.mark.parametrize("name", [CASES, CARD])
def test_nothing_is_overwritten(root: Path, name: str) -> None:
    text = "# mine\n[]\n" if name == CASES else (root / "cards/toy-neutropenia.yaml").read_text(encoding="utf-8")
    write(root, name, text.replace("id: toy-neutropenia", "id: toy-count"))
    before = files(root)
    result = run(root, "shared/toy/toy-count", "--decision", "caution")
    assert "already there" in result.stderr
    assert files(root) == before


def test_a_broken_root_is_mended_first(root: Path) -> None:
    replace(root, "rules/orders.yaml", "valueSets: [toy-drug]", "valueSets: [toy]")
    result = run(root, "shared/toy/toy-count")
    assert result.exit_code == 1
    assert "rules/orders.yaml:4: kinds.toy-drug.valueSets[0]: no such value set toy" in result.stderr


def test_a_root_that_is_none(tmp_path: Path) -> None:
    assert "expected the folders rules/ and cards/" in run(tmp_path, "shared/toy/toy-count").stderr


def test_a_fact_with_one_value(root: Path) -> None:
    replace(root, "rules/facts.yaml", "type: boolean", "type: code\n    values: [only]")
    replace(root, "rules/facts.yaml", "{exists: [{from: conditions, in: infection, status: active}]}", CODE)
    replace(root, "rules/shared/safety/toy-neutropenia.yaml", "is: true", "is: only")
    retype_cases(root, "only", "only")
    assert "no rule can be silent about it" in run(root, "shared/toy/toy-count", "--fact", "active-infection").stderr
    assert "name one with --fact" in run(root, "shared/toy/toy-count").stderr
