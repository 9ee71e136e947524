"""`emptyMeans: unknown`: where an empty list does not mean that there are none, it never calms an answer."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cds_service.chart.chart import EMPTY_IS_UNKNOWN
from cds_service.knowledge import load
from cds_service.service import Service
from tests.facts.house import REFRACTORY, TAKEN_AWAY, Case, service
from tests.facts.notation import NOW, patient
from tests.sites.folder import SITE, write_site
from tests.support.cards import explanation

CATALOGUE = service().knowledge.catalogue
# (fact, query): a fact that an empty read of this query alone would deny.
DENIABLE = [
    (name, query)
    for name, definition in CATALOGUE.facts.items()
    if definition.source.empty_means == "no"
    for query in CATALOGUE.reads(name)
    if (name, query) not in TAKEN_AWAY
]
INFUSION = {"given": "axi-cel", "ago": "4d"}
DOSES = ({"given": "tocilizumab", "ago": "20h"}, {"given": "tocilizumab", "ago": "10h"})
VITALS = ({"obs": "temp", "value": 38.9}, {"obs": "sbp", "value": 84}, {"obs": "spo2", "value": 97})
GRADE = {"condition": "CRS grade 2", "icd": "D89.832", "onset": "24h", "recorded": "2h"}
# A chart in which this query is empty, and what is said to it where empty means none.
CALM = {
    "conditions": (Case(given=(INFUSION, *DOSES, *VITALS)), "suggest warning"),
    "allergies": (Case(given=REFRACTORY), "suggest warning"),
    "procedures": (Case(), "no-card"),
    "administrations": (
        Case(given=({"procedure": "CAR-T cell infusion", "ago": "4d"}, GRADE, *VITALS)),
        "not-indicated info",
    ),
    "statements": (Case(given=REFRACTORY), "suggest warning"),
    "requests": (Case(given=REFRACTORY), "suggest warning"),
    "cultures": (Case(given=REFRACTORY), "suggest warning"),
    "reports": (Case(given=REFRACTORY), "suggest warning"),
}
# Unknown is said on the first card, and no rule makes it a stop: neither is among the required inputs of the contract.
TOLD = {
    "pregnancy-status": (Case(given=REFRACTORY, person=patient(gender="female")), "pregnancy"),
    "immunizations": (Case(given=REFRACTORY), "live-vaccine-given"),
}


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@functools.cache
def at(where: Path, query: str) -> Service:
    """A service at a site where an empty list of this query means nothing."""
    folder = write_site(where / query, site=f"{SITE}emptyMeans: {{{query}: unknown}}\n")
    return Service.start(load(site=str(folder)))


def test_every_query_that_can_deny_a_fact_is_tried() -> None:
    assert {query for _, query in DENIABLE} == CALM.keys() | TOLD.keys()


@pytest.mark.parametrize("query", CALM)
def test_a_calm_answer_becomes_insufficient_data(where: Path, query: str) -> None:
    case, calm = CALM[query]
    assert case.first() == calm
    cards = at(where, query).answer(case.call(), NOW)["cards"]
    assert explanation(cards[0])["decision"] == "insufficient-data"
    assert not [card for card in cards if card.get("suggestions")]
    whys = [item["why"] for item in explanation(cards[0])["unknown"]]
    assert [why for why in whys if f"{query}: {EMPTY_IS_UNKNOWN}" in why], whys


@pytest.mark.parametrize("query", TOLD)
def test_what_stops_nothing_is_said(where: Path, query: str) -> None:
    case, name = TOLD[query]
    cards = at(where, query).answer(case.call(), NOW)["cards"]
    (unknown,) = [item for item in explanation(cards[0])["unknown"] if item["name"] == name]
    assert EMPTY_IS_UNKNOWN in unknown["why"]


@pytest.mark.parametrize(("name", "query"), DENIABLE)
def test_no_fact_is_denied(where: Path, name: str, query: str) -> None:
    """The same as a read that failed: of an empty chart nothing that rests on this query is a no."""
    assert Case().facts()[name].value in (False, 0)
    folder = write_site(where / f"facts-{query}", site=f"{SITE}emptyMeans: {{{query}: unknown}}\n")
    fact = Case(site=str(folder)).facts()[name]
    assert fact.value is None
    assert EMPTY_IS_UNKNOWN in fact.why


@pytest.mark.parametrize("query", CALM)
def test_what_is_there_is_read_as_ever(where: Path, query: str) -> None:
    """A list that holds anything is no empty list, whatever it holds."""
    filled = {
        "conditions": {"condition": "Hypertension", "onset": "900d"},
        "allergies": {"allergy": "penicillin"},
        "procedures": {"procedure": "Dental extraction", "ago": "20d"},
        "administrations": {"given": "ondansetron", "ago": "3h"},
        "statements": {"stated": "multivitamin", "ago": "9d"},
        "requests": {"order": "ondansetron", "ago": "1d"},
        "cultures": {"culture": "No growth", "ago": "2d"},
        "reports": {
            "culture": "none",
            "ago": "2d",
            "with": {"resourceType": "DiagnosticReport", "conclusion": "No growth"},
        },
    }[query]
    case, calm = CALM[query]
    more = Case(given=(*case.given, filled))
    cards = at(where, query).answer(more.call(), NOW)["cards"]
    found = explanation(cards[0])["decision"] if cards else "no-card"
    assert f"{found} {cards[0]['indicator']}" == calm if cards else found == calm


def test_an_empty_list_of_the_server_means_as_little(where: Path) -> None:
    case, _ = CALM["allergies"]
    for sent in (None, {"resourceType": "Bundle", "type": "searchset", "total": 0}):
        changed = Case(given=case.given, prefetch={"allergies": sent})
        first = at(where, "allergies").answer(changed.call(), NOW)["cards"][0]
        assert explanation(first)["decision"] == "insufficient-data"


def test_a_list_is_empty_as_of_the_time_that_is_asked_about(where: Path) -> None:
    """What was recorded since does not fill the list of then."""
    later = {"allergy": "penicillin", "with": {"recordedDate": (NOW - timedelta(hours=1)).isoformat()}}
    case = Case(given=(*REFRACTORY, later))
    now = NOW - timedelta(hours=2)
    call = replace(case.call(), evaluation_time=now)
    first = at(where, "allergies").answer(call, now)["cards"][0]
    assert explanation(first)["decision"] == "insufficient-data"
    assert explanation(at(where, "allergies").answer(case.call(), NOW)["cards"][0])["decision"] == "suggest"
