"""No code, value set, policy or drug stands in the Python that reads charts: YAML alone names them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import cds_service
from cds_service.knowledge import Knowledge, load
from cds_service.knowledge.model import CrsGrade
from tests.support.shipped import ROOT

SERVED = Path(cds_service.__file__).parent
FILES = sorted(path for folder in ("facts", "chart", "timeline") for path in (SERVED / folder).glob("*.py"))
# The only exceptions: what is something else where it stands.
NAMES: Mapping[str, str] = {"renal.py": "dialysis"}  # a value of the fact renal-function
DRUGS: Mapping[str, str] = {"line.py": "anakinra"}  # the name of this service


@pytest.fixture(scope="module")
def ours() -> Knowledge:
    return load(ROOT)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every text in the code with its line, without docstrings; of a built one its parts."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def _found(names: set[str], path: Path) -> list[str]:
    return [
        f"{path.name}:{line}: {text}" for line, text in texts(path) if text in names and NAMES.get(path.name) != text
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_name_of_a_value_set_or_policy(ours: Knowledge, path: Path) -> None:
    assert _found({*ours.value_sets, *ours.policies}, path) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_code(ours: Knowledge, path: Path) -> None:
    codes = {code.code for value_set in ours.value_sets.values() for code in value_set.codes}
    assert _found(codes, path) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_drug(ours: Knowledge, path: Path) -> None:
    drugs = _drugs(ours)
    assert {"anakinra", "tocilizumab", "norepinephrine", "vasopressin", "dexamethasone"} <= drugs
    words = {word for _, text in texts(path) for word in re.split(r"[^a-z]+", text.lower())}
    assert words & drugs - {DRUGS.get(path.name)} == set()


def _drugs(ours: Knowledge) -> set[str]:
    """The single words by which the value sets of drugs call them: those with codes of RxNorm or ATC, and pressors."""
    systems = ("http://www.nlm.nih.gov/research/umls/rxnorm", "http://www.whocc.no/atc")
    grades = ours.catalogue.computed["crs"]
    assert isinstance(grades, CrsGrade)
    pressors = {grades.vasopressors.in_, grades.vasopressors.uncounted, *grades.vasopressors.substances}
    coded = {v.id for v in ours.value_sets.values() if any(c.system in systems for c in v.codes)}
    sets = [ours.value_sets[name] for name in coded | pressors]
    told = {text.lower() for v in sets for text in (*v.text, *(c.display for c in v.codes))}
    # A class of drugs, not one of them.
    return {text for text in told if re.fullmatch(r"[a-z]{5,}", text)} - {"vasopressor"}


@pytest.mark.parametrize(("name", "word"), [*NAMES.items(), *DRUGS.items()])
def test_what_is_excepted_stands_there(name: str, word: str) -> None:
    (path,) = [path for path in FILES if path.name == name]
    assert any(word in text.lower() for _, text in texts(path))
