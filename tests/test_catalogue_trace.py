"""What the catalogue tells of origin and review: statements, versions, source attributes, sites, lack of approval."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import date
from pathlib import Path

import pytest

from cds_service.knowledge import Knowledge, load
from cds_service.knowledge.model import Coverage, Statement, UsedBy, VersionEntry, Versions
from cds_service.knowledge.source_attributes import of_rule
from cds_service.tools.catalogue import FilePlaces, markdown, render
from tests.support.knowledge_root import EXTENDING_SITE, write, write_root
from tests.support.outline import Outline, words

STATEMENTS = (
    Statement(
        id="A01",
        statement="The toy drug lowers neutrophils",
        sources=("toy-book",),
        used_by=UsedBy(rules=("toy-neutropenia",), policies=("neutropenia",), evidence=("toy-trial",)),
        not_used="Not in toys of wood.",
        tests=("tests/test_toys.py::test_toy",),
    ),
    Statement(id="S0-01", statement="Toys cost money | a lot", not_used="Cost is no <input>."),
)
HISTORY = Versions(
    rules=tuple(
        VersionEntry(id="toy-neutropenia", version=version, date=day, sha256="0" * 64, change=change)
        for version, day, change in (
            ("1.0.0", date(2026, 1, 1), "First draft"),
            ("1.1.0", date(2026, 2, 1), "A lower threshold"),
        )
    )
)


@pytest.fixture
def toy(tmp_path: Path) -> Knowledge:
    """The minimal knowledge with two statements and a history."""
    coverage = Coverage(sources={"toy-book": "A book about toys"}, statements=STATEMENTS)
    return changed(load(write_root(tmp_path / "root")), coverage=coverage, versions=HISTORY)


@pytest.fixture(scope="module")
def pages(ours: Knowledge) -> dict[str, str]:
    return render(ours, FilePlaces())


def test_the_index_counts_what_nobody_has_reviewed(toy: Knowledge) -> None:
    page = words(render(toy, FilePlaces())[""])
    assert "No clinician has reviewed any of it, and nobody has approved it." in page
    for said in (
        "1 rules are approved by nobody, of 1 in all",
        "0 policies have no owner, of 2 in all",
        "4 value sets are drafts, of 4 in all",
    ):
        assert said in page
    assert "2 statements of the sources: 0 used, 1 partly used, 1 not used" in page
    approved = toy.rules[0].model_copy(update={"approval_date": date(2027, 1, 1)})
    page = words(render(changed(toy, rules=(approved,)), FilePlaces())[""])
    assert "0 rules are approved by nobody, of 1 in all" in page
    assert "nobody has approved it" not in page


def test_a_statement_shows_its_use_the_reason_and_the_proof(toy: Knowledge) -> None:
    html = render(toy, FilePlaces())["statements"]
    page = words(html)
    assert "A01 partly used The toy drug lowers neutrophils A book about toys" in page
    assert "Rule Few neutrophils under the toy drug" in page
    assert "Policy Neutrophils below which the toy drug is withheld" in page
    assert "Evidence toy-trial" in page
    assert "Not in toys of wood." in page
    assert "tests/test_toys.py::test_toy" in page
    assert "S0-01 not used Toys cost money | a lot nothing Cost is no <input>." in page
    assert {"rules/toy-neutropenia.html", "./policies.html#neutropenia"} <= set(Outline(html).links)


def test_a_rule_shows_its_statements_and_its_history_the_newest_first(toy: Knowledge) -> None:
    html = render(toy, FilePlaces())["rules/toy-neutropenia"]
    page = words(html)
    assert "A01 The toy drug lowers neutrophils" in page
    assert "1.1.0 2026-02-01 A lower threshold 1.0.0 2026-01-01 First draft" in page
    assert "../statements.html#A01" in Outline(html).links


def test_a_rule_of_our_own_is_told_as_such(toy: Knowledge) -> None:
    bare = changed(toy, coverage=Coverage(), versions=Versions())
    pages = render(bare, FilePlaces())
    assert "Few neutrophils under the toy drug" in words(pages["statements"])
    assert "None of the sources asks for it" in words(pages["rules/toy-neutropenia"])
    assert "None recorded." in words(pages["rules/toy-neutropenia"])


def test_a_site_shows_what_it_has_set_and_no_server(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    servers = 'fhirServers: ["https://fhir.hospital.example/r4"]\n'
    write(root, "rules/sites/toy-hospital.yaml", EXTENDING_SITE + servers)
    page = words(render(load(root, "toy-hospital"), FilePlaces())["sites"])
    assert "Toy hospital toy-hospital these pages" in page
    assert "Neutrophils below which the toy drug is withheld: 1 10*9/L" in page
    assert "hospital.example" not in page


def test_every_rule_shows_all_13_source_attributes(ours: Knowledge, pages: dict[str, str]) -> None:
    for rule in ours.rules:
        html = pages[f"rules/{rule.id}"]
        assert "../source-attributes.json" in Outline(html).links
        page = words(html)
        for value in of_rule(ours, rule):
            assert f"{value.title}: {' '.join(value.value.split())}" in page, rule.id


def test_every_recorded_version_is_shown(ours: Knowledge, pages: dict[str, str]) -> None:
    for rule in ours.rules:
        for entry in ours.versions.of("rules", rule.id):
            assert f"{entry.version} {entry.date} {entry.change}" in words(pages[f"rules/{rule.id}"])


def test_a_fact_tells_who_asks_who_prints_and_what_it_goes_by(ours: Knowledge, pages: dict[str, str]) -> None:
    facts = pages["facts"]
    section = words(facts[facts.index('id="tocilizumab-cap-reached"') :].partition("</section>")[0].partition(">")[2])
    for said in ("tocilizumab-max-per-day", "Drugs given", "CRS is refractory to tocilizumab"):
        assert said in section
    assert "crs-grade" in ours.catalogue.facts
    grade = words(facts[facts.index('id="crs-grade"') :].partition("</section>")[0].partition(">")[2])
    assert "Printed on" in grade
    assert "crs-wait" in grade


def test_no_policy_is_without_a_user(ours: Knowledge, pages: dict[str, str]) -> None:
    rows = pages["policies"].split('<tr id="')[1:]
    assert len(rows) == len(ours.policies)
    assert [row for row in rows if not words(row.rpartition('<td class="wide">')[2].partition("</td>")[0])] == []


def test_the_page_of_the_repository_has_the_three_tables(toy: Knowledge) -> None:
    page = markdown(toy)
    assert page == markdown(toy)
    assert "- 1 rules are approved by nobody, of 1 in all" in page
    row = "| `toy-neutropenia` | Few neutrophils under the toy drug | block (critical) | 1.0.0 | draft |"
    assert (
        f"## Rules (1)\n\n### shared/safety\n\n| rule | title | decision | version | status |\n|{' --- |' * 5}\n{row}\n"
        in page
    )
    used = "rules: toy-neutropenia; policies: neutropenia; evidence: toy-trial"
    assert f"| A01 | The toy drug lowers neutrophils | toy-book | {used} | Not in toys of wood. |" in page
    assert r"| S0-01 | Toys cost money \| a lot |  |  | Cost is no \<input>. |" in page
    assert (
        "| `neutropenia` | Neutrophils below which the toy drug is withheld | 0.5 10\\*9/L | 0.1 to 2 | Toy owner |"
        in page
    )
