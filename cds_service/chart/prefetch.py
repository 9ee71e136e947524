"""Prefetch templates, derived from the facts catalogue: simple queries by patient, newest first, bounded in number.

The same templates, filled in for one patient, are what the service asks a FHIR server for.
Only `context.patientId` is used: every hook resolves it, and CDS Hooks 2.0 has no token for dates, so time windows are
cut in `facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from cds_service.contract import OBSERVATION_SYSTEMS
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Query, ValueSet

PATIENT = "{{context.patientId}}"


def templates(knowledge: Knowledge) -> dict[str, str]:
    """Every query of the catalogue as a prefetch template."""
    return {name: template(query, knowledge.value_sets) for name, query in knowledge.catalogue.queries.items()}


def template(query: Query, value_sets: Mapping[str, ValueSet]) -> str:
    """`Patient/{{context.patientId}}`, or a search with patient, code, _sort and _count."""
    if query.by == "id":
        return f"{query.resource}/{PATIENT}"
    parts = [f"patient={PATIENT}"]
    if query.codes:
        used = [c for name in query.codes for c in value_sets[name].codes if c.system in OBSERVATION_SYSTEMS]
        codes = [f"{c.system}|{c.code}" for c in used]
        parts.append(f"code={','.join(codes)}")
    if query.sort:
        parts.append(f"_sort={query.sort}")
    if query.count:
        parts.append(f"_count={query.count}")
    return f"{query.resource}?{'&'.join(parts)}"


def filled(templates_: Mapping[str, str], patient_id: str) -> dict[str, str]:
    """The templates as relative URLs for one patient, encoded: `Type/id` or `Type?name=value&...`."""
    # Codes and systems hold neither `&` nor `=` nor `?`: those are the template's own.
    patient = quote(patient_id, safe="")
    return {
        name: patient.join(quote(part, safe="/?&=:,") for part in text.split(PATIENT))
        for name, text in templates_.items()
    }
