"""Dates and times as intervals: partial dates, zones, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cds_service.chart.resource import Resource
from cds_service.chart.times import LAST, When, hours_after, parse_when


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", at(2026, 1, 1), at(2026, 12, 31, 23, 59, 59)),
        ("2026-02", at(2026, 2, 1), at(2026, 2, 28, 23, 59, 59)),
        ("2024-02", at(2024, 2, 1), at(2024, 2, 29, 23, 59, 59)),
        ("2026-12", at(2026, 12, 1), at(2026, 12, 31, 23, 59, 59)),
        ("2026-03-05", at(2026, 3, 5), at(2026, 3, 5, 23, 59, 59)),
        ("2026-03-05T12:00:00Z", at(2026, 3, 5, 12), at(2026, 3, 5, 12)),
        ("2026-03-05T12:00Z", at(2026, 3, 5, 12), at(2026, 3, 5, 12)),
        ("2026-03-05T12:00:00.250+09:00", at(2026, 3, 5, 3, 0, 0, 250000), at(2026, 3, 5, 3, 0, 0, 250000)),
        # Europe/Berlin springs forward on 2026-03-29: offsets, not wall clocks, order the two.
        ("2026-03-29T03:00:00+02:00", at(2026, 3, 29, 1), at(2026, 3, 29, 1)),
        ("2026-03-29T01:59:59+01:00", at(2026, 3, 29, 0, 59, 59), at(2026, 3, 29, 0, 59, 59)),
        ("1850-01-01", at(1850, 1, 1), at(1850, 1, 1, 23, 59, 59)),
        ("9999", at(9999, 1, 1), LAST),
        ("9999-12", at(9999, 12, 1), LAST),
        ("9999-12-31", at(9999, 12, 31), LAST),
        ("9999-12-30", at(9999, 12, 30), at(9999, 12, 30, 23, 59, 59)),
        ("9999-11", at(9999, 11, 1), at(9999, 11, 30, 23, 59, 59)),
        ("9999-12-31T23:59:59+14:00", at(9999, 12, 31, 9, 59, 59), at(9999, 12, 31, 9, 59, 59)),
        ("9999-12-31T23:59:59-12:00", LAST, LAST),
    ],
)
def test_intervals(text: str, start: datetime, end: datetime) -> None:
    assert parse_when(text) == When(start, end)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13",
        "2026-02-30",
        "2026-03-05T12:00:00",
        "2026-03-05 12:00:00Z",
        "05/03/2026",
        "0000",
        "0001-01-01",
        "0001-01-01T00:00:00+14:00",
        "1849-12-31",
        "2026-01-01T00:00:00+99:99",
        "\u0662\u0660\u0662\u0666",
        "2026-3",
    ],
)
def test_what_is_no_fhir_time(text: str) -> None:
    assert parse_when(text) is None


def test_hours_after_stay_in_the_calendar() -> None:
    assert hours_after(at(2026, 1, 1), 36) == at(2026, 1, 2, 12)
    assert [hours_after(at(2026, 1, 1), hours) for hours in (1e9, 1e300, float("inf"), float("nan"))] == [LAST] * 4
    assert hours_after(LAST, 8) == LAST


@pytest.mark.parametrize(
    ("element", "found"),
    [
        ("9999-12-31", None),
        ("2200-01-01", None),
        ({"start": "2026-03-05T12:00:00Z", "end": "9999-12-31"}, When(at(2026, 3, 5, 12), LAST)),
        ({"start": "2026-03-05T12:00:00Z", "end": "0001-01-01"}, When(at(2026, 3, 5, 12), at(2026, 3, 5, 12))),
        ({"start": "9999-01-01", "end": "9999-12-31"}, None),
        ({"start": "0001-01-01", "end": "2026-03-05T12:00:00Z"}, When(at(2026, 3, 5, 12), at(2026, 3, 5, 12))),
        ({"start": 5, "end": []}, None),
        ([], None),
        (20260101, None),
    ],
)
def test_a_chart_records_nothing_outside_its_years(element: Any, found: When | None) -> None:
    assert Resource({"resourceType": "Observation", "x": element}).time("x") == found
