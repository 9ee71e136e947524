"""The daily dose of a MedicationRequest, where its dosage says one: never guessed from free text.

FHIR R4 Dosage: several instructions add up (the higher total is the safe reading); ranges count with their upper
end; an order "as needed" has no certain daily dose, but its frequency still bounds it. A number, a word or a shape that
is no dosage is never left aside: what stands beside it says less than the whole, and then nothing can be computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.chart.figures import rounded
from cds_service.chart.units import Beyond, Converted, UnitTable, number_of
from cds_service.facts.dosage_words import otherwise, shown
from cds_service.facts.how_often import HowOften
from cds_service.knowledge.model import Pack

# UCUM units of Timing.repeat.periodUnit, in hours.
PERIOD_HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0, "wk": 168.0, "mo": 720.0, "a": 8760.0}
# HL7 v3 GTSAbbreviation, as Timing.code carries it: doses per day.
_PER_DAY = {
    "QD": 1.0, "AM": 1.0, "PM": 1.0, "BED": 1.0, "BID": 2.0, "TID": 3.0, "QID": 4.0, "QOD": 0.5, "Q1H": 24.0,
    "Q2H": 12.0, "Q3H": 8.0, "Q4H": 6.0, "Q6H": 4.0, "Q8H": 3.0, "Q12H": 2.0, "Q24H": 1.0, "WK": 1 / 7,
}  # fmt: skip
# A ton a day is no dose that anybody means, and once in ten years no frequency.
_BOUNDLESS_MG = 1e9
_LEAST_PER_DAY = 1 / 3650
_SAME_MG = 1e-6
ANY_WEIGHT = 1.0  # to see whether a dose by weight can be read


@dataclass(frozen=True, slots=True)
class Dosage:
    """What an order asks for. `daily_mg` None means that it cannot be computed, and `why` says why.

    `dose_mg` and `interval_h` are set for a single plain instruction; `bound_mg` is the most that the order could
    amount to in a day as far as it says (also where it is as needed), 0 where it says nothing,
    infinite where it is beyond any dose. `by_words` where only words say so much.
    """

    daily_mg: float | None
    bound_mg: float
    dose_mg: float | None = None
    interval_h: float | None = None
    route: Mapping[str, Any] | None = None
    why: str = ""
    by_words: bool = False


_UNREADABLE = "an instruction that cannot be read"


@dataclass(frozen=True, slots=True)
class Amounts:
    """In which units amounts of a drug are read: those of mass, and those of its own products where it has any; and how
    words say how often."""

    mass: UnitTable
    products: UnitTable | None = None
    how: HowOften | None = None

    def readings(self, weight: float | None) -> Iterator[tuple[UnitTable, float | None]]:
        """Tables in the order in which they count, and by what a value is multiplied: units per kilogram by the body
        weight, which may be unknown."""
        yield self.mass, 1.0
        if self.products:
            yield self.products, 1.0
        yield self.mass.per_kilogram, weight


def amounts_by_drug(mass: UnitTable, products: Mapping[str, Sequence[Pack]], how: HowOften) -> Mapping[str, Amounts]:
    """For each drug, by its products; those of "" are for what is none of these."""
    own = {name: Amounts(mass, mass.in_products(packs) if packs else None, how) for name, packs in products.items()}
    return {**own, "": Amounts(mass, how=how)}


def dosage_of(request: Mapping[str, Any], amounts: Amounts, weight: float | None) -> Dosage:
    """The dosage of a raw MedicationRequest for a patient of this weight; never raises on odd input."""
    written = request.get("dosageInstruction")
    if not isinstance(written, list) or not any(isinstance(i, Mapping) for i in written):
        return Dosage(None, 0.0, why="no dose and no frequency given")
    parts = [
        _one(i, amounts, weight) if isinstance(i, Mapping) else Dosage(None, 0.0, why=_UNREADABLE) for i in written
    ]
    if len(parts) == 1:
        return parts[0]
    bound = sum(p.bound_mg for p in parts)
    if any(p.daily_mg is None for p in parts):
        why = next(p.why for p in parts if p.daily_mg is None)
        return Dosage(None, bound, why=why, by_words=any(p.by_words for p in parts))
    return Dosage(bound, bound, why="")


def instructions_of(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The dosage instructions of a raw MedicationRequest that can be read as such."""
    written = request.get("dosageInstruction")
    return [i for i in written if isinstance(i, Mapping)] if isinstance(written, list) else []


def _one(instruction: Mapping[str, Any], amounts: Amounts, weight: float | None) -> Dosage:
    route = instruction.get("route")
    route = route if isinstance(route, Mapping) else None
    doses = dose_of(instruction, amounts, weight)
    often = per_day(instruction.get("timing"), amounts.how)
    if isinstance(doses, str):
        # An amount beyond any dose is no missing one.
        beyond = any(isinstance(amounts.mass.convert(row), Beyond) for row in quantities_of(instruction))
        return Dosage(None, math.inf if beyond else 0.0, route=route, why=doses)
    dose = max(doses)
    if often is None or often < _LEAST_PER_DAY:
        return Dosage(None, 0.0, dose_mg=dose, route=route, why="no frequency that can be read")
    daily = dose * often
    if daily > _BOUNDLESS_MG:
        return Dosage(None, math.inf, dose_mg=dose, route=route, why="the frequency is beyond any dosage")
    # Anything but a plain no may mean as needed.
    asked = (instruction.get("asNeededBoolean") or None, instruction.get("asNeededCodeableConcept"))
    if any(answer is not None for answer in asked):
        return Dosage(None, daily, dose_mg=dose, route=route, why="as needed: no certain daily dose")
    if dose - min(doses) > _SAME_MG:
        return Dosage(None, daily, route=route, why=f"its rows differ: {rounded(min(doses))} mg and {rounded(dose)} mg")
    told = otherwise(instruction, dose, often, amounts.mass, amounts.how) if amounts.how else None
    if told is not None:
        bound = max(daily, told.bound_mg)
        why = f"its words say otherwise: {shown(told.text)}"
        return Dosage(None, bound, route=route, why=why, by_words=bound > daily + _SAME_MG)
    return Dosage(daily, daily, dose, 24.0 / often, route)


def dose_of(instruction: Mapping[str, Any], amounts: Amounts, weight: float | None) -> tuple[float, ...] | str:
    """Milligrams per dose as each row says them, or why not.

    Charts write one dose in several rows: as ordered, as calculated, as volume. A row in mg counts beside rows in other
    units; without any, a row in a unit of the drug's own products does, then one per kilogram of body weight.
    """
    rates = instruction.get("doseAndRate")
    rows = quantities_of(instruction)
    if isinstance(rates, list) and len(rows) < len(rates):
        whole = all(isinstance(rate, Mapping) for rate in rates)
        return "the dose is a rate, not an amount" if whole else "a dose that cannot be read"
    why = ""
    for table, times in amounts.readings(weight):
        known = [row for row in rows if table.has_unit(row)]
        said = [table.convert(row) for row in known]
        if bad := next((a.why for a in said if not isinstance(a, Converted)), ""):
            return f"dose: {bad}"
        if any(a.value <= 0 for a in said if isinstance(a, Converted)):
            return "the dose is nothing"
        if known and all(number_of(row.get("value")) is not None for row in rows):
            if times is None:
                return "a dose by weight needs a current weight"
            return tuple(a.value * times for a in said if isinstance(a, Converted))
        why = why or next((f"dose: {a.why}" for a in map(table.convert, rows) if not isinstance(a, Converted)), "")
    return why or "no dose given"


def quantities_of(instruction: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The amounts that an instruction writes: of a range its upper end."""
    rates = instruction.get("doseAndRate")
    rows: list[Mapping[str, Any]] = []
    for rate in rates if isinstance(rates, list) else []:
        if isinstance(rate, Mapping):
            high = rate.get("doseRange")
            quantity = rate.get("doseQuantity") or (high.get("high") if isinstance(high, Mapping) else None)
            rows += [quantity] if isinstance(quantity, Mapping) else []
    return rows


def unread_doses(request: Mapping[str, Any], amounts: Amounts) -> tuple[str, ...]:
    """Why amounts that the instructions of an order write cannot be read, whatever the patient weighs."""
    found = [dose_of(i, amounts, ANY_WEIGHT) for i in instructions_of(request) if i.get("doseAndRate")]
    return tuple(why for why in found if isinstance(why, str))


def per_day(timing: object, how: HowOften | None = None) -> float | None:
    """Doses per day, or None where the timing does not say; infinite where they follow without a pause. Words are read
    as `how` says, where nothing else tells."""
    if not isinstance(timing, Mapping):
        return None
    repeat = timing.get("repeat")
    if isinstance(repeat, Mapping):
        if _absurd(repeat):
            return None
        count = repeat.get("frequencyMax") or repeat.get("frequency")
        unit, times, meals = repeat.get("periodUnit"), repeat.get("timeOfDay"), repeat.get("when")
        length = number_of(repeat.get("period"))
        if length is not None and isinstance(unit, str) and unit in PERIOD_HOURS:
            # FHIR: frequency defaults to 1 where a period is given; times of day beside it may say more.
            most = max(number_of(count) or 1.0, len(times or ()), len(meals or ()), 1.0)
            hours = length * PERIOD_HOURS[unit]
            return most * 24.0 / hours if hours > 0 else math.inf  # so short that no double holds it
        if times:
            return float(len(times))
    return _coded_per_day(timing) or (_worded_per_day(timing, how) if how else None)


def _absurd(repeat: Mapping[str, Any]) -> bool:
    """Whether an element that says how often says something that cannot be."""
    period = number_of(repeat.get("period")) or 0.0
    least = {"frequency": 1.0, "frequencyMax": 1.0, "period": 0.0, "periodMax": period}
    for name, low in least.items():
        number = number_of(repeat.get(name))
        if repeat.get(name) is not None and (number is None or number < low or number == 0):
            return True
    lists = [repeat[name] for name in ("timeOfDay", "when") if repeat.get(name) is not None]
    return not all(isinstance(of, list) and all(isinstance(item, str) for item in of) for of in lists)


def _worded_per_day(timing: Mapping[str, Any], how: HowOften) -> float | None:
    """What the words of a timing say: its text, and what its codes are called. None where they differ."""
    code = timing.get("code")
    if not isinstance(code, Mapping):
        return None
    codings = code.get("coding")
    displays = [c.get("display") for c in codings if isinstance(c, Mapping)] if isinstance(codings, list) else []
    texts = [text for text in (code.get("text"), *displays) if isinstance(text, str) and text.strip()]
    told = {how.whole(text) for text in texts}
    return told.pop() if len(told) == 1 else None


def _coded_per_day(timing: Mapping[str, Any]) -> float | None:
    code = timing.get("code")
    codings = code.get("coding") if isinstance(code, Mapping) else None
    for coding in codings if isinstance(codings, list) else []:
        if isinstance(coding, Mapping) and str(coding.get("code")) in _PER_DAY:
            return _PER_DAY[str(coding.get("code"))]
    return None
