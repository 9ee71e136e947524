"""One decision from the findings of all strata, by the order of the public contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from cds_service.advice import doses, orders, status
from cds_service.advice.carrying import because, carrying, lacking, stating
from cds_service.advice.model import Answer, DosePlan, Missing, Offer, OrderAssessment
from cds_service.advice.together import rank
from cds_service.advice.unevaluated import RULE as UNEVALUATED
from cds_service.contract import INSUFFICIENT, NO_RESCUE, PATHWAY, PRECLUDES, RANK, SUGGESTS
from cds_service.engine import Findings
from cds_service.facts.draft_dose import TOLERANCE_MG, daily_maximum
from cds_service.facts.draft_read import DraftRead
from cds_service.facts.gather import with_needs
from cds_service.facts.model import Facts, Reading
from cds_service.facts.order import UNRESOLVED
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Regimen, RuleDefinition
from cds_service.knowledge.occasions import Occasion


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that the steps of one decision look at; `holding` are those of the rules that hold, in order."""

    occasion: Occasion
    knowledge: Knowledge
    rules: Sequence[RuleDefinition]
    findings: Findings
    facts: Facts
    reading: Reading
    drafts: Sequence[DraftRead]
    holding: Sequence[RuleDefinition]

    def of_kind(self, kind: str) -> list[DraftRead]:
        """The drafts of a kind, the selected ones first."""
        return sorted((d for d in self.drafts if d.kind == kind), key=lambda d: not d.selected)


def decide(
    knowledge: Knowledge,
    occasion: Occasion,
    rules: Sequence[RuleDefinition],
    findings: Findings,
    reading: Reading,
    facts: Facts,
    drafts: Sequence[DraftRead],
) -> OrderAssessment:
    """The answers on one occasion, ranked. `rules` are those that were evaluated, in order; `drafts` what the drafts
    of the reading say."""
    holding = [rule for rule in rules if findings.outcomes[rule.id].truth is True]
    case = _Case(occasion, knowledge, rules, findings, facts, reading, drafts, holding)
    flags, trouble = tuple(rule.id for rule in holding), _trouble(findings)
    if not _concerns_us(case):
        return OrderAssessment(occasion, tuple(rules), facts, findings, flags=flags, trouble=trouble)
    missing = tuple(_missing(case))
    answers, pathway = _answers(case, missing, trouble)
    stated = [name for m in missing for name in m.facts]
    not_read = _not_read(case)
    return OrderAssessment(
        occasion,
        tuple(rules),
        facts,
        findings,
        answers=_complete(case, answers),
        pathway=pathway,
        flags=flags,
        missing=missing,
        trouble=trouble,
        unknown=lacking(findings, facts, stated, findings.outcomes),
        maximum=_maximum(case),
        orders_unread=reading.chart.gaps((orders.ORDERED,)),
        not_read=not_read,
        forgone=tuple(query for query in not_read if not reading.chart.gaps((query,))),
        first_card=tuple(dict.fromkeys(rule.first_card for rule in holding if rule.first_card)),
        drafts_read=tuple(drafts),
    )


def _answers(case: _Case, missing: Sequence[Missing], trouble: str) -> tuple[list[Answer], str]:
    """All answers in their order, and the pathway that answers."""
    hard = list(_hard(case, missing, trouble))
    answer, pathway = _pathway(case)
    if rule := status.rule_of(case.rules):
        return _status(case, rule, hard, answer, trouble), pathway
    precluded = any(a.decision in PRECLUDES for a in (*hard, *([answer] if answer else [])))
    if answer is not None and answer.decision in SUGGESTS:
        hard = [_with_dose(a, answer) for a in hard] if _only_question(hard) else hard
        answer = None if precluded else _with_offers(case, answer)
    hard = [_offer_lower(case, a, answer) for a in hard]
    if answer is not None and any(a.offers for a in hard):
        answer = replace(answer, offers=())  # One card offers; two would order twice.
    middle = [answer] if answer else []
    advice = list(_advice(case, suggested=answer is not None and answer.decision in SUGGESTS | {"order-ok"}))
    answers = sorted((*hard, *middle, *advice), key=rank)
    route = next((_route(case, a) for a in answers if a.plan is not None), "")
    return [a for a in answers if _stands_beside(a, answers[0], route)], pathway


def _status(
    case: _Case, rule: RuleDefinition, hard: Sequence[Answer], pathway: Answer | None, trouble: str
) -> list[Answer]:
    """The one answer where nothing is ordered; nothing where neither CAR-T nor a toxicity is there, or may be."""
    if trouble:
        return sorted((a for a in hard if a.decision in (INSUFFICIENT, "block")), key=rank)
    if rule not in case.holding:
        return []
    screens = [a for a in _advice(case, suggested=False) if a.rule.finding.screens]
    seen = status.Seen(
        pathway=pathway,
        beside=(*hard, *screens),
        unread=_hidden(case),
        without_toxicity=case.knowledge.orders.without_toxicity,
    )
    return [status.told(rule, case.occasion, seen, case.findings, case.facts)]


def _hidden(case: _Case) -> bool:
    """Whether a stop, a review or a screen stays open because a query was not read."""
    catalogue = case.knowledge.catalogue
    lost = {query for query in _not_read(case) if case.reading.chart.gaps((query,))}
    if not lost:
        return False
    told = [r for r in case.rules if r.finding.decision in ("block", "review") or r.finding.screens]
    open_ = [name for r in told for name in _fact_names(case, case.findings.outcomes[r.id].missing)]
    return not lost.isdisjoint(query for name in with_needs(catalogue, open_) for query in catalogue.reads(name))


def _stands_beside(answer: Answer, first: Answer, route: str) -> bool:
    """Whether a caution belongs beside the first answer, and a dose by this route; where the first is a caution too,
    nothing else was said."""
    wanted, by = answer.rule.finding.only_beside, answer.rule.finding.only_by_route
    if by and route not in ("", by):
        return False
    return not wanted or first.decision in wanted or first.decision in ("caution", "monitoring")


def _route(case: _Case, answer: Answer) -> str:
    """The route of the dose that an answer speaks of: its own, or that of the draft that is right as it is."""
    assert answer.plan is not None
    return (_other_route(case, answer) if answer.decision == "order-ok" else "") or answer.plan.route


def _only_question(hard: Sequence[Answer]) -> bool:
    """Whether nothing keeps a dose from being suggested but findings whose card states it."""
    return all(a.rule.finding.states_dose for a in hard if a.decision in PRECLUDES)


def _with_dose(answer: Answer, suggested: Answer) -> Answer:
    """The finding with the dose that would be suggested; it is never offered."""
    if not answer.rule.finding.states_dose:
        return answer
    return replace(answer, regimen=suggested.regimen, plan=suggested.plan, alternatives=suggested.alternatives)


def _complete(case: _Case, answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """The answers with what each rests on, and with the orders that would stand beside what is ordered already."""
    days = next((a.plan.duration_days for a in answers if a.plan is not None), 0)
    listed = [() if a.offers else case.knowledge.cards[orders.card_of(a)].orders for a in answers]
    present = orders.ordered_already(case.reading) if any(listed) else ()
    return tuple(
        replace(
            answer,
            monitoring=orders.not_ordered_yet(of_card, present),
            days=days,
            other_route=_other_route(case, answer),
            because=answer.because or because(answer, case.findings, case.facts),
        )
        for answer, of_card in zip(answers, listed, strict=True)
    )


def _not_read(case: _Case) -> dict[str, str]:
    """Queries that these facts look at and that were not read whole, and why."""
    catalogue = case.knowledge.catalogue

    def find() -> dict[str, str]:
        unread = case.reading.chart.unread(catalogue.queries)
        needed = {query for name in case.facts for query in catalogue.reads(name)} if unread else ()
        return {query: why for query, why in unread.items() if query in needed}

    return case.reading.once("queries not read", find)


def _other_route(case: _Case, answer: Answer) -> str:
    """The route of the draft, where it is another one of ours than the regimen's."""
    drafts = case.of_kind(answer.regimen.order_kind) if answer.regimen else ()
    return drafts[0].route if drafts and answer.regimen and drafts[0].route != answer.regimen.route else ""


def _maximum(case: _Case) -> float | None:
    """The daily maximum of the drug that is judged, for this patient."""
    return daily_maximum(case.occasion.drug, case.reading, case.facts) if case.occasion.drug else None


def _concerns_us(case: _Case) -> bool:
    """A drug in place of the ordered one is spoken of only where a finding holds, or cannot be excluded."""
    outcome = case.findings.outcomes.get(case.occasion.only_if)
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
        if outcome.truth and rule.finding.decision == INSUFFICIENT:
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
        yield Answer(INSUFFICIENT, "warning", UNEVALUATED, case.occasion)
    elif missing:
        yield Answer(INSUFFICIENT, "warning", stating(missing), case.occasion)
    for rule in _found_by_either(case):
        decision, indicator = rule.finding.decision, rule.finding.indicator
        if decision is None or indicator is None or RANK[decision] >= RANK["suggest"] or decision == INSUFFICIENT:
            continue
        if not (rule.pathway and decision == "review"):
            yield Answer(decision, indicator, rule, case.occasion)


def _found_by_either(case: _Case) -> Sequence[RuleDefinition]:
    """The rules that hold, and the blocks that only the other evaluator found."""
    fired = case.findings.fired
    if fired.issubset([rule.id for rule in case.holding]):
        return case.holding
    held = {rule.id for rule in case.holding}
    return [r for r in case.rules if r.id in held or (r.id in fired and r.finding.decision == "block")]


def _pathway(case: _Case) -> tuple[Answer | None, str]:
    """The answer of the first pathway that has one, with its dose plan; and that pathway's name.

    Where a pathway before it may answer, and nobody can tell, none says that rescue is not asked for.
    """
    for name in case.knowledge.orders.pathways:
        for rule in case.holding:
            decision, indicator = rule.finding.decision, rule.finding.indicator
            if rule.pathway != name or decision is None or indicator is None:
                continue
            if decision in NO_RESCUE and _may_answer_before(case, name):
                return None, ""
            if decision in PATHWAY or decision == "review":
                return _planned(case, Answer(decision, indicator, rule, case.occasion)), name
    return None, ""


def _may_answer_before(case: _Case, pathway: str) -> bool:
    """Whether a pathway that comes before this one lacks a fact that it must not lack."""
    order = case.knowledge.orders.pathways
    earlier = order[: order.index(pathway)]
    return any(
        rule.pathway in earlier and rule.if_unknown == INSUFFICIENT and case.findings.outcomes[rule.id].truth is None
        for rule in case.rules
    )


def _planned(case: _Case, answer: Answer) -> Answer:
    until = _until(case, answer.rule)
    answer = replace(answer, until=until, reevaluate_at=_sooner(until, _stale_at(case, answer.rule)))
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
        if fact.as_of is not None and definition.type != "boolean" and (max_age := definition.source.max_age):
            moments.append(fact.as_of + timedelta(hours=case.reading.windows[max_age]))
        if fact.until is not None:
            moments.append(fact.until)
    return min((m for m in moments if m > case.reading.now), default=None)


def _with_offers(case: _Case, answer: Answer) -> Answer:
    """A suggestion with its one-click orders; `order-ok` where the draft is already right; restricted by region."""
    if any(rule.finding.withholds_order for rule in case.holding):
        return replace(answer, decision="suggest-restricted", indicator="warning")
    if answer.regimen is None or answer.plan is None:
        return answer
    drafts = case.of_kind(answer.regimen.order_kind)
    if len(drafts) == 1 and doses.permitted(drafts[0], answer.regimen, case.facts, case.reading):
        return replace(answer, decision="order-ok", indicator="info")
    differs = doses.drafted(drafts[0]) if len(drafts) == 1 else None
    offers = _within_active(case, answer.regimen, (answer.plan, *answer.alternatives))
    alternatives = _beside_others(answer.alternatives, drafts, _maximum(case))
    return replace(answer, differs=differs, offers=offers, alternatives=alternatives)


def _beside_others(
    plans: tuple[DosePlan, ...], drafts: Sequence[DraftRead], maximum: float | None
) -> tuple[DosePlan, ...]:
    """Those doses that stay within the daily maximum in place of the first draft, beside the others of the drug."""
    others = [draft.daily_mg for draft in drafts[1:]]
    if None in others or maximum is None:
        return ()
    already = sum(mg or 0.0 for mg in others)
    return tuple(p for p in plans if p.daily_mg + already <= maximum + TOLERANCE_MG)


def _within_active(case: _Case, regimen: Regimen, plans: tuple[DosePlan, ...]) -> tuple[Offer, ...]:
    """Only what stays within the daily maximum together with what is active and with the other drafts of the drug.

    Nothing where one of those doses is unknown, or where the draft to change has no id to change it by.
    """
    dosing = case.reading.orders.kinds[regimen.order_kind].dosing
    maximum = daily_maximum(regimen.order_kind, case.reading, case.facts)
    if dosing is None or maximum is None:
        return ()
    running, dose = case.facts[dosing.active].value, case.facts[dosing.active_daily_dose].value
    drafts = case.of_kind(regimen.order_kind)
    # The first draft is the one that would change; the others stay in the session whatever is offered for it.
    beside = [draft.daily_mg for draft in drafts[1:]]
    # A draft whose drug is not known may be the same drug.
    unclear = bool(case.of_kind(UNRESOLVED)) or (running is not False and dose is None) or None in beside
    # A draft for another use is not ours to change.
    unclear = unclear or any(draft.other_use for draft in drafts)
    if unclear or (drafts and not drafts[0].has_id):
        return ()
    fitting = _beside_others(plans, drafts, maximum - float(dose or 0.0))
    if beside:  # beside another draft only a lower dose takes something off what all add up to
        fitting = tuple(p for p in fitting if p.daily_mg < (drafts[0].daily_mg or 0.0) - TOLERANCE_MG)
    return orders.offers(fitting, regimen.order_kind, case.reading.order)


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
    for rule in case.holding:
        decision, indicator = rule.finding.decision, rule.finding.indicator
        if decision not in ("caution", "monitoring") or indicator is None:
            continue
        if decision == "monitoring" and not suggested:
            continue
        yield Answer(decision, indicator, rule, case.occasion)
