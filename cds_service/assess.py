"""Assesses one patient's chart for one question: `assess(program, chart, question, now) -> Assessment`, and its cards.

Pure: no clock, no environment, no network. Whatever fails on the way for one kind of order becomes an answer that says
so (`system-unevaluated`), with every block that was found; the other kinds are still answered.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cds_service.advice.cards import outline, override_reasons
from cds_service.advice.decide import decide
from cds_service.advice.explanation import named_orders
from cds_service.advice.model import NOTHING_READ, Assessment, OrderAssessment
from cds_service.advice.silence import without
from cds_service.advice.together import ranked
from cds_service.advice.unevaluated import NOTHING_FOUND, unevaluated
from cds_service.chart.chart import Chart
from cds_service.chart.intake import Intake, most_telling, unmapped
from cds_service.chart.read import Medications, Read
from cds_service.chart.resource import Resource
from cds_service.contract import ASKS, EXPLANATION, most_cards
from cds_service.engine import Findings
from cds_service.engine.values import least_key, most_key
from cds_service.facts.draft_read import read_drafts
from cds_service.facts.model import Fact, Facts, Scalar, unknown
from cds_service.facts.order import OrderInHand, order_in_hand
from cds_service.hook_call import HookCall
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition
from cds_service.knowledge.occasions import Occasion
from cds_service.program import Plan, Program

Json = dict[str, Any]
_log = logging.getLogger(__name__)
_PLAIN = "**Could not be evaluated. Do not read this as no contraindication.** No order is offered."


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a chart: at which hook, with which orders in hand, in which encounter.

    Without a hook nobody orders anything: every fact is found, and no rule answers.
    """

    hook: str
    order: OrderInHand
    encounter_id: str | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of order that are answered, most important first; "" stands for no order at all."""
        return self.order.kinds if self.hook else ("",)


DRAFTS = "draftOrders"  # what the clinician is ordering, beside the queries of a chart
NO_ORDER = OrderInHand("", (), ())
NOTHING: Mapping[str, Scalar | None] = {}


def question_of(program: Program, call: HookCall, medications: Medications) -> Question:
    """What a call asks. `medications` are those that its draft orders refer to."""
    if call.hook in ASKS:
        return question_without_order(program, call.hook, call.encounter_id)
    selections = call.selections if call.hook == "order-select" else None
    drafts, orders = call.draft_orders, program.knowledge.orders
    order = order_in_hand(drafts, selections, orders, program.terms, program.amounts, medications)
    return Question(call.hook, order, call.encounter_id)


def question_without_order(program: Program, hook: str, encounter_id: str | None) -> Question:
    """Where the patient stands: asked of every drug that has a status, while nothing is ordered."""
    return Question(hook, OrderInHand("", program.without_order, ()), encounter_id)


def assess(
    program: Program, chart: Chart, question: Question, now: datetime, assumed: Mapping[str, Scalar | None] = NOTHING
) -> Assessment:
    """Everything that is found, decided and to be said, for each kind of order that is selected.

    `assumed` are values of facts in place of what the chart says (None: unknown): what would follow if they were so.
    Facts that are made of them stay as the chart has them.
    """
    found = (_on(occasion, program, chart, question, now, assumed) for occasion in program.occasions(question.kinds))
    orders = tuple(replace(order, drafts=question.order.named(order.kind)) for order in found)
    told = _together(program, question.hook, now, chart.patient_id, question.encounter_id, orders)
    if not question.hook:
        return told
    drafts = (draft.resource for draft in question.order.drafts)
    return replace(told, intake=_intake(program, chart, question.hook, drafts))


def unread(program: Program, call: HookCall, now: datetime, error: Exception) -> Assessment:
    """The assessment of a call whose orders or chart could not be read at all."""
    occasion = program.occasions(program.knowledge.orders.kinds)[0]
    order = _failed(occasion, (), {}, NOTHING_FOUND, "the call could not be read", error)
    return _together(program, call.hook, now, call.patient_id, call.encounter_id, (order,))


def cards(
    program: Program,
    assessment: Assessment,
    public_url: str = "",
    since: datetime | None = None,
    silent: Collection[str] = frozenset(),
    reminded: Collection[str] = frozenset(),
) -> tuple[Assessment, list[Json]]:
    """The cards of an assessment, and the assessment that they are of: what cannot be worded is not evaluated.

    `public_url`: where browsers reach this service, for links. `since`: when the whole of it was shown before. Rules
    that are `silent` have no card, nor have those that `reminded` of the same not long ago.
    """
    told = _heard(assessment, assessment.orders, silent, reminded) if silent or reminded else assessment
    try:
        return told, program.wording.cards(told, public_url, since)
    except Exception as error:
        _log.error("cards failed: %s", place_of(error))
    orders = tuple(_worded(program, assessment, order) for order in assessment.orders)
    told = _heard(assessment, orders, silent)
    try:
        return told, program.wording.cards(told, public_url)
    except Exception as error:
        _log.error("cards failed again: %s", place_of(error))
        told = _heard(assessment, tuple(_unevaluated_of(order) for order in orders), silent)
        return told, _plain_cards(told, program.knowledge)


def _heard(
    assessment: Assessment,
    orders: tuple[OrderAssessment, ...],
    silent: Collection[str],
    reminded: Collection[str] = frozenset(),
) -> Assessment:
    """The assessment of these orders, without what silent rules say, and without the cards of those that reminded."""
    answers = ranked(orders, most_cards(assessment.hook), silent, reminded)
    return replace(assessment, orders=tuple(without(order, silent) for order in orders), answers=answers)


def place_of(error: BaseException) -> str:
    """Type and place of an exception, without its message: that may quote a chart."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {f'{frames[-1].filename}:{frames[-1].lineno}' if frames else 'unknown'}"


def _on(
    occasion: Occasion,
    program: Program,
    chart: Chart,
    question: Question,
    now: datetime,
    assumed: Mapping[str, Scalar | None],
) -> OrderAssessment:
    plan = program.plans[question.hook, occasion.key] if occasion.kind else Plan((), program.every_fact)
    facts: dict[str, Fact] = {}
    findings, failing = NOTHING_FOUND, "the facts could not be found"
    try:
        order = replace(question.order, kind=occasion.kind)
        reading = program.reading(chart, order, occasion.drug, question.encounter_id, now)
        facts = _assuming(plan.gatherer.gather(reading), assumed)
        if not occasion.kind:
            return OrderAssessment(occasion, (), facts, findings)
        failing = "the rules engine failed"
        findings = program.engine.run(question.hook, occasion.key, values_of(facts))
        failing = "no decision could be made"
        drafts = read_drafts(reading, facts)
        return decide(program.knowledge, occasion, plan.rules, findings, reading, facts, drafts)
    except Exception as error:
        return _failed(occasion, plan.rules, facts, findings, failing, error)


def _assuming(facts: dict[str, Fact], assumed: Mapping[str, Scalar | None]) -> dict[str, Fact]:
    """The facts with those of them that are assumed; what does not matter on this occasion is not assumed either."""
    mine = {name: value for name, value in assumed.items() if name in facts}
    return facts | {
        name: unknown(name, "assumed to be unknown")
        if value is None
        else Fact(name, value, facts[name].unit, facts[name].as_of, notes=("assumed",))
        for name, value in mine.items()
    }


def drafts_intake(program: Program, drafts: Iterable[Json]) -> Intake:
    """What nothing recognised of orders that are none of ours: maybe it is one, under a code of the hospital's own."""
    return _intake(program, Chart("", {}), "", [Resource(raw) for raw in drafts])


def _intake(program: Program, chart: Chart, hook: str, drafts: Iterable[Resource]) -> Intake:
    """How the chart came in, of the queries that the hook offers; and what of it nothing recognised."""
    try:
        asked = program.templates_of(hook)
        # No two reads share a source.
        reads = {**chart.reads, DRAFTS: Read(tuple(drafts))}
        found = {each: n for name, read in reads.items() for each, n in unmapped(name, read, program.mapped).items()}
        kept, more = most_telling(found)
        sent = {name: state for name, state in chart.sent.items() if name in asked}
        return Intake(sent, tuple(name for name in chart.fetched if name in asked), kept, more)
    except Exception as error:  # advice is given whatever happens to what is counted beside it
        _log.error("what nothing recognised could not be counted: %s", place_of(error))
        return NOTHING_READ


def values_of(facts: Facts) -> dict[str, bool | int | float | str]:
    """What the rules are evaluated on: known values, and the bounds of numbers that are not known themselves."""
    values = {name: fact.value for name, fact in facts.items() if fact.value is not None}
    for name, fact in facts.items():
        if fact.value is None and fact.least is not None:
            values[least_key(name)] = fact.least
        if fact.value is None and fact.most is not None:
            values[most_key(name)] = fact.most
    return values


def _failed(
    occasion: Occasion,
    rules: Sequence[RuleDefinition],
    facts: Facts,
    findings: Findings,
    trouble: str,
    error: Exception,
) -> OrderAssessment:
    _log.error("%s: %s: %s", occasion.key or "no order", trouble, place_of(error))
    return unevaluated(occasion, rules, facts, findings, trouble)


def _together(
    program: Program,
    hook: str,
    now: datetime,
    patient_id: str,
    encounter_id: str | None,
    orders: tuple[OrderAssessment, ...],
) -> Assessment:
    return Assessment(program.id, hook, now, patient_id, encounter_id, orders, ranked(orders, most_cards(hook)))


def _worded(program: Program, assessment: Assessment, order: OrderAssessment) -> OrderAssessment:
    """What was found for one kind of order; not evaluated where its cards alone cannot be worded."""
    try:
        program.wording.cards(replace(assessment, orders=(order,), answers=order.answers))
    except Exception:
        return _unevaluated_of(order)
    return order


def _unevaluated_of(order: OrderAssessment) -> OrderAssessment:
    trouble = order.trouble or "a card could not be worded"
    found = unevaluated(order.occasion, order.rules, order.facts, order.findings, trouble)
    return replace(found, drafts=order.drafts)


def _plain_cards(assessment: Assessment, knowledge: Knowledge) -> list[Json]:
    """Cards without any template, for when the wording itself fails."""
    made, reasons = [], override_reasons(knowledge)
    for answer in assessment.answers:
        card = outline(answer, answer.rule.title, _PLAIN)
        if reasons:
            card["overrideReasons"] = reasons
        told = {"decision": answer.decision, "rule": answer.rule.id, "ruleVersion": answer.rule.version}
        card["extension"] = {EXPLANATION: told} | named_orders(assessment.of(answer.occasion))
        made.append(card)
    return made
