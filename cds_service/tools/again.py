"""Decides once more what records say: from their facts and drafts alone, with the same program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from cds_service.advice.decide import decide
from cds_service.advice.model import OrderAssessment
from cds_service.advice.together import ranked
from cds_service.assess import values_of
from cds_service.chart.chart import Chart
from cds_service.chart.read import EMPTY, NOT_SENT
from cds_service.contract import most_cards
from cds_service.facts.draft_read import DraftRead
from cds_service.facts.model import Fact
from cds_service.facts.order import OrderInHand
from cds_service.knowledge.occasions import Occasion
from cds_service.program import Program
from cds_service.record import answered

Json = Mapping[str, Any]
Outcome = Literal[
    "same", "different", "digest only", "of another program", "not evaluated then", "nothing was asked", "not readable"
]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one record; `expected` and `found` are its answers then and now, where they were compared, and
    `said` names them where they differ."""

    outcome: Outcome
    expected: tuple[Json, ...] = ()
    found: tuple[Json, ...] = ()
    said: str = ""


def replayed(program: Program, record: Json) -> Replayed:
    """Decisions, rules, doses and indicators once more. Records without facts can only be verified."""
    try:
        return _replayed(program, record)
    except Exception:  # what somebody wrote into a record may be anything: it is told, as any other difference is
        return Replayed("not readable")


def _replayed(program: Program, record: Json) -> Replayed:
    if record["kind"] != "answer":
        raise ValueError("no answer")
    if "orders" not in record:
        return Replayed("nothing was asked")
    if record["program"] != program.id:
        return Replayed("of another program")
    orders = record["orders"]
    if any("digest" in order["facts"] for order in orders):
        return Replayed("digest only")
    if any(order.get("trouble") for order in orders):
        return Replayed("not evaluated then")
    now = datetime.fromisoformat(record["askedFor"])
    decided = [_order(program, record["hook"], order, now) for order in orders]
    found = tuple(answered(answer) for answer in ranked(decided, most_cards(record["hook"])))
    expected = tuple(record["answers"])
    if found == expected:
        return Replayed("same", expected, found)
    return Replayed("different", expected, found, f"{_brief(expected)}; now {_brief(found)}")


def _brief(answers: tuple[Json, ...]) -> str:
    return ", ".join(f"{each['decision']} ({each['rule']} {each['version']})" for each in answers) or "nothing"


def _order(program: Program, hook: str, order: Json, now: datetime) -> OrderAssessment:
    occasion = _occasion(program, order["occasion"])
    facts = {name: _fact(name, fact, now) for name, fact in order["facts"].items()}
    drafts = tuple(DraftRead(**draft) for draft in order["drafts"])
    # There is no chart any more: a decision needs of it the facts, the drafts, and which queries were not read.
    reads = dict.fromkeys(program.queries, EMPTY)
    reads |= {query: NOT_SENT for query in order.get("notRead", ()) if query not in order.get("forgone", ())}
    reading = program.reading(Chart("", reads), OrderInHand(occasion.kind, (), ()), occasion.drug, None, now)
    findings = program.engine.run(hook, occasion.key, values_of(facts))
    return decide(
        program.knowledge, occasion, program.plans[hook, occasion.key].rules, findings, reading, facts, drafts
    )


def _occasion(program: Program, key: str) -> Occasion:
    every = program.occasions(program.knowledge.orders.kinds)
    return next(occasion for occasion in every if occasion.key == key)


def _fact(name: str, told: Json, now: datetime) -> Fact:
    age = told.get("ageH")
    as_of = None if age is None else now - timedelta(hours=age)
    return Fact(name, told["value"], told.get("unit", ""), as_of, least=told.get("least"), most=told.get("most"))
