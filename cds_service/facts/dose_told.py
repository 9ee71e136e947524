"""What one dose of an order is at once, also where only words or a volume say so: "1200 mg IV once", 35 mL of 20 mg/mL.

A volume is an amount only where the order itself says how much is in a millilitre: else it may be that of the bag.
Words that name several amounts say none. Only an order that goes by the single dose is read so: how often is in no
words here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from cds_service.chart.units import Converted, UnitTable
from cds_service.chart.vocabulary import Concept
from cds_service.facts.dosage import Amounts, dose_of, instructions_of, quantities_of

_MOST_TEXT: Final = 2000
_NUMBER: Final = r"(?<![\d.,])([1-9]\d{0,2}(?:[.,]\d{3})+|\d{1,9})([.,]\d{1,4})?"
_PER: Final = r"(?:\s?/\s?|\s(?:per|pro|par|por)\s)"
_SHARE: Final = rf"{_PER}(\d{{1,4}}(?:[.,]\d{{1,3}})?)?\s?([^\W\d_]{{1,10}})"
_AMOUNT: Final = re.compile(rf"{_NUMBER}\s?([^\W\d_]{{1,10}})(?:{_SHARE})?")
_SAME: Final = 1e-6


@dataclass(frozen=True, slots=True)
class AtOnce:
    """One instruction: `mg` at once, None where it does not say; `why` an amount that it writes cannot be read, ""
    where it writes none."""

    mg: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Words:
    """Amounts that words name: of the drug, of it for each kilogram, and of it in a millilitre."""

    masses: tuple[float, ...]
    per_kg: tuple[float, ...]
    per_ml: tuple[float, ...]


def at_once(
    request: Mapping[str, Any], drug: Concept, amounts: Amounts, weight: float | None, most: float
) -> Iterator[AtOnce]:
    """Milligrams at once of each instruction of an order, by its rows, else by its words. `weight` is in kilograms,
    `most` what is the most of the drug whatever the weight, in milligrams."""
    named = _words(amounts.mass, drug.text, *drug.displays)
    for instruction in instructions_of(request):
        doses = dose_of(instruction, amounts, weight)
        if not isinstance(doses, str):
            yield AtOnce(max(doses))
            continue
        told = _words(amounts.mass, str(instruction.get("text") or ""))
        if instruction.get("doseAndRate"):
            yield _by_volume(instruction, {*named.per_ml, *told.per_ml}, doses, amounts.mass)
        else:
            yield _by_words(told, weight, most, str(instruction.get("text") or ""))


def _by_volume(instruction: Mapping[str, Any], per_ml: set[float], why: str, mass: UnitTable) -> AtOnce:
    """A volume with the one strength that the order names; of a row that cannot be read why."""
    rows = quantities_of(instruction)
    volumes = [found for row in rows if (found := mass.volume_ml(row)) is not None]
    if len(per_ml) == 1 and len(volumes) == len(rows) == 1:
        return AtOnce(volumes[0] * next(iter(per_ml)))
    return AtOnce(None, why)


def _by_words(told: _Words, weight: float | None, most: float, text: str) -> AtOnce:
    """The one amount that the words name, or that by weight; beside each other the higher, unless the one only bounds
    the other ("8 mg/kg, max 800 mg")."""
    if len(told.masses) > 1 or len(told.per_kg) > 1:
        several = ", ".join(f"{x:g} mg" for x in told.masses) or ", ".join(f"{x:g} mg/kg" for x in told.per_kg)
        return AtOnce(None, f"its words name several amounts: {several}")
    bounded = bool(told.per_kg and told.masses) and abs(told.masses[0] - most) < _SAME
    masses = () if bounded else told.masses
    if told.per_kg and weight is None and not masses:
        return AtOnce(None)  # readable, but for the weight
    by_weight = told.per_kg[0] * weight if told.per_kg and weight is not None else 0.0
    dose = min(by_weight, most) if bounded else max(by_weight, *masses) if masses else by_weight
    if dose > 0:
        return AtOnce(dose)
    return AtOnce(None, f'the dose stands only in words: "{text.strip()[:40]}"' if text.strip() else "")


def _words(mass: UnitTable, *texts: str) -> _Words:
    masses: dict[float, None] = {}
    per_kg: dict[float, None] = {}
    per_ml: dict[float, None] = {}
    for text in texts:
        for whole, decimals, unit, of, per in _AMOUNT.findall(text[:_MOST_TEXT]):
            number = Decimal(re.sub("[.,]", "", whole) + decimals.replace(",", "."))
            found = mass.convert({"value": float(number), "unit": unit})
            if not isinstance(found, Converted):
                continue
            share = float(of.replace(",", ".")) if of else 1.0
            if not per:
                masses[round(found.value, 6)] = None
            elif mass.volume_ml({"value": share, "unit": per}) is not None and share > 0:
                per_ml[round(found.value / share, 6)] = None
            elif per.casefold() == "kg" and share > 0:
                per_kg[round(found.value / share, 6)] = None
            elif per.casefold() == "dose":
                masses[round(found.value, 6)] = None
    return _Words(tuple(masses), tuple(per_kg), tuple(per_ml))
