"""Criteria, thresholds and doses as sentences that a clinician can read and check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Condition, Dose, RuleDefinition, Until

_POLICY: Final = "policy."
_VERBS: Final = {
    "is_": " is ",
    "is_not": " is not ",
    "at_least": " is at least ",
    "above": " is above ",
    "at_most": " is at most ",
    "below": " is below ",
}
# UCUM codes that nobody reads as what they are; all others are shown as written.
_READABLE: Final = {"1": "", "a": "years", "mo": "months", "Cel": "°C", "mm[Hg]": "mmHg"}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A policy as it holds at this site; `where` says what uses it on the page it stands on."""

    name: str
    title: str
    value: str
    unit: str
    owner: str
    valid_from: date
    reference: str
    site_may_override: bool
    overridden: bool
    where: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One criterion: `CRS grade (ASTCT)` + ` is at least ` + `2` + `{grade}`, and the policy the number comes from.

    `target` is the page and anchor that the subject links to.
    """

    target: str
    subject: str
    relation: str
    value: str
    unit: str = ""
    policy: Threshold | None = None

    @property
    def plain(self) -> str:
        """The words alone; a unit that only repeats what the subject says (`{grade}`) is left out."""
        unit = "" if self.unit.startswith("{") else self.unit
        return f"{self.subject}{self.relation}{self.value} {unit}".strip()

    def __str__(self) -> str:
        text = f"{self.subject}{self.relation}{self.value}" + (f" {self.unit}" if self.unit else "")
        if self.policy is None:
            return text
        return f"{text} [policy {self.policy.name}, owner {self.policy.owner}, source {self.policy.reference}]"


def sentence(knowledge: Knowledge, condition: Condition) -> Sentence:
    """A condition in words. KeyError where it names what is not there (loading has checked that)."""
    if condition.finding:
        return _finding(knowledge, condition)
    fact = knowledge.catalogue.facts[condition.fact]
    target, operand = f"facts#{condition.fact}", knowledge.operand(condition)
    if condition.operator == "known":
        return Sentence(target, fact.title, " is ", "known" if operand else "not known")
    if isinstance(operand, bool):
        return Sentence(target, fact.title, ": ", shown(operand))
    written = condition.operand
    policy, own_unit = None, fact.unit
    if isinstance(written, str) and written.startswith(_POLICY):
        policy = threshold(knowledge, policy_name(written))
        own_unit = knowledge.policies[policy.name].unit
    # A word is told as it stands in the catalogue of facts: "Renal function: not adequate".
    verbs = {"is_": ": ", "is_not": ": not "} if isinstance(operand, str) else _VERBS
    return Sentence(target, fact.title, verbs[condition.operator], shown(operand), unit(own_unit), policy)


def _finding(knowledge: Knowledge, condition: Condition) -> Sentence:
    rule = next(rule for rule in knowledge.rules if rule.id == condition.finding)
    positive = bool(condition.operand)
    if condition.operator == "known":
        relation, value = " is ", "evaluated" if positive else "not evaluated"
    else:
        relation, value = ": ", "holds" if positive else "does not hold"
    return Sentence(f"rules/{rule.id}", f"Rule “{rule.title}”", relation, value)


def threshold(knowledge: Knowledge, name: str, where: str = "") -> Threshold:
    """The policy of this name."""
    policy = knowledge.policies[name]
    return Threshold(
        name=name,
        title=policy.title,
        value=shown(policy.value),
        unit=unit(policy.unit),
        owner=policy.owner,
        valid_from=policy.valid_from,
        reference=policy.reference,
        site_may_override=policy.site_may_override,
        overridden=name in knowledge.overridden,
        where=where,
    )


def conditions(rule: RuleDefinition) -> Iterator[Condition]:
    """Every condition of a rule, in the order written."""
    yield from rule.when
    for alternative in rule.any:
        yield from alternative
    yield from rule.unless


def until(knowledge: Knowledge, of: Until) -> Sentence:
    """When time alone changes the answer, in words."""
    policy = threshold(knowledge, policy_name(of.policy))
    fact = knowledge.catalogue.facts[of.fact]
    return Sentence(f"facts#{of.fact}", fact.title, " reaches ", policy.value, policy.unit, policy)


def policy_name(written: str) -> str:
    """The name of a policy, written with or without `policy.` before it."""
    return written.removeprefix(_POLICY)


def policies_in(rule: RuleDefinition) -> tuple[str, ...]:
    """Names of the policies that the rule's criteria compare with, each once."""
    operands = (str(condition.operand) for condition in conditions(rule))
    return tuple(dict.fromkeys(policy_name(o) for o in operands if o.startswith(_POLICY)))


def shown(value: bool | int | float | str) -> str:
    """A value as it is read: yes and no, numbers without a needless `.0`, words as they are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def unit(code: str) -> str:
    """A UCUM code as it is read."""
    return _READABLE.get(code, code)


def dose(of: Dose) -> str:
    """`100 mg every 6 h`, or `2 mg/kg (at most 100 mg) every 6 h`."""
    if of.mg is not None:
        amount = f"{shown(of.mg)} mg"
    else:
        amount = f"{shown(of.mg_per_kg or 0)} mg/kg (at most {shown(of.cap_mg or 0)} mg)"
    return f"{amount} every {of.interval_hours} h"
