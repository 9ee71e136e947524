"""Quantities in the one canonical unit of their analyte, by the closed table of `rules/units.yaml`.

No unit, an unlisted one or an implausible value means that the value is not used and the reason is kept: a creatinine
without a unit may be off by a factor of 88. A comparator gives a bound, which is used where it decides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from cds_service.chart.figures import fixed, rounded
from cds_service.knowledge.checks.comparisons import DECIMALS
from cds_service.knowledge.model import Analyte, Pack, Unit
from cds_service.knowledge.model.spelling import spelled

UCUM = "http://unitsofmeasure.org"
_PER_KILOGRAM = ("/kg", "/kg/dose", "/kg/{dose}", " per kg", "/kilogram")
_VOLUME = ("mL", "cc", "milliliter", "milliliters", "millilitre", "millilitres")

_VOLUMES = frozenset(map(spelled, _VOLUME))


def number_of(value: object) -> float | None:
    """A JSON number as a finite float; None for anything else, for a boolean too, and for what no double can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Converted:
    """A usable value: in the canonical unit, unrounded, and how it was written where that differs."""

    value: float
    unit: str
    written: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A value that must not be used, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Beyond(Unusable):
    """A number in a unit of the table that is more than any plausible value."""


@dataclass(frozen=True, slots=True)
class Bounded(Unusable):
    """A value of which only the least or the most is known (None: not known), in the canonical unit."""

    least: float | None = None
    most: float | None = None


ONLY = "only known to be "
# FHIR R4 quantity-comparator, and how texts write it.
_SIGNS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">="}
_WRITTEN = re.compile(r"\s*(<=|>=|[<>≤≥])\s*(\d{1,9}(?:,\d{3})*(?:[.,]\d{1,6})?)\s*([^\s\d<>][^<>]{0,24})?\s*")
# Numbers are compared in so many decimals: more than 5 is at least 5.0001.
_STEP = 10.0**-DECIMALS


class UnitTable:
    """The accepted units of one analyte."""

    def __init__(self, analyte: Analyte) -> None:
        self.analyte = analyte
        self._codes = {u.code: (Decimal(u.factor), Decimal(u.offset)) for u in analyte.units}
        # As people print them: within one analyte no two units differ by the spelling alone (a check says so).
        self._names = {spelled(code): scale for code, scale in self._codes.items()}
        for unit in analyte.units:
            for alias in unit.aliases:
                self._names[spelled(alias)] = self._codes[unit.code]

    def convert(self, quantity: Mapping[str, Any], *, adult: bool | None = None) -> Converted | Unusable:
        """A FHIR Quantity in the analyte's canonical unit.

        `adult` narrows the plausible range where it is known to be an adult's value.
        """
        if quantity.get("comparator"):
            return self._bound(quantity, adult)
        number = quantity.get("value")
        if number_of(number) is None:
            return Unusable("no numeric value")
        written = str(quantity.get("code") or quantity.get("unit") or "")
        scale = self._scale(quantity) if written else self._only_scale(number)
        if scale is None:
            return Unusable(f"unit {written[:20]!r} is not in the table" if written else "no unit")
        try:
            value = float(Decimal(str(number)) * scale[0] + scale[1])
        except InvalidOperation:
            return Unusable("no finite value")
        low, high = self._range(adult)
        if not low <= value <= high:
            why = f"implausible value {self.printed(value)} (outside {low:g} to {high:g})"
            return Beyond(why) if value > high else Unusable(why)
        same = written == self.analyte.unit
        return Converted(value, self.analyte.unit, "" if same else f"{number:g} {written}")

    def bound_of(self, text: str) -> Bounded | None:
        """A bound as a text writes it: "<60", "> 16,500 ng/mL"; None where it writes none. One without a unit says only
        what it says in every unit in which it is plausible."""
        written = _WRITTEN.fullmatch(text)
        if written is None:
            return None
        sign, digits, unit = written.groups()
        number = float(_decimal(digits))
        units = [unit.strip()] if unit else list(self._codes)
        told = [self._bound({"value": number, "unit": u, "comparator": _SIGNS[sign]}, None) for u in units]
        bounds = [bound for bound in told if isinstance(bound, Bounded)]
        if not bounds:
            return None
        least, most = [b.least for b in bounds], [b.most for b in bounds]
        return Bounded(
            f"{ONLY}{text.strip()[:30]}",
            min((x for x in least if x is not None), default=None),
            max((x for x in most if x is not None), default=None),
        )

    def _bound(self, quantity: Mapping[str, Any], adult: bool | None) -> Unusable:
        """What a comparator leaves open; the number itself must be a plausible one."""
        sign = _SIGNS.get(str(quantity["comparator"]))
        found = self.convert({k: v for k, v in quantity.items() if k != "comparator"}, adult=adult)
        if sign is None:
            return Unusable(f"value has the comparator {str(quantity['comparator'])[:2]}, not an exact number")
        if isinstance(found, Unusable):
            return found
        why = f"{ONLY}{sign}{self.printed(found.value)}"
        if sign[0] == ">":
            return Bounded(why, least=found.value + (_STEP if sign == ">" else 0.0))
        return Bounded(why, most=found.value - (_STEP if sign == "<" else 0.0))

    def printed(self, value: float, *limits: float) -> str:
        """A value in the canonical unit for reading: rounded, but never to the other side of a limit that it was
        compared with; the unit as people write it."""
        places = self.analyte.decimals
        text = rounded(value, limits) if places is None else fixed(value, places, limits)
        return f"{text} {self.analyte.shown or self.analyte.unit}"

    def has_unit(self, quantity: Mapping[str, Any]) -> bool:
        """Whether the quantity's unit is one of the table."""
        return self._scale(quantity) is not None

    def volume_ml(self, quantity: Mapping[str, Any]) -> float | None:
        """Millilitres of a quantity that is a volume in these; None for any other."""
        unit = str(quantity.get("code") or quantity.get("unit") or "")
        return number_of(quantity.get("value")) if spelled(unit) in _VOLUMES else None

    def in_products(self, products: Sequence[Pack]) -> UnitTable:
        """The units of a drug's products, as amounts of the drug: a pack, and the volume in it.

        Where two products differ in what a unit holds, it says no amount.
        """
        packs = {(p.unit, p.names): str(p.mg) for p in products}
        volumes = {Decimal(str(p.mg)) / Decimal(str(p.volume_ml)) for p in products if p.volume_ml}
        units = [Unit(code=unit, aliases=names, factor=mg) for (unit, names), mg in packs.items()]
        if len({p.mg for p in products}) > 1:
            units.clear()
        if len(volumes) == 1:
            units.append(Unit(code=_VOLUME[0], aliases=_VOLUME[1:], factor=str(*volumes)))
        return UnitTable(self.analyte.model_copy(update={"units": tuple(units)}))

    @cached_property
    def per_kilogram(self) -> UnitTable:
        """The same units per kilogram of body weight: amounts in the canonical unit for one kilogram."""
        units = []
        for unit in self.analyte.units:
            names = (unit.code, *unit.aliases)
            written = (f"{name}{said}" for name in names for said in _PER_KILOGRAM)
            units.append(Unit(code=f"{unit.code}/kg", aliases=tuple(written), factor=unit.factor))
        return UnitTable(self.analyte.model_copy(update={"units": tuple(units)}))

    def _scale(self, quantity: Mapping[str, Any]) -> tuple[Decimal, Decimal] | None:
        code, system, unit = quantity.get("code"), quantity.get("system"), quantity.get("unit")
        if isinstance(code, str) and system in (UCUM, None):
            # A coded unit is exact; the printed one beside it is only a label.
            return self._codes.get(code) or self._names.get(spelled(code))
        return self._names.get(spelled(unit)) if isinstance(unit, str) else None

    def _only_scale(self, number: Any) -> tuple[Decimal, Decimal] | None:
        """The scale of the one unit in which a bare number is plausible; None where there is none."""
        low, high = self.analyte.plausible
        scales = [self._codes[code] for code in self.analyte.without_unit]
        fit = [scale for scale in scales if low <= Decimal(str(number)) * scale[0] + scale[1] <= high]
        return fit[0] if len(fit) == 1 else None

    def _range(self, adult: bool | None) -> tuple[float, float]:
        if adult and self.analyte.plausible_adult is not None:
            return self.analyte.plausible_adult
        return self.analyte.plausible


def _decimal(digits: str) -> str:
    """`16,500` and `0,5` as numbers: a comma before three digits parts thousands."""
    return re.sub(r",(?=\d{3}(?:\D|$))", "", digits).replace(",", ".")
