"""ICANS grade from recorded scores: ICE for adults, CAPD for children, and neurological signs; the worst domain counts.

ASTCT 2019 (reprinted tables): ICE 7-9, 3-6, 0-2 are grades 1 to 3, and signs have grades of their own. At the age that
separates ICE from CAPD the sources disagree, so there only signs count and a clinician grades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cds_service.chart.figures import rounded
from cds_service.chart.resource import Resource
from cds_service.chart.units import number_of
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.model import Reading
from cds_service.facts.quantity import newest_first
from cds_service.knowledge.model import NeurologicalScore, Points


@dataclass(frozen=True, slots=True)
class Scored:
    """The grade that scores and signs prove (None: nothing usable was recorded), from what, and what was left out."""

    grade: int | None
    as_of: datetime | None
    evidence: str
    sources: tuple[str, ...]
    unusable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """An Observation, or one of its components: what it is about, its value, and the Observation it stands in."""

    about: Concept
    value: Mapping[str, object]
    of: Resource


def scored(given: NeurologicalScore, reading: Reading, age: float | None) -> Scored:
    """Scores and signs no older than a documented grade may be. `age` in years; None where it is unknown."""
    hours = reading.windows[given.within]
    scores = (given.ice.in_, given.capd.in_, given.signs, *(part.in_ for part in given.ice_parts))
    final = reading.in_status(given.final, given.vitals, *(reading.terms[name] for name in scores))
    recent = [r for r in final if reading.past(r)]
    parts = [p for r in newest_first(r for r in recent if reading.within(r, hours)) for p in _parts(r)]
    bad = [f"{r.ref}: no usable time" for r in final if r.when is None]
    found = [*_signs(given, parts, reading, bad), *_score(given, parts, reading, age, bad)]
    if not found:
        return Scored(None, None, "", (), tuple(dict.fromkeys(bad)))
    times = [p.of.when.start for _, _, p in found if p.of.when]
    words = "; ".join(dict.fromkeys(text for _, text, _ in found))
    refs = tuple(dict.fromkeys(p.of.ref for _, _, p in found))
    return Scored(max(grade for grade, _, _ in found), max(times), words, refs, tuple(dict.fromkeys(bad)))


def _parts(resource: Resource) -> Sequence[_Part]:
    return resource.remember("scored parts", _read_parts)


def _read_parts(resource: Resource) -> Sequence[_Part]:
    written = resource.raw.get("component")
    components = [c for c in written if isinstance(c, Mapping)] if isinstance(written, list) else []
    # A panel is about the whole score and has its value in its parts.
    own = () if components and not _says(resource.raw) else (_Part(resource.concept, resource.raw, resource),)
    return (*own, *(_Part(concept(c.get("code")), c, resource) for c in components))


def _says(observation: Mapping[str, object]) -> bool:
    return any(key.startswith("value") or key == "dataAbsentReason" for key in observation)


def _signs(
    given: NeurologicalScore, parts: Sequence[_Part], reading: Reading, bad: list[str]
) -> Iterator[tuple[int, str, _Part]]:
    """Signs of the whole window count: a seizure that is over still grades the episode.

    An answer that is neither a sign of the table nor a denial may be one: it is not read as absent.
    """
    matcher, absent = reading.terms[given.signs], reading.terms[given.sign_absent]
    for part in parts:
        if not matcher.matches(part.about):
            continue
        said = concept(part.value.get("valueCodeableConcept") or {"text": part.value.get("valueString")})
        grade = max((g.grade for g in given.sign_grades if reading.terms[g.in_].matches(said)), default=0)
        if part.of.problem:
            bad.append(f"{part.of.ref}: {part.of.problem}")
        elif grade:
            yield grade, said.label, part
        elif not absent.matches(said):
            bad.append(f"{part.of.ref}: an answer that is not in the table of signs")


def _score(
    given: NeurologicalScore, parts: Sequence[_Part], reading: Reading, age: float | None, bad: list[str]
) -> Iterator[tuple[int, str, _Part]]:
    """The newest ICE of somebody older, the newest CAPD of somebody younger than the age that separates them."""
    limit = reading.policies[given.ice_age]
    younger = age is not None and age < limit
    older = age is not None and int(age) > limit
    capd = _newest(parts, reading, given.capd, max, bad)
    ice = _newest(parts, reading, given.ice, min, bad) or _summed(given, parts, reading, bad)
    if capd is not None and younger:
        points, part = capd
        severe = points >= reading.policies[given.capd_severe.at_least]
        yield given.capd_severe.grade if severe else given.capd_mild if points else 0, f"CAPD {points}", part
    if ice is not None and older:
        points, part = ice
        yield _ice_grade(given, points, reading), f"ICE {points} of {given.ice.most}", part
    for score, fits in ((capd, younger), (ice, older)):
        if score is not None and not fits:
            bad.append(f"{score[1].of.ref}: this score is not used at this age, a clinician grades")


def _ice_grade(given: NeurologicalScore, points: int, reading: Reading) -> int:
    """The first of the table whose points are not exceeded; the table starts with the highest grade."""
    return next((g.grade for g in given.ice_grades if points <= reading.policies[g.at_most]), 0)


def _newest(
    parts: Sequence[_Part], reading: Reading, score: Points, worse: Callable[..., tuple[int, _Part]], bad: list[str]
) -> tuple[int, _Part] | None:
    """The score of the newest time; of several the worse. None where one of them cannot be used: an older score says
    nothing of now."""
    matcher = reading.terms[score.in_]
    matched = [p for p in parts if matcher.matches(p.about)]
    newest = [p for p in matched if p.of.when == matched[0].of.when]
    usable: list[tuple[int, _Part]] = []
    for part in newest:
        points = _points(part, score.most)
        if isinstance(points, str):
            bad.append(f"{part.of.ref}: {points}")
        else:
            usable.append((points, part))
    if len(usable) < len(newest) or not usable:
        return None
    return worse(usable, key=lambda pair: pair[0])


def _summed(
    given: NeurologicalScore, parts: Sequence[_Part], reading: Reading, bad: list[str]
) -> tuple[int, _Part] | None:
    """An ICE score from its parts, recorded at one time. A missing part counts as full points only where even these
    leave a grade: that much is proven."""
    found = [(part, _newest(parts, reading, part, min, bad)) for part in given.ice_parts]
    known = [pair for _, pair in found if pair is not None]
    if not known:
        return None
    times = {part.of.when for _, part in known}
    at_most = sum(pair[0] if pair is not None else part.most for part, pair in found)
    whole = len(known) == len(given.ice_parts)
    if len(times) > 1 or (not whole and _ice_grade(given, at_most, reading) == 0):
        bad.append(f"{known[0][1].of.ref}: the ICE score is not complete")
        return None
    if not whole:
        bad.append(f"{known[0][1].of.ref}: the ICE score is not complete; it is {at_most} at most")
    return at_most, known[0][1]


def _points(part: _Part, most: int) -> int | str:
    """Whole points, or why they cannot be used. Points have no unit."""
    if part.of.problem:
        return part.of.problem
    quantity = part.value.get("valueQuantity")
    value = number_of(quantity.get("value") if isinstance(quantity, Mapping) else part.value.get("valueInteger"))
    if isinstance(quantity, Mapping) and quantity.get("comparator"):
        return "the score has a comparator, it is not an exact number"
    if value is None or value != int(value):
        return "the score is not a whole number"
    return int(value) if 0 <= value <= most else f"implausible score {rounded(value)} (0 to {most})"
