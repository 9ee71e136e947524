"""A denial that goes on over commas: "No pneumonia, sepsis or bacteremia" denies all three.

A comma usually ends what a denial acts on: "No fever, pneumonia of the right lower lobe" is a pneumonia. It goes on
only in a list of single terms of value sets that are `listed`, where nothing else stands: not "no MRSA, grew E. coli".
And the list must show that it is one: by a word such as "or" at its end, or, after words that begin one ("negative
for"), by terms of one value set, or by terms for which one is tested together ("negative for HIV, hepatitis B, TB").
Such a list is one too before an answer ("TB, HIV: negative"). Whatever may be read otherwise stays said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cds_service.chart.scopes import Hit, heads_list, resolved_cues
from cds_service.chart.tokens import Answer

Clause = tuple[str, ...]
_MOST = 16  # parts of one list


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands between two commas: the listed value sets of its terms, whether it denies single terms (`opens`;
    `begins`: by words that begin a list), holds nothing but terms (`goes_on`), or ends a list; whether its terms are
    all `tested` together, and an `answer` follows them."""

    sets: frozenset[str]
    opens: bool
    begins: bool
    goes_on: bool
    ends: bool
    tested: bool = False
    answer: bool = False


_NOTHING = _Part(frozenset(), opens=False, begins=False, goes_on=False, ends=False)


def joined(clauses: Sequence[Clause], hits_of: Callable[[Clause], Iterable[Hit]]) -> Iterator[Clause]:
    """The clauses between which only commas stand, those of a denied list as one. Each is looked at once."""
    parts = [_part(words, list(hits_of(words))) for words in clauses]
    at = 0
    while at < len(clauses):
        last = _last(parts, at) if parts[at].opens else _answered(parts, at) if parts[at].tested else at
        yield tuple(word for words in clauses[at : last + 1] for word in words)
        at = last + 1


def _last(parts: Sequence[_Part], first: int) -> int:
    """The last part of the list that a part opens; the part itself where it opens none."""
    last, common, tested = first, parts[first].sets, parts[first].tested
    for at in range(first + 1, min(first + _MOST, len(parts))):
        if not parts[at].goes_on:
            break
        common &= parts[at].sets
        tested &= parts[at].tested
        if parts[at].ends or (parts[first].begins and (common or tested)):
            last = at
    return last


def _answered(parts: Sequence[_Part], first: int) -> int:
    """The part with the answer to a list of what is tested, which a part begins; the part itself where none is."""
    for at in range(first, min(first + _MOST, len(parts))):
        if parts[at].answer:
            return at
        if not (parts[at].tested and parts[at].goes_on):
            break
    return first


def _part(words: Clause, hits: Sequence[Hit]) -> _Part:
    terms = [hit for hit in hits if hit.phrase.set_id and not hit.phrase.excludes and not hit.phrase.qualifies]
    named = [*terms, *(hit for hit in hits if hit.phrase.tested or hit.phrase.listed)]
    if not named or any(hit.phrase.turn for hit in hits):
        return _NOTHING
    ends = {(hit.start, hit.end) for hit in hits if hit.phrase.alternative}
    cues = [c for c in resolved_cues(hits, min(hit.start for hit in named)) if (c.start, c.end) not in ends]
    if cues and _is_answer(cues[-1], words):
        asked = words[: cues[-1].start]
        answered = len(cues) == 1 and _part(asked, [hit for hit in hits if hit.end <= len(asked)]).tested
        return replace(_NOTHING, tested=answered, answer=answered)
    start, cue = (cues[-1].end, cues[-1].phrase.cue) if cues else (0, None)
    headed = bool(cues) and heads_list(cues[-1], words, range(len(words)))
    ors = [hit for hit in hits if hit.phrase.alternative and hit.start >= start]
    listed = [hit for hit in hits if hit.phrase.listed and hit.start >= start]
    tested = [hit for hit in hits if hit.phrase.tested and hit.start >= start]
    end = min((hit.start for hit in hits if hit.phrase.closes and hit.end == len(words)), default=len(words))
    bare = _is_bare((*listed, *tested), ors, start, end if ors else len(words))
    denies = headed or (cue is not None and cue.sense == "denied" and cue.side == "before" and not cue.person)
    return _Part(
        sets=frozenset(hit.phrase.set_id for hit in listed if hit.phrase.set_id),
        opens=bare and denies,
        begins=headed or any(hit.phrase.lists and hit.end == start for hit in hits),
        goes_on=bare and not cues,
        ends=bool(ors),
        tested=bare and _is_bare(tested, ors, start, len(words)),
    )


def _is_answer(cue: Hit, words: Clause) -> bool:
    """Whether a denial stands after a colon at the end."""
    said = cue.phrase.cue
    denies = said is not None and said.sense == "denied" and said.side == "after"
    return denies and cue.end == len(words) and isinstance(words[cue.start], Answer)


def _is_bare(terms: Iterable[Hit], ors: Iterable[Hit], start: int, end: int) -> bool:
    """Whether terms stand there ("Klebsiella pneumoniae" may be two), with words such as "or" between, and nothing
    else."""
    upto: dict[int, int] = {}
    for hit in terms:
        upto[hit.start] = max(hit.end, upto.get(hit.start, 0))
    joints = {at for hit in ors for at in range(hit.start, hit.end)}
    named = False
    while start < end:
        if start in joints:
            start += 1
            continue
        if start not in upto:
            return False
        named, start = True, upto[start]
    return named and start == end
