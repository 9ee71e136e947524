"""What to read where: the queries that prefetch left open, from the FHIR server that the call offers.

A search is the same as the prefetch template, all pages of it that matter. A query that fails on the way keeps what
was read, and says in plain words what is missing: it is never taken for "none recorded".
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Final

from cds_service.chart.chart import Enough
from cds_service.chart.client import Client
from cds_service.chart.read import Read, ReadCache, joined
from cds_service.chart.server import Server, TrustedServers
from cds_service.chart.visit import Get, NotAnswered
from cds_service.hook_call import HookCall

_log = logging.getLogger(__name__)

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

    def complete(
        self, call: HookCall, searches: Mapping[str, str], lacking: Mapping[str, Read], enough: Enough
    ) -> dict[str, Read]:
        """The lacking reads of the call that have a search, read on or read anew, or with the reason why not.

        `searches` are relative to the base URL, for this call's patient. Takes at most the client's `total_s`.
        """
        server = self._trusted.server(call.fhir_server, call.fhir_authorization)
        if isinstance(server, Server) and set(call.patient_id) <= {"."}:  # allowed as an id; in a path it would climb
            server = "FHIR server: not asked for a patient of this id"
        wanted = {name: lacking[name] for name in searches if name in lacking}
        if server is None or not wanted:
            return {}
        if isinstance(server, str):
            _log.info("FHIR server not read: %s", server)
            return {name: _failed(read, None, server) for name, read in wanted.items()}
        queries = {
            name: _Query(name, server, searches[name], read, enough, self._cache, self._client.limits.pages)
            for name, read in wanted.items()
        }
        outcomes = self._client.visit(server, {name: query.read_pages for name, query in queries.items()})
        if failed := {name: why for name, why in outcomes.items() if why}:
            _log.warning("FHIR server reads failed: %s", "; ".join(f"{name}: {why}" for name, why in failed.items()))
        return {name: query.result(outcomes[name]) for name, query in queries.items()}


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
        page = self._cache.read(body, "page", lambda read: _TOO_DEEP if read.done and too_deep(body) else read)
        if not page.done:
            raise NotAnswered(f"FHIR server: {page.gaps[0]}")
        if page.bundle == self._by_id or (self._by_id and not page.resources):
            raise NotAnswered(f"FHIR server: not a {'resource' if self._by_id else 'Bundle'}")
        return page


def _failed(sent: Read, found: Read | None, why: str) -> Read:
    """What prefetch held and what was read until the failure, with the gaps of both."""
    both = sent if found is None or found is sent else joined(sent, found)
    gaps = (*sent.gaps, sent.cut, *both.gaps, why)
    return Read(both.resources, tuple(dict.fromkeys(gap for gap in gaps if gap)), sent.done)


def too_deep(body: bytes) -> bool:
    """Whether JSON nests deeper than `MAX_DEPTH`: what comes later recurses. Exact for valid JSON."""
    left = _STRING.sub(b"", body).translate(_AS_BRACES, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not left:
            return False
        left = left.replace(b"{}", b"")
    return bool(left)
