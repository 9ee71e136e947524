"""How a card comes to be, told on one patient: `docs/how-a-card-comes-to-be.md`, made from the service's own answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cds_service.advice.model import Assessment
from cds_service.advice.words import figure
from cds_service.contract import RANK, SERVICES
from cds_service.errors import CdsError
from cds_service.explaining import Criterion, RuleReport, order_report
from cds_service.knowledge import Knowledge
from cds_service.service import Service
from cds_service.tools.replay.bundles import parsed
from cds_service.web.door import read_call

REQUEST: Final = Path("examples/requests/refractory-grade-2.json")
PAGE: Final = Path("docs/how-a-card-comes-to-be.md")
_STOPS: Final = RANK["suggest"]


class StoryError(CdsError):
    """The example gives no answer to tell of."""


def story(knowledge: Knowledge, request: Path) -> str:
    """The page. Raises StoryError where the request is answered with no card."""
    content, hook = parsed(request), "order-select"
    service = Service.start(knowledge)
    service_id = next(name for name, its in SERVICES.items() if its == hook)
    call = read_call(service_id, hook, request.read_bytes(), allow_evaluation_time=True)
    assert call.evaluation_time is not None  # the example says as of when
    assessment = service.assess(call, call.evaluation_time)
    if assessment is None or not assessment.answers:
        raise StoryError(f"{request}: expected a request that is answered with a card")
    card = service.cards(assessment)[0]
    return "\n".join(_page(knowledge, content, assessment, card, call.evaluation_time, request)) + "\n"


def _page(
    knowledge: Knowledge, content: Any, assessment: Assessment, card: Any, now: datetime, request: Path
) -> Iterator[str]:
    order, lead = assessment.orders[0], assessment.answers[0]
    report = order_report(knowledge.orders.kinds[order.kind].title, order, knowledge)
    rules = {rule.id: rule for rule in report.rules}
    yield "# How a card comes to be"
    yield ""
    yield "One patient followed through the service. This page is generated (`anakinra-cds docs`) from what"
    yield f"`anakinra-cds explain {request}` shows"
    yield "and the card that is answered; the patient is invented, the content a draft."
    yield ""
    yield from _call(content, now)
    yield from _facts(knowledge, assessment, now)
    yield "## 3. What the rules make of it"
    yield ""
    yield f"The answer comes from the rule `{lead.rule.id}`: {_prose(lead.rule.rationale)}"
    yield ""
    yield from _rule(rules[lead.rule.id], rules, 0)
    yield ""
    yield from _silent(report.rules)
    yield "## 4. What is decided"
    yield ""
    yield "The answers in the order of the public contract; the first one leads:"
    yield ""
    yield from (f"- {a.decision} ({a.indicator}): {a.rule.title} (`{a.rule.id}`)" for a in assessment.answers)
    yield ""
    if lead.plan is not None:
        offered = ", ".join(suggestion["label"] for suggestion in card.get("suggestions", ())) or "nothing"
        yield f"With one click may be ordered: {offered}."
        yield ""
    yield "## 5. The card"
    yield ""
    yield f"> **{card['summary']}**"
    yield ">"
    yield from (f"> {line}".rstrip() for line in card["detail"].splitlines())


def _call(content: Any, now: datetime) -> Iterator[str]:
    counts = {key: len((value or {}).get("entry", ())) for key, value in content["prefetch"].items()}
    sent = ", ".join(f"{key} ({count})" for key, count in counts.items() if count)
    empty = ", ".join(key for key, count in counts.items() if not count and key != "patient")
    yield "## 1. The call"
    yield ""
    yield f"At {now:%Y-%m-%d %H:%M} UTC a clinician selects an order, and the EHR calls `{content['hook']}`"
    yield f"with the draft and the chart: the patient, and entries of {sent}."
    yield f"Empty, which means none recorded: {empty}."
    yield ""


def _facts(knowledge: Knowledge, assessment: Assessment, now: datetime) -> Iterator[str]:
    lead = assessment.answers[0]
    yield "## 2. What is found in the chart"
    yield ""
    yield "The facts that the answer rests on. Each is found by the selection or computation that"
    yield "`rules/facts.yaml` says:"
    yield ""
    yield "| fact | value | from |"
    yield "|---|---|---|"
    for fact in lead.because:
        title, sources = knowledge.catalogue.facts[fact.name].title, ", ".join(fact.sources[:3])
        told = figure(fact.value, fact.unit)
        yield f"| {title} | {told} | {sources or 'complete reads without such a record'} |"
    yield ""


def _rule(rule: RuleReport, rules: dict[str, RuleReport], depth: int) -> Iterator[str]:
    """What made a rule hold, and below it what made the findings hold that it rests on."""
    for criterion in rule.because:
        yield f"{'  ' * depth}- {_criterion(criterion)}"
        if criterion.kind == "finding" and criterion.name in rules and rules[criterion.name].result == "fires":
            yield from _rule(rules[criterion.name], rules, depth + 1)


def _criterion(of: Criterion) -> str:
    if of.kind == "finding":
        return f"the rule `{of.name}` ({of.asked})"
    return f"{of.title}: {figure(of.value, of.unit)} (asked: {of.asked})"


def _silent(rules: tuple[RuleReport, ...]) -> Iterator[str]:
    """Each hard stop that stayed silent, by what kept it so."""
    yield "What could have stopped it, and why it did not:"
    yield ""
    for rule in rules:
        if rule.result == "silent" and rule.decision and RANK[rule.decision] < _STOPS and rule.silent_because:
            yield f"- {rule.title} (`{rule.id}`): {_criterion(rule.silent_because[0])}"
    yield ""


def _prose(text: str) -> str:
    return " ".join(text.split())
