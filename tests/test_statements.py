"""Statements of the sources that no single rule or case proves: what cards say, and what must hold for all of them."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

import pytest

from cds_service.knowledge import Knowledge, load
from cds_service.knowledge.model import Dose
from cds_service.knowledge.source_attributes import facts_behind
from cds_service.tools.catalogue import FilePlaces, render
from tests.facts.house import REFRACTORY, Case
from tests.support.cards import drug_orders, explanation, is_anakinra
from tests.support.shipped import ROOT

OFFERING = ("suggest", "suggest-reduced", "suggest-restricted", "suggest-iec-hs", "order-ok")


def monitoring(site: str = "us") -> dict[str, Any]:
    """The monitoring card of a patient with refractory CRS."""
    cards = Case(given=REFRACTORY, site=site).cards()
    (found,) = [card for card in cards if explanation(card)["decision"] == "monitoring"]
    return found


@cache
def linked_pages(site: str = "us") -> dict[str, str]:
    """Every page of the catalogue at a site, as text that a reader sees."""
    return {name: html.unescape(page) for name, page in render(load(ROOT, site), FilePlaces()).items()}


def page_of(card: dict[str, Any]) -> str:
    """The page that a card links to."""
    return linked_pages()[f"rules/{explanation(card)['rule']}"]


def daily(dose: Dose, weight: float) -> float:
    """mg a day of a dose at a weight."""
    once = dose.mg if dose.mg is not None else min((dose.mg_per_kg or 0) * weight, dose.cap_mg or 0)
    return once * 24 / dose.interval_hours


# ---------------------------------------------------------------- doses


@pytest.mark.parametrize("weight", [10, 20, 40, 50, 75, 120])
def test_every_permitted_dose_stays_within_the_daily_maximum(ours: Knowledge, weight: float) -> None:
    fixed = float(ours.policies["anakinra-daily-maximum"].value)
    per_kg = float(ours.policies["anakinra-paediatric-daily-maximum"].value)
    for regimen in ours.regimens.values():
        for dose in (regimen.dose, *regimen.alternatives, *regimen.permitted):
            limit = fixed if dose.mg_per_kg is None else min(fixed, per_kg * weight)
            assert daily(dose, weight) <= limit, f"{regimen.id}: {dose}"


def test_whole_syringes_are_dispensed() -> None:
    first = Case(given=REFRACTORY).cards()[0]
    plan = explanation(first)["dosePlan"]
    doses = plan["durationDays"] * 24 / plan["intervalH"]
    assert plan["doseMg"] == 100
    assert next(drug_orders(first))["dispenseRequest"]["quantity"]["value"] == doses


def test_no_card_orders_a_drug_for_prophylaxis_or_growth_factor() -> None:
    severe = [item for item in REFRACTORY if item.get("obs") != "anc"] + [{"obs": "anc", "value": 0.3, "ago": "6h"}]
    cards = Case(given=severe).cards()
    text = "\n".join(card["detail"] for card in cards)
    assert "infection prophylaxis" in text
    assert "G-CSF" in text
    orders = [order for card in cards for order in drug_orders(card)]
    assert orders
    assert all(is_anakinra(order) for order in orders)


# ---------------------------------------------------------------- words on cards


def test_every_card_that_names_a_dose_to_give_says_off_label(ours: Knowledge) -> None:
    offering = {rule.card for rule in ours.rules if rule.regimen} | set(OFFERING)
    assert offering <= ours.cards.keys()
    for name in offering:
        assert "off-label" in (ours.cards[name].summary + ours.cards[name].detail).lower(), name


def test_the_monitoring_card_names_what_clinicians_will_meet() -> None:
    card = monitoring()
    assert "headache" in card["detail"]
    linked = page_of(card)
    for said in ("Headache is very common", "Injection-site reactions", "fluoroquinolone"):
        assert said in linked
    labels = " ".join(suggestion["label"] for suggestion in card["suggestions"])
    for order in ("CBC with differential", "liver function", "ferritin", "CRP", "cultures", "ICE"):
        assert order in labels


@pytest.mark.parametrize(("site", "hours"), [("us", 12), ("kr", 12), ("eu", 72)])
def test_the_time_out_of_the_refrigerator_is_that_of_the_site(site: str, hours: int) -> None:
    card = monitoring(site)
    assert f"at most {hours} h at up to 25 °C, then discard" in card["detail"]
    linked = page_of(card)
    assert "never back" in linked
    assert "pharmacy" in linked


def test_the_lactation_card_shows_all_three_sources(ours: Knowledge) -> None:
    detail = ours.drugs["anakinra"].notes["lactation"]
    for said in ("must not breast-feed", "normal component of milk", "stop nursing", "neutropenia"):
        assert said in detail


@pytest.mark.parametrize(("site", "says"), [("us", "DIRA"), ("eu", "Still's disease"), ("kr", "KOEDC")])
def test_the_first_card_states_the_region_and_since_when(site: str, says: str) -> None:
    first = Case(given=REFRACTORY, site=site).cards()[0]["detail"]
    there = load(ROOT, site)
    status = there.drugs["anakinra"].regions[there.site.region]
    assert says in status.statement
    title = there.regions[there.site.region].title
    assert f"{status.short.capitalize()} ({title}, {status.as_of})" in first
    assert status.statement in linked_pages(site)["sites"]


def test_the_united_kingdom_names_the_policies_of_its_health_service(ours: Knowledge) -> None:
    assert "HLH (2021)" in ours.drugs["anakinra"].regions["UK"].statement


@pytest.mark.parametrize("region", ["KR", "JP", "NZ", "RU", "unknown"])
def test_where_the_status_is_not_known_the_order_waits_for_a_supply_route(ours: Knowledge, region: str) -> None:
    known = ours.drugs["anakinra"].regions[region]
    assert known.needs_supply_route
    assert re.search(r"not known|not authorised", known.statement, re.IGNORECASE)


# ---------------------------------------------------------------- evidence


def test_no_knowledge_file_repeats_what_must_not_be_said(ours: Knowledge) -> None:
    """Only the evidence itself may hold the phrases, as the list of what is forbidden."""
    forbidden = {phrase for item in ours.evidence.values() for phrase in item.forbidden}
    assert forbidden
    files = [*ROOT.glob("rules/**/*.yaml"), *ROOT.glob("cards/*.yaml"), ROOT / "docs/knowledge.md"]
    files = [path for path in files if path.parent.name != "evidence"]
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert [phrase for phrase in forbidden if phrase in text] == [], path.name


def test_a_card_shows_checked_evidence_with_its_status_and_no_other(ours: Knowledge) -> None:
    shown = {"verified": "verified", "partly": "partly"}
    first = Case(given=REFRACTORY).cards()[0]
    (rule,) = [rule for rule in ours.rules if rule.id == explanation(first)["rule"]]
    checked = [ours.evidence[name] for name in rule.evidence if ours.evidence[name].status in shown]
    assert checked
    for status, word in shown.items():
        some = sum(item.status == status for item in checked)
        assert (f"{some} {word}" in first["detail"]) == bool(some)
    linked = page_of(first)
    for item in checked:
        assert item.title in linked
        assert item.statement in linked
    hidden = [item for item in ours.evidence.values() if item.status not in shown]
    assert [item.id for item in hidden if item.statement in first["detail"] + linked] == []


def test_nothing_is_suggested_on_unverified_evidence_alone(ours: Knowledge) -> None:
    for rule in ours.rules:
        statuses = {ours.evidence[name].status for name in rule.evidence}
        if statuses == {"unverified"} or rule.id == "prophylaxis-oncology":
            assert rule.finding.indicator in (None, "info"), rule.id
            assert not rule.regimen, rule.id


def test_no_rule_compares_with_a_number_of_its_own(ours: Knowledge) -> None:
    """Whether there is any, or one dose: every other number is a policy, which has an owner."""
    for rule in ours.rules:
        conditions = (*rule.when, *(c for alternative in rule.any for c in alternative), *rule.unless)
        numbers = [
            c.operand for c in conditions if isinstance(c.operand, int | float) and not isinstance(c.operand, bool)
        ]
        assert set(numbers) <= {0, 1}, rule.id
        assert facts_behind(ours, rule), rule.id


# ---------------------------------------------------------------- codes


def test_every_loinc_code_passes_its_check_digit(ours: Knowledge) -> None:
    codes = [c.code for v in ours.value_sets.values() for c in v.codes if c.system == "http://loinc.org"]
    codes = [
        code for code in codes if code[0].isdigit()
    ]  # answers and parts have letters, and digits by another formula
    assert "3150-0" in codes
    # Public data carries this misspelling of 3150-0, and the clinical policy (6.2 C1) reads it.
    assert [code for code in codes if not _checks(code)] == ["3150-6"]


def _checks(code: str) -> bool:
    """Luhn's formula over the number before the dash, as LOINC uses it."""
    number, _, digit = code.partition("-")
    doubled = [int(d) * (2 if place % 2 == 0 else 1) for place, d in enumerate(reversed(number))]
    return (10 - sum(sum(divmod(d, 10)) for d in doubled) % 10) % 10 == int(digit)
