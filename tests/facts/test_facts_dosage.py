"""What an order's dosage amounts to in a day (contract: the maximum is over the drafts; a daily dose that cannot be
computed counts on order-sign only)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facts.house import REFRACTORY, Case
from tests.facts.notation import NOW, patient
from tests.support.cards import drug_orders

MG = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
CHILD = patient(born="2019-06-01")
CHILD_CHART = (*(item for item in REFRACTORY if item.get("obs") != "weight"), {"obs": "weight", "value": 20})


def dose(mg: float = 100, unit: str = "mg", **more: Any) -> dict[str, Any]:
    """An instruction of one amount."""
    return {"doseAndRate": [{"doseQuantity": MG | {"value": mg, "unit": unit, "code": unit}}]} | more


def repeat(**repeat: Any) -> dict[str, Any]:
    """A timing."""
    return {"timing": {"repeat": repeat}}


def code(name: str) -> dict[str, Any]:
    """A timing by code alone."""
    return {
        "timing": {
            "code": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", "code": name}]}
        }
    }


def worded(text: str, **more: Any) -> dict[str, Any]:
    """A timing in words alone."""
    return {"timing": {"code": {"text": text} | more}}


def drafted(*instructions: dict[str, Any], **more: Any) -> Case:
    """A draft of anakinra with these instructions, for a patient whose answer is a suggestion."""
    draft = {"draft": "anakinra", "id": "draft-1", "dosage": list(instructions)}
    return Case(given=REFRACTORY, draft=(draft,), hook="order-sign", **more)


Q6H = repeat(frequency=1, period=6, periodUnit="h")
Q12H = repeat(frequency=1, period=12, periodUnit="h")


@pytest.mark.parametrize(
    ("timing", "daily"),
    [
        (repeat(frequency=1, period=6, periodUnit="h"), 400),
        (repeat(frequency=4, period=1, periodUnit="d"), 400),
        (repeat(period=6, periodUnit="h"), 400),
        (repeat(frequency=2, period=1, periodUnit="d"), 200),
        (repeat(frequency=1, period=2, periodUnit="d"), 50),
        (repeat(frequency=1, period=48, periodUnit="h"), 50),
        (repeat(frequency=7, period=1, periodUnit="wk"), 100),
        (repeat(frequency=1, period=360, periodUnit="min"), 400),
        (repeat(frequency=2, frequencyMax=4, period=1, periodUnit="d"), 400),
        (repeat(frequency=1, period=6, periodMax=8, periodUnit="h"), 400),
        (repeat(timeOfDay=["08:00:00", "20:00:00"]), 200),
        (code("QD"), 100),
        (code("BID"), 200),
        (code("TID"), 300),
        (code("QID"), 400),
        (code("Q4H"), 600),
        (code("Q6H"), 400),
        (code("Q8H"), 300),
        (code("QOD"), 50),
        (worded("q12h"), 200),
        (worded("Every 6 hours"), 400),
        (worded("q6h"), 400),
        (worded("Q 8 HR"), 300),
        (worded("b.i.d."), 200),
        (worded("Daily"), 100),
        (worded("4x/day"), 400),
        (worded("every 4 hours"), 600),
        (worded("alle 12 Stunden"), 200),
        (worded("toutes les 6 heures"), 400),
        (worded("cada 8 horas"), 300),
        (worded("ogni 12 ore"), 200),
        (worded("12時間ごと"), 200),
        (worded("6시간마다"), 400),
        (worded("", coding=[{"system": "urn:oid:2.999.1", "code": "17", "display": "EVERY 12 HOURS"}]), 200),
    ],
    ids=str,
)
def test_daily_dose_of_100_mg(timing: dict[str, Any], daily: float) -> None:
    facts = drafted(dose(**timing)).facts()
    assert facts["draft-dose-computable"].value is True
    assert facts["draft-daily-dose"].value == pytest.approx(daily)
    assert facts["draft-exceeds-maximum"].value is (daily > 400)


@pytest.mark.parametrize(
    "instruction",
    [
        dose(),
        Q6H,
        {"text": "100 mg every 6 hours"},
        dose(asNeededBoolean=True, **Q6H),
        dose(asNeededCodeableConcept={"text": "fever"}, **Q6H),
        dose(2, "mg/kg/d", **Q6H),
        dose(1, "{vial}", **Q6H),
        {"doseAndRate": [*dose(100)["doseAndRate"], *dose(200)["doseAndRate"]], **Q12H},
        {"doseAndRate": [*dose(100)["doseAndRate"], {"doseQuantity": MG | {"value": "x"}}], **Q12H},
        {"doseAndRate": [{"rateQuantity": MG | {"value": 10, "unit": "mg/h", "code": "mg/h"}}], **Q6H},
        {"doseAndRate": [{"doseRange": {"low": MG | {"value": 100}}}], **Q6H},
        {"doseAndRate": [{"doseQuantity": {"value": 100}}], **Q6H},
        {"doseAndRate": [{"doseQuantity": MG | {"value": 100, "comparator": "<"}}], **Q6H},
        dose(**repeat(frequency=4)),
        dose(**repeat(when=["MORN", "EVE"])),
        dose(**code("HS-LOCAL")),
        dose(**worded("q6h PRN")),
        dose(**worded("every morning and as needed")),
        dose(**worded("q12h", coding=[{"code": "1", "display": "Every 6 hours"}])),
        {},
    ],
    ids=lambda instruction: str(instruction)[:60],
)
def test_what_says_no_daily_dose(instruction: dict[str, Any]) -> None:
    case = drafted(instruction)
    assert case.facts()["draft-dose-computable"].value is False
    assert case.first() == "insufficient-data warning", case.answers()


WORDS_DIFFER = [
    ("200 mg IV q6h", Q12H, 800),
    ("200 mg q6h", Q12H, 800),
    ("100 mg SC every 4 hours", Q12H, 600),
    ("Inject 200 mg every 12 hours", Q12H, 400),
    ("150 mg q12h", Q12H, 300),
    ("100 mg q12h, then 200 mg q6h", Q12H, 800),
    ("100 mg once daily", Q12H, 200),
    ("100 mg alle 6 Stunden", Q12H, 400),
    ("200 mg 静注 6時間ごと", Q12H, 800),
    ("", {"timing": Q12H["timing"] | worded("q6h")["timing"]}, 400),
]


@pytest.mark.parametrize(("text", "timing", "daily"), WORDS_DIFFER, ids=str)
def test_words_that_say_another_dose_are_no_order_to_agree_with(
    text: str, timing: dict[str, Any], daily: float
) -> None:
    case = drafted(dose(100, text=text, **timing))
    assert case.facts()["draft-dose-computable"].value is False
    assert case.facts()["draft-daily-dose"].value == pytest.approx(daily)
    expected = "order-exceeds-max critical" if daily > 400 else "insufficient-data warning"
    assert case.first() == expected, case.answers()


@pytest.mark.parametrize(
    "text",
    [
        "100 mg SC q12h",
        "Inject 100 mg under the skin every 12 hours. Maximum 400 mg/day. Vital signs every 4 hours",
        "Inject 0.67 mL (100 mg) under the skin twice daily",
        "100 mg/0.67 mL: 100 mg s.c. bid, daily review",
        "Inject one 100 mg syringe every 12 hours for 3 days (200 mg/day)",
        "100 mg alle 12 Stunden",
        "Anakinra 100 mg, 1日2回",
        "See protocol",
        "Daily review; total 200 mg",
    ],
)
def test_words_that_agree_change_nothing(text: str) -> None:
    case = drafted(dose(100, text=text, route={"text": "Subcutaneous"}, **Q12H))
    assert case.facts()["draft-dose-computable"].value is True
    assert case.first() == "order-ok info", case.answers()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("100 mg IV q12h", "insufficient-data warning"),
        ("100 mg intravenously every 12 hours", "insufficient-data warning"),
        ("100 mg SC q12h", "order-ok info"),
        ("100 mg SC q12h, not IV", "order-ok info"),
    ],
)
def test_words_that_name_another_route_are_said(text: str, first: str) -> None:
    case = drafted(dose(100, text=text, route={"text": "Subcutaneous"}, **Q12H))
    assert case.first() == first, case.answers()


UNREAD = [
    dose(100, "foo", **Q6H),
    dose(-1, **Q6H),
    dose(2, "mg/kg/d", **Q6H),
    {"doseAndRate": [{"doseQuantity": MG | {"value": "100"}}], **Q6H},
    {"doseAndRate": [{"doseQuantity": {"value": 100}}], **Q6H},
    {"doseAndRate": [{"doseQuantity": MG | {"value": 100, "comparator": "<"}}], **Q6H},
    {"doseAndRate": [{"rateQuantity": MG | {"value": 10, "unit": "mg/h", "code": "mg/h"}}], **Q6H},
]


@pytest.mark.parametrize("instruction", UNREAD, ids=lambda instruction: str(instruction)[:60])
def test_on_order_select_an_amount_that_cannot_be_read_is_said(instruction: dict[str, Any]) -> None:
    case = Case(given=REFRACTORY, draft=({"draft": "anakinra", "id": "draft-1", "dosage": [instruction]},))
    fact = case.facts()["draft-dose-readable"]
    assert (fact.value, bool(fact.text)) == (False, True)
    assert ("caution", "warning", "dose-not-read") in case.answers()


@pytest.mark.parametrize("instruction", [dose(), dose(100, **Q6H), dose(2, "mg/kg", **Q6H), Q6H, {"text": "100 mg"}])
def test_on_order_select_what_can_be_read_or_is_missing_is_not(instruction: dict[str, Any]) -> None:
    case = Case(given=REFRACTORY, draft=({"draft": "anakinra", "id": "draft-1", "dosage": [instruction]},))
    assert case.facts()["draft-dose-readable"].value is True


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("amount", [99_999, 100_000, 100_001, 1e15])
def test_an_amount_beyond_any_dose_is_too_much(hook: str, amount: float) -> None:
    draft = {"draft": "anakinra", "id": "draft-1", "dosage": [dose(amount, **Q6H)]}
    assert Case(given=REFRACTORY, draft=(draft,), hook=hook).first() == "order-exceeds-max critical"


@pytest.mark.parametrize("instruction", [dose(), {"text": "100 mg every 6 hours"}, dose(asNeededBoolean=True, **Q6H)])
def test_on_order_select_a_missing_dose_never_counts(instruction: dict[str, Any]) -> None:
    draft = {"draft": "anakinra", "id": "draft-1", "dosage": [instruction]}
    case = Case(given=REFRACTORY, draft=(draft,))
    assert case.first() == "suggest warning", case.answers()


@pytest.mark.parametrize(
    ("instructions", "daily"),
    [
        ([dose(0.1, "g", **Q6H)], 400),
        ([dose(100000, "ug", **Q6H)], 400),
        ([{"doseAndRate": [{"doseRange": {"low": MG | {"value": 100}, "high": MG | {"value": 200}}}], **Q12H}], 400),
        ([dose(1, "{syringe}", **Q12H)], 200),
        ([dose(0.67, "mL", **Q6H)], 400),
        ([dose(1.34, "mL", **Q6H)], 800),
        ([{"doseAndRate": [*dose(100)["doseAndRate"], *dose(0.67, "mL")["doseAndRate"]], **Q12H}], 200),
        ([{"doseAndRate": [*dose(2, "mg/kg")["doseAndRate"], *dose(150)["doseAndRate"]], **Q12H}], 300),
        ([dose(100, **Q12H), dose(100, **Q12H)], 400),
        ([dose(200, **Q12H), dose(100, **Q6H)], 800),
        ([dose(200, **repeat(frequency=1, period=1, periodUnit="d")), dose(100, **Q12H)], 400),
    ],
    ids=[
        "g",
        "ug",
        "range",
        "syringe",
        "mL",
        "mL above",
        "mg beside mL",
        "mg beside mg/kg",
        "two equal",
        "two above",
        "two mixed",
    ],
)
def test_amounts_and_sums(instructions: list[dict[str, Any]], daily: float) -> None:
    case = drafted(*instructions)
    facts = case.facts()
    assert facts["draft-daily-dose"].value == pytest.approx(daily)
    assert facts["draft-exceeds-maximum"].value is (daily > 400)
    assert (case.first() == "order-exceeds-max critical") is (daily > 400)


@pytest.mark.parametrize(
    ("amount", "daily"),
    [
        (dose(2, "mg/kg"), 600),
        ({"doseAndRate": [{"doseQuantity": {"value": 1, "unit": "mg/kg/dose"}}]}, 300),
        ({"doseAndRate": [{"doseQuantity": {"value": 1000, "unit": "mcg per kg"}}]}, 300),
        ({"doseAndRate": [*dose(1, "mg/kg")["doseAndRate"], *dose(0.67, "mL")["doseAndRate"]]}, 400),
    ],
    ids=["mg/kg", "mg/kg/dose", "mcg per kg", "a volume of the product before mg/kg"],
)
def test_an_amount_per_kilogram_counts_with_a_usable_weight(amount: dict[str, Any], daily: float) -> None:
    """Policy K5, for 75 kg; without a weight nothing is computed, and nothing is guessed."""
    case = drafted(amount | Q6H)
    facts = case.facts()
    assert facts["draft-daily-dose"].value == pytest.approx(daily)
    assert facts["draft-exceeds-maximum"].value is (daily > 400)
    light = [item for item in REFRACTORY if item.get("obs") != "weight"]
    without = Case(given=light, draft=case.draft, hook="order-sign")
    by_weight_alone = len(amount["doseAndRate"]) == 1
    assert (without.facts()["draft-daily-dose"].value is None) is by_weight_alone
    assert (without.first() == "insufficient-data warning") is by_weight_alone


@pytest.mark.parametrize(("per_kg", "decision"), [(2, "order-ok info"), (2.01, "order-exceeds-max critical")])
def test_a_childs_dose_by_weight_is_permitted_before_it_is_rounded(per_kg: float, decision: str) -> None:
    """22.3 kg: 44.6 mg are the 2 mg/kg of the regimen, of which 44 mg would be offered."""
    chart = [item for item in CHILD_CHART if item.get("obs") != "weight"] + [{"obs": "weight", "value": 22.3}]
    draft = {"draft": "anakinra", "id": "d", "dosage": [dose(per_kg, "mg/kg") | Q6H]}
    assert Case(given=chart, person=CHILD, draft=(draft,), hook="order-sign").first() == decision


def test_drafts_sum_up() -> None:
    drafts = [{"draft": "anakinra", "id": f"d{n}", "dosage": [dose(100, **Q6H)]} for n in (1, 2)]
    case = Case(given=REFRACTORY, draft=drafts, hook="order-sign")
    assert case.facts()["draft-daily-dose"].value == pytest.approx(800)
    assert case.first() == "order-exceeds-max critical"


def test_as_needed_is_bounded_by_its_frequency() -> None:
    """200 mg every 6 hours as needed may become 800 mg a day: the maximum speaks before the missing dose."""
    assert drafted(dose(200, asNeededBoolean=True, **Q6H)).first() == "order-exceeds-max critical"


@pytest.mark.parametrize(("mg", "over"), [(40, False), (40.1, True), (100, True)])
def test_a_childs_maximum_is_by_weight(mg: float, over: bool) -> None:
    draft = {"draft": "anakinra", "id": "d", "dosage": [dose(mg, **Q6H)]}
    case = Case(given=CHILD_CHART, person=CHILD, draft=(draft,), hook="order-sign")
    assert case.facts()["draft-exceeds-maximum"].value is over


def test_a_childs_maximum_needs_a_weight() -> None:
    light = [item for item in CHILD_CHART if item.get("obs") != "weight"]
    draft = {"draft": "anakinra", "id": "d", "dosage": [dose(40, **Q6H)]}
    assert Case(given=light, person=CHILD, draft=(draft,)).facts()["draft-exceeds-maximum"].value is None


def test_a_childs_maximum_is_never_above_the_adults() -> None:
    heavy = [item for item in CHILD_CHART if item.get("obs") != "weight"] + [{"obs": "weight", "value": 80}]
    draft = {"draft": "anakinra", "id": "d", "dosage": [dose(125, **Q6H)]}
    assert Case(given=heavy, person=CHILD, draft=(draft,)).facts()["draft-exceeds-maximum"].value is True


@pytest.mark.parametrize(("kg", "mg", "hours"), [(11.1, 29.6, 8), (12.6, 16.8, 4)])
def test_a_maximum_is_not_exceeded_by_rounding(kg: float, mg: float, hours: int) -> None:
    """What is exactly 8 mg/kg/day on paper does not exceed it, however the numbers are stored."""
    draft = {"draft": "anakinra", "id": "d", "dosage": [dose(mg, **repeat(frequency=1, period=hours, periodUnit="h"))]}
    case = Case(given=({"obs": "weight", "value": kg},), person=CHILD, draft=(draft,))
    assert case.facts()["draft-exceeds-maximum"].value is False


@pytest.mark.parametrize(
    ("instructions", "permitted"),
    [
        ([dose(100, **Q12H)], True),
        ([dose(100, **repeat(frequency=1, period=8, periodUnit="h"))], True),
        ([dose(100, **Q6H)], True),
        ([dose(200, **Q12H)], True),
        ([dose(100, **repeat(frequency=2, period=1, periodUnit="d"))], True),
        ([dose(100, **repeat(frequency=1, period=24, periodUnit="h"))], False),
        ([dose(150, **Q12H)], False),
        ([dose(50, **Q6H)], False),
    ],
)
def test_order_ok_only_for_the_permitted_pairs(instructions: list[dict[str, Any]], permitted: bool) -> None:
    assert drafted(*instructions).first() == ("order-ok info" if permitted else "suggest warning")


# ---- active orders of the chart


def active(*instructions: dict[str, Any], ago: str = "12h") -> Case:
    """An active order of anakinra in the chart beside a new draft."""
    order = {"order": "anakinra", "ago": ago, "dosage": list(instructions)}
    return Case(given=(*REFRACTORY, order))


def test_active_anakinra_is_a_duplicate_and_its_dose_is_summed() -> None:
    case = active(dose(100, **Q6H))
    assert case.facts()["anakinra-active-daily-dose"].value == pytest.approx(400)
    assert case.first() == "duplicate critical"


@pytest.mark.parametrize(
    ("bounds", "ago", "value"),
    [
        ({"boundsDuration": {"value": 3, "unit": "d", "code": "d"}}, "71h", True),
        ({"boundsDuration": {"value": 3, "unit": "d", "code": "d"}}, "73h", False),
        ({"boundsPeriod": {"end": "2026-03-05"}}, "4d", True),
        ({"boundsPeriod": {"end": "2026-03-04T12:00:00Z"}}, "4d", False),
    ],
)
def test_an_order_that_ran_out_is_over(bounds: dict[str, Any], ago: str, value: bool) -> None:
    instruction = dose(100, **repeat(frequency=1, period=6, periodUnit="h", **bounds))
    assert active(instruction, ago=ago).facts()["anakinra-active"].value is value


def test_an_order_is_active_while_one_of_its_instructions_is() -> None:
    """Contract: "anakinra active and drafted again" is a duplicate; a loading dose that is over ends only itself."""
    loading = dose(200, **repeat(frequency=1, period=12, periodUnit="h", boundsPeriod={"end": "2026-03-03T12:00:00Z"}))
    case = active(loading, dose(100, **Q6H), ago="4d")
    assert case.facts()["anakinra-active"].value is True
    assert case.first() == "duplicate critical"


def test_given_within_a_day_is_active() -> None:
    for ago, value in (("24h", True), ("24h1m", False)):
        chart = (*REFRACTORY, {"given": "anakinra", "ago": ago})
        assert Case(given=chart).facts(NOW)["anakinra-active"].value is value


NUMBERS = (0, -1, -1e308, 1e-323, 5e-324, 0.5, 1e308, 10**400, "NaN", "4", True, False, [], {}, [1], {"value": 1})
HOW_OFTEN = ("frequency", "frequencyMax", "period", "periodMax", "timeOfDay", "when")
# At most that seldom, twice as often, and nothing said: what is empty is absent.
EMPTY = [(e, v) for e in HOW_OFTEN if e != "period" for v in ([], {})]
MEANT = [("periodMax", 1e308), ("period", 0.5), *EMPTY]


@pytest.mark.parametrize(
    ("element", "value"), [(e, v) for e in HOW_OFTEN for v in NUMBERS if (e, v) not in MEANT], ids=str
)
def test_a_timing_that_cannot_be_has_no_daily_dose(element: str, value: Any) -> None:
    """None of these is a certain daily dose, and none looks like less than it may be."""
    timing = {"frequency": 1, "period": 12, "periodUnit": "h"} | {element: value}
    case = drafted(dose() | repeat(**timing))
    facts = case.facts()
    assert facts["draft-dose-computable"].value is False
    assert facts["draft-daily-dose"].value is None
    assert case.first().split()[0] in ("insufficient-data", "order-exceeds-max")
    assert not [order for card in case.cards() for order in drug_orders(card)]


@pytest.mark.parametrize(("element", "value"), EMPTY, ids=str)
def test_an_empty_member_of_a_timing_is_absent(element: str, value: Any) -> None:
    assert drafted(dose() | repeat(**{"frequency": 1, "period": 12, "periodUnit": "h", element: value})).facts()[
        "draft-daily-dose"
    ].value == (100 * 2)


@pytest.mark.parametrize(("frequency", "period", "unit"), [(1_000_000, 1, "s"), (1, 1e-323, "h"), (1e308, 1, "d")])
def test_what_is_beyond_any_dosage_exceeds_the_maximum(frequency: float, period: float, unit: str) -> None:
    case = drafted(dose() | repeat(frequency=frequency, period=period, periodUnit=unit))
    assert case.facts()["draft-exceeds-maximum"].value is True
    assert case.first() == "order-exceeds-max critical"
    active = {"order": "anakinra", "dosage": [dose() | repeat(frequency=frequency, period=period, periodUnit=unit)]}
    assert Case(given=(*REFRACTORY, active)).facts()["anakinra-active-daily-dose"].value is None


@pytest.mark.parametrize(
    "instructions",
    [
        [dose() | Q12H, "100 mg in the evening"],
        [dose(0) | Q12H],
        [{"doseAndRate": [*dose()["doseAndRate"], "and more"]} | Q12H],
        [dose(asNeededBoolean="true") | Q12H],
        [dose(asNeededCodeableConcept="pain") | Q12H],
        [dose() | repeat(frequency=1, period=11, periodUnit="a")],
    ],
)
def test_what_is_only_understood_in_part_is_not_computed(instructions: list[Any]) -> None:
    assert drafted(*instructions).facts()["draft-dose-computable"].value is False
