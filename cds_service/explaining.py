"""Why and why not, as data for `anakinra-cds explain` and the workbench: what became of every rule of an assessment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from cds_service.advice.model import OrderAssessment
from cds_service.advice.words import figure, moment
from cds_service.assess import values_of
from cds_service.engine import Outcome, Truths
from cds_service.facts.model import Fact
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Condition, RuleDefinition, conditions
from cds_service.program import Program

Result = Literal["fires", "silent", "unknown"]
_RESULTS: Final[Mapping[bool | None, Result]] = {True: "fires", False: "silent", None: "unknown"}
_OPERATORS: Final = {"is_": "=", "is_not": "is not", "at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}


class Criterion(msgspec.Struct, frozen=True, rename={"sources": "from"}):
    """A fact or finding that a rule asks for. `value` None: unknown, and `why` says why; a finding has neither."""

    name: str
    kind: Literal["fact", "finding"]
    title: str
    asked: str
    value: bool | int | float | str | None
    unit: str
    why: str
    sources: tuple[str, ...]


class RuleReport(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one rule. `because`: what holds; `silentBecause`: what kept it silent; `missing`: what is unknown
    and could still change the result."""

    id: str
    version: str
    stratum: str
    title: str
    decision: str
    result: Result
    because: tuple[Criterion, ...]
    silent_because: tuple[Criterion, ...]
    missing: tuple[Criterion, ...]


class OrderReport(msgspec.Struct, frozen=True, rename="camel"):
    """Every rule for one kind of order; `failure` and `disagreements` are empty where both evaluators agree."""

    order: str
    rules: tuple[RuleReport, ...]
    failure: str
    disagreements: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether the evaluators agree."""
        return not self.failure and not self.disagreements


def order_report(order: str, seen: OrderAssessment, knowledge: Knowledge) -> OrderReport:
    """The report of one kind of order, whose title is `order`; rules in the order in which they were evaluated."""
    outcomes = seen.findings.outcomes
    told = tuple(_rule(rule, outcomes[rule.id], seen.facts, knowledge) for rule in seen.rules if rule.id in outcomes)
    return OrderReport(order, told, seen.trouble, tuple(seen.findings.disagreements))


def _rule(rule: RuleDefinition, outcome: Outcome, facts: Mapping[str, Fact], knowledge: Knowledge) -> RuleReport:
    def criteria(names: tuple[str, ...]) -> tuple[Criterion, ...]:
        return tuple(_criterion(name, rule, facts, knowledge) for name in dict.fromkeys(names))

    return RuleReport(
        id=rule.id,
        version=rule.version,
        stratum=rule.stratum,
        title=rule.title,
        decision=rule.finding.decision or "",
        result=_RESULTS[outcome.truth],
        because=criteria(outcome.holds),
        silent_because=criteria(outcome.fails),
        missing=criteria(outcome.missing),
    )


def _criterion(name: str, rule: RuleDefinition, facts: Mapping[str, Fact], knowledge: Knowledge) -> Criterion:
    asked = " or ".join(dict.fromkeys(_questions(name, rule, knowledge)))
    fact = facts.get(name)
    if fact is None:
        return Criterion(name, "finding", name, asked, None, "", "", ())
    title = knowledge.catalogue.facts[name].title
    return Criterion(name, "fact", title, asked, fact.value, fact.unit, fact.why, fact.sources)


def _questions(name: str, rule: RuleDefinition, knowledge: Knowledge) -> Iterator[str]:
    """What the rule asks of a fact or finding; an `unless` asks for its opposite."""
    for condition in (*rule.when, *(c for option in rule.any for c in option)):
        if name in (condition.fact, condition.finding):
            yield asked(condition, knowledge)
    for condition in rule.unless:
        if name in (condition.fact, condition.finding):
            yield f"not {asked(condition, knowledge)}"


def asked(condition: Condition, knowledge: Knowledge) -> str:
    """A comparison in a few signs: `>= 8 [policy.tocilizumab-response-window]`."""
    if condition.operator == "known":
        return "known" if condition.known else "unknown"
    value: Any = knowledge.operand(condition)
    named = str(condition.operand)
    policy = f" [{named}]" if named.startswith("policy.") else ""
    return f"{_OPERATORS[condition.operator]} {figure(value, '')}{policy}"


# ---------------------------------------------------------------- criterion by criterion


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One criterion of a rule as its file has it: `part` is when, any or unless, `option` which alternative of any.

    `met`: whether it lets the rule hold, None where that is unknown; one of unless is met where it is proven absent.
    `reached`: whether it still mattered, read in the order of the file.
    """

    part: str
    name: str
    kind: Literal["fact", "finding"]
    asked: str
    met: bool | None
    reached: bool
    option: int = 0


class RuleText(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule, whole: `lines` in the order of its file."""

    id: str
    version: str
    stratum: str
    title: str
    rationale: str
    decision: str
    indicator: str
    result: Result
    lines: tuple[Line, ...]


class FactSeen(msgspec.Struct, frozen=True, omit_defaults=True, rename={"as_of": "asOf", "sources": "from"}):
    """One fact as the rules saw it; `shown` is the value for reading, "" where it is unknown and `why` says why."""

    title: str
    type: str
    value: bool | int | float | str | None
    shown: str = ""
    unit: str = ""
    text: str = ""
    as_of: str = ""
    sources: tuple[str, ...] = ()
    why: str = ""
    notes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class OrderText(msgspec.Struct, frozen=True):
    """Every rule for one kind of order, and every fact that one of them asks for, by name."""

    order: str
    key: str
    failure: str
    disagreements: tuple[str, ...]
    rules: tuple[RuleText, ...]
    facts: Mapping[str, FactSeen]


def order_text(seen: OrderAssessment, program: Program) -> OrderText:
    """What became of every criterion on one occasion, rules in the order in which they were evaluated."""
    knowledge, outcomes = program.knowledge, seen.findings.outcomes
    rules = [rule for rule in seen.rules if rule.id in outcomes]
    truths = program.engine.truths(rules, values_of(seen.facts), outcomes) if rules else {}
    asked_for = dict.fromkeys(c.fact for rule in rules for _, c in conditions(rule) if c.fact)
    return OrderText(
        order=knowledge.orders.kinds[seen.kind].title,
        key=seen.occasion.key,
        failure=seen.trouble,
        disagreements=seen.findings.disagreements,
        rules=tuple(_text(rule, outcomes[rule.id], truths[rule.id], knowledge) for rule in rules),
        facts={name: _seen(name, seen.facts[name], knowledge) for name in asked_for if name in seen.facts},
    )


def _text(rule: RuleDefinition, outcome: Outcome, truths: Truths, knowledge: Knowledge) -> RuleText:
    return RuleText(
        id=rule.id,
        version=rule.version,
        stratum=rule.stratum,
        title=rule.title,
        rationale=" ".join(rule.rationale.split()),
        decision=rule.finding.decision or "",
        indicator=rule.finding.indicator or "",
        result=_RESULTS[outcome.truth],
        lines=tuple(_lines(rule, truths, knowledge)),
    )


def _lines(rule: RuleDefinition, truths: Truths, knowledge: Knowledge) -> Iterator[Line]:
    written = list(conditions(rule))
    met = [
        truth if truth is None or path[0] != "unless" else not truth
        for (path, _), truth in zip(written, truths, strict=True)
    ]
    places = [(str(path[0]), int(path[1]) if path[0] == "any" else 0) for path, _ in written]
    for (_, condition), (part, option), holds, mattered in zip(written, places, met, reached(places, met), strict=True):
        yield Line(
            part=part,
            option=option,
            name=condition.fact or condition.finding,
            kind="fact" if condition.fact else "finding",
            asked=asked(condition, knowledge),
            met=holds,
            reached=mattered,
        )


def reached(places: Sequence[tuple[str, int]], met: Sequence[bool | None]) -> list[bool]:
    """Which criteria still mattered to whoever reads them from the top: after one that is not met nothing does, after a
    met alternative no other alternative. `places` are (part, alternative) of each; what is unknown ends nothing."""
    found: list[bool] = []
    over = False
    for part, options in _parts(places, met):
        if part != "any":
            for holds in options[0]:
                found.append(not over)
                over = over or holds is False
            continue
        chosen = False
        for option in options:
            failed = False
            for holds in option:
                found.append(not (over or chosen or failed))
                failed = failed or holds is False
            chosen = chosen or all(option)
        over = over or all(False in option for option in options)
    return found


def _parts(
    places: Sequence[tuple[str, int]], met: Iterable[bool | None]
) -> Iterator[tuple[str, list[list[bool | None]]]]:
    """Each part of a rule with its alternatives (one, but for any), and whether their criteria are met."""
    parts: dict[str, dict[int, list[bool | None]]] = {}
    for (part, option), holds in zip(places, met, strict=True):
        parts.setdefault(part, {}).setdefault(option, []).append(holds)
    yield from ((part, list(options.values())) for part, options in parts.items())


def _seen(name: str, fact: Fact, knowledge: Knowledge) -> FactSeen:
    definition = knowledge.catalogue.facts[name]
    return FactSeen(
        title=definition.title,
        type=definition.type,
        value=fact.value,
        shown="" if fact.value is None else figure(fact.value, fact.unit),
        unit=fact.unit,
        text=fact.text,
        as_of=moment(fact.as_of) if fact.as_of else "",
        sources=fact.sources,
        why=fact.why,
        notes=(*fact.notes, *fact.unusable),
        values=definition.values,
    )
