"""A run in which a test that a hazard or a requirement relies on was skipped fails, and says so."""

from __future__ import annotations

import pytest

from tests.support.ran import Proofs

_TESTS = """
import pytest

def test_passes(): pass

@pytest.mark.parametrize("number", [1, 2])
def test_passes_once(number):
    if number == 2: pytest.skip("not here")

@pytest.mark.skip(reason="not here")
def test_skipped(): pass
"""


@pytest.mark.parametrize(
    ("relied_on", "code", "said"),
    [
        (("test_it.py::test_passes", "test_it.py::test_passes_once", "test_other.py::test_x"), 0, ()),
        (("test_it.py::test_skipped",), 1, ("NOT PROVEN test_it.py::test_skipped: *",)),
    ],
)
def test_a_proof_that_was_skipped_fails_the_run(
    pytester: pytest.Pytester, relied_on: tuple[str, ...], code: int, said: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_it=_TESTS)
    result = pytester.runpytest_inprocess("-p", "no:cov", "-p", "no:schemathesis", plugins=[Proofs(set(relied_on))])
    assert result.ret == code
    result.stdout.fnmatch_lines(said)
