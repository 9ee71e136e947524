"""Killed under load, workers and a whole service lose nothing that was acknowledged: some of the 200 of `make kill`."""

from __future__ import annotations

import sys

import pytest

from benchmarks import kill


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_killed_processes_lose_nothing_that_was_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill, "_EVERY", 3)  # the third is of the whole service
    outcome = kill.run(3, seed=4)
    assert outcome.sound, outcome
    assert outcome.answers > 0
    assert outcome.feedback > 0
