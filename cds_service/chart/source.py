"""What to read where: the queries that prefetch left open, from the FHIR server that the call offers.

A search is the same as the prefetch template, all pages of it that matter. A query that fails on the way keeps what
was read, and says in plain words what is missing: it is never taken for "none recorded". Templates cannot include the
Medications that records refer to: what is open when the queries are complete is read by id, in the time that is left.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from itertools import zip_longest
from typing import Any, Final

from cds_service.chart.chart import Enough
from cds_service.chart.client import Client, Trip
from cds_service.chart.drugs import answers, drug_searches, named, open_references, still_open
from cds_service.chart.medication import medication_named
from cds_service.chart.read import Medications, Read, ReadCache, agreeing, joined, medications_of
from cds_service.chart.resource import Resource
from cds_service.chart.server import Server, TrustedServers, is_of_another
from cds_service.chart.visit import Get, Job, NotAnswered
from cds_service.hook_call import HookCall

_log = logging.getLogger(__name__)
Json = dict[str, Any]

MAX_DEPTH: Final = 64  # as deep as a call itself may nest
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS: Final = bytes(c for c in range(256) if c not in b"{}[]")
_AS_BRACES: Final = bytes.maketrans(b"[]", b"{}")
_TOO_DEEP: Final = Read(gaps=("nested too deeply",), done=False)


class Source:
    """The FHIR servers that this site trusts, as second source of charts. One for all calls."""

    def __init__(self, trusted: TrustedServers, client: Client, cache: ReadCache) -> None:
        self._trusted = trusted
        self._client = client
        self._cache = cache

    def of(self, call: HookCall) -> Asked:
        """The server that this call offers; nothing is read yet."""
        server = self._trusted.server(call.fhir_server, call.fhir_authorization)
        if isinstance(server, Server) and set(call.patient_id) <= {"."}:  # allowed as an id; in a path it would climb
            server = "FHIR server: not asked for a patient of this id"
        if isinstance(server, Server) and is_of_another(call.fhir_authorization or {}, call.patient_id):
            server = "FHIR server: the access token is of another patient, not used"
        return Asked(server, self._client, self._cache, call.answer_by)


class Asked:
    """The server of one call. All that is read of it for this call takes at most the client's `total_s`."""

    def __init__(
        self, server: Server | str | None, client: Client, cache: ReadCache, answer_by: float = math.inf
    ) -> None:
        """`server` as `TrustedServers.server` gives it; `answer_by` as `HookCall` has it."""
        self._answer_by = answer_by
        self._server = server
        self._client = client
        self._cache = cache

    @cached_property
    def _trip(self) -> Trip:
        assert isinstance(self._server, Server)
        return self._client.trip(self._server, self._answer_by)

    def complete(self, searches: Mapping[str, str], lacking: Mapping[str, Read], enough: Enough) -> dict[str, Read]:
        """The lacking reads that have a search, read on or read anew, and their drugs; or with the reason why not.

        `searches` are relative to the base URL, for this call's patient.
        """
        server = self._server
        wanted = {name: lacking[name] for name in searches if name in lacking}
        if server is None or not wanted:
            return {}
        short = [name for name, read in wanted.items() if not enough(name, read)]
        if isinstance(server, str):
            _log.info("FHIR server not read: %s", server)
            told = {name: _failed(read, None, server) if name in short else read for name, read in wanted.items()}
            return {n: still_open(read, dict.fromkeys(open_references(read), server)) for n, read in told.items()}
        pages = self._client.limits.pages
        queries = {n: _Query(n, server, searches[n], wanted[n], enough, self._cache, pages) for n in short}
        outcomes = self._visit({name: query.read_pages for name, query in queries.items()})
        return self._named(wanted | {name: query.result(outcomes[name]) for name, query in queries.items()})

    def drugs_of(self, drafts: Sequence[Json], urls: Sequence[str], sent: Callable[[], Medications]) -> Medications:
        """The Medications that draft orders refer to: among the drafts (`urls`: the fullUrl of each), in what was sent
        with the call, on the server; by reference."""
        entries = [{"resource": r, "fullUrl": url} for r, url in zip_longest(drafts, urls, fillvalue="")]
        among = medications_of(entries)
        if not any("medicationReference" in draft for draft in drafts):
            return among
        references = open_references(Read(tuple(Resource(d, among) for d in drafts), referring=True))
        if not references:
            return among
        known = agreeing((*among.items(), *sent().items()))
        rest = [each for each in references if medication_named(known, each) is None]
        if rest and isinstance(self._server, Server):
            known = {**known, **self._medications(rest)[0]}
        return known

    def _named(self, reads: dict[str, Read]) -> dict[str, Read]:
        """The reads with the drugs that they only refer to, or the reason why a drug stays unknown."""
        references = open_references(*reads.values())
        if not references:
            return reads
        known, why = self._medications(references)
        return {name: still_open(named(read, known), why) for name, read in reads.items()}

    def _medications(self, references: Sequence[str]) -> tuple[Medications, dict[str, str]]:
        server, limits = self._trip.server, self._client.limits
        searches = drug_searches(server, references, partial(_page, self._cache), limits.pages, limits.lines)
        outcomes = self._visit({name: search.read for name, search in searches.items()})
        return answers(server, references, searches, outcomes)

    def _visit(self, jobs: Mapping[str, Job]) -> dict[str, str]:
        outcomes = self._client.visit(self._trip, jobs) if jobs else {}
        if failed := {name: why for name, why in outcomes.items() if why}:
            _log.warning("FHIR server reads failed: %s", "; ".join(f"{name}: {why}" for name, why in failed.items()))
        return outcomes


class _Query:
    """One query in progress. `so_far` grows by whole pages, so that a reader who is cut off leaves what it had."""

    def __init__(
        self, name: str, server: Server, search: str, sent: Read, enough: Enough, cache: ReadCache, pages: int
    ) -> None:
        self._name = name
        self._server = server
        self._by_id = "?" not in search
        self._sent = sent
        self._enough = enough
        self._cache = cache
        self._pages = pages
        first = server.target(search)
        onward = server.page(sent.next, first) if sent.done and not sent.broken and sent.next else None
        # A list that was cut is read on where its own link leads to this server, else from the start.
        self._target = onward or first
        self._so_far: Read | None = sent if onward else None

    def read_pages(self, get: Get) -> None:
        """Read until nothing that matters is missing. Raises NotAnswered."""
        for _ in range(self._pages):
            page = self._parsed(get(self._target))
            whole = self._so_far = page if self._so_far is None else joined(self._so_far, page)
            if self._by_id or not whole.cut or self._enough(self._name, whole):
                return
            if not whole.next:
                raise NotAnswered(f"FHIR server: {whole.cut}")
            onward = self._server.page(whole.next, self._target)
            if onward is None:
                raise NotAnswered("FHIR server: its link to the next page leads elsewhere, not followed")
            self._target = onward
        raise NotAnswered(f"FHIR server: more than {self._pages} pages")

    def result(self, why: str) -> Read:
        """The read of this query; `why` it did not come to its end."""
        found = self._so_far
        return found if found is not None and not why and not found.broken else _failed(self._sent, found, why)

    def _parsed(self, body: bytes) -> Read:
        page = _page(self._cache, body)
        if page.bundle == self._by_id or (self._by_id and not page.resources):
            raise NotAnswered(f"FHIR server: not a {'resource' if self._by_id else 'Bundle'}")
        return page


def _page(cache: ReadCache, body: bytes) -> Read:
    """One answer of the server. Raises NotAnswered where it cannot be read."""
    page = cache.read(body, "page", lambda read: _TOO_DEEP if read.done and too_deep(body) else read)
    if not page.done:
        raise NotAnswered(f"FHIR server: {page.gaps[0]}")
    return page


def _failed(sent: Read, found: Read | None, why: str) -> Read:
    """What prefetch held and what was read until the failure, with the gaps of both."""
    both = sent if found is None or found is sent else joined(sent, found)
    gaps = (*sent.gaps, sent.cut, *both.gaps, why)
    told = tuple(dict.fromkeys(gap for gap in gaps if gap))
    return Read(
        both.resources,
        told,
        sent.done,
        medications=both.medications,
        referring=both.referring,
        nameless=both.nameless,
    )


def too_deep(body: bytes) -> bool:
    """Whether JSON nests deeper than `MAX_DEPTH`: what comes later recurses. Exact for valid JSON."""
    left = _STRING.sub(b"", body).translate(_AS_BRACES, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not left:
            return False
        left = left.replace(b"{}", b"")
    return bool(left)
