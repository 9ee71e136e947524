"""Renal function: measured clearance, else Cockcroft-Gault for adults, else a proxy, and dialysis.

Cockcroft-Gault (1976), mL/min: (140 - age) * weight / (72 * creatinine in mg/dL), times 0.85 for women. Where the sex
is not recorded the lower of the two is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.chart.resource import Resource
from cds_service.facts.declared import FINAL, is_active, quantity_of
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown

_FEMALE_FACTOR = 0.85


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`creatinine-clearance` and `renal-function`; needs `age`, `child` and `weight`."""
    clearance = _clearance(reading, known)
    yield clearance
    yield _function(reading, clearance)


def _clearance(reading: Reading, known: Facts) -> Fact:
    name = "creatinine-clearance"
    measured = _fresh(reading, "creatinine-clearance", "clearance")
    if not isinstance(measured, str):
        resource, value = measured
        return Fact(name, value, "mL/min", _when(resource), (resource.ref,), notes=("measured",))
    if known["child"].value is not False:
        return unknown(name, "under 18 (or age unknown) only a measured clearance is used")
    creatinine = _fresh(reading, "creatinine", "creatinine")
    weight, age = known["weight"], known["age"]
    if isinstance(creatinine, str):
        return unknown(name, f"creatinine: {creatinine}")
    if weight.value is None:
        return unknown(name, f"weight missing: {weight.why}")
    resource, serum = creatinine
    sex = _sex(reading)
    value = (140 - float(age.value or 0)) * float(weight.value) / (72 * serum)
    if sex != "male":
        value *= _FEMALE_FACTOR
    notes = ["Cockcroft-Gault"] + ([] if sex in ("male", "female") else ["sex not recorded: the lower result is used"])
    if _rising(reading, serum):
        notes.append("creatinine is rising: a computed clearance is unreliable")
    sources = (resource.ref, *weight.sources, *age.sources)
    return Fact(name, max(value, 0.0), "mL/min", _when(resource), sources, notes=tuple(notes))


def _sex(reading: Reading) -> str:
    patient = reading.chart.patient()
    return patient.text("gender") if patient else ""


def _fresh(reading: Reading, value_set: str, analyte: str) -> tuple[Resource, float] | str:
    """The newest usable value within the creatinine window, or why there is none."""
    window = reading.windows["creatinine-max-age"]
    found = _values(reading, value_set, analyte)
    if not found:
        return "; ".join(reading.chart.gaps(("labs",))) or "none that can be used"
    resource, value = found[0]
    if not reading.within(resource, window):
        hours = resource.when.hours_before(reading.now) if resource.when else 0.0
        return f"stale, {hours:.0f} h old"
    return resource, value


def _values(reading: Reading, value_set: str, analyte: str) -> list[tuple[Resource, float]]:
    matched = reading.chart.matching(("labs",), reading.terms[value_set])
    usable = [(r, quantity_of(r, reading, analyte)) for r in matched if r.status in FINAL and reading.past(r)]
    values = [(r, v.value) for r, v in usable if not isinstance(v, str) and (value_set != "creatinine" or v.value > 0)]
    return sorted(values, key=lambda pair: pair[0].when.start if pair[0].when else reading.now, reverse=True)


def _rising(reading: Reading, newest: float) -> bool:
    window = reading.windows["creatinine-max-age"]
    earlier = [v for r, v in _values(reading, "creatinine", "creatinine") if reading.within(r, window)]
    return bool(earlier) and newest >= reading.policies["creatinine-rise"] * min(earlier)


def _when(resource: Resource):  # type: ignore[no-untyped-def]
    return resource.when.start if resource.when else None


def _function(reading: Reading, clearance: Fact) -> Fact:
    """`dialysis`, `severe`, `adequate`, or `not-computable`: always known, because each answer has its own rule."""
    name = "renal-function"
    if dialysis := _dialysis(reading):
        return Fact(name, "dialysis", sources=refs(dialysis), text=dialysis[0].concept.label)
    limit = reading.policies["renal-severe-clearance"]
    if clearance.value is not None:
        value = "severe" if float(clearance.value) < limit else "adequate"
        text = f"CrCl {float(clearance.value):.0f} mL/min"
        return Fact(name, value, "", clearance.as_of, clearance.sources, text=text, notes=clearance.notes)
    proxy = _fresh(reading, "egfr", "indexed-clearance")
    if not isinstance(proxy, str) and proxy[1] < limit:
        text = f"eGFR {proxy[1]:.0f} mL/min/1.73 m2 (proxy: {clearance.why})"
        return Fact(name, "severe", "", _when(proxy[0]), (proxy[0].ref,), text=text, notes=("eGFR is only a proxy",))
    staged = [r for r in reading.chart.of("conditions") if r.matches(reading.terms["renal-severe"])]
    staged = [r for r in staged if is_active(r, reading.now) and not r.problem]
    if staged:
        return Fact(
            name, "severe", sources=refs(staged), text=staged[0].concept.label, notes=("from the problem list",)
        )
    return Fact(name, "not-computable", text=f"CrCl not computable: {clearance.why}", unusable=clearance.unusable)


def _dialysis(reading: Reading) -> list[Resource]:
    matcher = reading.terms["dialysis"]
    window = reading.windows["dialysis-window"]
    done = [
        r for r in reading.chart.of("procedures") if r.matches(matcher) and r.status in ("completed", "in-progress")
    ]
    now = [r for r in done if r.status == "in-progress" or reading.within(r, window)]
    listed = [r for r in reading.chart.of("conditions") if r.matches(matcher) and is_active(r, reading.now)]
    return now + listed
