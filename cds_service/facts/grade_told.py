"""What one record says of a grade, for certain or in doubt: by its code or words, its stage, or the value of a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.tokens import words_of
from cds_service.chart.units import number_of
from cds_service.chart.vocabulary import Concept, concept
from cds_service.chart.words import fold
from cds_service.facts.model import Reading
from cds_service.facts.observed import how_of, value_of
from cds_service.knowledge.model import Grade, Scale

_REMARK = re.compile(r"[(\[,;:–—-]")
_BOUND = re.compile(r"[<>≤≥~/]")
# A grade, and whether it is said for certain; the highest of each kind.
Said = Sequence[tuple[int, bool]]


def grade_of(scale: Scale, condition: Resource, reading: Reading) -> Said:
    """The grade of a Condition: of its code or words, else of its stage or severity."""
    about = reading.terms[scale.ungraded].recognised(condition.concept)
    named = [_in(scale.grades, condition.concept, reading)]
    if not named[0] and scale.bare:
        named = [_in((*scale.grades, *scale.bare), said, reading) for said in _stages(condition)]
        # "CRS, now grade 3" is a grade of CRS; "CRS after lymphoma grade 3" may be another one.
        if not _names_more(scale, condition.concept, reading):
            named.append(_in(scale.bare, condition.concept, reading))
    # Whoever is not sure of the condition is not sure of its grade.
    doubts = reading.is_(scale.unconfirmed, condition) or about.hedges((scale.ungraded, *(g.in_ for g in scale.grades)))
    return _highest([(grade, sure and not doubts) for told in named for grade, sure in told])


def _names_more(scale: Scale, said: Concept, reading: Reading) -> bool:
    """Whether a concept names something besides the condition and its grade: words that only qualify name nothing."""
    matcher = reading.terms[scale.ungraded]
    own = {g.in_ for g in (*scale.bare, *scale.grades)} | {scale.ungraded, scale.others, *scale.gradeless}
    return any(n not in own and not matcher.recogniser.qualifies(n) for n in matcher.recognised(said).meanings)


def is_unread(scale: Scale, condition: Resource, reading: Reading) -> bool:
    """Whether a condition without a grade speaks of one that nobody can read: a word for a grade beside a number, or a
    number alone behind its name."""
    name = reading.terms[scale.ungraded]
    if scale.word is None or not name.matches(condition.concept):
        return False
    numbers = {words_of(fold(text)) for numeral in scale.numerals if numeral.grade for text in numeral.text}
    for text in (condition.concept.written.text, *(shown for _, _, shown in condition.concept.written.codings)):
        words = words_of(fold(text))
        if words_of(name.without(text)) in numbers:
            return True
        numbered = any((word,) in numbers or word.isdecimal() for word in words)
        if numbered and reading.terms[scale.word].matches(concept({"text": text})):
            return True
    return False


def _in(grades: Iterable[Grade], found: Concept, reading: Reading) -> Said:
    matched = ((g.grade, reading.terms[g.in_]) for g in grades if reading.terms[g.in_].matches(found))
    return _highest([(grade, matcher.recognised(found).says(matcher.id)) for grade, matcher in matched])


def _highest(told: Said) -> Said:
    """The highest that is certain, and one in doubt above it."""
    certain = max((grade for grade, sure in told if sure), default=None)
    doubted = max((grade for grade, sure in told if not sure), default=None)
    above = doubted is not None and (certain is None or doubted > certain)
    sure = [] if certain is None else [(certain, True)]
    return [*sure, (doubted, False)] if doubted is not None and above else sure


def _stages(condition: Resource) -> tuple[Concept, ...]:
    """The severity, and the summary and type of each stage."""
    written = condition.raw.get("stage")
    stages = [stage for stage in written if isinstance(stage, Mapping)] if isinstance(written, list) else []
    told = (condition.raw.get("severity"), *(stage.get(e) for stage in stages for e in ("summary", "type")))
    return tuple(c for c in map(concept, told) if not c.empty)


def is_other(scale: Scale, resource: Resource, reading: Reading) -> bool:
    """Whether a record names another scale."""
    if scale.others is None:
        return False
    more = (value_of(resource), *how_of(resource)) if resource.type == "Observation" else _stages(resource)
    return any(reading.terms[scale.others].matches(said) for said in (resource.concept, *more))


def row_grade(scale: Scale, row: Resource, reading: Reading) -> Said:
    """The grade that an Observation holds; none of a number that is no exact one."""
    value, quantity = value_of(row), row.raw.get("valueQuantity")
    if isinstance(quantity, Mapping) and quantity.get("comparator"):
        return ()
    number = number_of(quantity.get("value") if isinstance(quantity, Mapping) else row.raw.get("valueInteger"))
    if number is None and value.text.isdecimal():
        number = number_of(int(value.text[:3]))
    if number is not None:
        highest = max(g.grade for g in scale.grades)
        return [(int(number), True)] if number == int(number) and 0 <= number <= highest else ()
    return _in((*scale.grades, *scale.bare), value, reading) or _numeral(scale, value, reading)


def _numeral(scale: Scale, value: Concept, reading: Reading) -> Said:
    """The grade of a value that is only its number, in digits or letters, with or without a remark, as in "4 (severe)".
    A remark with a number of its own may be a range or the grade before."""
    written = value.written.text or next((shown for _, _, shown in value.written.codings if shown), "")
    head, *rest = _REMARK.split(fold(written), maxsplit=1)
    spelled = {words_of(fold(text)): numeral.grade for numeral in scale.numerals for text in numeral.text}
    remark = words_of(rest[0]) if rest else ()
    if _BOUND.search(written) or any((word,) in spelled or word.isdecimal() for word in remark):
        return ()
    grade = spelled.get(words_of(head))
    if grade is None:
        return ()
    # The remark may doubt it: "3 (suspected)".
    named = next((reading.terms[g.in_] for g in scale.bare if g.grade == grade), None)
    meaning = named.meaning(concept({"text": f"{named.phrase} {' '.join(remark)}"})) if named and remark else None
    return [(grade, meaning is None or meaning.sense == "said")]
