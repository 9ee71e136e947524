"""`anakinra-cds check`: the findings of a review, and the cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.knowledge import inspect
from tests.support.knowledge_root import EXTENDING_SITE, complete, replace, write

RULE = "rules/shared/safety/toy-neutropenia.yaml"
CASES = "rules/shared/safety/toy-neutropenia.cases.yaml"


def run(root: Path, *arguments: str) -> Result:
    if root.joinpath("rules").is_dir():
        complete(root)
    return CliRunner().invoke(main, ["check", "--root", str(root), *arguments])


def test_all_is_well(root: Path) -> None:
    result = run(root)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "1 fires, 2 silent, 2 unknown" in result.stdout
    assert result.stdout.endswith("0 problems, 0 warnings\n")


def test_site(root: Path) -> None:
    write(root, "rules/sites/toy-hospital.yaml", EXTENDING_SITE)
    result = run(root, "--site", "toy-hospital")
    assert "at site toy-hospital" in result.stdout
    assert "1 changed by the site" in result.stdout
    # The cases tell what the rule says with the values that its own reviewers saw.
    assert (result.exit_code, result.stderr) == (0, "")


def test_problems_of_files(root: Path) -> None:
    line = replace(root, RULE, "status: draft", "status: drafty")
    result = run(root)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{RULE}:{line}: status: expected ")
    assert result.stdout == "1 problem, 0 warnings\n"


def test_dangling_references_and_cases_at_once(root: Path) -> None:
    replace(root, RULE, "card: toy-neutropenia", "card: toy-card")
    replace(root, CASES, "result: fires", "result: silent")
    lines = run(root).stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{RULE}:16", f"{CASES}:1"]


@pytest.mark.parametrize("result", ["silent", "unknown"])
def test_case_with_another_result(root: Path, result: str) -> None:
    line = replace(root, CASES, "false}, result: silent", f"false}}, result: {result}")
    outcome = run(root)
    expected = f"{CASES}:{line}: [1].result: at the threshold: expected unknown (found silent)\n"
    assert (outcome.exit_code, outcome.stderr) == ((0, "") if result == "silent" else (1, expected))


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("name: infection,", "name: low,", "[2].name", "expected another name, a case is already called 'low'"),
        ("{neutrophil-count: 0.5,", "{neutrophils: 0.5,", "[1].facts.neutrophils", "no such fact neutrophils"),
        ("{neutrophil-count: 0.5,", '{neutrophil-count: "0.5",', "[1].facts.neutrophil-count", "expected a number"),
        ("{active-infection: false}", "{active-infection: 0}", "[3].facts.active-infection", "expected true or false"),
        ("true}, result", "true}, findings: {a: true}, result", "[2].findings.a", "no such finding"),
        ("result: fires", "result: silent", "(whole file)", "expected at least one case with `result: fires`"),
    ],
)
def test_faulty_cases(root: Path, old: str, new: str, key: str, expected: str) -> None:
    line = replace(root, CASES, old, new)
    found = inspect(root).problems
    assert len(found) == 1
    assert found[0].startswith(f"{CASES}:{line}: {key}: ")
    assert expected in found[0]
    assert run(root).exit_code == 1


def test_value_that_the_engine_refuses(root: Path) -> None:
    line = replace(root, CASES, "{neutrophil-count: 0.5,", "{neutrophil-count: 10000000000000,")
    result = run(root)
    assert result.exit_code == 1
    expected = f"{CASES}:{line}: [1].facts.neutrophil-count: expected a number of at most 4 decimals, below 10^12"
    assert result.stderr.startswith(expected)


def test_more_rules_than_the_engine_takes(root: Path) -> None:
    text = (root / RULE).read_text(encoding="utf-8")
    alternative = "  - [{fact: neutrophil-count, below: policy.neutropenia}]\n"
    for number in range(8):
        name = f"toy-{number}"
        rule = text.replace("id: toy-neutropenia", f"id: {name}").replace(
            "unless:", "any:\n" + alternative * 8 + "unless:"
        )
        write(root, f"rules/shared/many/{name}.yaml", rule)
        write(root, f"rules/shared/many/{name}.cases.yaml", (root / CASES).read_text(encoding="utf-8"))
    result = run(root)
    assert result.exit_code == 1
    assert "60" in result.stderr


def test_rule_without_cases(root: Path) -> None:
    (root / CASES).unlink()
    assert inspect(root).problems == (f"{RULE}:1: id: expected the rule's cases in {CASES}",)


def test_cases_without_rule(root: Path) -> None:
    (root / CASES).rename(root / "rules/shared/safety/toy-absent.cases.yaml")
    assert (
        inspect(root)
        .problems[1]
        .startswith("rules/shared/safety/toy-absent.cases.yaml:1: (whole file): no such rule toy-")
    )


def test_a_rule_of_known_comparisons_needs_no_unknown_case(root: Path) -> None:
    replace(root, RULE, "below: policy.neutropenia", "known: false")
    replace(root, RULE, "is: true", "known: true")
    write(
        root,
        CASES,
        "- {name: neither, facts: {}, result: fires}\n"
        "- {name: infection, facts: {active-infection: false}, result: silent}\n",
    )
    result = run(root)
    assert (result.exit_code, result.stderr) == (0, "")


def test_long_rule(root: Path) -> None:
    text = (root / RULE).read_text(encoding="utf-8")
    write(root, RULE, text + "# a comment\n" * (41 - text.count("\n")))
    assert inspect(root).problems == (f"{RULE}:41: (whole file): expected at most 40 lines (found 41)",)


def test_unused_files_are_warnings(root: Path) -> None:
    for folder, name in (("rules/terms", "toy-drug"), ("cards", "toy-neutropenia")):
        text = (root / f"{folder}/{name}.yaml").read_text(encoding="utf-8")
        write(root, f"{folder}/toy-spare.yaml", text.replace(f"id: {name}", "id: toy-spare"))
    bounds = "value: 1, unit: h, least: 1, most: 2"
    policy = f"toy-spare: {{title: Spare, {bounds}, owner: o, validFrom: 2026-01-01, reference: r}}\n"
    line = replace(root, "rules/policies/toy.yaml", "neutropenia:\n", policy + "neutropenia:\n")
    grouped = run(root)
    assert grouped.stderr == (
        "warning: 3 about rules/terms/toy-spare.yaml, cards/toy-spare.yaml, rules/policies/toy.yaml;"
        " --verbose lists them\n"
    )
    result = run(root, "--verbose")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "warning: rules/terms/toy-spare.yaml:1: id: the value set toy-spare is not used by any other file",
        "warning: cards/toy-spare.yaml:1: id: the card toy-spare is not used by any other file",
        f"warning: rules/policies/toy.yaml:{line}: toy-spare: the policy toy-spare is not used by any other file",
    ]
    assert result.stdout.endswith("0 problems, 3 warnings\n")


def test_one_warning_is_said_as_it_is(root: Path) -> None:
    text = (root / "cards/toy-neutropenia.yaml").read_text(encoding="utf-8")
    write(root, "cards/toy-spare.yaml", text.replace("id: toy-neutropenia", "id: toy-spare"))
    assert run(root).stderr == (
        "warning: cards/toy-spare.yaml:1: id: the card toy-spare is not used by any other file\n"
    )


def test_json(root: Path) -> None:
    result = run(root, "--json")
    told = json.loads(result.stdout)
    assert list(told) == ["knowledge", "site", "problems", "warnings", "counts"]
    assert (told["site"], told["problems"], told["warnings"], told["counts"]["cases"]) == ("us", [], [], 5)
    line = replace(root, RULE, "status: draft", "status: drafty")
    broken = run(root, "--json")
    assert (broken.exit_code, broken.stderr) == (1, "")
    told = json.loads(broken.stdout)
    assert (told["knowledge"], told["site"], told["counts"]) == (None, None, {})
    assert told["problems"][0].startswith(f"{RULE}:{line}: status: expected ")


def test_a_root_that_is_none(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "expected the folders rules/ and cards/" in result.stderr
