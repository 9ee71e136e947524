"""Which tests were collected and which passed in this run: for the checks that ask whether a proof was really run."""

from __future__ import annotations

import pytest

COLLECTED: set[str] = set()
PASSED: set[str] = set()
# Runs after everything that it asks about.
LAST = "last"


def function_of(node: str) -> str:
    """`file::function` of a node id, without its parameters."""
    return node.partition("[")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker(LAST) is not None)
    COLLECTED.update(function_of(item.nodeid) for item in items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        PASSED.add(function_of(report.nodeid))
