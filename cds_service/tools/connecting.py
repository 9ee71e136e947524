"""The tables of `docs/connecting.md`, the sheet for EHR teams: made from the knowledge, the limits and real answers.

The page is written by hand; what restates YAML or constants stands between a pair of marks and is generated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cds_service.chart import prefetch
from cds_service.chart.breaker import LEAST, SHARE, WINDOW_S
from cds_service.chart.visit import Limits
from cds_service.contract import BODY_BYTES, CALL_BYTES, EXPLANATION, SERVICES
from cds_service.errors import CallError, CdsError
from cds_service.knowledge import Knowledge
from cds_service.service import Service
from cds_service.settings import Settings
from cds_service.tools.commands.serve import HEADER_FIELDS, HEADER_LIMIT, LINE_LIMIT
from cds_service.web.door import read_call
from cds_service.web.front.arriving import HEAD_LIMIT
from cds_service.web.front.sockets import BODY_SECONDS, HEAD_SECONDS, IDLE_SECONDS, SEND_SECONDS
from cds_service.web.front.worker import ANSWER_SECONDS, WAIT_SECONDS
from cds_service.web.rates import PER_MINUTE
from cds_service.web.strict_json import MAX_DEPTH, MAX_DIGITS

PAGE: Final = Path("docs/connecting.md")
_PART: Final = re.compile(r"(<!-- generated: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NO_CARD: Final = "no-card"
# What a Medication that records refer to is read with, besides the queries.
_REFERRED: Final = "Medication"
Json = dict[str, Any]


class PageError(CdsError):
    """The page has a part that nothing makes, or lacks one."""


def connecting(text: str, knowledge: Knowledge, request: Path) -> str:
    """The page with its generated parts as they are now; `request` is the example that answers are asked for.

    Raises PageError where its marks are not those that are known.
    """
    service = Service.start(knowledge)
    parts: Mapping[str, Callable[[], Iterator[str]]] = {
        "services": _services,
        "prefetch": lambda: _prefetch(service),
        "missing": lambda: _missing(service, json.loads(request.read_bytes())),
        "scopes": lambda: _scopes(service),
        "limits": _limits,
    }
    if sorted(found := [name for _, name, _ in _PART.findall(text)]) != sorted(parts):
        raise PageError(f"{PAGE}: expected one generated part each of {', '.join(parts)} (found: {found})")
    return _PART.sub(lambda part: f"{part[1]}\n" + "".join(f"{n}\n" for n in parts[part[2]]()) + f"\n{part[3]}", text)


def answers_without(service: Service, call: Json) -> tuple[str, dict[str, str]]:
    """The decision of a call's first card, and without each key of its prefetch; of a refusal its status."""
    whole = _asked(service, call)
    return _decision(whole), {key: _decision(_asked(service, _without(call, key))) for key in call["prefetch"]}


def _without(call: Json, key: str) -> Json:
    return {**call, "prefetch": {name: value for name, value in call["prefetch"].items() if name != key}}


def _asked(service: Service, call: Json) -> list[Json] | int:
    service_id = next(name for name, hook in SERVICES.items() if hook == call["hook"])
    asked = read_call(service_id, call["hook"], json.dumps(call).encode(), allow_evaluation_time=True)
    assert asked.evaluation_time is not None  # the examples say as of when
    try:
        cards: list[Json] = service.answer(asked, asked.evaluation_time)["cards"]
    except CallError as error:
        return error.status
    return cards


def _decision(answered: list[Json] | int) -> str:
    if isinstance(answered, int):
        return str(answered)
    return str(answered[0]["extension"][EXPLANATION]["decision"]) if answered else _NO_CARD


def _services() -> Iterator[str]:
    yield "| hook | service | call |"
    yield "|---|---|---|"
    yield from (f"| `{hook}` | `{name}` | `POST /cds-services/{name}` |" for name, hook in SERVICES.items())


def _prefetch(service: Service) -> Iterator[str]:
    catalogue = service.knowledge.catalogue
    yield "| key | holds | at most | an entry: median, 95th percentile | full | essential |"
    yield "|---|---|---|---|---|---|"
    for name in service.program.templates:
        query, entry = catalogue.queries[name], catalogue.entry(catalogue.queries[name].resource)
        sizes = f"{entry.median}, {entry.p95} bytes" + ("\\*" if catalogue.entry_bytes[query.resource].like else "")
        essential = "**always**" if query.essential else f"where {query.essential_where}" * bool(query.essential_where)
        full = f"{catalogue.bytes_of(name) / 1024:.0f} KiB"
        yield f"| `{name}` | {query.title} | {query.count or 1} | {sizes} | {full} | {essential} |"
    yield ""
    yield f"All full, and {CALL_BYTES // 1024} KiB for the rest of the call: {catalogue.call_bytes()} bytes of the"
    yield f"{BODY_BYTES} that a body may have."
    if alike := sorted({k for k, e in catalogue.entry_bytes.items() if e.like}):
        like = ", ".join(sorted({catalogue.entry_bytes[kind].like for kind in alike}))
        yield f"\\* Too few public records of {', '.join(alike)} to measure: reckoned like {like}."
    yield ""
    yield "The templates, as discovery says them at a site without local codes:"
    yield ""
    yield "```text"
    yield from (f"{name}: {template}" for name, template in service.program.templates.items())
    yield "```"


def _missing(service: Service, call: Json) -> Iterator[str]:
    whole = _asked(service, call)
    assert isinstance(whole, list)
    yield "Asked with [`refractory-grade-2.json`](../examples/requests/refractory-grade-2.json), whose whole answer"
    yield f"begins with `{_decision(whole)}`, without one key after the other:"
    yield ""
    yield "| without | first decision | first card, and other cards that come or go |"
    yield "|---|---|---|"
    for key in service.program.templates:
        answered = _asked(service, _without(call, key))
        title = service.knowledge.catalogue.queries[key].title
        told = "refused" if isinstance(answered, int) else "; ".join(_changes(whole, answered, title))
        yield f"| `{key}` | `{_decision(answered)}` | {told or 'the same, and nothing is said'} |"


def _changes(whole: list[Json], answered: list[Json], title: str) -> Iterator[str]:
    """The first card where it is another one; else whether it names what was not read, and the rules whose cards are
    new or gone."""
    before, after = ([card["source"]["topic"]["code"] for card in cards] for cards in (whole, answered))
    if _decision(answered) != _decision(whole):
        yield f"“{answered[0]['summary']}”"
        return
    if answered[0]["detail"].count(title) > whole[0]["detail"].count(title):
        yield "the same card, which names it"
    yield from (f"also `{rule}`" for rule in after if rule not in before)
    yield from (f"no `{rule}`" for rule in before if rule not in after)


def _scopes(service: Service) -> Iterator[str]:
    queries = service.knowledge.catalogue.queries
    kinds: dict[str, list[str]] = {}
    for name in service.program.templates:
        for kind in (queries[name].resource, *queries[name].also):
            kinds.setdefault(kind, []).append(f"`{name}`")
    kinds[_REFERRED] = ["drugs that records name only by reference"]
    yield "| resource type | SMART 2 | SMART 1 | for |"
    yield "|---|---|---|---|"
    for kind, names in kinds.items():
        v2, v1 = (", ".join(f"`{who}/{kind}.{right}`" for who in ("system", "user")) for right in ("rs", "read"))
        yield f"| {kind} | {v2} | {v1} | {', '.join(names)} |"
    yield ""
    yield f"{len(service.program.searches)} searches at most, pages not counted, and those of Medications."


def _limits() -> Iterator[str]:
    fhir, mib = Limits(), 1024 * 1024
    rows = (
        ("body of a call", f"{BODY_BYTES // mib} MiB (`CDS_MAX_BODY_BYTES`), not compressed", "413; compressed: 415"),
        ("nesting; digits of one number", f"{MAX_DEPTH} levels; {MAX_DIGITS} digits", "400"),
        ("request line", f"{LINE_LIMIT} bytes", "414"),
        ("headers", f"{HEADER_FIELDS}, of {HEADER_LIMIT // 1024} KiB each", "431"),
        ("all headers together", f"{HEAD_LIMIT // 1024} KiB", "431"),
        ("headers to arrive; a body", f"{HEAD_SECONDS:g} s; {BODY_SECONDS:g} s", "408, and the connection is closed"),
        ("taking an answer", f"{SEND_SECONDS:g} s", "the connection is closed"),
        ("a connection without a request", f"{IDLE_SECONDS:g} s", "it is closed"),
        (
            "calls in work; in wait, at each worker",
            f"{Settings().threads} (`CDS_THREADS`); {Settings().queue} (`CDS_QUEUE`), {WAIT_SECONDS:g} s each",
            "503 with `Retry-After`",
        ),
        ("an answer", f"{ANSWER_SECONDS:g} s", "503 with `Retry-After`"),
        (
            "calls and feedback of one client",
            f"{PER_MINUTE} a minute (`CDS_CALLS_PER_MINUTE`)",
            "429 with `Retry-After`",
        ),
        ("connecting to the FHIR server; one read", f"{fhir.connect_s:g} s; {fhir.call_s:g} s", "not read: unknown"),
        ("all reads for one call", f"{fhir.total_s:g} s, {fhir.lines} at once", "not read: unknown"),
        ("pages of one search", f"{fhir.pages}, asked for with `_count={prefetch.PAGE}`", "the rest is unknown"),
        (
            "a page; all that is read for one call",
            f"{fhir.response_bytes // mib} MiB; {fhir.total_bytes // mib} MiB",
            "not read: unknown",
        ),
        ("calls that read from one FHIR server at once, at each worker", f"{fhir.calls}", "not read: unknown"),
        (
            f"a FHIR server that met {SHARE:.0%} of its reads with silence (of {LEAST} or more in {WINDOW_S:g} s)",
            f"not asked again for {fhir.rest_s:g} s",
            "not read: unknown",
        ),
    )
    yield "| what | limit | beyond it |"
    yield "|---|---|---|"
    yield from (f"| {what} | {limit} | {beyond} |" for what, limit, beyond in rows)
