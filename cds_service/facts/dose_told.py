"""What one dose of an order is at once, also where only words or a volume say so: "1200 mg IV once", 35 mL of 20 mg/mL.

A volume is an amount only where the order itself says how much is in a millilitre: else it may be that of the bag.
Words that name several amounts say none. Only an order that goes by the single dose is read so: how often is in no
words here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cds_service.chart.figures import rounded
from cds_service.chart.units import UnitTable
from cds_service.chart.vocabulary import Concept
from cds_service.facts.amount_words import AmountWords, amount_words
from cds_service.facts.dosage import Amounts, dose_of, instructions_of, quantities_of

_SAME: Final = 1e-6


@dataclass(frozen=True, slots=True)
class AtOnce:
    """One instruction: `mg` at once, None where it does not say; `why` an amount that it writes cannot be read, ""
    where it writes none."""

    mg: float | None
    why: str = ""


def at_once(
    request: Mapping[str, Any], drug: Concept, amounts: Amounts, weight: float | None, most: float
) -> Iterator[AtOnce]:
    """Milligrams at once of each instruction of an order, by its rows, else by its words. `weight` is in kilograms,
    `most` what is the most of the drug whatever the weight, in milligrams."""
    named = amount_words(amounts.mass, drug.text, *drug.displays)
    for instruction in instructions_of(request):
        doses = dose_of(instruction, amounts, weight)
        if not isinstance(doses, str):
            yield AtOnce(max(doses))
            continue
        told = amount_words(amounts.mass, str(instruction.get("text") or ""))
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


def _by_words(told: AmountWords, weight: float | None, most: float, text: str) -> AtOnce:
    """The one amount that the words name, or that by weight; beside each other the higher, unless the one only bounds
    the other ("8 mg/kg, max 800 mg")."""
    if len(told.masses) > 1 or len(told.per_kg) > 1:
        several, unit = (told.masses, "mg") if told.masses else (told.per_kg, "mg/kg")
        named = ", ".join(f"{rounded(amount)} {unit}" for amount in several)
        return AtOnce(None, f"its words name several amounts: {named}")
    bounded = bool(told.per_kg and told.masses) and abs(told.masses[0] - most) < _SAME
    masses = () if bounded else told.masses
    if told.per_kg and weight is None and not masses:
        return AtOnce(None)  # readable, but for the weight
    by_weight = told.per_kg[0] * weight if told.per_kg and weight is not None else 0.0
    dose = min(by_weight, most) if bounded else max(by_weight, *masses) if masses else by_weight
    if dose > 0:
        return AtOnce(dose)
    return AtOnce(None, f'the dose stands only in words: "{text.strip()[:40]}"' if text.strip() else "")
