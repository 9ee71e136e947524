"""A pathway as a picture: its rules' criteria as one tree, from what they share to the answer, laid out for two widths.

The tree is made of the rules alone: at each branch the criterion comes first that most of the rules share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from textwrap import wrap
from typing import Any, Final

from cds_service.contract import RANK
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Condition, RuleDefinition
from cds_service.tools.catalogue import sentences
from cds_service.tools.catalogue.order import drawn, severity

WIDE, NARROW = 1180, 356  # units of a drawing, which are pixels where there is room
_LINE, _PAD, _GAP, _INDENT = 19, 9, 14, 22
# The mean width of a character, plain and bold, rather too wide than too narrow: nothing may run out of its box.
_CHARACTER, _BOLD = 7.8, 8.8
DASH, _HANGING = "– ", "   "
_HEAD: Final = "m-7 -4 l7 4 l-7 4"
_ANSWER: Final = 380  # width of an answer beside its criteria


@dataclass(frozen=True, slots=True)
class Text:
    """One line of a box: a criterion, or the continuation of one; `target` is what its words link to."""

    words: str
    target: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a rule asks for at one place: a comparison, one of several, or none of them."""

    key: str
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """Criteria that hold together, the rules that then answer, and what is asked further."""

    criteria: tuple[Criterion, ...]
    answers: tuple[RuleDefinition, ...]
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A drawn box; `indicator` is empty for criteria."""

    x: int
    y: int
    width: int
    height: int
    lines: tuple[Text, ...]
    indicator: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes, and lines between them as SVG paths; `arrows` are those that end at an answer."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    arrows: tuple[str, ...]


def pathway(knowledge: Knowledge, name: str) -> dict[str, Any]:
    """What the page of a pathway shows."""
    rules = [rule for rule in knowledge.rules if rule.pathway == name and rule.finding.decision]
    root, widths = tree(knowledge, rules), {"at-width": WIDE, "at-hand": NARROW}
    return {
        "name": name,
        "before": [(f"pathways/{each}", each) for each in takewhile(lambda each: each != name, drawn(knowledge))],
        "drawings": [(kind, drawing(knowledge, root, width)) for kind, width in widths.items()],
        "rules": sorted(rules, key=_rank),
    }


# ---------------------------------------------------------------- the tree


def tree(knowledge: Knowledge, rules: Sequence[RuleDefinition]) -> tuple[Branch, ...]:
    """The branches of some rules."""
    asked = [(rule, {c.key: c for c in criteria(knowledge, rule)}) for rule in sorted(rules, key=_rank)]
    return tuple(_grown(asked))


Asked = list[tuple[RuleDefinition, dict[str, Criterion]]]


def _grown(asked: Asked) -> Iterator[Branch]:
    """Branch after branch: the criterion that most of the rules left share, and all rules that ask for it."""
    left = asked
    while left:
        counted = Counter(key for _, criteria in left for key in criteria)
        # Of those that as many share, the first one of the hardest answer: as its rule was written.
        first = max(left[0][1], key=lambda key: counted[key])
        with_it = [(rule, criteria) for rule, criteria in left if first in criteria]
        left = [pair for pair in left if first not in pair[1]]
        yield _branch(first, with_it)


def _branch(first: str, asked: Asked) -> Branch:
    """All that every rule of a branch asks for stands in one box."""
    shared = [key for key in asked[0][1] if all(key in criteria for _, criteria in asked)]
    box = tuple(asked[0][1][key] for key in dict.fromkeys((first, *shared)))
    below = [(rule, {k: c for k, c in criteria.items() if k not in shared}) for rule, criteria in asked]
    return Branch(
        box,
        tuple(rule for rule, criteria in below if not criteria),
        tuple(_grown([pair for pair in below if pair[1]])),
    )


def _rank(rule: RuleDefinition) -> tuple[int, int]:
    return RANK[rule.finding.decision or "monitoring"], severity(rule)


def criteria(knowledge: Knowledge, rule: RuleDefinition, whole: bool = True) -> Iterator[Criterion]:
    """What a rule asks for, in the order written; `whole`: findings that only prepare it with their own criteria."""
    for condition in rule.when:
        yield _one(knowledge, condition, whole)
    if rule.any:
        texts = tuple(_choice(knowledge, rule.any))
        yield Criterion(" or ".join(text.words for text in texts), (Text("One of these:"), *texts))
    for condition in rule.unless:
        yield _one(knowledge, _opposite(condition), whole)


# What must not hold, said as what must: both are unknown where the fact is.
_OPPOSITES: Final = {
    "is_": "is_not", "is_not": "is_",
    "at_least": "below", "below": "at_least",
    "above": "at_most", "at_most": "above",
}  # fmt: skip


def _opposite(of: Condition) -> Condition:
    if isinstance(of.operand, bool):
        return of.model_copy(update={of.operator: not of.operand})
    return of.model_copy(update={of.operator: None, _OPPOSITES[of.operator]: of.operand})


def _choice(knowledge: Knowledge, options: Iterable[Sequence[Condition]]) -> Iterator[Text]:
    for option in options:
        said = [sentences.sentence(knowledge, condition) for condition in option]
        yield Text(DASH + ", and ".join(of.plain for of in said), said[0].target)


def _one(knowledge: Knowledge, condition: Condition, whole: bool) -> Criterion:
    of = sentences.sentence(knowledge, condition)
    texts: tuple[Text, ...] = (Text(of.plain, of.target),)
    if whole and condition.finding and condition.operand is True and condition.operator == "is_":
        rule = next(rule for rule in knowledge.rules if rule.id == condition.finding)
        inner = (text for criterion in criteria(knowledge, rule) for text in criterion.texts)
        texts = (Text(f"{rule.title}:", of.target, strong=True), *inner)
    return Criterion(of.plain, texts)


# ---------------------------------------------------------------- the drawing


def drawing(knowledge: Knowledge, root: Sequence[Branch], width: int) -> Drawing:
    """Boxes below each other, each branch further in; answers beside their criteria where there is room, else below."""
    pen = _Pen(knowledge, width)
    bottom = 1
    for branch in root:
        bottom = pen.draw(branch, 1, bottom)
    return Drawing(width, bottom, tuple(pen.boxes), tuple(pen.lines), tuple(pen.arrows))


class _Pen:
    """Draws branches from top to bottom, and remembers what it drew."""

    def __init__(self, knowledge: Knowledge, width: int) -> None:
        self.knowledge = knowledge
        self.beside = width >= WIDE
        self.right = width - 1 - (_ANSWER + 3 * _GAP if self.beside else 0)
        self.width = width
        self.boxes: list[Box] = []
        self.lines: list[str] = []
        self.arrows: list[str] = []

    def draw(self, branch: Branch, x: int, y: int) -> int:
        """One branch at a place; where the next one may begin."""
        box = self._box(x, y, self.right - x, [text for c in branch.criteria for text in c.texts])
        bottom, below = box.y + box.height, box.y + box.height + _GAP
        if branch.answers and self.beside:
            below = max(below, self._answers_beside(branch, box))
        elif branch.answers:
            below = self._answers_below(branch, box, below)
        stem = x + _INDENT // 2
        for each in branch.branches:
            middle = below + _PAD + _LINE // 2
            self.lines.append(f"M{stem} {bottom} V{middle} H{x + _INDENT}")
            below = self.draw(each, x + _INDENT, below)
        return below

    def _answers_beside(self, branch: Branch, box: Box) -> int:
        left, y = self.width - 1 - _ANSWER, box.y
        for rule in branch.answers:
            answer = self._box(left, y, _ANSWER, _answer(self.knowledge, rule), rule)
            middle = y + _PAD + _LINE // 2
            start = box.x + box.width
            self.arrows.append(f"M{start} {box.y + _PAD + _LINE // 2} H{left - 2 * _GAP} V{middle} H{left - 2} {_HEAD}")
            y = answer.y + answer.height + _GAP
        return y

    def _answers_below(self, branch: Branch, box: Box, y: int) -> int:
        left = box.x + _INDENT
        for rule in branch.answers:
            answer = self._box(left, y, self.width - 1 - left, _answer(self.knowledge, rule), rule)
            middle = y + _PAD + _LINE // 2
            self.arrows.append(f"M{box.x + _INDENT // 2} {box.y + box.height} V{middle} H{left - 2} {_HEAD}")
            y = answer.y + answer.height + _GAP
        return y

    def _box(self, x: int, y: int, width: int, texts: Iterable[Text], answer: RuleDefinition | None = None) -> Box:
        lines = tuple(
            Text(part, text.target, text.strong) for text in texts for part in _wrapped(text, width - 2 * _PAD)
        )
        box = Box(x, y, width, len(lines) * _LINE + 2 * _PAD, lines, (answer.finding.indicator or "") if answer else "")
        self.boxes.append(box)
        return box


def _wrapped(text: Text, room: int) -> list[str]:
    most = int(room / (_BOLD if text.strong else _CHARACTER))
    return wrap(text.words, most, subsequent_indent=_HANGING if text.words.startswith(DASH) else "")


def _answer(knowledge: Knowledge, rule: RuleDefinition) -> Iterator[Text]:
    yield Text(rule.finding.decision or "", strong=True)
    yield Text(rule.title, f"rules/{rule.id}")
    if regimen := knowledge.regimens.get(rule.regimen):
        route = knowledge.orders.routes[regimen.route].short
        yield Text(f"{sentences.dose(regimen.dose)}, {route}", f"regimens#{regimen.id}")
