"""What must not change an answer, whatever the chart: order and copies of entries, what does not concern us, how a time
zone is written, how one thing is split over resources. And a contraindication never takes a warning away."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.contract import RANK, SEVERITY
from tests.facts.house import REFRACTORY, Case
from tests.facts.notation import NOW, Item, Resource, patient, resources
from tests.facts.pool import BOUNDED, CONTRAINDICATIONS, EXAMPLES, IRRELEVANT, SPLITS, charts, persons
from tests.support.cards import drug_orders, is_anakinra, outlines


def said(chart: Sequence[Resource], person: Resource, now: datetime = NOW) -> list[Any]:
    """Everything about an answer that must not change."""
    return outlines(Case(chart=chart, person=person).cards(now))


@BOUNDED
@given(charts, persons, st.randoms(use_true_random=False))
def test_order_of_entries(items: Sequence[Item], person: Resource, random: Any) -> None:
    chart = resources(items)
    shuffled = list(chart)
    random.shuffle(shuffled)
    assert said(shuffled, person) == said(chart, person)


@BOUNDED
@given(charts, persons, st.data())
def test_copies_of_entries(items: Sequence[Item], person: Resource, data: st.DataObject) -> None:
    chart = resources(items)
    twice = data.draw(st.lists(st.sampled_from(chart), max_size=5)) if chart else []
    assert said([*chart, *copy.deepcopy(twice)], person) == said(chart, person)


@BOUNDED
@given(charts, persons, st.lists(st.sampled_from(range(len(IRRELEVANT))), min_size=1, max_size=8, unique=True))
def test_what_does_not_concern_us(items: Sequence[Item], person: Resource, which: list[int]) -> None:
    chart = resources(items)
    assert said([*resources([IRRELEVANT[n] for n in which]), *chart], person) == said(chart, person)


_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T.*")


def respell(value: Any, zone: timezone) -> Any:
    """The same moments, written in another zone."""
    if isinstance(value, dict):
        return {key: respell(item, zone) for key, item in value.items()}
    if isinstance(value, list):
        return [respell(item, zone) for item in value]
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(zone).isoformat().replace("+00:00", "Z")
    return value


zones = st.sampled_from([timezone(timedelta(minutes=m)) for m in (-720, -570, -300, 0, 60, 345, 540, 840)])


@BOUNDED
@given(charts, persons, zones)
def test_spelling_of_time_zones(items: Sequence[Item], person: Resource, zone: timezone) -> None:
    chart = resources(items)
    assert said(respell(chart, zone), person) == said(chart, person)


@BOUNDED
@given(charts, persons, zones)
def test_spelling_of_now(items: Sequence[Item], person: Resource, zone: timezone) -> None:
    chart = resources(items)
    assert said(chart, person, NOW.astimezone(zone)) == said(chart, person)


def test_spelling_of_now_on_the_18th_birthday() -> None:
    late = datetime(2026, 3, 5, 23, 30, tzinfo=UTC)
    ages = {
        Case(person=patient(born="2008-03-06")).facts(late.astimezone(timezone(timedelta(hours=h))))["child"].value
        for h in (-5, 0, 9)
    }
    assert len(ages) == 1


# ---- one value in another unit

RESPELLED = {
    ("8310-5", "Cel"): ("[degF]", lambda v: v * 1.8 + 32),
    ("29463-7", "kg"): ("g", lambda v: v * 1000),
    ("751-8", "10*3/uL"): ("/uL", lambda v: v * 1000),
    ("751-8", "10*9/L"): ("10*3/uL", lambda v: v),
    ("2160-0", "mg/dL"): ("umol/L", lambda v: v * 88.42),
    ("2276-4", "ng/mL"): ("ug/L", lambda v: v),
    ("3151-8", "L/min"): ("mL/min", lambda v: v * 1000),
    ("777-3", "10*3/uL"): ("/uL", lambda v: v * 1000),
    ("3255-7", "mg/dL"): ("g/L", lambda v: v / 100),
    ("2571-8", "mg/dL"): ("mmol/L", lambda v: v / 88.57),
    ("2164-2", "mL/min"): ("mL/s", lambda v: v / 60),
}


def respelled(resource: Resource) -> Resource:
    """The same value in another unit of the table, where there is one."""
    quantity = resource.get("valueQuantity")
    code = next((c["code"] for c in resource.get("code", {}).get("coding", ())), "")
    if not quantity or (code, quantity.get("code")) not in RESPELLED:
        return resource
    unit, convert = RESPELLED[code, quantity["code"]]
    return resource | {"valueQuantity": quantity | {"value": convert(quantity["value"]), "unit": unit, "code": unit}}


@BOUNDED
@given(charts, persons)
def test_spelling_of_units(items: Sequence[Item], person: Resource) -> None:
    chart = resources(items)
    assert said([respelled(r) for r in chart], person) == said(chart, person)


def test_units_are_really_respelled() -> None:
    assert [respelled(r) for r in resources(REFRACTORY)] != resources(REFRACTORY)


# ---- one thing, split over resources


@pytest.mark.parametrize("name", SPLITS)
@BOUNDED
@given(items=charts, person=persons)
def test_splitting(name: str, items: Sequence[Item], person: Resource) -> None:
    whole, parts = SPLITS[name]()
    assert said(resources([*items, *parts]), person) == said(resources([*items, *whole]), person)


def test_splitting_the_bundle() -> None:
    """A drug whose Medication came in another query's Bundle is not resolved: unknown, never absent."""
    facts = Case(given=({"given": "x", "reference": "Medication/1", "ago": "2h"},)).facts()
    assert facts["anakinra-active"].value is None


# ---- contraindications


def key(answer: tuple[Any, ...]) -> tuple[int, int]:
    """How hard a card is: the lower the harder."""
    return RANK[answer[0]], SEVERITY[answer[1]]


def warnings(answers: list[Any]) -> set[str]:
    """The rules that warn, apart from the one card that names what is missing."""
    hard = {a[2] for a in answers if RANK[a[0]] < RANK["suggest"] and a[0] != "insufficient-data"}
    # Good news on the course is no warning, and may end.
    answers = [a for a in answers if a[2] not in ("course-resolved", "course-response")]
    # That no corticosteroid was given is no longer known beside a drug that cannot be resolved.
    answers = [a for a in answers if not a[2].startswith("corticosteroid-absent")]
    return hard | {a[2] for a in answers if a[0] == "caution"} | {a[0] for a in answers if a[0] == "insufficient-data"}


def one_click(chart: Sequence[Resource], person: Resource) -> int:
    """How many orders of anakinra one click could place."""
    return sum(is_anakinra(order) for card in Case(chart=chart, person=person).cards() for order in drug_orders(card))


@pytest.mark.parametrize("name", CONTRAINDICATIONS)
@BOUNDED
@given(items=charts, person=persons)
def test_a_contraindication_never_lowers_an_answer(name: str, items: Sequence[Item], person: Resource) -> None:
    chart = resources(items)
    more = [*chart, *resources([CONTRAINDICATIONS[name]])]
    before, after = said(chart, person), said(more, person)
    # Resolved by a harder card about the same thing.
    replaced = {"ecoli-drug-allergy"} if "ecoli-drug-allergy-severe" in warnings(after) else set()
    replaced |= _merged(after)
    assert warnings(before) - replaced <= warnings(after)
    if before:
        assert min(map(key, after)) <= min(map(key, before))
    assert one_click(more, person) <= one_click(chart, person)


# One caution of infection risk, and none beside a stop (K6).
INFECTION_RISK = {"neutrophils-low", "neutrophils-severe", "febrile-neutropenia"}
BESIDE = {"suggest", "suggest-reduced", "suggest-restricted", "order-ok", "wait", "review"}


def _merged(answers: Sequence[tuple[str, str, str]]) -> set[str]:
    """The cautions of infection risk that another one, or a stop, stands for."""
    first = min(answers, key=key)[0] if answers else ""
    merged = INFECTION_RISK & warnings(answers) or first not in {*BESIDE, "caution", "monitoring", ""}
    return INFECTION_RISK if merged else set()


# ---- worse values

WORSE: dict[str, Item] = {
    "fewer neutrophils": {"obs": "anc", "value": 0.1, "ago": "1m"},
    "less clearance": {"obs": "crcl", "value": 12, "ago": "1m"},
    "a second vasopressor": {"given": "epinephrine", "ago": "20m", "running": True, "id": "w"},
    "dialysis": {"procedure": "Hemodialysis", "ago": "5h", "id": "w"},
    "a graver infection": {"condition": "Septic shock", "icd": "R65.21", "onset": "1h", "id": "w"},
    "a lower ICE score": {"score": "ice-score", "points": 0, "ago": "1m", "id": "w"},
    "a seizure": {"sign": "icans-seizure", "answer": "Status epilepticus", "ago": "1m", "id": "w"},
    "more ferritin": {"obs": "ferritin", "value": 90000, "ago": "1m"},
    "more ALT": {"obs": "alt", "value": 900, "limit": 50, "ago": "1m"},
    "a higher ICANS grade": {"condition": "ICANS", "icd": "G92.04", "onset": "1h", "id": "w"},
}
# What a worse value says in place of what was said before.
# A value, however bad, is one thing less that is not known; vasopressin beside another one is no longer alone; and what
# confirms a documented grade ends its contradiction by milder vital signs.
DIFFER = {"grades-differ", "grades-differ-mildly", "grade-eased"}
ANSWERED = {"renal-not-computable", "insufficient-data", "vasopressin-alone", *DIFFER}
# One pathway answers: where refractory CRS gets its review, that of IEC-HS gives way to it; and of its reviews, all of
# them critical, one answers.
INSTEAD = {
    "one-dose-severe": {"one-dose-grade-4"},
    "no-dose-severe": {"no-dose-grade-4"},
    "iec-hs-review": {"crs-renal-review"},
    "iec-hs-severe": {"iec-hs-review", "crs-renal-review"},
}


@pytest.mark.parametrize("name", WORSE)
@BOUNDED
@given(items=charts, person=persons)
def test_a_worse_value_never_lowers_an_answer(name: str, items: Sequence[Item], person: Resource) -> None:
    chart = resources(items)
    before, after = said(chart, person), said([*chart, *resources([WORSE[name] | {"id": "w"}])], person)
    kept = warnings(before) - ANSWERED - _merged(after)
    told = warnings(after)
    assert {w for w in kept if not {w, *INSTEAD.get(w, ())} & told} == set()
    hard = [key(a) for a in before if RANK[a[0]] < RANK["suggest"] and not {a[0], a[2]} & ANSWERED]
    if hard:
        assert min(map(key, after)) <= min(hard)


@settings(BOUNDED, max_examples=5 * EXAMPLES)
@given(items=charts, person=persons, which=st.lists(st.sampled_from(sorted(CONTRAINDICATIONS)), max_size=2))
def test_every_answer_keeps_the_contract(items: Sequence[Item], person: Resource, which: list[str]) -> None:
    """Cards stand in the contract's order, and nothing is suggested beside what precludes it."""
    found = [CONTRAINDICATIONS[name] | {"id": f"c{n}"} for n, name in enumerate(which)]
    chart = resources([*items, *found])
    answers = said(chart, person)
    decisions = {a[0] for a in answers}
    assert [key(a) for a in answers] == sorted(key(a) for a in answers)
    if decisions & {"block", "insufficient-data", "review", "duplicate"}:
        assert not decisions & {"suggest", "suggest-reduced", "suggest-restricted", "monitoring"}
        assert one_click(chart, person) == 0
    assert sum(RANK[d] == RANK["suggest"] for d in decisions) <= 1
    assert bool(one_click(chart, person)) <= bool(decisions & {"suggest", "suggest-reduced", "order-exceeds-max"})


# ---- ties: two results of the same moment


@pytest.mark.parametrize(
    ("fact", "one", "two"),
    [
        ("neutrophils", {"obs": "anc", "value": 0.4}, {"obs": "anc", "value": 2.0}),
        ("weight", {"obs": "weight", "value": 60}, {"obs": "weight", "value": 90}),
        ("creatinine-clearance", {"obs": "crcl", "value": 20}, {"obs": "crcl", "value": 90}),
        ("pregnancy", {"pregnancy": "Pregnant"}, {"pregnancy": "Not pregnant"}),
    ],
)
def test_ties_do_not_depend_on_order(fact: str, one: Item, two: Item) -> None:
    values = {Case(given=order).facts()[fact].value for order in ((one, two), (two, one))}
    assert len(values) == 1
