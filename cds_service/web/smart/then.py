"""What was decided when the card was shown that launched this page, beside what would be decided now.

A record names its patient by a keyed hash. What it holds is told only of the patient whose chart is open.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from cds_service.advice.model import Answer, Assessment
from cds_service.advice.words import figure
from cds_service.errors import StoreError
from cds_service.facts.model import Fact
from cds_service.program import Program

State = Literal["not named", "not there", "another patient", "store down", "found"]


class Records(Protocol):
    """What is asked of the store. Both raise StoreError."""

    def answer(self, record_id: str) -> dict[str, Any] | None:
        """The record of an answer."""

    def name(self, kind: str, text: str) -> str:
        """What stands for a name in records."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by which rule; the decision of a status is what it tells of others."""

    decision: str
    indicator: str
    rule: str
    version: str
    title: str


@dataclass(frozen=True, slots=True)
class Change:
    """A fact that has another value now; each as it is read, "not known" where it is unknown."""

    title: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Then:
    """The evaluation that launched the page. All but `state` is empty where it is not `found`.

    `same_rules`: whether knowledge and site are those of then. `changes` is None where the record keeps no values.
    """

    state: State
    at: datetime | None = None
    hook: str = ""
    decisions: tuple[Decision, ...] = ()
    same_rules: bool = True
    changes: tuple[Change, ...] | None = ()


def then(context: str, now: Assessment, program: Program, records: Records | None) -> Then:
    """What is on record under the reference that the launch carries, where that is about this patient."""
    if not context:
        return Then("not named")
    if records is None:
        return Then("not there")
    try:
        record = records.answer(context)
        patient = records.name("patient", now.patient_id)
    except StoreError:
        return Then("store down")
    if record is None:
        return Then("not there")
    if not hmac.compare_digest(str(record.get("patient", "")), patient):
        return Then("another patient")
    return Then(
        state="found",
        at=datetime.fromisoformat(record["at"]),
        hook=str(record.get("hook", "")),
        decisions=tuple(_recorded(record.get("answers", ()), program)),
        same_rules=record.get("program") == now.program,
        changes=_changes(record, now, program),
    )


def decided(answers: Sequence[Answer]) -> Iterator[Decision]:
    """What answers decide, each with those that it tells."""
    for answer in answers:
        rule = answer.rule
        yield Decision(answer.decision, answer.indicator, rule.id, rule.version, rule.title)
        yield from decided((*answer.found, *answer.also))


def _recorded(answers: Sequence[Mapping[str, Any]], program: Program) -> Iterator[Decision]:
    titles = {rule.id: rule.title for rule in program.knowledge.rules}
    for answer in answers:
        rule = answer["rule"]
        if rule not in program.silent:
            title = titles.get(rule, rule)
            yield Decision(answer["decision"], answer["indicator"], rule, answer["version"], title)
        yield from _recorded(answer.get("also", ()), program)


def _changes(record: Mapping[str, Any], now: Assessment, program: Program) -> tuple[Change, ...] | None:
    """The facts of which both know, on occasions of which both know, that differ; each once."""
    before: dict[str, Mapping[str, Any]] = {}
    for order in record.get("orders", ()):
        if "digest" in order["facts"]:
            return None
        before |= {name: fact for name, fact in order["facts"].items() if name not in before}
    after: dict[str, Fact] = {}
    for seen in now.orders:
        after |= {name: fact for name, fact in seen.facts.items() if name not in after}
    titles = program.knowledge.catalogue.facts
    return tuple(
        Change(titles[name].title, _read(was["value"], was.get("unit", "")), _read(after[name].value, after[name].unit))
        for name, was in before.items()
        if name in after and was["value"] != after[name].value
    )


def _read(value: Any, unit: str) -> str:
    return "not known" if value is None else figure(value, unit)
