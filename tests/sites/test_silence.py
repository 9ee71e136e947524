"""Silent rules, services and sites: decided and recorded as ever, and nothing stands in the place of what is hidden."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_service.advice.model import Assessment
from cds_service.advice.silence import touches
from cds_service.advice.together import ranked
from cds_service.assess import cards
from cds_service.contract import EXPLANATION, RANK, SERVICES, SUGGESTS, most_cards
from cds_service.knowledge import inspect, load
from cds_service.service import SILENT, Service
from cds_service.web.door import read_call
from tests.facts.house import REFRACTORY, Case, service
from tests.facts.notation import NOW
from tests.sites.folder import SITE, write_site
from tests.support.acceptance import acceptance_cases
from tests.support.cards import explanation

SEPSIS = {"condition": "sepsis", "icd": "A41.9", "onset": "1d"}
_SERVICE = {hook: name for name, hook in SERVICES.items()}
GOES_ON = SUGGESTS | {"order-ok"}


@pytest.fixture(scope="module")
def assessments() -> list[Assessment]:
    """What is found for every fifth of our own cases: several of each kind of answer."""
    asked = service()
    found = []
    for case in [c for c in acceptance_cases() if c.place == "us"][::5]:
        body = json.dumps(case.call(asked.program.templates)).encode()
        call = read_call(_SERVICE[case.hook], case.hook, body, allow_evaluation_time=True)
        assert call.evaluation_time is not None
        assessment = asked.assess(call, call.evaluation_time)
        if assessment is not None and assessment.answers:
            found.append(assessment)
    return found


def silenced(*rules: str, **site: Any) -> Service:
    """The shipped service with some rules silent, or with another site; nothing is compiled again."""
    program = service().program
    knowledge = replace(program.knowledge, site=program.knowledge.site.model_copy(update=site))
    return Service(replace(program, knowledge=knowledge, silent=frozenset(rules)))


def told(assessment: Assessment, silent: frozenset[str]) -> list[tuple[str, str]]:
    answers = ranked(assessment.orders, most_cards(assessment.hook), silent)
    return [(a.rule.id, a.decision) for answer in answers for a in (answer, *answer.also, *answer.found)]


def test_a_silent_rule_takes_words_away_and_never_makes_an_answer_calmer(assessments: list[Assessment]) -> None:
    tried = hidden = 0
    for assessment in assessments:
        whole = told(assessment, frozenset())
        for rule, decision in dict.fromkeys(whole):
            silent = frozenset({rule})
            shown = ranked(assessment.orders, most_cards(assessment.hook), silent)
            tried += 1
            assert not touches(shown, silent)
            if RANK[decision] < RANK["suggest"] and len(assessment.answers) > 1:
                goes_on = [a for a in shown if a.decision in GOES_ON or a.offers]
                assert not goes_on, (rule, decision)
                hidden += 1
            # Nothing is said that was not said before, but what is missing by another rule.
            new = set(told(assessment, silent)) - set(whole)
            assert all(each == "insufficient-data" for _, each in new), (rule, new)
    assert tried > 200
    assert hidden > 30


def test_with_every_hard_stop_silent_nothing_goes_on_where_one_holds(assessments: list[Assessment]) -> None:
    stops = 0
    for assessment in assessments:
        whole = told(assessment, frozenset())
        hard = frozenset(rule for rule, decision in whole if RANK[decision] < RANK["suggest"])
        missing = {m.rule.id for order in assessment.orders for m in order.missing}
        shown = told(assessment, hard | missing)
        if hard:
            stops += 1
            assert not [each for each in shown if each[1] in GOES_ON or RANK[each[1]] < RANK["suggest"]]
    assert stops > 50


def test_the_words_of_cards_name_a_silent_rule_nowhere(assessments: list[Assessment]) -> None:
    """Nor do the explanations; and what nothing silent touches stays to the letter."""
    program = service().program
    for assessment in assessments[::4]:
        for rule in sorted({rule for rule, _ in told(assessment, frozenset())}):
            silent = frozenset({rule})
            made = cards(program, assessment, silent=silent)[1]
            for card in made:
                body = card["extension"][EXPLANATION]
                assert rule not in {body["rule"], *body.get("flags", ()), *(a["rule"] for a in body.get("also", ()))}


def test_a_block_that_is_silent_never_becomes_a_suggestion() -> None:
    case = Case(given=(*REFRACTORY, SEPSIS))
    assert case.first() == "block critical"
    assert Case(given=REFRACTORY).first() == "suggest warning"
    asked = silenced("infection-severe")
    call = case.call()
    advice = asked.advice(call.service_id, asked.assess(call, NOW))
    assert (advice.cards, advice.silent) == ([], "rules")
    assert explanation(advice.held_back[0])["rule"] == "infection-severe"
    # The same call where the rule finds nothing: everything is shown, and nothing held back.
    plain = Case(given=REFRACTORY).call()
    advice = asked.advice(plain.service_id, asked.assess(plain, NOW))
    assert (explanation(advice.cards[0])["decision"], advice.silent, advice.held_back) == ("suggest", "", ())


def test_a_status_is_left_out_where_a_silent_rule_has_a_part_in_it() -> None:
    asked = silenced("infection-severe")
    with_sepsis = Case(given=(*REFRACTORY, SEPSIS), draft=(), hook="patient-view").call()
    without = Case(given=REFRACTORY, draft=(), hook="patient-view").call()
    held = asked.advice("car-t-toxicity-patient-view", asked.assess(with_sepsis, NOW))
    assert (held.cards, len(held.held_back)) == ([], 1)
    (card,) = asked.advice("car-t-toxicity-patient-view", asked.assess(without, NOW)).cards
    assert explanation(card)["decision"] == "status"


@pytest.mark.parametrize(
    ("site", "by", "speaks"),
    [
        ({"silent": True}, "site", set()),
        ({"silent_services": ("anakinra-order-select",)}, "service", {"anakinra-order-sign"}),
    ],
)
def test_a_silent_site_or_service_shows_nothing(site: dict[str, Any], by: str, speaks: set[str]) -> None:
    asked = silenced(**site)
    call = Case(given=REFRACTORY).call()
    whole = service().answer(call, NOW)["cards"]
    advice = asked.advice(call.service_id, asked.assess(call, NOW))
    assert (advice.cards, advice.silent) == ([], by)
    assert [outline(card) for card in advice.held_back] == [outline(card) for card in whole]
    assert asked.answer(call, NOW) == {"cards": []}
    sign = Case(given=REFRACTORY, hook="order-sign").call()
    assert bool(asked.answer(sign, NOW)["cards"]) == ("anakinra-order-sign" in speaks)
    assert {e["id"] for e in asked.discovery() if not e["description"].startswith(SILENT)} == speaks | (
        {"car-t-toxicity-patient-view"} if speaks else set()
    )


def outline(card: dict[str, Any]) -> tuple[Any, ...]:
    said = explanation(card)
    return (said["decision"], said["rule"], card["indicator"], len(card.get("suggestions", ())))


def test_what_is_silent_is_warned_of_and_said_on_the_first_card(tmp_path: Path) -> None:
    keys = "silent: true\nsilentServices: [anakinra-order-sign]\nsilentRules: [infection-severe]\n"
    folder = write_site(tmp_path, site=SITE + keys)
    warned = "\n".join(inspect(site=str(folder)).warnings)
    assert "silent: this site is silent: every call is recorded, and no card is shown" in warned
    assert "silentServices[0]: anakinra-order-sign is silent" in warned
    assert "the safety rule infection-severe is silent: what it finds is recorded and not shown" in warned
    asked = Service.start(load(site=str(folder)))
    assessment = asked.assess(Case(given=REFRACTORY).call(), NOW)
    # No card about infection is not the same as none found.
    assert "**On trial at this site, what they find is not shown:** " in asked.cards(assessment)[0]["detail"]
