"""The 13 source attributes: all of them for every rule, derived where they can be, never with a hidden claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as changed
from pathlib import Path

import pytest

from cds_service.knowledge import Knowledge, inspect, load
from cds_service.knowledge.model import ATTRIBUTES, RuleDefinition
from cds_service.knowledge.source_attributes import AttributeValue, as_json, facts_behind, of_rule
from tests.support.knowledge_root import replace, write

TABLE = "rules/source-attributes.yaml"
RULE = "rules/shared/safety/toy-neutropenia.yaml"
TRIAL = "rules/evidence/toy-trial.yaml"
USES = ("sex", "date-of-birth", "health-status")


@pytest.fixture
def tabled(root: Path) -> Path:
    """The minimal root with a table of attributes."""
    rows = "".join(f"  {name}: {{title: The {name}, otherwise: Not stated.}}\n" for name in ATTRIBUTES)
    write(root, TABLE, f"attributes:\n{rows}facts: {{neutrophil-count: {{sex: by sex}}}}\noverrides: {{}}\n")
    return root


def values(knowledge: Knowledge, rule_id: str) -> Mapping[str, AttributeValue]:
    return {value.name: value for value in of_rule(knowledge, rule(knowledge, rule_id))}


def rule(knowledge: Knowledge, rule_id: str) -> RuleDefinition:
    (found,) = [one for one in knowledge.rules if one.id == rule_id]
    return found


def test_all_13_are_filled_for_every_rule(ours: Knowledge) -> None:
    for one in ours.rules:
        found = of_rule(ours, one)
        assert [(value.number, value.name) for value in found] == list(enumerate(ATTRIBUTES, start=1))
        assert len(found) == 13
        assert [value.name for value in found if not value.value.strip() or not value.title.strip()] == []


@pytest.mark.parametrize(
    ("rule_id", "used"),
    [
        ("crs-adult-renal", {"sex", "date-of-birth", "health-status"}),
        ("crs-refractory", {"date-of-birth", "health-status"}),
        ("too-few-doses", {"date-of-birth", "health-status"}),
        ("monitoring", {"date-of-birth", "health-status"}),  # only through the finding crs-refractory
        ("child-weight-missing", {"date-of-birth"}),
        ("pregnancy", {"date-of-birth", "health-status"}),  # its card prints the maximum for the patient's age
        ("infection-severe", {"health-status"}),  # its card is shorter where IEC-HS is confirmed
        ("live-vaccine-ordered", set()),
    ],
)
def test_personal_data_is_told_from_the_facts_behind_a_rule(ours: Knowledge, rule_id: str, used: set[str]) -> None:
    found = values(ours, rule_id)
    assert {name for name in USES if found[name].facts} == used
    for name in USES:
        assert found[name].value.startswith("Used. " if name in used else "Not used."), name


def test_every_fact_that_reads_the_patient_says_what_it_uses(ours: Knowledge) -> None:
    table = ours.source_attributes.facts
    for name in ours.catalogue.facts:
        if "patient" in ours.catalogue.reads(name):
            assert {"sex", "date-of-birth", "health-status"} & table[name].keys(), name


def test_nobody_is_named_who_did_not_take_responsibility(ours: Knowledge) -> None:
    for one in ours.rules:
        found = values(ours, one.id)
        assert found["developer"].value.startswith("Not stated")
        assert found["funding"].value.startswith("Not stated")
        assert found["dates"].value.startswith("approved" if one.approval_date else "not released")
        for entry in ours.versions.of("rules", one.id):
            assert f"version {entry.version} of {entry.date} ({entry.change})" in found["dates"].value


def test_a_claim_that_is_hidden_is_hidden_here_too(ours: Knowledge) -> None:
    found = values(ours, "prophylaxis-oncology")["citation"].value
    items = [ours.evidence[name] for name in rule(ours, "prophylaxis-oncology").evidence]
    assert {item.status for item in items} == {"partly", "unverified"}
    for item in items:
        assert (item.citation in found) is (item.status == "partly")
    assert "1 more that is not verified and not repeated here" in found


def test_a_table_is_optional(root: Path) -> None:
    knowledge = load(root)
    assert of_rule(knowledge, knowledge.rules[0]) == ()
    assert as_json(knowledge)["rules"][0]["attributes"] == []


def test_what_a_rule_says_itself_comes_first(tabled: Path) -> None:
    assert values(load(tabled), "toy-neutropenia")["developer"].value == "Not stated."
    replace(tabled, TABLE, "overrides: {}", "overrides: {toy-neutropenia: {developer: The toy factory}}")
    assert inspect(tabled).problems == ()
    assert values(load(tabled), "toy-neutropenia")["developer"].value == "The toy factory"


def test_an_approval_and_a_citation_appear_once_they_are_there(tabled: Path) -> None:
    before = values(load(tabled), "toy-neutropenia")
    assert before["citation"].value == "1 more that is not verified and not repeated here"
    assert before["dates"].value == "not released: approved by nobody yet"
    replace(tabled, TRIAL, "status: unverified", "status: verified")
    replace(tabled, RULE, 'approvalDate: ""', "approvalDate: 2027-01-01")
    replace(tabled, RULE, 'lastReviewDate: ""', "lastReviewDate: 2027-02-02")
    after = values(load(tabled), "toy-neutropenia")
    assert after["citation"].value == "Toy et al. 2026 (verified)"
    assert after["dates"].value == "approved 2027-01-01; last reviewed 2027-02-02"


def test_findings_that_name_each_other_in_a_circle_end(tabled: Path) -> None:
    """Loading refuses such rules; whoever builds knowledge otherwise must not hang."""
    knowledge = load(tabled)
    one = knowledge.rules[0]
    again = one.model_copy(update={"when": (one.when[0].model_copy(update={"fact": "", "finding": one.id}),)})
    assert facts_behind(changed(knowledge, rules=(again,)), again) == ("active-infection",)


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("neutrophil-count: {sex", "count: {sex", "facts.count", "no such fact count"),
        ("{sex: by sex}", "{gender: by sex}", "facts.neutrophil-count.gender", "expected 'citation', 'developer'"),
        ("overrides: {}", "overrides: {toy: {developer: x}}", "overrides.toy", "no such rule toy"),
        (
            "  race: {title: The race, otherwise: Not stated.}\n",
            "",
            "attributes",
            "expected all 13 attributes (absent: race)",
        ),
    ],
)
def test_a_faulty_table(tabled: Path, old: str, new: str, key: str, expected: str) -> None:
    replace(tabled, TABLE, old, new)
    found = [problem for problem in inspect(tabled).problems if f": {key}: {expected}" in problem]
    assert len(found) == 1, inspect(tabled).problems
    assert found[0].startswith(f"{TABLE}:")
