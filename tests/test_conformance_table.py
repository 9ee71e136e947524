"""The table of what CDS Hooks asks of a service: no requirement is without a test."""

from __future__ import annotations

import copy

from tests.support.conformance import chapters, lines, problems, requirements


def test_no_requirement_is_without_a_test() -> None:
    assert list(problems(chapters())) == []
    assert len(requirements(chapters())) >= 60


def test_an_orphan_is_told() -> None:
    table = copy.deepcopy(chapters())
    first, second, third, *_ = requirements(table)
    first["tests"] = []
    second["tests"] = ["tests/test_contract.py::test_that_is_none", "tests/none.py::test_x"]
    third |= {"id": first["id"], "level": "MAY", "browser": ["tests/none.py::test_y"]}
    assert list(problems(table)) == [
        "0.1: there 2 times",
        "0.1: no test shows it",
        "0.2: no such test: tests/test_contract.py::test_that_is_none",
        "0.2: no such test: tests/none.py::test_x",
        "0.1: no level: MAY",
        "0.1: no such test: tests/none.py::test_y",
    ]


def test_the_table_can_be_read() -> None:
    shown = "\n".join(lines(chapters()))
    for each in requirements(chapters()):
        assert each["text"] in shown
