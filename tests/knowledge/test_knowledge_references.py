"""Cross checks: what one file names must exist in another and fit its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.knowledge import load
from tests.support.knowledge_root import FILES, Problems, replace, retype_cases, write, write_dosing

RULE = "rules/shared/safety/toy-neutropenia.yaml"
FACTS = "rules/facts.yaml"
ORDERS = "rules/orders.yaml"
CARD = "cards/toy-neutropenia.yaml"
REGIMEN = "rules/drugs/toy/regimens/toy-dose.yaml"
INFECTION = "{exists: [{from: conditions, in: infection, status: active}]}"
SECOND = "rules/toxicities/pathway/toy-second.yaml"

REGIMEN_TEXT = """\
id: toy-dose
title: Toy dose
version: 1.0.0
status: draft
orderKind: toy-drug
route: subcutaneous
dose: {mg: 100, intervalHours: 12}
permitted: [{mg: 100, intervalHours: 12}]
durationDays: 3
review: Daily
stop: Until it is over
taper: None
reference: Invented for tests
"""
SECOND_TEXT = """\
id: toy-second
title: A second rule
version: 1.0.0
status: draft
approvalDate: ""
lastReviewDate: ""
stratum: pathway
hooks: [order-sign]
orders: [toy-drug]
rationale: When neutrophils are low, then nothing follows.
when:
  - {finding: toy-neutropenia, is: true}
"""
BELOW = "below: policy.neutropenia"
WHEN = "{fact: neutrophil-count, below: policy.neutropenia}"


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "expected"),
    [
        (
            RULE,
            "fact: active-infection",
            "fact: active-infecton",
            "unless[0].fact",
            "no such fact active-infecton; did",
        ),
        (
            RULE,
            "is: true",
            "atLeast: 1",
            "unless[0].atLeast",
            "active-infection is a boolean; expected one of is, known",
        ),
        (RULE, "is: true", "is: 1", "unless[0].is", "expected true or false (found 1)"),
        (RULE, "is: true", "is: yes", "unless[0].is", "expected true or false (found yes)"),
        (
            RULE,
            BELOW,
            "is: 3",
            "when[0].is",
            "neutrophil-count is a number; expected one of atLeast, above, atMost, below",
        ),
        (RULE, BELOW, "isNot: x", "when[0].isNot", "neutrophil-count is a number; expected one of"),
        (RULE, BELOW, "below: many", "when[0].below", "expected a number or policy.<name> (found many)"),
        (
            RULE,
            BELOW,
            "below: policy.neutropenai",
            "when[0].below",
            "no such policy neutropenai; did you mean neutropenia?",
        ),
        (
            RULE,
            BELOW,
            "below: policy.laboratory-max-age",
            "when[0].below",
            "expected a policy in 10*9/L, as neutrophil-count",
        ),
        (RULE, BELOW, "below: true", "when[0].below", "(found true)"),
        (RULE, WHEN, "{finding: toy-absent, is: true}", "when[0].finding", "no such rule toy-absent"),
        (
            RULE,
            WHEN,
            "{finding: toy-neutropenia, is: true}",
            "when[0].finding",
            "expected a rule of a stratum before safety",
        ),
        (
            RULE,
            "orders: [toy-drug]",
            "orders: [toy-drag]",
            "orders[0]",
            "no such order kind toy-drag; did you mean toy-drug?",
        ),
        (RULE, "orders: [toy-drug]", "orders: []", "orders", "expected at least one order kind"),
        (RULE, "hooks: [order-select, order-sign]", "hooks: []", "hooks", "expected at least one hook"),
        (
            RULE,
            "limits: []",
            "pathway: neutropenai",
            "pathway",
            "no such pathway neutropenai; did you mean neutropenia?",
        ),
        (RULE, "limits: []", "regimen: toy-dose", "regimen", "no such regimen toy-dose; there are none"),
        (RULE, "policies: [neutropenia]", "policies: [neutro]", "policies[0]", "no such policy neutro; did you mean"),
        (
            RULE,
            "evidence: [toy-trial]",
            "evidence: [toy-trail]",
            "evidence[0]",
            "no such evidence toy-trail; did you mean",
        ),
        (RULE, "card: toy-neutropenia", "card: toy-card", "card", "no such card toy-card"),
        (RULE, "card: toy-neutropenia", 'card: ""', "card", "a rule with the decision block needs a card"),
        (
            RULE,
            "decision: block, indicator: critical, ",
            "",
            "finding.decision",
            "a rule with the card toy-neutropenia needs",
        ),
        (RULE, "indicator: critical, ", "", "finding.indicator", "required beside a decision"),
        (RULE, "decision: block, ", "", "finding.decision", "a rule with the card toy-neutropenia"),
        (
            FACTS,
            "codes: [anc]",
            "codes: [abc]",
            "queries.neutrophils.codes[0]",
            "no such value set abc; did you mean anc?",
        ),
        (FACTS, "codes: [anc]", "codes: [toy-drug]", "queries.neutrophils.codes[0]", "with codes of http://loinc.org"),
        (FACTS, "codes: [anc]", "codes: [infection]", "queries.neutrophils.codes[0]", "with codes of http://loinc.org"),
        (
            FACTS,
            "unit: 10*9/L",
            "unit: 10*6/L",
            "facts.neutrophil-count.unit",
            "expected 10*9/L, as the analyte cell-count",
        ),
        (ORDERS, "valueSets: [toy-drug]", "valueSets: [toy]", "kinds.toy-drug.valueSets[0]", "no such value set toy;"),
        (
            CARD,
            "Neutrophils are low; withhold the toy drug",
            "'{{ low'",
            "summary",
            "expected a Jinja2 template, line 1",
        ),
        (
            CARD,
            "Neutrophils are low; withhold the toy drug",
            "x" * 140,
            "summary",
            "at most 139 characters (found 140)",
        ),
    ],
)
def test_dangling_or_unfitting(
    *, root: Path, problems: Problems, file: str, old: str, new: str, key: str, expected: str
) -> None:
    line = replace(root, file, old, new)
    matching = [problem for problem in problems() if f": {key}: " in problem]
    assert len(matching) == 1, problems()
    assert matching[0].startswith(f"{file}:{line}: "), matching
    assert expected in matching[0]


def test_refuted_evidence(root: Path, problems: Problems) -> None:
    replace(root, "rules/evidence/toy-trial.yaml", "status: unverified", "status: refuted")
    line = FILES[RULE][: FILES[RULE].index("evidence:")].count("\n") + 1
    assert problems() == (f"{RULE}:{line}: evidence[0]: toy-trial is refuted; a rule must not lean on it, remove it",)


def test_template_in_the_detail_and_orders(root: Path, problems: Problems) -> None:
    replace(root, CARD, "{{ policy('neutropenia') }}", "{% if %}")
    order = "orders:\n  - {label: Count, text: '{% for', everyHours: 24, reason: Because}\n"
    write(root, CARD, (root / CARD).read_text(encoding="utf-8") + order)
    found = problems()
    assert found[0].startswith(f"{CARD}:4: detail: expected a Jinja2 template, line 1 of it: ")
    assert found[1].startswith(f"{CARD}:7: orders[0].text: expected a Jinja2 template, ")


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("summary: Neutrophils are low; withhold the toy drug", "summary", 3),
        ("{{ policy('neutropenia') }}", "detail", 4),
    ],
)
@pytest.mark.parametrize("kind", ["fact", "policy"])
def test_names_in_a_card_are_told_where_they_stand(
    *, root: Path, problems: Problems, text: str, key: str, line: int, kind: str
) -> None:
    asked = f"{{{{ {kind}('absent') }}}}"
    replace(root, CARD, text, f'summary: "{asked}"' if key == "summary" else asked)
    told = f"{CARD}:{line}: {key}: no such {kind} absent;"
    assert [problem for problem in problems() if problem.startswith(told)], problems()


def test_long_summary_with_placeholders_is_judged_when_rendered(root: Path, problems: Problems) -> None:
    replace(root, CARD, "summary: Neutrophils are low; withhold the toy drug", f"summary: '{{{{ a }}}} {'x' * 140}'")
    assert problems() == ()


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        (
            "orderKind: toy-drug",
            "orderKind: toy-drag",
            "orderKind",
            "no such order kind toy-drag; did you mean toy-drug?",
        ),
        ("route: subcutaneous", "route: oral", "route", "no such route oral; there are: subcutaneous"),
        ("{mg: 100, intervalHours: 12}\np", "{intervalHours: 12}\np", "dose", "give either `mg` or `mgPerKg`"),
        ("{mg: 100, intervalHours: 12}\np", "{mgPerKg: 2, intervalHours: 12}\np", "dose", "needs `capMg`"),
    ],
)
def test_regimen(*, root: Path, problems: Problems, old: str, new: str, key: str, expected: str) -> None:
    write_dosing(root)
    write(root, REGIMEN, REGIMEN_TEXT)
    assert problems() == ()
    line = replace(root, REGIMEN, old, new)
    assert len(problems()) == 1
    assert problems()[0].startswith(f"{REGIMEN}:{line}: {key}: ")
    assert expected in problems()[0]


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("stratum: pathway", "stratum: safety", "when[0].finding", "expected a rule of a stratum before safety"),
        ("is: true", "atLeast: 1", "when[0].atLeast", "a finding is compared with `is: true`, `is: false` or `known`"),
        ("is: true", "is: fires", "when[0].is", "a finding is compared with"),
        ("when:", 'any:\n  - - {fact: active-infection, is: "a"}\nwhen:', "any[0][0].is", "expected true or false"),
    ],
)
def test_finding(*, root: Path, problems: Problems, old: str, new: str, key: str, expected: str) -> None:
    write(root, SECOND, SECOND_TEXT)
    assert problems() == ()
    marker = "{fact: active" if key.startswith("any") else "finding: toy"
    line = replace(root, SECOND, old, new, marker=marker)
    assert len(problems()) == 1
    assert problems()[0].startswith(f"{SECOND}:{line}: {key}: ")
    assert expected in problems()[0]


def test_a_finding_is_there_for_every_hook_of_the_rule_that_asks_for_it(root: Path, problems: Problems) -> None:
    write(root, SECOND, SECOND_TEXT)
    replace(root, RULE, "[order-select, order-sign]", "[order-select]")
    found = [line for line in problems() if line.startswith(SECOND)]
    assert len(found) == 1
    assert "when[0].finding: " in found[0]
    assert "does not run for the hook order-sign" in found[0]


def test_finding_of_another_order_kind(root: Path, problems: Problems) -> None:
    replace(root, ORDERS, "pathways:", "  other-drug: {title: Other, valueSets: [toy-drug]}\npathways:")
    write(root, SECOND, SECOND_TEXT.replace("[toy-drug]", "[toy-drug, other-drug]"))
    expected = "when[0].finding: toy-neutropenia does not run for the order kind other-drug, this rule does"
    assert problems() == (f"{SECOND}:12: {expected}",)


def test_finding_of_a_retired_rule(root: Path, problems: Problems) -> None:
    replace(root, RULE, "status: draft", "status: retired")
    write(root, SECOND, SECOND_TEXT)
    assert problems()[0].startswith(f"{SECOND}:12: when[0].finding: toy-neutropenia is retired and never evaluated")


def test_codes_are_compared_with_the_facts_values(root: Path, problems: Problems) -> None:
    replace(root, FACTS, "type: boolean", "type: code\n    values: [none, mild]")
    replace(root, FACTS, INFECTION, "{computed: toy-use, give: use}")
    replace(root, RULE, "is: true", "is: mild")
    retype_cases(root, "none", "mild")
    assert load(root).operand(load(root).rules[0].unless[0]) == "mild"
    line = replace(root, RULE, "is: mild", "isNot: severe")
    assert problems() == (f"{RULE}:{line}: unless[0].isNot: expected one of none, mild (found severe)",)


def test_whole_numbers(root: Path, problems: Problems) -> None:
    replace(root, FACTS, "type: boolean", "type: integer")
    integer = "{documented: {from: conditions, scale: toy, within: policy.laboratory-max-age}}"
    replace(root, FACTS, INFECTION, integer)
    replace(root, RULE, "is: true", "is: 2")
    retype_cases(root, "1", "2")
    assert problems() == ()
    line = replace(root, RULE, "is: 2", "is: 2.5")
    assert problems() == (f"{RULE}:{line}: unless[0].is: expected a whole number (found 2.5)",)


@pytest.mark.parametrize("unit", ["h", "10*6/L", "1", "{grade}", "%"])
def test_a_threshold_in_another_unit(root: Path, problems: Problems, unit: str) -> None:
    """A grade is no count of cells, although neither number would tell."""
    text = f'neutropenia-grade: {{title: A grade, value: 1, unit: "{unit}", least: 0, most: 4, owner: o, '
    path = root / "rules/policies/toy.yaml"
    path.write_text(path.read_text("utf-8") + f"{text}validFrom: 2026-01-01, reference: r}}\n", encoding="utf-8")
    line = replace(root, RULE, BELOW, "below: policy.neutropenia-grade")
    told = f"{RULE}:{line}: when[0].below: expected a policy in 10*9/L, as neutrophil-count (neutropenia-grade is in"
    assert [problem for problem in problems() if problem.startswith(f"{told} {unit})")]
