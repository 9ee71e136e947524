"""Cards in the catalogue: each on an example patient, its Markdown read as any reader does, and never its template."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from cds_service.advice.words import escape
from cds_service.contract import RANK
from cds_service.knowledge import Knowledge, load
from cds_service.shipped import find_examples
from cds_service.tools.catalogue import FilePlaces, render
from cds_service.tools.catalogue.card_html import card_html
from cds_service.tools.catalogue.order import RANKS, steps
from cds_service.tools.catalogue.shown import Shown, shown
from tests.support.outline import Outline, words
from tests.support.shipped import ROOT

# What only another site shows: one that names no supply route, has a shortage, or lets the strictest reading stop.
ELSEWHERE = {"ecoli-drug-allergy-blocked", "neutropenia-blocked", "one-dose-shortage", "region", "suggest-restricted"}
HOSTILE = (
    "a **b** c", "**b** and **c**", "**a [x](https://e.org/y) b**", "[x **y**](https://e.org)", "a * b ** c", "**",
    "** a **", r"\*\*a\*\*", r"a \[b\](https://e.org)", r"\\**a**", "<script>alert(1)</script>", "a &lt;b&gt; &amp;c",
    "1 < 2 & 3 > 2", "- a\n- **b**\n- c", "a\n- b", "a\nb", "a\n\nb", "- a\n  b\n- c", 'say "x" and \'y\'',
)  # fmt: skip


@pytest.fixture(scope="module")
def pages(ours: Knowledge, on_patients: Shown) -> dict[str, str]:
    return render(ours, FilePlaces(), on_patients)


def as_any_reader(markdown: str) -> str:
    return MarkdownIt().render(markdown).strip()


def plain(html: str) -> str:
    return str(html).replace(' rel="noreferrer noopener"', "").replace("&#34;", "&quot;").replace("&#39;", "'")


def test_every_card_is_shown_on_an_example_patient(ours: Knowledge, on_patients: Shown) -> None:
    assert set(ours.cards) - set(on_patients.cards) == set()
    assert {name for name, each in on_patients.cards.items() if "At a site" in each.note} == ELSEWHERE


def test_every_rule_that_answers_is_shown_on_an_example_patient(ours: Knowledge, on_patients: Shown) -> None:
    answering = {rule.id for rule in ours.rules if rule.card and rule.status != "retired"}
    # A bundle of examples is one patient's: it holds no draft of somebody else.
    assert answering - set(on_patients.rules) == {"draft-of-another-patient"}


@pytest.mark.parametrize("of", ["cards", "rules"])
def test_a_list_names_only_what_no_whole_course_shows(of: str, ours: Knowledge, on_patients: Shown) -> None:
    listed = yaml.safe_load((ROOT / f"examples/{of}.yaml").read_text(encoding="utf-8"))
    shown_there = getattr(on_patients, of)
    assert set(listed) <= set(shown_there)
    courses = {path.stem for path in (ROOT / "examples/patients").glob("*.json")}
    assert [name for name in listed if shown_there[name].patient in courses] == []


def test_the_other_site_is_one_that_could_be_served() -> None:
    other = load(ROOT, str(ROOT / "examples/cards/other-site.yaml"))
    assert not other.one_click("anakinra")
    assert other.overridden == {"ecoli-drug-allergy-blocks", "neutropenia-blocks"}


def test_another_site_shows_its_own() -> None:
    assert {"region", "suggest-restricted"} <= set(shown(load(ROOT, "kr"), find_examples()).cards)


def test_a_card_reads_as_any_markdown_reader_reads_it(on_patients: Shown) -> None:
    details = {str(each.card["detail"]) for each in (*on_patients.cards.values(), *on_patients.rules.values())}
    assert len(details) > 100
    assert [detail for detail in details if plain(card_html(detail)) != as_any_reader(detail)] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_chart_may_say_becomes_no_markup(text: str) -> None:
    said = f"Said: {escape(text)}"
    assert plain(card_html(said)) == as_any_reader(said)
    assert not re.search(r"<(?!/?p>)", card_html(said))


@pytest.mark.parametrize("text", [text for text in HOSTILE if "<" not in text])
def test_our_own_markdown_is_read_whole(text: str) -> None:
    assert plain(card_html(text)) == as_any_reader(text)


def test_no_page_shows_a_template_or_a_placeholder(pages: dict[str, str]) -> None:
    assert [name for name, html in pages.items() if re.search(r"\{\{|\{%|&lt;(?:Drug|name|drug)&gt;", html)] == []


def test_a_rule_shows_its_card_on_a_patient(pages: dict[str, str], on_patients: Shown) -> None:
    page = words(pages["rules/infection-severe"])
    shown_card = on_patients.rules["infection-severe"]
    assert str(shown_card.card["summary"]) in page
    assert f"On example patient {shown_card.patient}: {shown_card.story}." in page


def test_where_no_example_shows_it_the_page_says_so(ours: Knowledge) -> None:
    bare = render(ours, FilePlaces())
    assert words(bare["cards"]).count("No example patient shows it at this site.") == len(ours.cards)
    assert "No example patient shows it at this site." in words(bare["rules/infection-severe"])


def test_knowledge_of_which_no_service_can_be_made_is_shown_on_nobody(root: Path) -> None:
    assert shown(load(root), find_examples()) == Shown()


def test_rules_stand_in_the_order_of_the_contract_each_once(ours: Knowledge, pages: dict[str, str]) -> None:
    assert {RANK[decision] for decision, _, _ in RANKS} == set(RANK.values())
    ranks = [RANK[step.anchor] for step in steps(ours) if step.anchor in RANK]
    assert ranks == sorted(ranks)
    assert ranks[0] == RANK["block"]
    links = [link for link in Outline(pages[""]).links if link.startswith("rules/")]
    assert sorted(links) == sorted(f"rules/{rule.id}.html" for rule in ours.rules)
    of_blocks = {rule.id for rule in ours.rules if rule.finding.decision == "block"}
    assert {link.removeprefix("rules/").removesuffix(".html") for link in links[: len(of_blocks)]} == of_blocks
