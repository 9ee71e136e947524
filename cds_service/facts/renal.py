"""Renal function: measured clearance, else Cockcroft-Gault for adults, else a proxy, and dialysis.

Cockcroft-Gault (1976), mL/min: (140 - age) * weight / (72 * creatinine in mg/dL), times 0.85 for women. Where the sex
is not recorded the lower of the two is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from cds_service.chart.resource import Resource
from cds_service.chart.units import ONLY, Bounded
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.quantity import bound_of, newest_first, quantity_of
from cds_service.knowledge.model import Quantity, RenalFunction

_FEMALE_FACTOR = 0.85
_CLEARANCE, _FUNCTION, _NOT_READ = "clearance", "function", "not-read"
_NOT_COMPUTABLE = "not-computable"


def facts(given: RenalFunction, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`clearance`, `function` and `not-read`."""
    clearance = _clearance(given, reading, known)
    gaps = _measured_gaps(given, reading, known, clearance)
    function = _function(given, reading, clearance, gaps)
    yield clearance
    yield function
    yield _not_read(function, gaps)


def _measured_gaps(given: RenalFunction, reading: Reading, known: Facts, clearance: Fact) -> tuple[str, ...]:
    """Why there may be another clearance: a newer creatinine, or the weight that one is computed with.

    Procedures that failed leave dialysis open only where no clearance speaks against it (policy C2: alone they shake
    nothing).
    """
    since = reading.now - timedelta(hours=reading.windows[given.within])
    gaps = reading.chart.gaps((given.labs,), since)
    if clearance.value is None:
        gaps += reading.chart.gaps((given.procedures, given.conditions))
    measured = not isinstance(_fresh(given, reading, given.clearance), str)
    if measured or known[given.child].value is not False or known[given.weight].value is not None:
        return gaps
    return gaps + reading.chart.gaps(reading.select.catalogue.reads(given.weight))


def _not_read(function: Fact, gaps: tuple[str, ...]) -> Fact:
    """Whether clearance may be severely reduced and nobody could see it: it was not read, rather than not measured."""
    return Fact(_NOT_READ, function.value == _NOT_COMPUTABLE and bool(gaps), text="; ".join(gaps))


def _clearance(given: RenalFunction, reading: Reading, known: Facts) -> Fact:
    """The measured clearance; beside a creatinine that is newer, the lower of it and the computed one."""
    measured, computed = _measured(given, reading), _computed(given, reading, known)
    _, _, clearances = _values(given, reading, given.clearance)
    _, _, creatinines = _values(given, reading, given.creatinine)
    if told := _told(given, reading, given.clearance):
        resource, bound = told
        # What is computed may say more, where it agrees.
        if computed.value is not None and _within(bound, float(computed.value)):
            return computed
        more = {"least": bound.least, "most": bound.most, "text": bound.why.removeprefix(ONLY)}
        return unknown(_CLEARANCE, bound.why, as_of=_when(resource), sources=(resource.ref,), **more)
    if measured is None or _surely_lower(computed, measured):
        chosen = computed
    elif computed.value is None or measured.as_of is None or computed.as_of is None:
        chosen = measured
    elif computed.as_of > measured.as_of and float(computed.value) < float(measured.value or 0.0):
        note = f"lower than the one measured before ({float(measured.value or 0.0):.4g} mL/min)"
        chosen = replace(computed, notes=(*computed.notes, note))
    else:
        chosen = measured
    return replace(chosen, unusable=(*clearances, *creatinines))


def _surely_lower(computed: Fact, measured: Fact) -> bool:
    """Whether a newer creatinine that is only known to be above something leaves less than was measured before."""
    if computed.most is None or measured.as_of is None or computed.as_of is None or computed.as_of <= measured.as_of:
        return False
    return computed.most < float(measured.value or 0.0)


def _told(given: RenalFunction, reading: Reading, lab: Quantity) -> tuple[Resource, Bounded] | None:
    """The newest result in time, where it only says how much at least or at most."""
    final = reading.in_status(given.final, given.labs, reading.terms[lab.in_])
    recent = [r for r in final if reading.past(r) and reading.within(r, reading.windows[given.within])]
    newest = next(iter(newest_first(recent)), None)
    bound = bound_of(newest, reading, lab.analyte) if newest is not None else None
    return (newest, bound) if newest is not None and bound is not None else None


def _within(bound: Bounded, value: float) -> bool:
    return (bound.least is None or value >= bound.least) and (bound.most is None or value <= bound.most)


def _measured(given: RenalFunction, reading: Reading) -> Fact | None:
    found = _fresh(given, reading, given.clearance)
    if isinstance(found, str):
        return None
    resource, value = found
    return Fact(_CLEARANCE, value, "mL/min", _when(resource), (resource.ref,), notes=("measured",))


def _computed(given: RenalFunction, reading: Reading, known: Facts) -> Fact:
    name = _CLEARANCE
    if known[given.child].value is not False:
        return unknown(name, "under 18 (or age unknown) only a measured clearance is used")
    told, creatinine = _told(given, reading, given.creatinine), _fresh(given, reading, given.creatinine)
    weight, age = known[given.weight], known[given.age]
    if isinstance(creatinine, str) and told is None:
        return unknown(name, f"creatinine: {creatinine}")
    if weight.value is None:
        return unknown(name, f"weight missing: {weight.why}")
    sex = _sex(reading)
    for_one = (140 - float(age.value or 0)) * float(weight.value) / 72 * (1.0 if sex == "male" else _FEMALE_FACTOR)
    if told is not None:
        return _computed_bound(told, max(for_one, 0.0))
    assert not isinstance(creatinine, str)  # else it was told
    resource, serum = creatinine
    value = for_one / serum
    notes = ["Cockcroft-Gault"] + ([] if sex in ("male", "female") else ["sex not recorded: the lower result is used"])
    if _rising(given, reading, serum):
        notes.append("creatinine is rising: a computed clearance is unreliable")
    sources = (resource.ref, *weight.sources, *age.sources)
    return Fact(name, max(value, 0.0), "mL/min", _when(resource), sources, notes=tuple(notes))


def _computed_bound(told: tuple[Resource, Bounded], for_one: float) -> Fact:
    """The clearance for a creatinine of which only the least or the most is known; `for_one` is that for 1 mg/dL."""
    resource, bound = told
    most = for_one / bound.least if bound.least else None
    least = for_one / bound.most if bound.most else None
    text = f"at most {most:.4g} mL/min" if most is not None else f"at least {least:.4g} mL/min" if least else ""
    more = {"least": least, "most": most, "text": f"{text} (Cockcroft-Gault)" if text else ""}
    return unknown(_CLEARANCE, f"creatinine: {bound.why}", as_of=_when(resource), sources=(resource.ref,), **more)


def _sex(reading: Reading) -> str:
    patient = reading.chart.patient()
    return patient.text("gender") if patient else ""


def _fresh(given: RenalFunction, reading: Reading, lab: Quantity) -> tuple[Resource, float] | str:
    """The newest usable value within the creatinine window, or why there is none."""
    found, stale, bad = _values(given, reading, lab)
    if found:
        return found[0]
    if stale is not None and stale.when is not None:
        return f"stale, {stale.when.hours_before(reading.now):.0f} h old"
    return "; ".join((*bad, *reading.chart.gaps((given.labs,)))) or "none recorded"


Values = tuple[list[tuple[Resource, float]], Resource | None, list[str]]


def _values(given: RenalFunction, reading: Reading, lab: Quantity) -> Values:
    """Usable values within the window (newest first), the newest older one, and lines for what could not be used."""
    return reading.once(("renal", lab.in_), lambda: _read_values(given, reading, lab))


def _read_values(given: RenalFunction, reading: Reading, lab: Quantity) -> Values:
    window = reading.windows[given.within]
    final = reading.in_status(given.final, given.labs, reading.terms[lab.in_])
    found: list[tuple[Resource, float]] = []
    bad: list[str] = []
    stale: Resource | None = None
    serum = lab == given.creatinine
    for resource in newest_first(r for r in final if reading.past(r)):
        if not reading.within(resource, window):
            stale = resource
            break
        value = quantity_of(resource, reading, lab.analyte)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
        elif value.value > 0 or not serum:
            found.append((resource, value.value))
    if serum:
        # Of two at one time the higher comes first: its clearance is the lower.
        found.sort(key=lambda pair: (-pair[0].when.start.timestamp() if pair[0].when else 0.0, -pair[1]))
    return found, stale, bad


def _rising(given: RenalFunction, reading: Reading, newest: float) -> bool:
    earlier, _, _ = _values(given, reading, given.creatinine)
    # A rise of exactly the limit counts: 0.8 to 1.2 mg/dL is 1.5-fold, whatever binary fractions make of it.
    return newest / min(value for _, value in earlier) >= reading.policies[given.rise] - 1e-9


def _when(resource: Resource) -> datetime | None:
    return resource.when.start if resource.when else None


def _function(given: RenalFunction, reading: Reading, clearance: Fact, unread: tuple[str, ...]) -> Fact:
    """`dialysis`, `severe`, `adequate`, or `not-computable`: always known, because each answer has its own rule.

    Of results that were not all read (`unread`) another one may be lower: it is not adequate for certain.
    """
    name = _FUNCTION
    if dialysis := _dialysis(given, reading):
        return Fact(name, "dialysis", sources=refs(dialysis), text=dialysis[0].concept.label)
    limit = reading.policies[given.severe_below]
    if gaps := reading.chart.gaps((given.procedures, given.conditions)):
        severe = clearance.value is not None and float(clearance.value) < limit
        if not severe:
            return Fact(name, _NOT_COMPUTABLE, text=f"dialysis and kidney disease are not known: {'; '.join(gaps)}")
    end_stage = _listed(given, reading, given.end_stage)
    if end_stage:
        return Fact(name, "severe", sources=refs(end_stage), text=end_stage[0].concept.label, notes=("end-stage",))
    if clearance.value is not None and (float(clearance.value) < limit or not unread):
        value = "severe" if float(clearance.value) < limit else "adequate"
        text = f"CrCl {float(clearance.value):.4g} mL/min"
        more = {"text": text, "notes": clearance.notes, "unusable": clearance.unusable}
        return Fact(name, value, "", clearance.as_of, clearance.sources, **more)  # type: ignore[arg-type]
    if value := _bounded_function(clearance, limit, unread):
        text = f"CrCl {clearance.text}"
        return Fact(name, value, "", clearance.as_of, clearance.sources, text=text, unusable=clearance.unusable)
    proxy_told = _told(given, reading, given.proxy)
    if proxy_told is not None and proxy_told[1].most is not None and proxy_told[1].most < limit:
        resource, bound = proxy_told
        text = f"eGFR {bound.why.removeprefix(ONLY)} (proxy: {clearance.why})"
        return Fact(name, "severe", "", _when(resource), (resource.ref,), text=text, notes=("eGFR is only a proxy",))
    proxy = _fresh(given, reading, given.proxy)
    if not isinstance(proxy, str) and proxy[1] < limit:
        text = f"eGFR {proxy[1]:.0f} mL/min/1.73 m2 (proxy: {clearance.why})"
        return Fact(name, "severe", "", _when(proxy[0]), (proxy[0].ref,), text=text, notes=("eGFR is only a proxy",))
    if staged := _listed(given, reading, given.severe):
        return Fact(
            name, "severe", sources=refs(staged), text=staged[0].concept.label, notes=("from the problem list",)
        )
    why = clearance.why or f"{float(clearance.value or 0.0):.4g} mL/min, but {'; '.join(unread)}"
    return Fact(name, _NOT_COMPUTABLE, text=f"CrCl not computable: {why}", unusable=clearance.unusable)


def _bounded_function(clearance: Fact, limit: float, unread: tuple[str, ...]) -> str:
    """What a clearance of which only the least or the most is known decides; "" where it decides nothing."""
    if clearance.value is None and clearance.most is not None and clearance.most < limit:
        return "severe"
    return "adequate" if clearance.least is not None and clearance.least >= limit and not unread else ""


def _listed(given: RenalFunction, reading: Reading, value_set: str) -> Sequence[Resource]:
    return reading.in_status(given.active, given.conditions, reading.terms[value_set])


def _dialysis(given: RenalFunction, reading: Reading) -> list[Resource]:
    window = reading.windows[given.dialysis_within]
    done = reading.chart.matching((given.procedures,), reading.terms[given.dialysis])
    now = (r for r in done if reading.is_(given.under_way, r) or _recent(given, r, reading, window))
    return [*now, *_listed(given, reading, given.dialysis)]


def _recent(given: RenalFunction, procedure: Resource, reading: Reading, window: float) -> bool:
    return reading.is_(given.done, procedure) and reading.within(procedure, window)
