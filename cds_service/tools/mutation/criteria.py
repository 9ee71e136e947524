"""Every rule that differs from a given one in a single criterion: moved, turned round, dropped, or demanded.

Dropping the only condition of a list leaves a list that always holds, which is the same as a rule without that list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic.alias_generators import to_camel

from cds_service.knowledge.files import YamlPath
from cds_service.knowledge.files import spelled as place
from cds_service.knowledge.model import POLICY_PREFIX, Condition, Policy, RuleDefinition, conditions
from cds_service.tools.mutation.steps import Number, moved

# Comparisons with a number: the nearest other one, and the opposite.
_OTHERS: Mapping[str, tuple[str, str]] = {
    "at_least": ("above", "below"),
    "above": ("at_least", "at_most"),
    "at_most": ("below", "above"),
    "below": ("at_most", "at_least"),
    "is_": ("at_least", "at_most"),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one criterion changed. `path` is where in the file, `criterion` what stands there, `change` what
    was done to it."""

    path: YamlPath
    criterion: str
    change: str
    rule: RuleDefinition

    @property
    def name(self) -> str:
        """What tells it from every other mutant: rule, place, criterion and change."""
        return f"{self.rule.id}: {place(self.path)}: {self.criterion}: {self.change}"


def mutants(rule: RuleDefinition, policies: Mapping[str, Policy]) -> Iterator[Mutant]:
    """Every mutant of a rule's criteria. `policies` are the values that `policy.<name>` stands for."""
    for path, condition in conditions(rule):
        for change, other in _changed(condition, policies):
            yield Mutant(path, spelled(condition), f"changed to {change}", _with(rule, path, other))
        yield Mutant(path, spelled(condition), "dropped", _with(rule, path, None))
    for number, option in enumerate(rule.any if len(rule.any) > 1 else ()):
        others = (*rule.any[:number], *rule.any[number + 1 :])
        yield Mutant(("any", number), _listed(option), "dropped", rule.model_copy(update={"any": others}))
    if rule.any:
        options = " or ".join(_listed(option) for option in rule.any)
        yield Mutant(("any",), options, "all dropped", rule.model_copy(update={"any": ()}))
    for number, condition in enumerate(rule.unless):
        left = (*rule.unless[:number], *rule.unless[number + 1 :])
        demanded = rule.model_copy(update={"unless": left, "when": (*rule.when, condition)})
        yield Mutant(("unless", number), spelled(condition), "demanded by when", demanded)


def spelled(condition: Condition) -> str:
    """A condition as it is written in its rule: `crs-grade atLeast policy.crs-severe-grade`."""
    operand = condition.operand
    shown = str(operand).lower() if isinstance(operand, bool) else str(operand)
    return f"{condition.fact or condition.finding} {_word(condition.operator)} {shown}"


def _listed(option: tuple[Condition, ...]) -> str:
    return "[" + ", ".join(spelled(condition) for condition in option) + "]"


def _word(operator: str) -> str:
    return to_camel(operator.rstrip("_"))


def _changed(condition: Condition, policies: Mapping[str, Policy]) -> Iterator[tuple[str, Condition]]:
    """Every other comparison that a slip could have written: (what was changed, the condition)."""
    operator, operand = condition.operator, condition.operand
    number = _number(operand, policies)
    if isinstance(operand, bool):
        yield f"{_word(operator)} {str(not operand).lower()}", _compared(condition, operator, not operand)
    elif number is None:
        other = "is_not" if operator == "is_" else "is_"
        yield f"{_word(other)} {operand}", _compared(condition, other, operand)
    else:
        for value in moved(number):
            yield f"{_word(operator)} {value}", _compared(condition, operator, value)
        for other in _OTHERS[operator]:
            yield f"{_word(other)} {operand}", _compared(condition, other, operand)


def _number(operand: Number | str, policies: Mapping[str, Policy]) -> Number | None:
    """What a numeric operand amounts to; None for a code."""
    if not isinstance(operand, str):
        return operand
    return policies[operand.removeprefix(POLICY_PREFIX)].value if operand.startswith(POLICY_PREFIX) else None


def _compared(condition: Condition, operator: str, operand: Number | str) -> Condition:
    return condition.model_copy(update={condition.operator: None, operator: operand})


def _with(rule: RuleDefinition, path: YamlPath, condition: Condition | None) -> RuleDefinition:
    """The rule with another condition at this place, or with none."""
    block, *rest = path
    if block == "any":
        number, index = rest
        options = list(rule.any)
        options[int(number)] = _put(options[int(number)], int(index), condition)
        return rule.model_copy(update={"any": tuple(options)})
    found: tuple[Condition, ...] = rule.when if block == "when" else rule.unless
    return rule.model_copy(update={str(block): _put(found, int(rest[0]), condition)})


def _put(found: tuple[Condition, ...], index: int, condition: Condition | None) -> tuple[Condition, ...]:
    return (*found[:index], *(() if condition is None else (condition,)), *found[index + 1 :])
