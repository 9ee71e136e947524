"""The whole basis of an answer as a page shows it: each rule with its criteria, what was not read, what was left out.

Which criterion is met is `explaining.py`'s to say; here it only gets its sign and word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cds_service.advice.model import OrderAssessment
from cds_service.explaining import FactSeen, Line, OrderText, RuleText, order_text
from cds_service.program import Program

# State -> its sign: nothing is told by colour alone.
SIGNS: Final = {"met": "✓", "not met": "✗", "unknown": "?", "not reached": "–"}
RESULTS: Final = {"fires": "hold", "unknown": "could not be told", "silent": "do not hold"}
_PARTS: Final = {"when": "All of", "any": "One of", "unless": "Unless"}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a rule: its state, what it asks, and the fact (None: another rule's finding) that answers it."""

    state: str
    title: str
    asked: str
    fact: FactSeen | None

    @property
    def sign(self) -> str:
        """A sign beside the word."""
        return SIGNS[self.state]


@dataclass(frozen=True, slots=True)
class Part:
    """Criteria that stand together in a rule's file."""

    title: str
    lines: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class ShownRule:
    """One rule, whole."""

    text: RuleText
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Rules with which the same became, in the order in which they were evaluated."""

    title: str
    rules: tuple[ShownRule, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A record that a fact did not use, and why."""

    fact: str
    what: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What the answers to one kind of order rest on. `not_read`: queries with the reason; those `forgone` are done
    without."""

    order: OrderText
    groups: tuple[Group, ...]
    not_read: tuple[tuple[str, str], ...]
    forgone: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def basis(seen: OrderAssessment, program: Program) -> Basis:
    """The whole basis on one occasion, without what silent rules found."""
    order = order_text(seen, program)
    heard = [rule for rule in order.rules if rule.id not in program.silent]
    groups = (
        Group(title, tuple(_shown(rule, order, program) for rule in heard if rule.result == result))
        for result, title in RESULTS.items()
    )
    return Basis(
        order=order,
        groups=tuple(group for group in groups if group.rules),
        not_read=tuple(seen.not_read.items()),
        forgone=seen.forgone,
        left_out=tuple(dict.fromkeys(_left_out(seen, program))),
    )


def _shown(rule: RuleText, order: OrderText, program: Program) -> ShownRule:
    parts: dict[tuple[str, int], list[Criterion]] = {}
    for line in rule.lines:
        parts.setdefault((line.part, line.option), []).append(_criterion(line, order, program))
    several = len({option for part, option in parts if part == "any"}) > 1
    return ShownRule(
        rule, tuple(Part(_title(part, option, several), tuple(lines)) for (part, option), lines in parts.items())
    )


def _title(part: str, option: int, several: bool) -> str:
    return f"One of these ways must hold, way {option + 1}" if part == "any" and several else _PARTS[part]


def _criterion(line: Line, order: OrderText, program: Program) -> Criterion:
    state = "not reached"
    if line.reached:
        state = "unknown" if line.met is None else "met" if line.met else "not met"
    fact = order.facts.get(line.name) if line.kind == "fact" else None
    title = fact.title if fact else _finding(line.name, order, program)
    asked = f"not {line.asked}" if line.part == "unless" else line.asked
    return Criterion(state, title, asked, fact)


def _finding(name: str, order: OrderText, program: Program) -> str:
    """The rule whose finding it is, by its title; of a silent one only that it is one."""
    if name in program.silent:
        return "The finding of a rule that is silent here"
    return next((rule.title for rule in order.rules if rule.id == name), name)


def _left_out(seen: OrderAssessment, program: Program) -> Iterator[LeftOut]:
    facts = program.knowledge.catalogue.facts
    for name, fact in seen.facts.items():
        title = facts[name].title
        yield from (LeftOut(title, f"{each.what}: {each.why}") for each in fact.left_out)
        yield from (LeftOut(title, each) for each in fact.unusable)
        yield from (LeftOut(title, f"{each}: not understood") for each in fact.not_understood)


def gaps(all_: Sequence[Basis]) -> tuple[tuple[str, str], ...]:
    """What was not read for any of them."""
    return tuple(dict.fromkeys(each for one in all_ for each in one.not_read))


def left_out(all_: Sequence[Basis]) -> tuple[LeftOut, ...]:
    """What was left out for any of them, each once."""
    return tuple(dict.fromkeys(each for one in all_ for each in one.left_out))
