"""No answer changes unnoticed: the service says to every example, vignette and case what the golden files hold."""

from __future__ import annotations

import pytest

from tests.support import golden


@pytest.fixture(scope="module")
def told(golden_answers: list[golden.Answered]) -> dict[str, str]:
    """What the service says now, by file."""
    return golden.texts(golden_answers)


@pytest.mark.parametrize("file", ["examples", "vignettes", "acceptance"])
def test_answers_are_those_frozen(file: str, told: dict[str, str]) -> None:
    frozen = (golden.FOLDER / f"{file}.txt").read_text(encoding="utf-8")
    assert told[file].splitlines() == frozen.splitlines()


def test_every_frozen_file_is_asked(told: dict[str, str]) -> None:
    assert {path.stem for path in golden.FOLDER.glob("*.txt")} == set(told)
