"""What compiles can be asked and worded: each kind of slip is refused at start, with file, line, key and what was
expected; and what no patient can meet is not refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.contract import FOOTER, HEADER, OWN_CARD, REPEATED, UNEVALUATED
from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge, load
from cds_service.program import Program, compile_program
from tests.support.shipped import ROOT


@pytest.fixture(scope="module")
def ours() -> Knowledge:
    return load(ROOT)


def refused(knowledge: Knowledge) -> tuple[str, ...]:
    """The problems of knowledge that was read without any."""
    try:
        compile_program(knowledge)
    except KnowledgeError as error:
        return error.problems
    return ()


def worded(knowledge: Knowledge, name: str, **texts: str) -> Knowledge:
    """The knowledge with other words on one card: `{0}` stands for those that it has."""
    card = knowledge.cards[name]
    written = {key: text.replace("{0}", getattr(card, key)) for key, text in texts.items()}
    return replace(knowledge, cards={**knowledge.cards, name: card.model_copy(update=written)})


CARDS = [
    ("suggest", "{0} {{ plann }}", "no such variable plann; did you mean plan?"),
    ("suggest", "{0} {% if plan %}{% else %}{{ plann }}{% endif %}", "no such variable plann"),
    ("suggest", "{0} {{ fact('crs-grad') }}", "no such fact crs-grad; did you mean crs-grade?"),
    ("suggest", '{0} {{ fact("crs-grad") }}', "no such fact crs-grad; did you mean crs-grade?"),
    ("suggest", "{0} {{ fact(plan) }}", "expected fact('...') with the name of one fact between quotes"),
    ("suggest", "{0} {{ fact() }}", "expected fact('...')"),
    ("suggest", "{0} {{ policy('fevr') }}", "no such policy fevr; did you mean fever?"),
    ("suggest", "{0} {{ regimen_dose('crs-adult-sever') }}", "no such regimen crs-adult-sever"),
    ("suggest", "{0} {{ fact('crs-grade').valu }}", "no such member valu; did you mean value?"),
    ("suggest", "{0} {{ region.titel }}", "no such member titel; did you mean title?"),
    ("insufficient-data", "{0} {% for m in stated %}{{ m.titel }}{% endfor %}", "no such member titel"),
    (
        "insufficient-data",
        "{0} {% for m in stated %}{% for f in m.fact %}{% endfor %}{% endfor %}",
        "no such member fact",
    ),
    ("insufficient-data", "{0} {% for line in lacking %}{{ line.reason }}{% endfor %}", "no such member reason"),
    ("first-card-header", "{0} {{ fact('hypersensitivity') }}", "cannot be worded where tocilizumab"),
    (
        "first-card-header",
        "{0} {% if fact('neutrophils').known %}{{ fact('neutrophils').value | round }}{% endif %}",
        "only bounds of creatinine-clearance, neutrophils are known",
    ),
    ("repeated", "{0} {{ plan }}", "no such variable plan"),
    ("suggest", "{0} {{ because }}", "no such variable because"),
    ("suggest", "{0} {{ days + 1 }}", "unsupported operand"),
    ("suggest", "{0} {{ plan | sentence }}", "No filter named 'sentence'"),
    ("suggest", "{0} {{ plan ", "expected a Jinja2 template"),
    # Of weight nothing is known for sure where this rule holds.
    ("suggest", "{0} {{ fact('weight').value + 1 }}", "holds and weight is unknown"),
    ("region", "{0} {{ fact('ferritin').value > 3 }}", "and ferritin"),
]


@pytest.mark.parametrize(("card", "detail", "expected"), CARDS)
def test_a_card_that_could_not_be_worded(ours: Knowledge, card: str, detail: str, expected: str) -> None:
    found = refused(worded(ours, card, detail=detail))
    assert found, "compiled"
    assert any(line.startswith(f"cards/{card}.yaml:4: detail: ") for line in found), found
    assert any(expected in line for line in found), found


def test_a_summary_is_tried_too(ours: Knowledge) -> None:
    (found,) = refused(worded(ours, "region", summary="{{ regoin.title }}"))
    assert found.startswith("cards/region.yaml:3: summary: no such variable regoin; did you mean region?")


@pytest.mark.parametrize(
    "detail",
    [
        # A rule that shows this card holds only where the grade is known.
        "{0} {{ fact('crs-grade').value + 1 }}",
        '{0} {{ fact("crs-grade") }}',
        "{0} {% if fact('ferritin').value is not none %}{{ fact('ferritin').value + 1 }}{% endif %}",
        "{0} {% set n = fact('crs-grade') %}{{ n.value }}",
        "{0} {{ alternatives | length }} {% for a in alternatives %}{{ loop.index }} {{ a }}{% endfor %}",
    ],
)
def test_a_card_that_can_be_worded(ours: Knowledge, detail: str) -> None:
    assert refused(worded(ours, "suggest", detail=detail)) == ()


def test_a_fact_that_only_a_card_names_is_gathered(ours: Knowledge) -> None:
    """In double quotes as in single ones."""
    program = compile_program(worded(ours, "suggest", detail='{0} {{ fact("triglycerides") }}'))
    assert "labs" in program.plans["order-select", "anakinra"].gatherer.queries


def without(mapping: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


@pytest.mark.parametrize("name", [HEADER, FOOTER, REPEATED, UNEVALUATED, *sorted(OWN_CARD)])
def test_a_card_of_the_service_itself_that_is_gone(ours: Knowledge, name: str) -> None:
    assert any(
        "a card that the service itself shows" in p for p in refused(replace(ours, cards=without(ours.cards, name)))
    )


@pytest.mark.parametrize("name", ["clock-tolerance", "monitoring-order-recent", "quiet-repeat-window"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_window_of_the_service_itself(ours: Knowledge, name: str, gone: bool) -> None:
    changed = {} if gone else {name: ours.policies[name].model_copy(update={"unit": "mo"})}
    found = refused(replace(ours, policies=without(ours.policies, name) | changed))
    assert any(
        p.startswith("rules/policies/service.yaml:") and f": {name}: required: a policy in min, h, d" in p
        for p in found
    )


def test_no_kind_of_order(ours: Knowledge) -> None:
    found = refused(replace(ours, orders=ours.orders.model_copy(update={"kinds": {}})))
    assert any(p.endswith("kinds: expected at least one kind of order") for p in found)


def test_what_check_calls_clean_compiles(tmp_path: Path) -> None:
    """The same refusal from the command that reviewers use, on files."""
    for folder in ("rules", "cards"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    card = tmp_path / "cards/suggest.yaml"
    card.write_text(card.read_text("utf-8").replace("fact('crs-grade').value", "fact('crs-grade').vlaue", 1), "utf-8")
    found = CliRunner().invoke(main, ["check", "--root", str(tmp_path)])
    assert found.exit_code == 1
    assert "cards/suggest.yaml:" in found.output
    assert "no such member vlaue; did you mean value?" in found.output


def test_a_program_is_one_immutable_thing(ours: Knowledge) -> None:
    program: Program = compile_program(ours)
    assert program.id == f"{ours.digest} us"
    with pytest.raises(AttributeError):
        program.id = "other"  # type: ignore[misc]
