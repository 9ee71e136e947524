"""One decision from the findings of all strata, by the order of the public contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cds_service.decision import doses
from cds_service.decision.carrying import carrying
from cds_service.decision.model import (
    PATHWAY,
    PRECLUDES,
    RANK,
    SEVERITY,
    SUGGESTS,
    Answer,
    Decision,
    DosePlan,
    Missing,
)
from cds_service.engine import Findings
from cds_service.facts.dose import TOLERANCE_MG, daily_maximum
from cds_service.facts.model import Facts, Reading
from cds_service.facts.order_use import is_other, use_of
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import DecisionName, Regimen, RuleDefinition

INSUFFICIENT: DecisionName = "insufficient-data"
# A rule of the service itself, for when evaluation failed. It has no file: no content is left to trust.
UNEVALUATED = RuleDefinition.model_construct(
    id="system-unevaluated", title="The rules could not be evaluated", version="1.0.0", status="active",
    stratum="safety", hooks=("order-select", "order-sign"), orders=(), rationale="", card="system-unevaluated",
    evidence=(), policies=(), limits=(), pathway="", regimen="", when=(), any=(), unless=(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that the steps of one decision look at."""

    knowledge: Knowledge
    rules: Sequence[RuleDefinition]
    findings: Findings
    facts: Facts
    reading: Reading

    def holds(self, rule: RuleDefinition) -> bool:
        return self.findings.outcomes[rule.id].truth is True


def decide(
    knowledge: Knowledge, rules: Sequence[RuleDefinition], findings: Findings, reading: Reading, facts: Facts
) -> Decision:
    """The answers for one call. `rules` are those that were evaluated, in order."""
    case = _Case(knowledge, rules, findings, facts, reading)
    flags = tuple(r.id for r in rules if case.holds(r))
    if not _concerns_us(case):
        return Decision((), "", flags, ())
    trouble = _trouble(findings)
    missing = tuple(_missing(case))
    hard = list(_hard(case, missing, trouble))
    answer, pathway = _pathway(case)
    precluded = any(a.decision in PRECLUDES for a in (*hard, *([answer] if answer else [])))
    if answer is not None and answer.decision in SUGGESTS:
        answer = None if precluded else _with_offers(case, answer)
    hard = [_offer_lower(case, a, answer) for a in hard]
    if answer is not None and any(a.offers for a in hard):
        answer = replace(answer, offers=())  # One card offers; two would order twice.
    middle = [answer] if answer else []
    advice = list(_advice(case, suggested=answer is not None and answer.decision in SUGGESTS | {"order-ok"}))
    ordered = sorted((*hard, *middle, *advice), key=_key)
    return Decision(tuple(ordered), pathway, flags, missing, trouble)


def _key(answer: Answer) -> tuple[int, int]:
    return RANK[answer.decision], SEVERITY[answer.indicator]


def _concerns_us(case: _Case) -> bool:
    """Some kinds of order are answered only where a finding holds, or cannot be excluded."""
    gate = case.knowledge.orders.kinds[case.reading.order.kind].only_if
    outcome = case.findings.outcomes.get(gate) if gate else None
    return outcome is None or outcome.truth is not False


def _trouble(findings: Findings) -> str:
    if findings.failure:
        return "the rules engine failed"
    if findings.disagreements:
        return f"two evaluations differ on {', '.join(findings.disagreements)}"
    return ""


def _missing(case: _Case) -> Iterator[Missing]:
    """Rules that say what is missing, and rules that are unknown and must not be."""
    for rule in case.rules:
        outcome = case.findings.outcomes[rule.id]
        if case.holds(rule) and rule.finding.decision == INSUFFICIENT:
            unknown = tuple(_fact_names(case, outcome.holds))
            # What is missing may itself be a known fact: "cannot be computed" is an answer, with its reason as text.
            yield Missing(rule, unknown or tuple(n for n in outcome.holds if n in case.facts and case.facts[n].text))
        elif outcome.truth is None and rule.if_unknown == INSUFFICIENT:
            yield Missing(rule, tuple(_fact_names(case, outcome.missing)))


def _fact_names(case: _Case, names: Iterable[str]) -> Iterator[str]:
    """The unknown facts behind some names; a finding stands for the unknown facts behind it."""
    for name in dict.fromkeys(names):
        fact = case.facts.get(name)
        if fact is not None and fact.value is None:
            yield name
        elif name in case.findings.outcomes:
            yield from _fact_names(case, case.findings.outcomes[name].missing)


def _hard(case: _Case, missing: Sequence[Missing], trouble: str) -> Iterator[Answer]:
    """Everything that ranks before the pathway's answer, and holds whatever the pathway."""
    if trouble:
        yield Answer(INSUFFICIENT, "warning", UNEVALUATED)
    elif missing:
        # One card says all that is missing; it comes from the rule that says so itself, where there is one.
        stated = next((m.rule for m in missing if m.rule.finding.decision == INSUFFICIENT), missing[0].rule)
        yield Answer(INSUFFICIENT, "warning", stated)
    for rule in case.rules:
        decision, indicator = rule.finding.decision, rule.finding.indicator
        if decision is None or indicator is None or RANK[decision] >= RANK["suggest"] or decision == INSUFFICIENT:
            continue
        if rule.pathway and decision == "review":
            continue
        either = case.holds(rule) or (decision == "block" and rule.id in case.findings.fired)
        if either:
            yield Answer(decision, indicator, rule)


def _pathway(case: _Case) -> tuple[Answer | None, str]:
    """The answer of the first pathway that has one, with its dose plan; and that pathway's name."""
    for name in case.knowledge.orders.pathways:
        for rule in case.rules:
            decision, indicator = rule.finding.decision, rule.finding.indicator
            if rule.pathway != name or decision is None or indicator is None or not case.holds(rule):
                continue
            if decision in PATHWAY or decision == "review":
                return _planned(case, Answer(decision, indicator, rule)), name
    return None, ""


def _planned(case: _Case, answer: Answer) -> Answer:
    answer = replace(answer, reevaluate_at=_sooner(_until(case, answer.rule), _stale_at(case, answer.rule)))
    if not answer.rule.regimen:
        return answer
    regimen = case.knowledge.regimens[answer.rule.regimen]
    maximum = daily_maximum(regimen.order_kind, case.reading, case.facts)
    made = doses.plans((regimen.dose, *regimen.alternatives), regimen, case.facts, maximum)
    return replace(answer, regimen=regimen, plan=made[0] if made else None, alternatives=made[1:])


def _until(case: _Case, rule: RuleDefinition) -> datetime | None:
    """When time alone will change the answer, where the rule says how."""
    until = rule.finding.until
    passed = case.facts[until.fact].value if until else None
    if until is None or passed is None:
        return None
    left = case.reading.windows[until.policy] - float(passed)
    return case.reading.now + timedelta(hours=left) if left > 0 else None


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _stale_at(case: _Case, rule: RuleDefinition) -> datetime | None:
    """When the first of the measured facts that carry the answer will be too old to count."""
    moments = []
    for name in carrying(rule.id, case.findings, case.facts):
        fact, definition = case.facts[name], case.knowledge.catalogue.facts[name]
        max_age = definition.source.max_age
        if max_age and definition.type != "boolean" and fact.as_of is not None:
            moments.append(fact.as_of + timedelta(hours=case.reading.windows[max_age]))
        if fact.until is not None:
            moments.append(fact.until)
    return min((m for m in moments if m > case.reading.now), default=None)


def _with_offers(case: _Case, answer: Answer) -> Answer:
    """A suggestion with its one-click orders; `order-ok` where the draft is already right; restricted by region."""
    withheld = any(case.holds(r) and r.finding.withholds_order for r in case.rules)
    if withheld:
        return replace(answer, decision="suggest-restricted", indicator="warning")
    if answer.regimen is None or answer.plan is None:
        return answer
    drafts = case.reading.order.of_kind(answer.regimen.order_kind)
    if len(drafts) == 1 and doses.permitted(drafts[0], answer.regimen, case.facts, case.reading):
        return replace(answer, decision="order-ok", indicator="info")
    return replace(answer, offers=_within_active(case, answer.regimen, (answer.plan, *answer.alternatives)))


def _within_active(case: _Case, regimen: Regimen, offers: tuple[DosePlan, ...]) -> tuple[DosePlan, ...]:
    """Only what stays within the daily maximum together with what is active and with the other drafts of the drug.

    Nothing where one of those doses is unknown, or where the draft to change has no id to change it by.
    """
    dosing = case.reading.orders.kinds[regimen.order_kind].dosing
    maximum = daily_maximum(regimen.order_kind, case.reading, case.facts)
    if dosing is None or maximum is None:
        return ()
    running, dose = case.facts[dosing.active].value, case.facts[dosing.active_daily_dose].value
    drafts = case.reading.order.of_kind(regimen.order_kind)
    # The first draft is the one that would change; the others stay in the session whatever is offered for it.
    beside = [draft.dosage.daily_mg for draft in drafts[1:]]
    # A draft whose drug is not known may be the same drug.
    unclear = bool(case.reading.order.unresolved) or (running is not False and dose is None) or None in beside
    # A draft for another use is not ours to change.
    unclear = unclear or any(is_other(use_of(d.resource, case.reading), case.reading) for d in drafts)
    if unclear or (drafts and not drafts[0].resource.id):
        return ()
    already = float(dose or 0.0) + sum(mg or 0.0 for mg in beside)
    return tuple(p for p in offers if p.daily_mg + already <= maximum + TOLERANCE_MG)


def _offer_lower(case: _Case, hard: Answer, answer: Answer | None) -> Answer:
    """An order above the maximum is offered the highest permitted doses, where a suggestion would be possible."""
    if hard.decision != "order-exceeds-max" or answer is None or answer.regimen is None:
        return hard
    maximum = daily_maximum(answer.regimen.order_kind, case.reading, case.facts)
    lower = doses.highest(doses.plans(answer.regimen.permitted, answer.regimen, case.facts, maximum))
    offers = _within_active(case, answer.regimen, lower) if answer.decision in ("suggest", "suggest-reduced") else ()
    return replace(
        hard, regimen=answer.regimen, plan=lower[0] if lower else None, alternatives=lower[1:], offers=offers
    )


def _advice(case: _Case, suggested: bool) -> Iterator[Answer]:
    for rule in case.rules:
        decision, indicator = rule.finding.decision, rule.finding.indicator
        if decision not in ("caution", "monitoring") or indicator is None or not case.holds(rule):
            continue
        if decision == "monitoring" and not suggested:
            continue
        yield Answer(decision, indicator, rule)
