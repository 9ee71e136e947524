"""A neurological grade as documented and as scored: neither may hide the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.facts.graded import current_grade
from cds_service.facts.icans_score import Scored, scored
from cds_service.facts.model import Fact, Facts, Reading, unknown
from cds_service.knowledge.model import NeurologicalScore


def facts(given: NeurologicalScore, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`scored`, and `grade`: the worse of it and the documented one, 0 where there is none of them."""
    age = known[given.age].value
    score = scored(given, reading, float(age) if age is not None else None)
    told = current_grade("grade", given.scale, given.conditions, reading, given.within, nothing=0)
    yield _scored_fact(given, score, reading)
    yield _worse(given, told, score, reading)


def _scored_fact(given: NeurologicalScore, score: Scored, reading: Reading) -> Fact:
    name = "scored"
    if score.grade is None:
        gaps = "; ".join(_gaps(given, reading))
        why = "a score could not be used" if score.unusable else gaps or "no score recorded in time"
        return unknown(name, why, unusable=score.unusable)
    more = {"text": score.evidence, "unusable": score.unusable}
    return Fact(name, score.grade, "{grade}", score.as_of, score.sources, **more)  # type: ignore[arg-type]


def _worse(given: NeurologicalScore, told: Fact, score: Scored, reading: Reading) -> Fact:
    """The higher of the documented and the scored grade: neither may hide the other.

    "None documented" is a 0 only where the scores were read too, and none of them was unusable.
    """
    gaps = _gaps(given, reading)
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


def _gaps(given: NeurologicalScore, reading: Reading) -> tuple[str, ...]:
    """Why scores that count may be missing. A stay brings more vital signs than one page holds: what the page was cut
    off is older than any score that counts, where the page itself reaches further back."""
    return reading.chart.gaps((given.vitals,), reading.now - timedelta(hours=reading.windows[given.within]))
