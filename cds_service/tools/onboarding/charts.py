"""Bundles of a folder as the records that their calls would leave, so that both are counted in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from secrets import token_hex
from typing import Any, Final

from cds_service.assess import assess, drafts_intake
from cds_service.chart.chart import Chart
from cds_service.chart.intake import unmapped
from cds_service.chart.read import Read
from cds_service.chart.resource import Resource
from cds_service.contract import SERVICES
from cds_service.hook_call import HookCall
from cds_service.record import entry
from cds_service.service import Service
from cds_service.store.answers import sealed_form
from cds_service.store.keys import Keys
from cds_service.tools.charts import chart_of, question_of
from cds_service.tools.replay.bundles import Chart as Bundle
from cds_service.tools.replay.bundles import Problem, Source, read
from cds_service.tools.replay.calls import USER_ID, drafts_of, signed

NOT_ASKED: Final = "not asked for: "


def records_of(
    service: Service, sources: Iterable[Source], hook: str, at: datetime, problems: list[Problem]
) -> Iterator[Mapping[str, Any]]:
    """One record a patient; what cannot be used becomes a problem. Names are hashed with a key that nobody keeps."""
    keys = Keys(token_hex(32))
    for source in sources:
        for patient in read(source):
            if isinstance(patient, Problem):
                problems.append(patient)
            else:
                yield _record(service, keys, patient, hook, at)


def _record(service: Service, keys: Keys, patient: Bundle, hook: str, at: datetime) -> Mapping[str, Any]:
    program = service.program
    chart, question = chart_of(program, patient, at), question_of(program, patient, hook)
    found = assess(program, chart, question, at) if question.kinds else None
    intake = found.intake if found else drafts_intake(program, drafts_of(patient))
    name = next(name for name, of in SERVICES.items() if of == hook)
    call = HookCall(name, hook, "", USER_ID, patient.patient_id, None, (), (), {}, None, None, None)
    kept = dict(sealed_form(keys, entry(call, found, service.advice(name, found), intake, at)))
    beside = [
        {"source": NOT_ASKED + each.source, "why": each.why, "system": each.system, "code": each.code, "times": n}
        for each, n in _beside(service, chart, patient)
        if each.code
    ]
    return {**kept, "unmapped": [*kept.get("unmapped", ()), *beside]}


def _beside(service: Service, chart: Chart, patient: Bundle) -> Iterator[Any]:
    """Codes of records that no search asks for: a flowsheet row under a code of the hospital's own is never sent."""
    asked = {resource.ref for read in chart.reads.values() for resource in read.resources}
    kinds = {query.resource for query in service.program.queries.values()}
    left: dict[str, list[Resource]] = {}
    for raw in signed(patient):
        resource = Resource(raw)
        if resource.type in kinds and resource.ref not in asked:
            left.setdefault(resource.type, []).append(resource)
    for kind, resources in left.items():
        yield from unmapped(kind, Read(tuple(resources)), service.program.mapped).items()
