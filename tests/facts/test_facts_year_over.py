"""Words that name a year: they are of the past once that year has ended long enough ago, and not a minute earlier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.facts.house import Case, service

_DAYS = timedelta(hours=service().program.windows["infection-year-over"])
_BOUNDARY = datetime(2026, 1, 1, tzinfo=UTC) + _DAYS


@pytest.mark.parametrize(("now", "expected"), [(_BOUNDARY, True), (_BOUNDARY + timedelta(minutes=1), False)])
def test_a_year_is_over(now: datetime, expected: bool) -> None:
    """The record is new: only the year in its words tells of another one."""
    case = Case(given=({"condition": "Sepsis 2025", "onset": "2026-01-30"},))
    assert case.facts(now)["severe-infection"].value is expected


def test_the_boundary_is_the_one_that_ships() -> None:
    """Changed on purpose only: the cases under tests/data play on one day, which is far from any turn of a year."""
    assert timedelta(days=30) == _DAYS
