"""Answer a service's own prefetch templates from the resources of a chart, as a FHIR server would.

It understands the part of FHIR search that templates use: a read `Type/id`, and a search by patient and by
token (`code`, `category`, `status`, ...) with `_sort` and `_count`. Anything else is a `TemplateError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from cds_service.errors import CdsError
from cds_service.tools.replay.bundles import Resource, patient_of

BASE_URL = "https://fhir.example.org/r4"

# FHIR search: `\` before `,`, `|`, `$` or itself makes it part of a value.
_VALUES = re.compile(r"(?:[^\\,]|\\.)+")
_SYSTEM_AND_CODE = re.compile(r"(?:((?:[^\\|]|\\.)*)(\|))?((?:[^\\]|\\.)*)")
_TOKEN = re.compile(r"\{\{\s*([A-Za-z.]+)\s*\}\}")
_MEDICATION_TYPES = ("MedicationRequest", "MedicationAdministration", "MedicationStatement")
# FHIR search parameter -> elements (of any resource type) that hold its value; the first there counts.
_TOKEN_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "category": ("category",),
    "clinical-status": ("clinicalStatus",),
    "code": ("code",),
    "status": ("status",),
    "type": ("type",),
    "vaccine-code": ("vaccineCode",),
    "verification-status": ("verificationStatus",),
}
_DATE_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "abatement-date": ("abatementDateTime", "abatementPeriod"),
    "authored": ("authoredOn",),
    "authoredon": ("authoredOn",),
    "date": (
        "effectiveDateTime", "effectiveInstant", "effectivePeriod", "performedDateTime", "performedPeriod",
        "occurrenceDateTime", "occurrencePeriod", "period", "recordedDate", "date",
    ),
    "effective": ("effectiveDateTime", "effectivePeriod"),
    "effective-time": ("effectiveDateTime", "effectivePeriod"),
    "issued": ("issued",),
    "onset-date": ("onsetDateTime", "onsetPeriod"),
    "recorded-date": ("recordedDate",),
}  # fmt: skip
_NEVER = datetime.min.replace(tzinfo=UTC)


class TemplateError(CdsError):
    """A prefetch template that this replay cannot answer."""


def answer(
    templates: Mapping[str, str],
    resources: Iterable[Resource],
    patient_id: str,
    *,
    withhold: Sequence[str] = (),
    context: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The `prefetch` member of a call: key -> resource or searchset Bundle.

    A key is left out, as clients do, where it or its resource type is in `withhold`, where it uses a token that is
    neither the patient's id nor in `context`, and where the resource that it reads does not exist.
    """
    chart = tuple(resources)
    values = {"context.patientId": patient_id, **(context or {})}
    prefetch: dict[str, Any] = {}
    for key, template in templates.items():
        if not set(_TOKEN.findall(template)) <= values.keys():
            continue
        query = _TOKEN.sub(lambda match: values[match[1]], template)
        kind = re.split(r"[?/]", query, maxsplit=1)[0]
        if kind in withhold or key in withhold:
            continue
        result = _search(query, chart) if "?" in query else _read(query, chart)
        if result is not None:
            prefetch[key] = result
    return prefetch


def _read(query: str, chart: tuple[Resource, ...]) -> Resource | None:
    kind, _, identifier = query.partition("/")
    if not identifier or "/" in identifier:
        raise TemplateError(f"prefetch template {query!r}: expected `Type/id` or `Type?parameter=value`")
    return next((r for r in chart if r["resourceType"] == kind and r.get("id") == identifier), None)


def _search(query: str, chart: tuple[Resource, ...]) -> Resource:
    kind, _, parameters = query.partition("?")
    tests: list[Callable[[Resource], bool]] = []
    sort, count = "", None
    for name, value in parse_qsl(parameters, keep_blank_values=True):
        if name == "_sort":
            sort = value
        elif name == "_count" and value.isdecimal():
            count = int(value)
        else:
            tests.append(_test(kind, name, value, query))
    matches = [r for r in chart if r["resourceType"] == kind and all(test(r) for test in tests)]
    for rule in reversed(sort.split(",") if sort else []):
        matches.sort(key=_sort_key(rule.lstrip("-"), query), reverse=rule.startswith("-"))
    return _searchset(query, matches, count)


def _test(kind: str, name: str, value: str, query: str) -> Callable[[Resource], bool]:
    if name in ("patient", "subject"):
        patient = value.removeprefix("Patient/")
        return lambda resource: patient_of(resource) == patient
    if name not in _TOKEN_ELEMENTS:
        raise TemplateError(
            f"prefetch template {query!r}: parameter {name!r} cannot be answered; "
            f"there are: patient, subject, {', '.join(_TOKEN_ELEMENTS)}, _sort, _count"
        )
    elements = _TOKEN_ELEMENTS[name]
    if name == "code" and kind in _MEDICATION_TYPES:
        elements = ("medicationCodeableConcept",)
    wanted = frozenset(_token(token) for token in _VALUES.findall(value))
    return lambda resource: any(_has(resource, element, wanted) for element in elements)


def _token(token: str) -> tuple[str | None, str]:
    """`system|code` -> both; `code` -> (None, code), any system; `|code` -> ("", code), no system."""
    match = _SYSTEM_AND_CODE.fullmatch(token)
    system, bar, code = match.groups("") if match else ("", "", token)
    return (_unescaped(system) if bar else None), _unescaped(code)


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value)


def _has(resource: Resource, element: str, wanted: frozenset[tuple[str | None, str]]) -> bool:
    """Whether a coding is wanted: as it is, in any system, any of its system, or any at all."""
    return any(
        (system, code) in wanted or (None, code) in wanted or (system, "") in wanted or (None, "") in wanted
        for system, code in _codings(resource.get(element))
    )


def _codings(value: Any) -> list[tuple[str, str]]:
    """`(system, code)` of a code, a Coding, a CodeableConcept or a list of them. Charts are dirty."""
    if isinstance(value, str):
        return [("", value)]
    if isinstance(value, list):
        return [pair for item in value for pair in _codings(item)]
    if not isinstance(value, dict):
        return []
    if "coding" in value:
        return _codings(value["coding"])
    return [(str(value.get("system", "")), str(value["code"]))] if "code" in value else []


def _sort_key(rule: str, query: str) -> Callable[[Resource], Any]:
    if rule == "_id":
        return lambda resource: str(resource.get("id", ""))
    if rule == "_lastUpdated":
        return lambda resource: moment((resource.get("meta") or {}).get("lastUpdated"))
    if rule not in _DATE_ELEMENTS:
        there = ", ".join([*_DATE_ELEMENTS, "_id", "_lastUpdated"])
        raise TemplateError(f"prefetch template {query!r}: cannot sort by {rule!r}; there are: {there}")
    elements = _DATE_ELEMENTS[rule]
    return lambda resource: moment(next((resource[e] for e in elements if e in resource), None))


def moment(value: object) -> datetime:
    """The instant at which a FHIR date, dateTime, instant or Period begins; far past where it cannot be read.

    A value without a zone counts as UTC: it only decides the order of a page.
    """
    if isinstance(value, dict):
        return moment(value.get("start") or value.get("end"))
    if not isinstance(value, str):
        return _NEVER
    completed = value + {4: "-01-01", 7: "-01"}.get(len(value), "")  # a year, or a year and month
    try:
        parsed = datetime.fromisoformat(completed)
    except ValueError:
        return _NEVER
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _searchset(query: str, matches: list[Resource], count: int | None) -> Resource:
    page = matches if count is None else matches[:count]
    link = [{"relation": "self", "url": f"{BASE_URL}/{query}"}]
    if len(page) < len(matches):
        link.append({"relation": "next", "url": f"{BASE_URL}/{query}&_offset={len(page)}"})
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(matches), "link": link}
    if page:  # FHIR allows no empty array
        bundle["entry"] = [_entry(resource) for resource in page]
    return bundle


def _entry(resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {"resource": resource, "search": {"mode": "match"}}
    if "id" in resource:
        entry["fullUrl"] = f"{BASE_URL}/{resource['resourceType']}/{resource['id']}"
    return entry
