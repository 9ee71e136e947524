"""The table of what CDS Hooks asks of a service: no requirement without a test, and each of them passed in this run."""

from __future__ import annotations

import copy

import pytest

from tests.support import ran
from tests.support.conformance import chapters, lines, problems, requirements


def test_no_requirement_is_without_a_test() -> None:
    assert list(problems(chapters())) == []
    assert len(requirements(chapters())) >= 60


def test_an_orphan_is_told() -> None:
    table = copy.deepcopy(chapters())
    first, second, third, *_ = requirements(table)
    first["tests"] = []
    second["tests"] = ["tests/test_contract.py::test_that_is_none", "tests/none.py::test_x"]
    third |= {"id": first["id"], "level": "MAY"}
    assert list(problems(table)) == [
        "0.1: there 2 times",
        "0.1: no test shows it",
        "0.2: no such test: tests/test_contract.py::test_that_is_none",
        "0.2: no such test: tests/none.py::test_x",
        "0.1: no level: MAY",
    ]


def test_the_table_can_be_read() -> None:
    shown = "\n".join(lines(chapters()))
    for each in requirements(chapters()):
        assert each["text"] in shown


@pytest.mark.last
def test_every_requirement_was_shown_in_this_run() -> None:
    """By the tests that this run has: a run of everything has them all."""
    tests = {test for each in requirements(chapters()) for test in each["tests"]}
    assert {test for test in tests & ran.COLLECTED if test not in ran.PASSED} == set()
