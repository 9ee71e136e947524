"""Statements of the sources: what `check` says of faulty ones, and that the shipped list is whole and proven."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.knowledge import Knowledge, inspect
from cds_service.knowledge.model import Coverage
from cds_service.tools.catalogue.trace import NOT_USED, PARTLY, USED, state_of
from tests.support.knowledge_root import replace, write
from tests.support.shipped import ROOT

COVERAGE = "rules/coverage.yaml"
TRIAL = "rules/evidence/toy-trial.yaml"
FILE = """\
sources: {toy-book: A book about toys}
statements:
  - id: A01
    statement: The toy drug lowers neutrophils
    sources: [toy-book]
    usedBy:
      {rules: [toy-neutropenia], policies: [neutropenia], cards: [toy-neutropenia], facts: [neutrophil-count],
       evidence: [toy-trial]}
    tests: ["rules/shared/safety/toy-neutropenia.cases.yaml#low", "tests/data/toys.yaml#a toy",
      "tests/test_toys.py::test_toy"]
  - {id: S0-01, statement: Toys cost money, notUsed: Cost is no input.}
"""


@pytest.fixture
def covered(root: Path) -> Path:
    """The minimal root with two statements."""
    replace(root, TRIAL, "seeds: []", "seeds: [A01]")
    write(root, COVERAGE, FILE)
    return root


def test_all_is_well(covered: Path) -> None:
    found = inspect(covered)
    assert found.problems == ()
    assert found.knowledge is not None
    first, second = found.knowledge.coverage.statements
    assert (state_of(first), state_of(second)) == (USED, NOT_USED)
    assert state_of(first.model_copy(update={"not_used": "in part"})) == PARTLY


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        (
            "rules: [toy-neutropenia]",
            "rules: [toy-neutropaenia]",
            "usedBy.rules[0]",
            "no such rule toy-neutropaenia; did",
        ),
        ("policies: [neutropenia]", "policies: [fever]", "usedBy.policies[0]", "no such policy fever"),
        ("cards: [toy-neutropenia]", "cards: [toy]", "usedBy.cards[0]", "no such card toy"),
        ("facts: [neutrophil-count]", "facts: [count]", "usedBy.facts[0]", "no such fact count"),
        ("evidence: [toy-trial]", "evidence: [toy-trail]", "usedBy.evidence[0]", "no such piece of evidence toy-trail"),
        ("cards: [toy-neutropenia], f", "regimens: [toy], f", "usedBy.regimens[0]", "no such regimen toy"),
        ("sources: [toy-book]", "sources: [book]", "sources[0]", "no such source book; did you mean toy-book?"),
        ("yaml#low", "yaml#lower", "tests[0]", "no such case lower; did you mean low?"),
        (
            "safety/toy-neutropenia.cases",
            "safety/toy.cases",
            "tests[0]",
            "no such file rules/shared/safety/toy.cases.yaml",
        ),
        ("toys.yaml#a toy", "toys.yaml", "tests[1]", "expected <file>.yaml#<name of a case>"),
        ("test_toys.py::test_toy", "test_toys.py::test toy", "tests[2]", "expected <file>.yaml#<name of a case>"),
        (
            "lowers neutrophils",
            "is never a forbidden phrase",
            "statement",
            "'never a forbidden phrase' must not be repeated",
        ),
    ],
)
def test_a_statement_that_names_what_is_not_there(covered: Path, old: str, new: str, key: str, expected: str) -> None:
    replace(covered, TRIAL, "forbidden: []", 'forbidden: ["never a forbidden phrase"]')
    line = replace(covered, COVERAGE, old, new)
    found = [problem for problem in inspect(covered).problems if problem.startswith(COVERAGE)]
    assert len(found) == 1
    assert found[0].startswith(f"{COVERAGE}:{line}: statements[0].{key}: {expected}"), found


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        (", notUsed: Cost is no input.}", "}", "statements[1]", "expected `usedBy` with what uses it, or `notUsed`"),
        ("notUsed: Cost", "usedBy: {facts: [neutrophil-count]}, notUsed: Cost", "statements[1]", "expected `tests`"),
        ("id: S0-01", "id: A01", "statements[1].id", "expected another id, A01 is already used"),
        ("id: S0-01", "id: S01", "statements[1].id", "expected a different text"),
    ],
)
def test_a_statement_that_says_too_little(covered: Path, old: str, new: str, key: str, expected: str) -> None:
    line = replace(covered, COVERAGE, old, new)
    assert [
        problem for problem in inspect(covered).problems if problem.startswith(f"{COVERAGE}:{line}: {key}: {expected}")
    ]


def test_evidence_and_statements_name_each_other(covered: Path) -> None:
    line = replace(covered, TRIAL, "seeds: [A01]", "seeds: []")
    (lone,) = inspect(covered).problems
    assert lone.startswith(f"{COVERAGE}:8: statements[0].usedBy.evidence[0]: ")
    assert lone.endswith("the evidence toy-trial does not name A01; add it to its `seeds`")
    replace(covered, TRIAL, "seeds: []", "seeds: [A01, S0-01, A02]")
    one, other = inspect(covered).problems
    assert one == f"{TRIAL}:{line}: seeds[1]: S0-01 in rules/coverage.yaml does not name toy-trial; add it there"
    assert other.startswith(f"{TRIAL}:{line}: seeds[2]: no such statement in rules/coverage.yaml A02")


# ---------------------------------------------------------------- the shipped statements


@pytest.mark.parametrize(("mark", "last"), [("A", 53), ("C", 26), ("E", 6)])
def test_no_statement_is_left_out(ours: Knowledge, mark: str, last: int) -> None:
    ids = [s.id for s in ours.coverage.statements if s.id.startswith(mark)]
    assert ids == [f"{mark}{number:02}" for number in range(1, last + 1)]


def test_each_source_has_further_statements_numbered_without_a_gap(ours: Knowledge) -> None:
    ids = [s.id for s in ours.coverage.statements if s.id.startswith("S")]
    for source in range(5):
        found = [i for i in ids if i.startswith(f"S{source}-")]
        assert found == [f"S{source}-{number:02}" for number in range(1, len(found) + 1)]
        assert found


@functools.cache
def _cases(path: Path) -> frozenset[str]:
    """The names or ids of the cases of a file of data."""
    content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    items = content["cases"] if isinstance(content, dict) else content
    return frozenset(str(item.get("name", item.get("id"))) for item in items)


@functools.cache
def _functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def _missing(reference: str) -> bool:
    file, _, name = reference.partition("::" if "::" in reference else "#")
    path = ROOT / file
    known = _functions if path.suffix == ".py" else _cases
    return not path.is_file() or name not in known(path)


def test_every_test_that_proves_a_statement_is_there() -> None:
    coverage = Coverage.model_validate(yaml.safe_load((ROOT / COVERAGE).read_text(encoding="utf-8")))
    lost = {s.id: [test for test in s.tests if _missing(test)] for s in coverage.statements}
    assert {name: tests for name, tests in lost.items() if tests} == {}
    assert _missing("tests/test_statements.py::test_nowhere")
    assert _missing("tests/data/vignettes.yaml#V99")


def test_statements_are_in_our_own_words_and_short(ours: Knowledge) -> None:
    for statement in ours.coverage.statements:
        assert len(statement.statement) <= 160, statement.id
        assert not re.search(r"[.!?]$", statement.statement), statement.id
        assert not statement.not_used or statement.not_used.endswith("."), statement.id
