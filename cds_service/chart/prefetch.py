"""Prefetch templates, derived from the facts catalogue: simple queries by patient, newest first, bounded in number.

The same searches, filled in for one patient, are what the service asks a FHIR server for; only their pages are larger.
Only `context.patientId` is used: every hook resolves it, and CDS Hooks 2.0 has no token for dates, so time windows are
cut in `facts`. A search by code names the codes of the catalogue's `searchedSystems`, and all that the site added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Code, Query

PATIENT = "{{context.patientId}}"
# Servers take 8 KB of request line at most (gunicorn, Apache, nginx), and address and patient id need room too.
MAX_CHARACTERS = 6000
# A page of a search that the service makes itself: no body of a call bounds it, and each page is a trip to the server.
PAGE = 500
# FHIR R4 search, "Escaping Search Parameters": these separate; inside a value they stand behind a backslash.
_SEPARATORS = re.compile(r"[\\$,|]")


def templates(knowledge: Knowledge) -> dict[str, str]:
    """Every query of the catalogue as a prefetch template. Raises KnowledgeError where one is too long to be sent."""
    return _templates(knowledge, knowledge.catalogue.queries)


def searches(knowledge: Knowledge) -> dict[str, str]:
    """The same, in pages of the size in which a FHIR server is asked. Raises KnowledgeError."""
    queries = knowledge.catalogue.queries
    return _templates(knowledge, {n: q.model_copy(update={"count": q.count and PAGE}) for n, q in queries.items()})


def _templates(knowledge: Knowledge, queries: Mapping[str, Query]) -> dict[str, str]:
    found = {name: template(query, _searched(query, knowledge)) for name, query in queries.items()}
    problems = [
        f"{knowledge.site_file}:1: terms: the search of {name} would have {len(text)} characters; "
        f"expected at most {MAX_CHARACTERS}: add fewer codes to {', '.join(queries[name].codes)}"
        for name, text in filled(found, "").items()
        if len(text) > MAX_CHARACTERS
    ]
    if problems:
        raise KnowledgeError(problems)
    return found


def _searched(query: Query, knowledge: Knowledge) -> dict[tuple[str, str], Code]:
    """The codes that this query is searched by, each once: a local one may be in several value sets."""
    systems = knowledge.catalogue.searched_systems
    return {
        (code.system, code.code): code
        for name in query.codes
        for code in (
            *(c for c in knowledge.value_sets[name].codes if c.system in systems),
            *knowledge.local_codes.get(name, ()),
        )
    }


def template(query: Query, codes: Iterable[tuple[str, str]]) -> str:
    """`Patient/{{context.patientId}}`, or a search with patient, code, category, _sort and _count."""
    if query.by == "id":
        return f"{query.resource}/{PATIENT}"
    parts = [f"patient={PATIENT}"]
    if query.codes:
        parts.append(f"code={','.join(_token(system, code) for system, code in codes)}")
    if query.category:
        parts.append(f"category={_token(*query.category.split('|', maxsplit=1))}")
    if query.sort:
        parts.append(f"_sort={query.sort}")
    if query.count:
        parts.append(f"_count={query.count}")
    return f"{query.resource}?{'&'.join(parts)}"


def _token(system: str, code: str) -> str:
    """`system|code`; whatever would end the value, the query or the placeholder is encoded, and only that."""
    return "|".join(quote(_SEPARATORS.sub(r"\\\g<0>", part), safe="/:|,$") for part in (system, code))


def filled(templates_: Mapping[str, str], patient_id: str) -> dict[str, str]:
    """The templates as relative URLs for one patient, encoded: `Type/id` or `Type?name=value&...`."""
    # What of a code must be encoded is so in the template already: a `%` there begins an encoded character.
    patient = quote(patient_id, safe="")
    return {
        name: patient.join(quote(part, safe="/?&=:,%") for part in text.split(PATIENT))
        for name, text in templates_.items()
    }
