"""Renal function: measured clearance, else Cockcroft-Gault for adults, else a proxy, and dialysis.

Cockcroft-Gault (1976), mL/min: (140 - age) * weight / (72 * creatinine in mg/dL), times 0.85 for women. Where the sex
is not recorded the lower of the two is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.facts.declared import FINAL, is_active, newest_first, quantity_of
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown

_FEMALE_FACTOR = 0.85


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`creatinine-clearance` and `renal-function`; needs `age`, `child` and `weight`."""
    clearance = _clearance(reading, known)
    yield clearance
    yield _function(reading, clearance)


def _clearance(reading: Reading, known: Facts) -> Fact:
    """The measured clearance; beside a creatinine that is newer, the lower of it and the computed one."""
    measured, computed = _measured(reading), _computed(reading, known)
    _, _, clearances = _values(reading, "creatinine-clearance", "clearance")
    _, _, creatinines = _values(reading, "creatinine", "creatinine")
    if measured is None:
        chosen = computed
    elif computed.value is None or measured.as_of is None or computed.as_of is None:
        chosen = measured
    elif computed.as_of > measured.as_of and float(computed.value) < float(measured.value or 0.0):
        note = f"lower than the one measured before ({float(measured.value or 0.0):.4g} mL/min)"
        chosen = replace(computed, notes=(*computed.notes, note))
    else:
        chosen = measured
    return replace(chosen, unusable=(*clearances, *creatinines))


def _measured(reading: Reading) -> Fact | None:
    found = _fresh(reading, "creatinine-clearance", "clearance")
    if isinstance(found, str):
        return None
    resource, value = found
    return Fact("creatinine-clearance", value, "mL/min", _when(resource), (resource.ref,), notes=("measured",))


def _computed(reading: Reading, known: Facts) -> Fact:
    name = "creatinine-clearance"
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
    found, stale, bad = _values(reading, value_set, analyte)
    if found:
        return found[0]
    if stale is not None and stale.when is not None:
        return f"stale, {stale.when.hours_before(reading.now):.0f} h old"
    return "; ".join((*bad, *reading.chart.gaps(("labs",)))) or "none recorded"


Values = tuple[list[tuple[Resource, float]], Resource | None, list[str]]


def _values(reading: Reading, value_set: str, analyte: str) -> Values:
    """Usable values within the window (newest first), the newest older one, and lines for what could not be used."""
    return reading.once(("renal", value_set), lambda: _read_values(reading, value_set, analyte))


def _read_values(reading: Reading, value_set: str, analyte: str) -> Values:
    window = reading.windows["creatinine-max-age"]
    matched = reading.chart.matching(("labs",), reading.terms[value_set])
    found: list[tuple[Resource, float]] = []
    bad: list[str] = []
    stale: Resource | None = None
    for resource in newest_first(r for r in matched if r.status in FINAL and reading.past(r)):
        if not reading.within(resource, window):
            stale = resource
            break
        value = quantity_of(resource, reading, analyte)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
        elif value.value > 0 or value_set != "creatinine":
            found.append((resource, value.value))
    if value_set == "creatinine":
        # Of two at one time the higher comes first: its clearance is the lower.
        found.sort(key=lambda pair: (-pair[0].when.start.timestamp() if pair[0].when else 0.0, -pair[1]))
    return found, stale, bad


def _rising(reading: Reading, newest: float) -> bool:
    earlier, _, _ = _values(reading, "creatinine", "creatinine")
    # A rise of exactly the limit counts: 0.8 to 1.2 mg/dL is 1.5-fold, whatever binary fractions make of it.
    return newest / min(value for _, value in earlier) >= reading.policies["creatinine-rise"] - 1e-9


def _when(resource: Resource) -> datetime | None:
    return resource.when.start if resource.when else None


def _function(reading: Reading, clearance: Fact) -> Fact:
    """`dialysis`, `severe`, `adequate`, or `not-computable`: always known, because each answer has its own rule."""
    name = "renal-function"
    if dialysis := _dialysis(reading):
        return Fact(name, "dialysis", sources=refs(dialysis), text=dialysis[0].concept.label)
    limit = reading.policies["renal-severe-clearance"]
    if gaps := reading.chart.gaps(("procedures", "conditions")):
        severe = clearance.value is not None and float(clearance.value) < reading.policies["renal-severe-clearance"]
        if not severe:
            return Fact(name, "not-computable", text=f"dialysis and kidney disease are not known: {'; '.join(gaps)}")
    end_stage = _listed(reading, "end-stage-renal")
    if end_stage:
        return Fact(name, "severe", sources=refs(end_stage), text=end_stage[0].concept.label, notes=("end-stage",))
    if clearance.value is not None:
        value = "severe" if float(clearance.value) < limit else "adequate"
        text = f"CrCl {float(clearance.value):.4g} mL/min"
        more = {"text": text, "notes": clearance.notes, "unusable": clearance.unusable}
        return Fact(name, value, "", clearance.as_of, clearance.sources, **more)  # type: ignore[arg-type]
    proxy = _fresh(reading, "egfr", "indexed-clearance")
    if not isinstance(proxy, str) and proxy[1] < limit:
        text = f"eGFR {proxy[1]:.0f} mL/min/1.73 m2 (proxy: {clearance.why})"
        return Fact(name, "severe", "", _when(proxy[0]), (proxy[0].ref,), text=text, notes=("eGFR is only a proxy",))
    if staged := _listed(reading, "renal-severe"):
        return Fact(
            name, "severe", sources=refs(staged), text=staged[0].concept.label, notes=("from the problem list",)
        )
    return Fact(name, "not-computable", text=f"CrCl not computable: {clearance.why}", unusable=clearance.unusable)


def _listed(reading: Reading, value_set: str) -> list[Resource]:
    matched = reading.chart.matching(("conditions",), reading.terms[value_set])
    return [r for r in matched if is_active(r, reading.now) and not r.problem]


def _dialysis(reading: Reading) -> list[Resource]:
    matcher = reading.terms["dialysis"]
    window = reading.windows["dialysis-window"]
    done = [r for r in reading.chart.matching(("procedures",), matcher) if r.status in ("completed", "in-progress")]
    now = [r for r in done if r.status == "in-progress" or reading.within(r, window)]
    listed = [r for r in reading.chart.matching(("conditions",), matcher) if is_active(r, reading.now)]
    return now + listed
