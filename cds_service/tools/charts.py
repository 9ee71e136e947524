"""A patient's bundle as the chart and the question that an assessment takes: no call is made up and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from cds_service.assess import Question, question_without_order
from cds_service.chart.chart import Chart, open_chart
from cds_service.chart.read import ReadCache
from cds_service.contract import ASKS
from cds_service.facts.order import order_in_hand
from cds_service.program import Program
from cds_service.tools.replay import bundles
from cds_service.tools.replay.calls import anakinra_draft, drafts_of, encounter_of, signed
from cds_service.tools.replay.prefetch import answer


def chart_of(
    program: Program, patient: bundles.Chart, now: datetime, searches: Mapping[str, str] | None = None
) -> Chart:
    """The chart: each query reads what a FHIR server that holds these resources would answer to its search, or to
    other `searches`."""
    found = answer(searches or program.searches, signed(patient), patient.patient_id)
    sent = {name: json.dumps(value).encode() for name, value in found.items()}
    missing = dict.fromkeys(program.not_kept, b"null")
    return open_chart({**missing, **sent}, patient.patient_id, program.queries, ReadCache(0), now)


def question_of(
    program: Program, patient: bundles.Chart, hook: str = "order-select", drafts: Sequence[bundles.Resource] = ()
) -> Question:
    """The question of whoever orders these drafts now, or the chart's own, all of them; without any, anakinra. At a
    hook without orders, of whoever opens the chart."""
    if hook in ASKS:
        return question_without_order(program, hook, encounter_of(patient) or None)
    drafts = drafts or drafts_of(patient) or (anakinra_draft(patient.patient_id, hook=hook),)
    orders, chart = program.knowledge.orders, signed(patient)
    drugs = {f"Medication/{r['id']}": r for r in chart if r["resourceType"] == "Medication" and "id" in r}
    order = order_in_hand(drafts, None, orders, program.terms, program.amounts, drugs)
    return Question(hook, order, encounter_of(patient) or None)
