"""An incomplete read is no read (clinical policy 6.1 R5): whatever one query loses, no answer becomes calmer.

A seeded sample of every way to lose each query; `make incomplete` tries all of them on every chart.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_service.chart.chart import Chart
from cds_service.service import Service
from tests.fhir_server.good import GoodServer, running
from tests.support.calmer import NO_CARD, Tone, calmer, says_reports_not_read, says_statements_not_read, tone
from tests.support.cards import explanation
from tests.support.losses import LOSSES, ROUTINE, Loss
from tests.support.places import Asked, Cards, Places, answer, every_chart
from tests.support.public_data import REAL_CHARTS

# On how many charts each loss of each query is tried; 0: on all.
EACH = int(os.environ.get("INCOMPLETE_READS", "3"))
SEED = 20260305
# By query: first rules of answers that may rest on it alone, where the policy (C2) lets the answer go on without it.
_DIFFER = ("grades-differ", "grades-differ-mildly")
_ONLY_THERE = {"vitals": _DIFFER, "procedures": (*_DIFFER, "crs-renal-review", "iec-hs-review")}
_REFUSED_TOKEN = {
    "access_token": "refused",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": "test",
}


class Proof:
    """Every chart, what is said to it whole, and what is said where one of its queries was lost."""

    def __init__(self, folder: Path, server: str) -> None:
        self._places = Places(folder)
        self._server = server
        self._services: dict[tuple[str, str], Service] = {}
        self._said: dict[tuple[int, str], Cards] = {}
        self.charts = [*every_chart(self._places), *_real_chart()]
        self.queries = tuple(self._places.service("us").program.queries)

    def violations(self, loss: Loss) -> list[str]:
        """A line for each answer that the loss makes calmer."""
        tried = ((chart, query) for query in self.queries for chart in self._chosen(query, loss))
        return [line for chart, query in tried for line in self._judged(chart, query, loss)]

    def changes(self, loss: Loss) -> list[str]:
        """A line for each answer that the loss changes at all."""
        found = []
        for query in self.queries:
            for chart in self._chosen(query, loss):
                if _plain(self._lost(chart, query, loss)) != _plain(self._whole(chart)):
                    found.append(f"{chart.name}: {query}: {loss.name}")
        return found

    def _chosen(self, query: str, loss: Loss) -> Sequence[Asked]:
        """The charts that send this query; of a sample rather those that find something with it."""
        sent = [chart for chart in self.charts if query in chart.call["prefetch"]]
        if query == "patient" and loss.lists:
            return ()
        if not EACH:
            return sent
        shuffled = random.Random(f"{SEED} {query} {loss.name}").sample(sent, len(sent))
        # Stable: those that come first stay in their random order.
        ranked = sorted(shuffled[: 2 * EACH], key=lambda chart: not (chart.call["prefetch"][query] or {}).get("entry"))
        return ranked[:EACH]

    def _judged(self, chart: Asked, query: str, loss: Loss) -> Iterator[str]:
        place = f"{chart.name}: {query}: {loss.name}"
        status, cards = self._answer(chart, query, loss)
        before, after = self._before(chart, query, loss), tone(cards, status)
        said = calmer(before, after)
        if said and not (self._stands_only_there(chart, query) and _says_not_read(cards)):
            yield f"{place}: {said}"
        if query == "statements" and not loss.empty_is_unknown and not says_statements_not_read(cards):
            yield f"{place}: the first card ({after.decision}) does not say that statements were not read"
        if query == "reports" and _is_unknown_key(query, loss) and cards and not says_reports_not_read(cards):
            yield f"{place}: the first card ({after.decision}) does not say that microbiology reports were not read"

    def _stands_only_there(self, chart: Asked, query: str) -> bool:
        """C2: failed vital signs or procedures alone do not shake a documented grade, and the card says what was not
        read: what speaks for another grade, or for dialysis beside an adequate clearance, stands only there."""
        whole = self._whole(chart)
        first = explanation(whole[0])["rule"] if whole else ""
        return first in _ONLY_THERE.get(query, ())

    def _before(self, chart: Asked, query: str, loss: Loss) -> Tone:
        """What the answer is judged against: the whole chart; of a weak query what is said without its records.

        Statements are weak whatever happens to them (R5). Microbiology reports are where the EHR does not know the key:
        it is younger than the public contract, whose clients send cultures alone.
        """
        weak = query == "statements" or _is_unknown_key(query, loss)
        if weak and not loss.empty_is_unknown:
            emptied = {**chart.call, "prefetch": {**chart.call["prefetch"], query: None}}
            return tone(self._remembered(chart, query, emptied))
        return tone(self._whole(chart))

    def _whole(self, chart: Asked) -> Cards:
        return self._remembered(chart, "", chart.call)

    def _remembered(self, chart: Asked, without: str, call: Mapping[str, Any]) -> Cards:
        key = (id(chart), without)
        if key not in self._said:
            status, self._said[key] = answer(self._places.service(chart.place), call)
            assert status == 200, chart.name
        return self._said[key]

    def _lost(self, chart: Asked, query: str, loss: Loss) -> Cards:
        return self._answer(chart, query, loss)[1]

    def _answer(self, chart: Asked, query: str, loss: Loss) -> tuple[int, Cards]:
        call, service = loss.call(chart.call, query), self._service(chart.place, query, loss)
        if loss.server:
            call |= {"fhirServer": self._server, "fhirAuthorization": _REFUSED_TOKEN}
        return answer(service, call)

    def _service(self, place: str, query: str, loss: Loss) -> Service:
        """The service at the place; one that trusts the failing server, or one to which an empty list says nothing."""
        variant = "server" if loss.server else query if loss.empty_is_unknown else ""
        if not variant:
            return self._places.service(place)
        if (place, variant) not in self._services:
            self._services[place, variant] = self._varied(self._places.service(place), variant)
        return self._services[place, variant]

    def _varied(self, service: Service, variant: str) -> Service:
        program = service.program
        if variant == "server":
            site = program.knowledge.site.model_copy(update={"fhir_servers": (self._server,)})
            return Service(replace(program, knowledge=replace(program.knowledge, site=site)))
        told = replace(program.queries[variant], empty_is_unknown=True)
        return Service(replace(program, queries={**program.queries, variant: told}))


def _real_chart() -> Iterator[Asked]:
    path = REAL_CHARTS / "base.json"
    if path.is_file():
        yield Asked("real charts", "base", "us", json.loads(path.read_text(encoding="utf-8")))


def _says_not_read(cards: Cards) -> bool:
    return bool(cards) and "**Not read:**" in cards[0]["detail"]


def _is_unknown_key(query: str, loss: Loss) -> bool:
    """Whether the EHR may not know a key that is younger than the public contract."""
    return query == "reports" and loss.of is None and not loss.server


def _plain(cards: Cards) -> list[Any]:
    """An answer without what is drawn anew for every call."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k != "uuid"}
        return [bare(item) for item in value] if isinstance(value, list) else value

    return [bare(card) for card in cards]


WHOLE = {
    "suggest": Tone("suggest", True, False),
    "restricted": Tone("suggest-restricted", False, False),
    "ok": Tone("order-ok", False, False),
    "exceeds": Tone("order-exceeds-max", True, False),
    "wait": Tone("wait", False, False),
    "vaccine": Tone("vaccine-warning", False, True),
    "block beside a vaccine": Tone("block", False, True),
    "not indicated": Tone("not-indicated", False, False),
    "no card": Tone(NO_CARD, False, False),
    "missing": Tone("insufficient-data", False, False),
    "review": Tone("review", False, False),
    "block": Tone("block", False, False),
    "caution": Tone("caution", False, False),
    "refused": tone([], 412),
}
_NEVER_CALMER = {"missing", "refused"}
_STOPPED = {"exceeds", "wait", "vaccine", "block beside a vaccine", "missing", "review", "block", "refused"}
_CALM = {"not indicated", "no card"}
_GO = {"suggest", "restricted", "ok"}


@pytest.mark.parametrize("before", WHOLE)
def test_what_is_calmer(before: str) -> None:
    """The whole definition, as R5 has it, over every pair of tones."""
    calm = {after for after in WHOLE if calmer(WHOLE[before], WHOLE[after])}
    expected = {
        "suggest": set[str](),
        "ok": set[str](),
        "restricted": {"suggest", "exceeds"},
        **dict.fromkeys(_STOPPED, _CALM | _GO),
        **dict.fromkeys((*_CALM, "caution"), _GO | {"exceeds"}),
    }[before]
    if before in _STOPPED - {"exceeds"}:
        expected |= {"exceeds"}
    if before in ("vaccine", "block beside a vaccine"):
        expected |= set(WHOLE) - {"vaccine", "block beside a vaccine"} - _NEVER_CALMER
    assert calm == expected


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    """The charts, and a FHIR server that refuses every search."""
    server = GoodServer("another token")
    with running(server):
        yield Proof(tmp_path_factory.mktemp("places"), server.base)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_no_answer_becomes_calmer(proof: Proof, loss: Loss) -> None:
    violations = proof.violations(loss)
    assert not violations, "\n".join([f"{len(violations)} answers", *violations[:40]])


@pytest.mark.parametrize("loss", ROUTINE, ids=lambda loss: loss.name)
def test_what_is_routine_changes_nothing(proof: Proof, loss: Loss) -> None:
    changes = proof.changes(loss)
    assert not changes, "\n".join([f"{len(changes)} answers", *changes[:40]])


def test_a_service_that_takes_every_read_for_complete_is_found_out(
    proof: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Chart, "gaps", lambda self, queries: ())
    assert proof.violations(LOSSES[0])
