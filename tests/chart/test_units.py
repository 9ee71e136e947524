"""The closed table of units against an independent UCUM library, value by value."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import ucumvert

from cds_service import knowledge
from cds_service.chart.units import UCUM, Converted, UnitTable, Unusable, number_of
from cds_service.knowledge.model import Analyte
from cds_service.knowledge.model.spelling import spelled

ANALYTES = knowledge.load().analytes
# Between amounts of substance and masses UCUM knows no way; the clinical factor is the conventional 88.42.
MOLAR = {
    ("creatinine", "umol/L"): 1 / 88.42,
    ("creatinine", "mmol/L"): 1000 / 88.42,
    ("triglycerides", "mmol/L"): 88.57,
}
PAIRS = [pytest.param(name, u.code, id=f"{name}: {u.code}") for name, a in ANALYTES.items() for u in a.units]


@functools.cache
def registry() -> Any:
    return ucumvert.PintUcumRegistry()


def samples(analyte: Analyte) -> list[float]:
    low, high = analyte.plausible
    return [low + (high - low) * part for part in (0.01, 0.3, 0.9)]


@pytest.mark.filterwarnings("ignore")  # of the library's own
@pytest.mark.parametrize(("name", "code"), PAIRS)
def test_factor_and_offset(name: str, code: str) -> None:
    analyte = ANALYTES[name]
    table = UnitTable(analyte)
    ucum = registry()
    canonical = ucum.from_ucum(analyte.unit).units
    for value in samples(analyte):
        if (name, code) in MOLAR:
            written = value / MOLAR[name, code]
        else:
            written = float(ucum.Quantity(value, canonical).to(ucum.from_ucum(code).units).magnitude)
        found = table.convert({"value": written, "unit": "see code", "system": UCUM, "code": code})
        assert isinstance(found, Converted)
        assert found.value == pytest.approx(value, rel=1e-9)
        assert found.unit == analyte.unit


@pytest.mark.parametrize("name", ANALYTES)
def test_aliases_mean_their_unit(name: str) -> None:
    analyte = ANALYTES[name]
    table = UnitTable(analyte)
    middle = sum(analyte.plausible) / 2
    for unit in analyte.units:
        written = (middle - float(unit.offset)) / float(unit.factor)
        for alias in (unit.code, *unit.aliases):
            found = table.convert({"value": written, "unit": alias})
            assert isinstance(found, Converted), alias
            assert found.value == pytest.approx(middle)


@pytest.mark.parametrize("name", ANALYTES)
def test_no_alias_has_two_meanings(name: str) -> None:
    meanings: dict[str, set[str]] = {}
    for unit in ANALYTES[name].units:
        for name_ in (unit.code, *unit.aliases):
            meanings.setdefault(spelled(name_), set()).add(unit.code)
    assert all(len(codes) == 1 for codes in meanings.values())


@pytest.mark.parametrize(
    "unit",
    [
        "K/uL",
        "K/mcL",
        "x10E3/uL",
        "10*3/mm3",
        "k/cumm",
        "Thousand/uL",
        "G/L",
        "10³/µL",
        "× 10³/μL",
        "x10 ^9 / L",
        "Tsd./µl",
    ],
)
def test_spellings_of_thousands_of_cells(unit: str) -> None:
    found = UnitTable(ANALYTES["cell-count"]).convert({"value": 0.2, "unit": unit})
    assert isinstance(found, Converted), found
    assert found.value == pytest.approx(200)


def test_platelets_are_counted_in_every_unit_of_cells_and_in_ten_thousands() -> None:
    cells, platelets = ANALYTES["cell-count"].units, ANALYTES["platelet-count"].units
    assert [unit for unit in platelets if unit not in cells] == [unit for unit in platelets if unit.code == "10*4/uL"]
    assert set(cells) < set(platelets)


@pytest.mark.parametrize("unit", ["K", "x10", "g/dL", "uL", "10*6/uL", "M/uL", "%"])
def test_what_is_no_count_of_thousands_is_not_used(unit: str) -> None:
    assert isinstance(UnitTable(ANALYTES["cell-count"]).convert({"value": 0.2, "unit": unit}), Unusable)


@pytest.mark.parametrize(
    "quantity",
    [
        {"value": 1.2},
        {"value": 1.2, "unit": "furlong"},
        {"value": 1.2, "system": UCUM, "code": "furlong"},
        {"value": 1.2, "system": "http://example.org", "code": "mg/dL", "unit": "furlong"},
        {"value": 1.2, "unit": "mg/dL", "comparator": "<"},
        {"value": "1.2", "unit": "mg/dL"},
        {"value": True, "unit": "mg/dL"},
        {"unit": "mg/dL"},
        {"value": 4000, "unit": "mg/dL"},
        {"value": float("inf"), "unit": "mg/dL"},
    ],
    ids=str,
)
def test_what_is_not_used_says_why(quantity: dict[str, Any]) -> None:
    found = UnitTable(ANALYTES["creatinine"]).convert(quantity)
    assert isinstance(found, Unusable)
    assert found.why


def test_a_coded_unit_beats_its_label() -> None:
    table = UnitTable(ANALYTES["creatinine"])
    found = table.convert({"value": 88.42, "unit": "mg/dL", "system": UCUM, "code": "umol/L"})
    assert isinstance(found, Converted)
    assert found.value == pytest.approx(1.0)


def test_an_adults_range_is_narrower() -> None:
    table = UnitTable(ANALYTES["weight"])
    quantity = {"value": 20, "unit": "kg"}
    assert isinstance(table.convert(quantity), Converted)
    assert isinstance(table.convert(quantity, adult=True), Unusable)


def test_only_finite_numbers_are_numbers() -> None:
    assert [number_of(value) for value in (0, -1.5, 10**40)] == [0.0, -1.5, 1e40]
    wrong = (10**400, float("inf"), float("nan"), True, "5", None, [], {})
    assert [number_of(value) for value in wrong] == [None] * len(wrong)
