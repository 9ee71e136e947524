"""Amounts of a drug that words name: "1200 mg", "8 mg/kg", "20 mg/mL"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cds_service.chart.units import Converted, UnitTable

_MOST_TEXT: Final = 2000
_NUMBER: Final = r"(?<![\d.,])([1-9]\d{0,2}(?:[.,]\d{3})+|\d{1,9})([.,]\d{1,4})?"
_PER: Final = r"(?:\s?/\s?|\s(?:per|pro|par|por)\s)"
_SHARE: Final = rf"{_PER}(\d{{1,4}}(?:[.,]\d{{1,3}})?)?\s?([^\W\d_]{{1,10}})"
_AMOUNT: Final = re.compile(rf"{_NUMBER}\s?([^\W\d_]{{1,10}})(?:{_SHARE})?")


@dataclass(frozen=True, slots=True)
class AmountWords:
    """Amounts that words name: of the drug, of it for each kilogram, and of it in a millilitre."""

    masses: tuple[float, ...]
    per_kg: tuple[float, ...]
    per_ml: tuple[float, ...]


def amount_words(mass: UnitTable, *texts: str) -> AmountWords:
    """What some texts name, each amount once, in the canonical unit of `mass`."""
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
    return AmountWords(tuple(masses), tuple(per_kg), tuple(per_ml))
