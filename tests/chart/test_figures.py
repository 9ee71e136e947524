"""Numbers for reading (policy 3.7: compare unrounded, print rounded)."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.chart.figures import fixed, rounded
from cds_service.chart.units import UnitTable
from cds_service.knowledge.loader import read_all

ROOT = Path(__file__).parents[2]
TABLES = {name: UnitTable(analyte) for name, analyte in read_all(ROOT, "us").analytes.items()}


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (20.003, (), "20"),
        (0.85, (), "0.85"),
        (562.4, (), "562.4"),
        (400.001, (400,), "400.001"),
        (1234567.0, (), "1234567"),
    ],
)
def test_a_number_has_a_hundredth_at_most_unless_it_would_cross_its_limit(
    value: float, limits: tuple[float, ...], text: str
) -> None:
    assert rounded(value, limits) == text


@pytest.mark.parametrize(
    ("value", "limit", "text"), [(86.2571, 90, "86"), (89.6, 90, "89.6"), (89.9999, 90, "89.9999"), (90.2, 90, "90.2")]
)
def test_a_value_never_seems_to_stand_on_the_other_side(value: float, limit: float, text: str) -> None:
    assert fixed(value, 0, [limit]) == text


@pytest.mark.parametrize(
    ("analyte", "value", "limit", "text"),
    [
        ("pressure", 86.2571, 90, "86 mmHg"),
        ("temperature", 38.6, 38, "38.6 °C"),
        ("temperature", 39.0, 38, "39.0 °C"),
        ("temperature", 37.97, 38, "37.97 °C"),
        ("temperature", 38.0 + 1e-9, 38, "38.0 °C"),
        ("weight", 20.00343, 10, "20 kg"),
    ],
)
def test_a_measurement_is_written_as_people_write_it(analyte: str, value: float, limit: float, text: str) -> None:
    assert TABLES[analyte].printed(value, limit) == text
