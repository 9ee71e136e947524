"""Rules that a site switches off: never evaluated, and said on the first card where they are safety rules."""

from __future__ import annotations

from pathlib import Path

from cds_service.knowledge import load
from cds_service.service import Service
from cds_service.tools.catalogue import FilePlaces, render
from tests.facts.house import REFRACTORY, Case
from tests.facts.notation import NOW
from tests.sites.folder import SITE, write_site
from tests.support.cards import explanation

REASON = "our laboratory calls within < 2 h"
SEPSIS = {"condition": "sepsis", "icd": "A41.9", "onset": "1d"}


def test_a_safety_rule_switched_off(tmp_path: Path) -> None:
    case = Case(given=(*REFRACTORY, SEPSIS))
    assert case.first() == "block critical"
    folder = write_site(tmp_path, site=f'{SITE}rulesOff: {{infection-severe: "{REASON}"}}\n')
    knowledge = load(site=str(folder))
    cards = Service.start(knowledge).answer(case.call(), NOW)["cards"]
    assert "infection-severe" not in {explanation(card)["rule"] for card in cards}
    assert "**Switched off by this site:** " in cards[0]["detail"]
    title = next(r.title for r in knowledge.rules if r.id == "infection-severe")
    assert title.replace("<name>", "anakinra") in cards[0]["detail"]
    assert "< 2 h" not in cards[0]["detail"]
    assert not any("switched off" in card["detail"] for card in cards[1:])
    page = render(knowledge, FilePlaces())["sites"]
    assert "our laboratory calls within &lt; 2 h" in page
    assert "infection-severe" in page


def test_another_rule_is_off_without_a_word_on_the_card(tmp_path: Path) -> None:
    knowledge = load(site=str(write_site(tmp_path, site=SITE + "rulesOff: {monitoring: not wanted here}\n")))
    cards = Service.start(knowledge).answer(Case(given=REFRACTORY).call(), NOW)["cards"]
    assert [explanation(card)["rule"] for card in cards] == ["crs-adult-grade-2", "neutrophils-low"]
    assert "switched off" not in cards[0]["detail"]
    assert "not wanted here" in render(knowledge, FilePlaces())["sites"]


def test_a_site_with_its_own_wording(tmp_path: Path) -> None:
    card = "id: infection-risk\nversion: 1.0.0\nsummary: Few neutrophils, says the ward\ndetail: See our page.\n"
    knowledge = load(site=str(write_site(tmp_path, **{"cards__infection-risk": card})))
    second = Service.start(knowledge).answer(Case(given=REFRACTORY).call(), NOW)["cards"][1]
    assert (second["summary"], second["detail"]) == ("Few neutrophils, says the ward", "See our page.")
    pages = render(knowledge, FilePlaces())
    assert pages["cards"].count("in the words of this site") == 1
    assert '#infection-risk"' in pages["sites"]
