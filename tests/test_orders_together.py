"""Orders that stand together: nothing that one click does may make the whole worse, and no safety card is lost."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import pytest

from cds_service import knowledge
from cds_service.contract import ASSOCIATED, EXPLANATION, ORDER
from cds_service.service import Service
from cds_service.web.door import read_call
from tests.support.cards import drug_orders

Json = dict[str, Any]
BASE = json.loads((Path(__file__).parents[1] / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
PATIENT = BASE["context"]["patientId"]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
CVX = "http://hl7.org/fhir/sid/cvx"
ANAKINRA, TOCILIZUMAB, ADALIMUMAB = "72435", "612865", "327361"


@functools.cache
def service() -> Service:
    return Service.start(knowledge.load())


def order(name: str, code: str, mg: float = 0, hours: float = 0, **more: Any) -> Json:
    made: Json = {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": code}]},
        "authoredOn": "2026-03-05T08:00:00Z",
    }
    if mg:
        quantity = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
        timing = {"repeat": {"frequency": 1, "period": hours, "periodUnit": "h"}}
        made["dosageInstruction"] = [{"timing": timing, "doseAndRate": [{"doseQuantity": quantity}]}]
    return made | more


MMR = order("mmr", "", medicationCodeableConcept={"coding": [{"system": CVX, "code": "03", "display": "MMR"}]})


def ask(
    *drafts: Json, hook: str = "order-sign", chart: Json | None = None, problems: tuple[Json, ...] = ()
) -> list[Json]:
    request = copy.deepcopy(BASE) | {"hook": hook}
    request["context"]["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": d} for d in drafts]}
    request["context"]["selections"] = [f"MedicationRequest/{drafts[0].get('id')}"]
    for key, resource in (chart or {}).items():
        if resource is None:
            del request["prefetch"][key]
        else:
            request["prefetch"][key].setdefault("entry", []).insert(0, {"resource": resource})
            request["prefetch"][key].pop("total", None)
    request["prefetch"]["conditions"]["entry"] += [{"resource": problem} for problem in problems]
    call = read_call(f"anakinra-{hook}", hook, json.dumps(request).encode(), allow_evaluation_time=True)
    assert call.evaluation_time is not None
    cards: list[Json] = service().answer(call, call.evaluation_time)["cards"]
    return cards


def said(cards: list[Json]) -> list[str]:
    return [c["extension"][EXPLANATION]["decision"] for c in cards]


def rules(cards: list[Json]) -> set[str]:
    return {c["source"]["topic"]["code"] for c in cards}


def offered(cards: list[Json]) -> list[Json]:
    return [o for c in cards for o in drug_orders(c)]


@pytest.mark.parametrize(("first", "second"), [((100, 8), (100, 12)), ((100, 12), (100, 12)), ((200, 6), (100, 24))])
def test_what_is_offered_for_one_draft_leaves_room_for_the_other(
    first: tuple[float, float], second: tuple[float, float]
) -> None:
    other = order("d2", ANAKINRA, *second)
    for resource in offered(ask(order("d1", ANAKINRA, *first), other)):
        assert "order-exceeds-max" not in said(ask(resource, other))


def test_nothing_is_offered_beside_a_draft_of_unknown_dose() -> None:
    assert offered(ask(order("d1", ANAKINRA, 100, 24), order("d2", ANAKINRA), hook="order-select")) == []


RUNNING = order("running", ANAKINRA, 100, 12, status="active")
GIVEN = {
    "resourceType": "MedicationAdministration",
    "id": "given",
    "status": "completed",
    "subject": {"reference": f"Patient/{PATIENT}"},
    "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": ANAKINRA}]},
    "effectiveDateTime": "2026-03-05T06:00:00Z",
}


@pytest.mark.parametrize("chart", [{"requests": RUNNING}, {"administrations": GIVEN}])
def test_no_second_course_in_place_of_tocilizumab(chart: Json) -> None:
    cards = ask(order("d", TOCILIZUMAB), hook="order-select", chart=chart)
    assert said(cards)[0] == "review"
    assert offered(cards) == []


def test_an_active_drug_of_unknown_dose_is_not_zero() -> None:
    cards = ask(order("d", ANAKINRA, 100, 6), chart={"administrations": GIVEN})
    assert said(cards)[0] == "duplicate"
    assert "0 mg" not in cards[0]["summary"].replace("400 mg", "")
    assert "Combined" not in cards[0]["detail"]


@pytest.mark.parametrize(
    ("drafts", "expected"),
    [
        ((order("d", ANAKINRA, 100, 12), MMR), {"live-vaccine-ordered", "live-vaccine-drafted"}),
        ((order("d", ANAKINRA, 100, 12), order("a", ADALIMUMAB)), {"tnf-antagonist"}),
    ],
)
def test_every_signed_order_is_answered(drafts: tuple[Json, ...], expected: set[str]) -> None:
    assert expected <= rules(ask(*drafts))


def test_one_risk_is_one_card() -> None:
    """Contract: "cautions about one risk are one card": of two orders that do not go together one answer says so."""
    both = rules(ask(order("d", ANAKINRA, 100, 12), order("a", ADALIMUMAB)))
    assert both & {"blocker-ordered-with-anakinra", "tnf-antagonist"} == {"tnf-antagonist"}
    assert "blocker-ordered-with-anakinra" in rules(ask(order("a", ADALIMUMAB), chart={"requests": RUNNING}))


def test_a_vaccine_is_not_lost_beside_tocilizumab() -> None:
    cards = ask(order("d", TOCILIZUMAB), MMR, chart={"requests": RUNNING})
    assert "live-vaccine-ordered" in rules(cards)


def test_a_blocker_among_the_drafts_is_mentioned() -> None:
    cards = ask(order("d", ANAKINRA), order("a", ADALIMUMAB), hook="order-select")
    assert "tnf-antagonist" in rules(cards)
    assert said(cards)[0] == "suggest"


def test_a_draft_of_another_patient_is_never_rewritten() -> None:
    cards = ask(order("d", ANAKINRA, 100, 12, subject={"reference": "Patient/somebody-else"}))
    assert said(cards)[0] == "insufficient-data"
    assert offered(cards) == []


def test_a_draft_without_id_cannot_be_updated() -> None:
    draft = order("d", ANAKINRA)
    del draft["id"]
    assert offered(ask(draft | {"id": ""}, hook="order-sign")) == []


def test_unreadable_procedures_leave_dialysis_open() -> None:
    cards = ask(order("d", ANAKINRA), hook="order-select", chart={"procedures": None})
    assert "renal-not-computable" in rules(cards)
    assert any("dialysis" in c["detail"] for c in cards)


def test_times_of_day_count() -> None:
    draft = order("d", ANAKINRA, 200, 24)
    draft["dosageInstruction"][0]["timing"]["repeat"]["timeOfDay"] = ["00:00:00", "06:00:00", "12:00:00", "18:00:00"]
    assert said(ask(draft))[0] == "order-exceeds-max"


def test_an_update_repeats_no_null() -> None:
    cards = ask(order("d", ANAKINRA, note=None, category={"text": "inpatient"}), hook="order-select")
    for resource in offered(cards):
        assert "note" not in resource
        assert resource["category"] == [{"text": "inpatient"}]


def named(card: Json) -> tuple[str, list[str]]:
    """The order that a card names, and all that it is about."""
    extension = card["extension"]
    about = [each["reference"].removeprefix("MedicationRequest/") for each in extension.get(ASSOCIATED, ())]
    return extension.get(ORDER, {}).get("reference", "").removeprefix("MedicationRequest/"), about


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_card_names_the_orders_that_it_is_about(hook: str) -> None:
    """On order-select the selected one, when signing all of its kind; an order of another kind has its own cards."""
    drafts = (order("a", ANAKINRA, 100, 12), order("b", ANAKINRA, 100, 12), order("t", ADALIMUMAB), MMR)
    running = {"requests": RUNNING}
    both = ["a"] if hook == "order-select" else ["a", "b"]
    cards = ask(*drafts, hook=hook, chart=running)
    assert {tuple(named(card)[1]) for card in cards} >= {tuple(both)}
    for card in cards:
        first, about = named(card)
        assert first == about[0]
        assert about in ([["a"]] if hook == "order-select" else [["a", "b"], ["t"], ["mmr"]])


def test_a_draft_without_an_id_is_not_named() -> None:
    (first, *_) = ask({k: v for k, v in order("d", ANAKINRA, 100, 12).items() if k != "id"})
    assert named(first) == ("", [])
    assert {ORDER, ASSOCIATED}.isdisjoint(first["extension"])


NEW = order("new", ANAKINRA, 100, 6)
OWN = {"request": {"reference": "MedicationRequest/running"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (OWN, "order-ok"),
        ({"request": {"reference": "https://ehr.example.org/r4/MedicationRequest/running/_history/3"}}, "order-ok"),
        ({"request": {"reference": "MedicationRequest/another"}}, "duplicate"),
        ({}, "duplicate"),
        ({"request": "MedicationRequest/running"}, "insufficient-data"),
    ],
    ids=["its own dose", "by an absolute reference", "of another order", "of no order that is named", "unreadable"],
)
@pytest.mark.parametrize("status", ["draft", "active"])
def test_an_order_that_is_signed_again_is_no_duplicate_of_itself(status: str, given: Json, expected: str) -> None:
    """CDS Hooks order-sign: "on re-sign" the status may be another than draft. Doses of any other order still count."""
    again = RUNNING | {"status": status}
    first, *others = ask(again, chart={"requests": RUNNING, "administrations": GIVEN | given})
    assert said([first]) == [expected]
    assert "duplicate" not in said(others)


def test_a_second_order_beside_the_one_that_is_signed_again_is_a_duplicate() -> None:
    other = order("other", ANAKINRA, 100, 12, status="active")
    assert said(ask(RUNNING, chart={"requests": other, "administrations": GIVEN | OWN}))[0] == "duplicate"


@pytest.mark.parametrize("drafts", [(RUNNING, NEW), (NEW, RUNNING)])
def test_what_is_signed_again_counts_towards_the_maximum(drafts: tuple[Json, ...]) -> None:
    """Two of one drug in one session: both are drafts, and their doses add up, also in what is offered for one."""
    chart = {"requests": RUNNING, "administrations": GIVEN | OWN}
    cards = ask(*drafts, chart=chart)
    assert said(cards)[0] == "order-exceeds-max"
    for resource in offered(cards):
        assert resource["id"] == drafts[0]["id"]
        assert "order-exceeds-max" not in said(ask(resource, drafts[1], chart=chart))


def test_headache_is_asked_about_while_the_running_order_is_signed_again() -> None:
    """Its own doses are no duplicate, and may still be what hurts."""
    headache = {
        "resourceType": "Condition",
        "id": "headache",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"text": "Headache"},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "recordedDate": "2026-03-05T08:00:00Z",
    }
    icans = headache | {
        "id": "icans",
        "code": {"coding": [{"system": ICD10, "code": "G92.01"}], "text": "ICANS grade 1"},
    }
    for given, expected in ((OWN, True), ({"effectiveDateTime": "2026-02-05T06:00:00Z"}, False)):
        chart = {"requests": RUNNING, "administrations": GIVEN | given}
        cards = ask(RUNNING, chart=chart, problems=(headache, icans))
        assert ("headache-on-anakinra" in cards[0]["extension"][EXPLANATION]["flags"]) is expected
