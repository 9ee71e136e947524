"""The fact catalogue: what a source cannot mean is refused where it stands, what a fact uses follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.contract import FOOTER, OWN_CARD
from cds_service.facts.gather import _BUILD, _COMPUTE
from cds_service.knowledge import Knowledge, always, inspect, load
from cds_service.knowledge.model import Computed
from cds_service.knowledge.model.sources import SOURCES
from tests.support.knowledge_root import Problems, replace
from tests.support.shipped import ROOT

FACTS = "rules/facts.yaml"
STATUSES = "rules/statuses.yaml"
COUNT = "facts.neutrophil-count.from"
INFECTION = "facts.active-infection.from"
EXISTS = "{from: conditions, in: infection, status: active}"
NEWEST = "from: {newest:"
TYPE = "type: boolean"


@pytest.fixture(scope="module")
def ours() -> Knowledge:
    return load(ROOT)


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        (NEWEST, "from: {newst:", COUNT, "expected one source of activeDailyDose, age, computed, "),
        (", analyte: cell-count", "", f"{COUNT}.newest.analyte", "required key is missing"),
        ("analyte: cell-count", "analyte: cells", f"{COUNT}.newest.analyte", "no such analyte cells"),
        ("in: anc", "in: abc", f"{COUNT}.newest.in[0]", "no such value set abc; did you mean anc?"),
        ("in: anc", "in: []", f"{COUNT}.newest.in", "expected at least one name, each once"),
        ("from: neutrophils", "from: neutrophil", f"{COUNT}.newest.from", "no such query neutrophil; did you mean"),
        (", within: policy.laboratory-max-age", "", f"{COUNT}.newest.within", "required key is missing"),
        ("policy.laboratory-max-age", "laboratory-max-age", f"{COUNT}.newest.within", "expected policy.<name>"),
        ("policy.laboratory-max-age", "policy.lab-max-age", f"{COUNT}.newest.within", "no such policy lab-max-age"),
        (
            "policy.laboratory-max-age",
            "policy.neutropenia",
            f"{COUNT}.newest.within",
            "expected a policy in min, h or d",
        ),
        ("status: final", "status: finl", f"{COUNT}.newest.status", "no such status finl; did you mean final?"),
        ("unit: 10*9/L", "unit: 10*6/L", "facts.neutrophil-count.unit", "expected 10*9/L, as the analyte cell-count"),
        ("type: number", TYPE, "facts.neutrophil-count", "expected the type number from newest (found boolean)"),
        (TYPE, "type: number", "facts.active-infection", "expected the type boolean from exists (found number)"),
        (TYPE, f"values: [a]\n    {TYPE}", "facts.active-infection", "only a fact of type code has values"),
        (f"[{EXISTS}]", "[]", f"{INFECTION}.exists", "at least 1 item"),
        (
            EXISTS,
            "{from: conditions, status: active}",
            f"{INFECTION}.exists[0].in",
            "required for records of",
        ),
        (EXISTS, "{in: infection}", f"{INFECTION}.exists[0].from", "required key is missing"),
        ("status: active}]", "status: final}]", f"{INFECTION}.exists[0].status", "expected a status of Condition"),
        ("status: active}]", "stats: active}]", f"{INFECTION}.exists[0].stats", "unknown key"),
        ("status: active}]", "severe: infection}]", f"{INFECTION}.exists[0].severe", "only for AllergyIntolerance"),
        ("status: active}]", "undated: counts}]", f"{INFECTION}.exists[0]", "undated needs within beside it"),
        ("status: active}]", "standing: old}]", f"{INFECTION}.exists[0].standing", "only for Observation"),
        ("by: order-use", "by: order-us", "computed.toy-use", "does not match any of the expected tags"),
        ("toxicities: [infection]", "toxicities: [fever]", "computed.toy-use.toxicities[0]", "no such value set fever"),
        (", unconfirmed: ended}", "}", "computed.toy-use.unconfirmed", "required key is missing"),
    ],
)
def test_refused(root: Path, problems: Problems, old: str, new: str, key: str, expected: str) -> None:
    line = replace(root, FACTS, old, new)
    matching = [problem for problem in problems() if f": {key}: " in problem]
    assert len(matching) == 1, problems()
    assert matching[0].startswith(f"{FACTS}:"), matching
    assert abs(int(matching[0].split(":")[1]) - line) <= 4, (matching, line)
    assert expected in matching[0]


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("codes: [final]", "codes: []", "final", "expected an element with codes, or noneOf"),
        (
            "noneOf: [ended]",
            "noneOf: [over]",
            "active.noneOf[0]",
            "no such status over; there are: active",
        ),
        ("noneOf: [ended]", "noneOf: [active]", "active.noneOf[0]", "expected a status with codes of its own"),
        ("element: status", "element: state", "final.element", "expected 'status', 'clinicalStatus'"),
    ],
)
def test_a_status_is_refused(root: Path, problems: Problems, old: str, new: str, key: str, expected: str) -> None:
    line = replace(root, STATUSES, old, new)
    (found,) = problems()
    assert found.startswith(f"{STATUSES}:{line}: {key}: "), found
    assert expected in found


def test_records_that_are_made_of_themselves(root: Path, problems: Problems) -> None:
    circle = "records:\n  ones: [{from: others}]\n  others: [{from: ones}]\n"
    line = replace(root, FACTS, "scales:\n", f"{circle}scales:\n")
    expected = "made of itself, directly or through other records"
    assert problems() == (
        f"{FACTS}:{line + 1}: records.ones: {expected}",
        f"{FACTS}:{line + 2}: records.others: {expected}",
    )


def test_facts_that_are_made_of_themselves(root: Path, problems: Problems) -> None:
    scope = "  toy-scope: {title: Toy, type: boolean, from: {inScope: {fact: toy-scope, use: neutrophil-count}}}\n"
    line = replace(root, FACTS, "  active-infection:\n", scope + "  active-infection:\n")
    assert problems() == (f"{FACTS}:{line}: facts.toy-scope.from: made of itself: toy-scope needs toy-scope",)


@pytest.mark.parametrize(
    ("kind", "give", "key", "expected"),
    [
        ("code", "uses", "from.give", "no such result of this computation uses; did you mean use?"),
        ("integer", "use", "type", "expected code, as use of toy-use (found integer)"),
    ],
)
def test_a_result_that_is_not_computed(
    root: Path, problems: Problems, kind: str, give: str, key: str, expected: str
) -> None:
    fact = f"  toy-use: {{title: Toy, type: {kind}, from: {{computed: toy-use, give: {give}}}}}\n"
    line = replace(root, FACTS, "  active-infection:\n", fact + "  active-infection:\n")
    (found,) = problems()
    assert found.startswith(f"{FACTS}:{line}: facts.toy-use.{key}: {expected}"), found


def test_most_facts_are_declared(ours: Knowledge) -> None:
    facts = ours.catalogue.facts.values()
    assert sum(not isinstance(fact.source, Computed) for fact in facts) >= 60


def test_every_kind_of_source_and_computation_can_be_found(ours: Knowledge) -> None:
    assert _BUILD.keys() == set(SOURCES) - {Computed}
    assert _COMPUTE.keys() == {type(given) for given in ours.catalogue.computed.values()}
    assert {type(fact.source) for fact in ours.catalogue.facts.values()} == set(SOURCES)


def test_every_result_of_a_computation_is_a_fact(ours: Knowledge) -> None:
    facts = {name: fact for name, fact in ours.catalogue.facts.items() if name not in ours.catalogue.of_drug}
    sources = [fact.source for fact in facts.values() if isinstance(fact.source, Computed)]
    given = {(name, result) for name, computed in ours.catalogue.computed.items() for result in computed.gives}
    assert sorted((source.computed, source.give) for source in sources) == sorted(given)


def test_a_fact_comes_after_those_that_it_is_made_of(ours: Knowledge) -> None:
    order = ours.catalogue.order()
    for name in order:
        assert all(order.index(needed) < order.index(name) for needed in ours.catalogue.needs(name)), name


def test_no_policy_regimen_or_card_is_unused() -> None:
    found = [w for w in inspect(ROOT).warnings if "not used by any other file" in w]
    assert [w for w in found if "the value set" not in w] == []


def test_windows_of_queries_and_sources_count_as_use(root: Path) -> None:
    policy = "{title: Spare, value: 1, unit: h, least: 1, most: 2, owner: o, validFrom: 2026-01-01, reference: r}"
    spare = "".join(f"toy-{name}: {policy}\n" for name in ("window", "within", "spare"))
    replace(root, "rules/policies/toy.yaml", "neutropenia:\n", spare + "neutropenia:\n")
    replace(root, FACTS, "sort: -date, count: 10}", "sort: -date, count: 10, window: toy-window}")
    replace(root, FACTS, EXISTS, EXISTS.replace("}", ", within: policy.toy-within}"))
    assert [w.split(": ")[1] for w in inspect(root).warnings] == ["toy-spare"]


def test_what_every_answer_looks_up_is_there(ours: Knowledge) -> None:
    assert set(always.POLICIES) <= ours.policies.keys()
    assert set(always.VALUE_SETS) <= ours.value_sets.keys()
    assert set(always.CARDS) <= ours.cards.keys()
    by_rules = {rule.card for rule in ours.rules}
    assert {FOOTER, *OWN_CARD, "system-unevaluated"} - by_rules <= set(always.CARDS)
