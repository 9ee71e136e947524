"""Nothing is lost: from the exported JSON alone, the knowledge files can be rebuilt."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge import Knowledge, load
from cds_service.knowledge.model import Code, Exclusion, Policy, RuleDefinition, UnverifiedCode, ValueSet
from cds_service.tools.export import text
from cds_service.tools.export.value_sets import value_set
from tests.export import read_back
from tests.support.exported import Resources, exported
from tests.support.knowledge_root import EXTENDING_SITE, write


def test_every_value_set(ours: Knowledge, resources: Resources) -> None:
    found = {name: read_back.value_set(resources[f"ValueSet/{name}"]) for name in ours.value_sets}
    assert found == {name: _codes_first(of) for name, of in ours.value_sets.items()}


def _codes_first(of: ValueSet) -> ValueSet:
    """FHIR keeps excluded codes and excluded words in two places, so their order among each other is not kept; and the
    names that pairs of words make as names."""
    exclusions = tuple(sorted(of.exclusions, key=lambda exclusion: bool(exclusion.text)))
    return of.model_copy(update={"exclusions": exclusions, "text": of.names, "pairs": ()})


LOINC, ATC, OURS = "http://loinc.org", "http://www.whocc.no/atc", "https://example.org/codes"
ODD = {
    "codes of several systems in turns": {
        "codes": (
            Code(system=LOINC, code="1-8", display="One", source="a"),
            Code(system=ATC, code="L04", display="Class", source="b", match="prefix"),
            Code(system=ATC, code="L04AC", display="Narrower", source="", match="prefix"),
            Code(system=LOINC, code="2-6", display="", source="c"),
        ),
    },
    "no codes, but one that must never match": {
        "text": ("a word", "ein Wort", "言葉"),
        "exclusions": (
            Exclusion(text="history of a word", reason="past"),
            Exclusion(system=LOINC, code="3-4", display="Trap", reason="another thing"),
        ),
    },
    "exclusions of every kind": {
        "codes": (Code(system=LOINC, code="1-8", display="One", source="a"),),
        "exclusions": (
            Exclusion(system=LOINC, code="3-4", display="Trap", reason="another thing"),
            Exclusion(system=OURS, code="x", text="and its word", reason="the same"),
            Exclusion(code="no system", reason="met without one"),
            Exclusion(text="history of", reason="past"),
            Exclusion(text="word alert", inverted=False, reason="a check"),
        ),
    },
    "nothing but what could not be verified": {
        "unverified": (UnverifiedCode(system=LOINC, code="9-9", display="?", reason="check digit"),),
    },
}


@pytest.mark.parametrize("members", ODD.values(), ids=ODD.keys())
def test_an_odd_value_set(members: dict[str, Any]) -> None:
    empty: dict[str, Any] = {"codes": (), "text": (), "exclusions": (), "unverified": ()}
    told = {"id": "odd", "title": "Odd", "status": "active", "version": "1.2.3", "date": date(2026, 1, 31)}
    source = ValueSet(**told, purpose="Meant\n\nso.", method="Made.\n\nSo.", **(empty | members))
    assert read_back.value_set(json.loads(text(value_set(source)))) == source


def test_every_policy(ours: Knowledge, resources: Resources) -> None:
    assert read_back.policies(resources["Library/policies"]) == dict(ours.policies)


def test_a_policy_that_is_no_number(root: Path) -> None:
    knowledge = load(root)
    switch = Policy(
        title="Whether", value=False, unit="1", owner="Toy", valid_from=date(2026, 1, 1), reference="Invented"
    )
    policies = {**knowledge.policies, "switch": switch, "bare": switch.model_copy(update={"value": 2, "unit": ""})}
    found = read_back.policies(exported(replace(knowledge, policies=policies))["Library/policies"])
    assert found == policies
    assert found["switch"].value is False


def test_a_policy_that_the_site_has_set_says_so(root: Path) -> None:
    site = write(root, "rules/sites/toy-hospital.yaml", EXTENDING_SITE)
    for where, value, said in (("us", 0.5, []), (str(site), 1.0, [True])):
        library = exported(load(root, where))["Library/policies"]
        assert read_back.policies(library)["neutropenia"].value == value
        by_name = {parameter["name"]: parameter for parameter in library["parameter"]}
        assert read_back.first(by_name["policy.neutropenia"], "policy").get("setBySite", []) == said


def test_every_condition(ours: Knowledge, resources: Resources) -> None:
    found = {rule.id: read_back.conditions(_action(resources, rule)) for rule in ours.rules}
    assert found == {rule.id: (rule.when, rule.any, rule.unless) for rule in ours.rules}


def test_the_rest_of_every_rule(ours: Knowledge, resources: Resources) -> None:
    for rule in ours.rules:
        plan, action = resources[f"PlanDefinition/{rule.id}"], _action(resources, rule)
        told = (plan["title"], plan["version"], plan["status"], plan["description"])
        assert told == (rule.title, rule.version, rule.status, rule.rationale)
        assert [trigger["name"] for trigger in action["trigger"]] == list(rule.hooks)
        assert {trigger["type"] for trigger in action["trigger"]} == {"named-event"}
        assert tuple(read_back.values(action, "order-kind")) == ours.occasions.kinds(rule)
        assert read_back.first(action, "stratum") == rule.stratum
        assert read_back.first(action, "if-unknown") == rule.if_unknown
        assert read_back.first(action, "pathway") == rule.pathway
        finding = rule.finding
        assert read_back.first(action, "decision", None) == finding.decision
        assert read_back.first(action, "indicator", None) == finding.indicator
        assert read_back.first(action, "withholds-order", False) is finding.withholds_order
        until = finding.until and {"fact": [finding.until.fact], "policy": [f"policy.{finding.until.policy}"]}
        assert read_back.first(action, "until", None) == until
        card = read_back.first(action, "card", {})
        assert read_back.part(card, "id") == rule.card
        assert tuple(
            name.removeprefix("policy.") for name in read_back.values(plan, "named-policy")
        ) == ours.occasions.policies(rule)
        assert plan["usage"].endswith("\n".join(rule.limits))


def test_every_card_of_a_rule(ours: Knowledge, resources: Resources) -> None:
    for rule in ours.rules:
        if rule.card:
            card, action = ours.cards[rule.card], _action(resources, rule)
            said = read_back.first(action, "card")
            assert read_back.part(said, "version") == card.version
            assert (read_back.part(said, "summary"), read_back.part(said, "detail")) == (card.summary, card.detail)
            reasons = [(each["system"], each["code"], each["display"]) for each in said.get("overrideReason", [])]
            assert reasons == [(each.system, each.code, each.display) for each in ours.reasons_against(card)]


def test_what_is_a_template_is_no_text(ours: Knowledge, resources: Resources) -> None:
    for rule in ours.rules:
        told = _action(resources, rule).get("textEquivalent", "")
        assert "{" not in told
        if rule.card and "{" not in ours.cards[rule.card].summary + ours.cards[rule.card].detail:
            assert ours.cards[rule.card].detail.strip() in told


def test_every_dose_of_every_regimen(ours: Knowledge, resources: Resources) -> None:
    for regimen in ours.regimens.values():
        first = resources[f"ActivityDefinition/{regimen.id}"]
        alternatives = []
        while (name := f"ActivityDefinition/{regimen.id}-alternative-{len(alternatives) + 1}") in resources:
            alternatives.append(resources[name])
        assert _dose(first) == regimen.dose
        assert tuple(map(_dose, alternatives)) == regimen.alternatives
        for activity in (first, *alternatives):
            assert tuple(map(read_back.dose, read_back.values(activity, "permitted-dosage"))) == regimen.permitted
            assert read_back.first(activity, "permitted-up-to", False) is regimen.permitted_up_to
            assert tuple(read_back.values(activity, "permitted-by-protocol")) == regimen.by_protocol
            for words in (regimen.review, regimen.stop, regimen.taper, *regimen.notes):
                assert words in activity["usage"]
            assert activity["relatedArtifact"] == [{"type": "justification", "display": regimen.reference}]


def test_how_a_regimen_is_ordered(ours: Knowledge, resources: Resources) -> None:
    for regimen in ours.regimens.values():
        activity = resources[f"ActivityDefinition/{regimen.id}"]
        dosing = ours.orders.kinds[regimen.order_kind].dosing
        assert dosing is not None
        (dosage,) = activity["dosage"]
        route, drug = ours.orders.routes[regimen.route], dosing.medication
        assert dosage["route"]["coding"] == [{"system": route.system, "code": route.code, "display": route.display}]
        coded = [{"system": drug.system, "code": drug.code, "display": drug.display}]
        assert activity["productCodeableConcept"]["coding"] == coded
        bounds = dosage["timing"]["repeat"]["boundsDuration"]
        assert (bounds["value"], bounds["code"]) == (regimen.duration_days, "d")
        assert _ratio(dosage["maxDosePerPeriod"]) == _maximum(ours, dosing.daily_maximum)
        by_weight = read_back.first(activity, "daily-maximum-by-weight", None)
        if regimen.dose.mg_per_kg is None:
            assert by_weight is None
        else:
            assert _ratio(by_weight) == _maximum(ours, dosing.child_daily_maximum)
        pack = read_back.first(activity, "pack")
        assert read_back.part(pack, "content")["value"] == dosing.pack.mg
        assert read_back.part(pack, "display") == dosing.pack.display


def test_what_a_rule_proposes(ours: Knowledge, resources: Resources) -> None:
    """The regimen's doses with the recommended one first, and the monitoring orders of the card."""
    for rule in ours.rules:
        groups = {group["selectionBehavior"]: group for group in _action(resources, rule).get("action", [])}
        regimen, card = ours.regimens.get(rule.regimen), ours.cards.get(rule.card)
        proposed = [_named(resources, each) for each in groups.get("at-most-one", {}).get("action", [])]
        assert list(map(_dose, proposed)) == ([regimen.dose, *regimen.alternatives] if regimen else [])
        if regimen:
            marked = [read_back.first(each, "recommended", False) for each in groups["at-most-one"]["action"]]
            assert marked == [True] + [False] * len(regimen.alternatives)
        monitoring = [_named(resources, each) for each in groups.get("any", {}).get("action", [])]
        told = [(each["title"], each["purpose"], each["code"]["text"], _hours(each)) for each in monitoring]
        orders = card.orders if card else ()
        assert told == [(order.label, order.reason, order.text, order.every_hours) for order in orders]


def test_every_fact_and_query(ours: Knowledge, resources: Resources) -> None:
    library = resources["Library/facts"]
    assert [parameter["name"] for parameter in library["parameter"]] == list(ours.catalogue.facts)
    for parameter in library["parameter"]:
        fact, said = ours.catalogue.facts[parameter["name"]], read_back.first(parameter, "fact")
        assert parameter["documentation"] == fact.title
        assert read_back.part(said, "source").replace("-", "_") == fact.source.kind
        named = tuple(each.partition("|")[0].rpartition("/")[2] for each in said.get("valueSet", []))
        assert named == ours.catalogue.names(parameter["name"], "value set")
        assert read_back.part(said, "target") == getattr(fact.source, "computed", "")
        assert tuple(said.get("reads", [])) == ours.catalogue.reads(parameter["name"])
        assert tuple(said.get("allowedValue", [])) == fact.values
        told = tuple(read_back.part(said, name) for name in ("emptyMeans", "unit", "analyte"))
        assert told == (ours.catalogue.empty_means(parameter["name"]), fact.unit, fact.source.analyte)
        assert read_back.part(said, "maxAge").removeprefix("policy.") == fact.source.max_age
    read: dict[str, list[str]] = {}
    for required in library["dataRequirement"]:
        said = read_back.first(required, "query")
        name = read_back.part(said, "name")
        query = ours.catalogue.queries[name]
        assert (required["type"], read_back.part(said, "sort")) == (query.resource, query.sort)
        assert (read_back.part(said, "count", None), read_back.part(said, "by")) == (query.count, query.by)
        codes = [each["valueSet"].partition("|")[0].rpartition("/")[2] for each in required.get("codeFilter", [])]
        read.setdefault(name, []).extend(codes)
    assert read == {name: list(query.codes) for name, query in ours.catalogue.queries.items()}


def _action(resources: Resources, rule: RuleDefinition) -> dict[str, Any]:
    (action,) = resources[f"PlanDefinition/{rule.id}"]["action"]
    found: dict[str, Any] = action
    return found


def _named(resources: Resources, action: dict[str, Any]) -> dict[str, Any]:
    return resources["/".join(action["definitionCanonical"].partition("|")[0].split("/")[-2:])]


def _dose(activity: dict[str, Any]) -> Any:
    (dosage,) = activity["dosage"]
    return read_back.dose(dosage)


def _hours(activity: dict[str, Any]) -> int:
    repeat = activity["timingTiming"]["repeat"]
    assert (repeat["frequency"], repeat["periodUnit"]) == (1, "h")
    return int(repeat["period"])


def _ratio(ratio: dict[str, Any]) -> tuple[float, str]:
    assert ratio["denominator"]["value"] == 1
    return ratio["numerator"]["value"], f"{ratio['numerator']['code']}/{ratio['denominator']['code']}"


def _maximum(ours: Knowledge, name: str) -> tuple[Any, str]:
    return ours.policies[name].value, ours.policies[name].unit
