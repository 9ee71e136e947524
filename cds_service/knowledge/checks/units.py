"""Units: each analyte has its own unit among those it accepts, scales that are numbers, and a range that is one."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import POLICIES, UNITS, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Analyte, Unit
from cds_service.knowledge.model.spelling import spelled


def analytes(loaded: Loaded) -> Iterator[str]:
    """Every table of units says what a value in it is worth, and what is plausible."""
    document = loaded.document(UNITS)
    for name, analyte in loaded.analytes.items():
        yield from _units(document, (name,), analyte)
        yield from _ranges(document, (name,), analyte)
        for index, code in enumerate(analyte.without_unit):
            yield from missing(document, (name, "withoutUnit", index), "unit", code, [u.code for u in analyte.units])
    yield from _thresholds(loaded, document)


def _units(document: Document, here: YamlPath, analyte: Analyte) -> Iterator[str]:
    own = next((unit for unit in analyte.units if unit.code == analyte.unit), None)
    if own is None:
        codes = ", ".join(unit.code for unit in analyte.units) or "none"
        yield document.problem((*here, "unit"), f"expected one of the accepted units, {codes} (found {analyte.unit})")
    names: dict[str, str] = {}
    for index, unit in enumerate(analyte.units):
        path = (*here, "units", index)
        yield from _scale(document, path, unit, is_own=unit is own)
        for spelling in {spelled(unit.code), *(spelled(alias) for alias in unit.aliases)}:
            other = names.setdefault(spelling, unit.code)
            if other != unit.code:
                yield document.problem(path, f"{spelling} already means {other}; one name has one meaning")
            if not spelling:
                yield document.problem(path, "expected a code and aliases that are not empty")


def _scale(document: Document, path: YamlPath, unit: Unit, *, is_own: bool) -> Iterator[str]:
    for key in ("factor", "offset"):
        written = getattr(unit, key)
        try:
            number = Decimal(written)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            yield document.problem((*path, key), f"expected a decimal number in quotes (found {written})")
        elif key == "factor" and number <= 0:
            yield document.problem((*path, key), f"expected more than 0 (found {written})")
        elif is_own and number != (1 if key == "factor" else 0):
            yield document.problem((*path, key), f"{unit.code} is the analyte's own unit: remove the {key}")


def _ranges(document: Document, here: YamlPath, analyte: Analyte) -> Iterator[str]:
    low, high = analyte.plausible
    if not low < high:
        yield document.problem((*here, "plausible"), f"expected the lower value first (found {low:g}, {high:g})")
    if analyte.plausible_adult is None:
        return
    adult_low, adult_high = analyte.plausible_adult
    if not low <= adult_low < adult_high <= high:
        told = f"expected a range within {low:g} to {high:g} (found {adult_low:g}, {adult_high:g})"
        yield document.problem((*here, "plausibleAdult"), told)


def _thresholds(loaded: Loaded, document: Document) -> Iterator[str]:
    """A threshold that no plausible value reaches never holds, or always."""
    for name, policy in loaded.policies.items():
        if not policy.analyte:
            continue
        there = loaded.document(POLICIES, name)
        yield from missing(there, (name, "analyte"), "analyte", policy.analyte, loaded.analytes)
        analyte = loaded.analytes.get(policy.analyte)
        if analyte is None:
            continue
        if policy.unit != analyte.unit:
            told = f"expected {analyte.unit}, as the analyte {policy.analyte} (found {policy.unit})"
            yield there.problem((name, "unit"), told)
        low, high = analyte.plausible
        if not low <= float(policy.value) <= high:
            told = f"expected a range that holds {policy.value:g}, the policy {name} (found {low:g}, {high:g})"
            yield document.problem((policy.analyte, "plausible"), told)
