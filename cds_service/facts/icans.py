"""Other toxicities: the ICANS grade as documented and as scored, and IEC-HS as a clinician confirmed it."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.facts.declared import UNCONFIRMED, boolean, is_active
from cds_service.facts.graded import current_grade
from cds_service.facts.icans_score import Scored, scored
from cds_service.facts.model import Fact, Facts, Reading, unknown, usable

GRADES = tuple((n, f"icans-grade-{n}") for n in range(1, 6))


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`icans-grade` (0 where none is documented or scored), `icans-grade-scored`, `iec-hs-confirmed`; needs `age`."""
    age = known["age"].value
    score = scored(reading, float(age) if age is not None else None)
    told = current_grade("icans-grade", GRADES, "icans", reading, "icans-grade-max-age", nothing=0)
    yield _scored_fact(score, reading)
    yield _worse(told, score, reading)
    yield _iec_hs(reading)


def _scored_fact(score: Scored, reading: Reading) -> Fact:
    name = "icans-grade-scored"
    if score.grade is None:
        gaps = "; ".join(reading.chart.gaps(("vitals",)))
        why = "a score could not be used" if score.unusable else gaps or "no score recorded in time"
        return unknown(name, why, unusable=score.unusable)
    more = {"text": score.evidence, "unusable": score.unusable}
    return Fact(name, score.grade, "{grade}", score.as_of, score.sources, **more)  # type: ignore[arg-type]


def _worse(told: Fact, score: Scored, reading: Reading) -> Fact:
    """The higher of the documented and the scored grade: neither may hide the other.

    "None documented" is a 0 only where the scores were read too, and none of them was unusable.
    """
    gaps = reading.chart.gaps(("vitals",))
    if score.grade is not None and (told.value is None or score.grade > int(told.value)):
        said = f"documented grade: {told.value if told.value is not None else told.why}"
        notes = (f"scored: {score.evidence}", said)
        return Fact(told.name, score.grade, "{grade}", score.as_of, score.sources, notes=notes, unusable=score.unusable)
    nothing = told.value == 0 and not told.sources
    if nothing and not score.grade and score.unusable:
        return unknown(told.name, "none documented, and a recorded score could not be used", unusable=score.unusable)
    if nothing and score.grade is None and gaps:
        return unknown(told.name, f"none documented, and scores are not known: {'; '.join(gaps)}")
    return told


def _iec_hs(reading: Reading) -> Fact:
    """Only a confirmed, active Condition counts: IEC-HS is a clinician's diagnosis."""
    matched = reading.chart.matching(("conditions",), reading.terms["hlh-iechs"])
    active = [r for r in matched if is_active(r, reading.now) and r.code("verificationStatus") not in UNCONFIRMED]
    found, bad = usable(active)
    return boolean("iec-hs-confirmed", found, reading.chart.gaps(("conditions",)), bad)
