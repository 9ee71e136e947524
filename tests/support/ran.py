"""A proof that others rely on must have passed in a run that has it: being skipped is not enough.

The hazard log and the conformance table name such tests. Each is asked about at the end of the run, by the process
that hears of all of them.
"""

from __future__ import annotations

from collections.abc import Set

import pytest


class Proofs:
    """A plugin: `relied_on` are the tests, each `file::function`; a test with parameters counts where one passed."""

    def __init__(self, relied_on: Set[str]) -> None:
        self._relied_on = relied_on
        self._seen: set[str] = set()
        self._passed: set[str] = set()

    @property
    def missing(self) -> list[str]:
        """Those of this run that did not pass."""
        return sorted(self._relied_on & self._seen - self._passed)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one report of a test."""
        function = report.nodeid.partition("[")[0]
        self._seen.add(function)
        if report.when == "call" and report.passed:
            self._passed.add(function)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A run without its proofs fails."""
        if self.missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which."""
        for function in self.missing:
            terminalreporter.write_line(f"NOT PROVEN {function}: a hazard or a requirement relies on it", red=True)
