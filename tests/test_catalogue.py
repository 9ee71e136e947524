"""The catalogue for reviewers: what its pages tell, and what they must not tell."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from cds_service.knowledge import Knowledge, load
from cds_service.knowledge.model import Condition, Dose
from cds_service.knowledge.model.sources import SOURCES
from cds_service.tools.catalogue import FilePlaces, Places, UrlPlaces, data, render
from cds_service.tools.catalogue.selections import KIND_WORDS
from cds_service.tools.catalogue.sentences import dose, sentence
from cds_service.tools.catalogue.shown import Shown
from tests.support import knowledge_root
from tests.support.knowledge_root import EXTENDING_SITE, write
from tests.support.outline import Outline, words

BANNER = "Draft content, not reviewed by clinicians."
RULE = "rules/shared/safety/toy-neutropenia.yaml"
TRIAL = "rules/evidence/toy-trial.yaml"


@pytest.fixture(scope="module")
def pages(ours: Knowledge, on_patients: Shown) -> dict[str, str]:
    return render(ours, FilePlaces(), on_patients)


def test_every_kind_of_source_has_its_words() -> None:
    """What `exists` selects and what is computed are told each in words of their own."""
    assert set(KIND_WORDS) == {next(iter(source.model_fields)) for source in SOURCES} - {"exists", "computed"}


# ---------------------------------------------------------------- the shipped knowledge


def test_there_is_a_page_for_everything(ours: Knowledge, pages: dict[str, str]) -> None:
    expected = {"", "statements", "facts", "policies", "regimens", "cards", "evidence", "sites"}
    expected |= {f"pathways/{rule.pathway}" for rule in ours.rules if rule.pathway and rule.finding.decision}
    expected |= {f"rules/{rule.id}" for rule in ours.rules} | {f"value-sets/{name}" for name in ours.value_sets}
    assert set(pages) == expected
    assert set(Outline(pages["facts"]).ids) >= set(ours.catalogue.facts)
    assert set(Outline(pages["policies"]).ids) >= set(ours.policies)
    assert set(Outline(pages["evidence"]).ids) >= set(ours.evidence)
    assert set(Outline(pages["regimens"]).ids) >= set(ours.regimens)
    assert set(Outline(pages["cards"]).ids) >= set(ours.cards)
    assert set(Outline(pages["statements"]).ids) >= {statement.id for statement in ours.coverage.statements}
    assert set(Outline(pages["sites"]).ids) >= {f"site-{name}" for name in ours.sites}


def test_every_page_is_whole_and_carries_the_banner(ours: Knowledge, pages: dict[str, str]) -> None:
    for name, html in pages.items():
        page = Outline(html)
        assert page.wrong == [], name
        assert len(page.ids) == len(set(page.ids)), name
        assert page.levels[0] == 1, name
        assert all(b - a <= 1 for a, b in zip(page.levels, page.levels[1:], strict=False)), name
        assert html.startswith("<!doctype html>")
        assert BANNER in page.text
        assert ours.digest in page.text


def test_nothing_runs_but_the_one_script_and_nothing_is_loaded(pages: dict[str, str]) -> None:
    for name, html in pages.items():
        page = Outline(html)
        assert not {"style", "src", "srcset", "action"} & page.attributes, name
        assert not [attribute for attribute in page.attributes if attribute.startswith("on")], name
        assert html.count("<script>") == (1 if name in ("", "statements", "cards") else 0)
        assert html.count("<style>") == 1


@pytest.mark.parametrize("places", [FilePlaces(), UrlPlaces("knowledge")], ids=["files", "urls"])
def test_every_link_leads_somewhere(ours: Knowledge, on_patients: Shown, places: Places) -> None:
    found = render(ours, places, on_patients)
    ids = {places(name): set(Outline(html).ids) for name, html in found.items()}
    ids |= {places(name): set() for name in data(ours)}
    for name, html in found.items():
        here = places(name)
        for link in Outline(html).links:
            if link.startswith("https://"):
                continue
            path, _, anchor = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(here), path)) if path else here
            assert target in ids, f"{here}: {link}"
            assert not anchor or anchor in ids[target], f"{here}: {link}"


def test_what_must_not_be_said_is_on_no_page(ours: Knowledge, pages: dict[str, str]) -> None:
    forbidden = {phrase for item in ours.evidence.values() for phrase in item.forbidden}
    assert forbidden
    for name, html in pages.items():
        said = unescape(html)
        assert [phrase for phrase in forbidden if phrase in said] == [], name


def test_unverified_and_refuted_evidence_keeps_its_claim_to_itself(ours: Knowledge, pages: dict[str, str]) -> None:
    for item in ours.evidence.values():
        elsewhere = [name for name, html in pages.items() if name != "evidence" and f"<code>{item.id}<" in html]
        if item.status in ("unverified", "refuted"):
            assert not any(item.statement in unescape(html) for html in pages.values()), item.id
        if item.status == "refuted":
            assert elsewhere == []
            assert item.title not in unescape(pages["evidence"])
            assert item.why in unescape(pages["evidence"])
        if item.status in ("verified", "partly"):
            assert item.statement in unescape(pages["evidence"])


def test_criteria_read_as_sentences(ours: Knowledge, pages: dict[str, str]) -> None:
    condition = Condition(fact="crs-grade", at_least="policy.crs-treatment-grade")
    policy = ours.policies["crs-treatment-grade"]
    said = f"CRS grade (ASTCT) is at least {policy.value:g} {{grade}}"
    from_where = f"[policy crs-treatment-grade, owner {policy.owner}, source {policy.reference}]"
    assert str(sentence(ours, condition)) == f"{said} {from_where}"
    page = words(pages["rules/crs-refractory"])
    assert said in page
    assert f"[policy crs-treatment-grade, owner {policy.owner}, source: {policy.reference}]" in page
    assert "and at least one of these alternatives" in page
    assert "Tocilizumab known only from statements: yes" in page


# ---------------------------------------------------------------- sentences, one by one


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Condition(fact="neutrophil-count", below=0.5), "Newest absolute neutrophil count is below 0.5 10*9/L"),
        (Condition(fact="neutrophil-count", at_most=2.0), "Newest absolute neutrophil count is at most 2 10*9/L"),
        (Condition(fact="neutrophil-count", known=True), "Newest absolute neutrophil count is known"),
        (Condition(fact="active-infection", known=False), "An infection that is active is not known"),
        (Condition(fact="active-infection", is_=False), "An infection that is active: no"),
        (Condition(finding="toy-neutropenia", is_=True), "Rule “Few neutrophils under the toy drug”: holds"),
        (Condition(finding="toy-neutropenia", is_=False), "Rule “Few neutrophils under the toy drug”: does not hold"),
        (Condition(finding="toy-neutropenia", known=True), "Rule “Few neutrophils under the toy drug” is evaluated"),
    ],
)
def test_a_sentence(root: Path, condition: Condition, said: str) -> None:
    assert str(sentence(load(root), condition)) == said


def test_a_dose() -> None:
    assert dose(Dose(mg=100.0, interval_hours=12)) == "100 mg every 12 h"
    assert dose(Dose(mg_per_kg=2, cap_mg=100, interval_hours=6)) == "2 mg/kg (at most 100 mg) every 6 h"


def test_a_case_table_says_what_is_unknown(root: Path) -> None:
    page = words(render(load(root), FilePlaces())["rules/toy-neutropenia"])
    assert "low fires 0.4 no" in page
    assert "no count unknown unknown no" in page


def test_a_policy_that_the_site_set_is_marked(root: Path) -> None:
    site = write(root, "rules/sites/toy-hospital.yaml", EXTENDING_SITE)
    for where, marked in (("us", False), (str(site), True)):
        pages = render(load(root, where), FilePlaces())
        for name in ("rules/toy-neutropenia", "policies"):
            assert ("set by this site" in pages[name]) is marked


# ---------------------------------------------------------------- hostile files


def test_text_of_files_is_escaped(root: Path) -> None:
    bad = """'<script>alert(1)</script>"'''"""  # in YAML's single quotes
    knowledge_root.replace(root, RULE, "title: Few neutrophils under the toy drug", f"title: {bad}")
    knowledge_root.replace(root, RULE, "limits: []", f"limits: [{bad}]")
    knowledge_root.replace(root, "rules/terms/anc.yaml", "display: Neutrophils", f"display: {bad}")
    title = "title: Neutrophils below which the toy drug is withheld"
    knowledge_root.replace(root, "rules/policies/toy.yaml", title, f"title: {bad}")
    for name, html in render(load(root), FilePlaces()).items():
        assert "<script>alert" not in html
        assert Outline(html).wrong == [], name


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", " https://example.org"])
def test_only_web_addresses_become_links(root: Path, url: str) -> None:
    knowledge = load(root)
    item = knowledge.evidence["toy-trial"].model_copy(update={"url": url, "status": "partly"})
    code = knowledge.value_sets["anc"].codes[0].model_copy(update={"source": url})
    anc = knowledge.value_sets["anc"].model_copy(update={"codes": (code,)})
    changed = replace(knowledge, evidence={"toy-trial": item}, value_sets={**knowledge.value_sets, "anc": anc})
    links = [link for html in render(changed, FilePlaces()).values() for link in Outline(html).links]
    assert not [link for link in links if "alert" in link or "evil" in link or ":" in link]


def test_unverified_evidence_shows_no_number(root: Path) -> None:
    unverified = words(render(load(root), FilePlaces())["evidence"])
    assert "n = 12" not in unverified
    assert "lowered neutrophils" not in unverified
    knowledge_root.replace(root, TRIAL, "status: unverified", "status: verified")
    assert "n = 12" in words(render(load(root), FilePlaces())["evidence"])
