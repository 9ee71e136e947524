"""Dates and times as intervals: partial dates, zones, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cds_service.chart.times import When, parse_when


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
        "2026-3",
    ],
)
def test_what_is_no_fhir_time(text: str) -> None:
    assert parse_when(text) is None
