"""Which example patients are answered otherwise: another decision, another dose, other cards, or other words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.service import Service
from cds_service.tools.examples import Example
from cds_service.tools.replay.run import explanation
from cds_service.tools.replay.told import KINDS, differing

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """A first card as one version answers it; `paragraphs` are (Markdown, whether the other side has not got it)."""

    card: Json
    decision: str
    paragraphs: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """One patient at one hook: `kinds` of KINDS, the first cards where there are any, further cards gone or new."""

    patient: str
    story: str
    hook: str
    kinds: tuple[str, ...]
    before: Side | None
    after: Side | None
    gone: tuple[str, ...]
    new: tuple[str, ...]


def answer_changes(
    old: Service, before: Sequence[Example], new: Service, after: Sequence[Example]
) -> tuple[AnswerChange, ...]:
    """The answers that differ, those with another decision first."""
    found = [change for pair in zip(before, after, strict=True) if (change := _change(old, new, *pair))]
    return tuple(sorted(found, key=lambda change: KINDS.index(change.kinds[0])))


def _change(old: Service, new: Service, was: Example, now: Example) -> AnswerChange | None:
    before, after = old.cards(was.assessment), new.cards(now.assessment)
    kinds = differing(before, after)
    if not kinds:
        return None
    left, right = list(map(_line, before[1:])), list(map(_line, after[1:]))
    return AnswerChange(
        patient=now.chart.patient_id,
        story=now.chart.story,
        hook=now.hook,
        kinds=kinds,
        before=_side(before, after),
        after=_side(after, before),
        gone=tuple(line for line in left if line not in right),
        new=tuple(line for line in right if line not in left),
    )


def _line(card: Json) -> str:
    return f"{explanation(card)['decision']} ({card['indicator']}): {card['summary']} {card['detail']}".strip()


def _side(cards: Sequence[Json], others: Sequence[Json]) -> Side | None:
    if not cards:
        return None
    other = set(_paragraphs(others[0])) if others else set()
    told = tuple((text, text not in other) for text in _paragraphs(cards[0]))
    return Side(cards[0], explanation(cards[0])["decision"], told)


def _paragraphs(card: Json) -> Iterator[str]:
    yield from (text for text in str(card["detail"]).split("\n\n") if text.strip())
