"""Until when an order runs, by what it says; and what is asked when it is signed without an end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facts.house import REFRACTORY, Case
from tests.support.cards import explanation

MG = {"value": 100, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
SC = {"coding": [{"system": "http://snomed.info/sct", "code": "34206005"}]}
Json = dict[str, Any]


def instruction(**repeat: Any) -> Json:
    """100 mg every 12 h, with what bounds it."""
    timing = {"repeat": {"frequency": 1, "period": 12, "periodUnit": "h", **repeat}}
    return {"doseAndRate": [{"doseQuantity": MG}], "route": SC, "timing": timing}


def drafted(*instructions: Json, hook: str = "order-sign", **order: Any) -> Case:
    draft = {"draft": "anakinra", "id": "draft-1", "dosage": list(instructions), "with": order}
    return Case(given=REFRACTORY, draft=(draft,), hook=hook)


def duration(value: Any, code: str = "d", **more: Any) -> Json:
    return {"value": value, "code": code, **more}


SUPPLY = {"dispenseRequest": {"expectedSupplyDuration": duration(3)}}
STATED = [
    (drafted(instruction(boundsDuration=duration(3))), 3),
    (drafted(instruction(boundsDuration=duration(72, "h"))), 3),
    (drafted(instruction(boundsDuration=duration(2, "wk"))), 14),
    (drafted(instruction(boundsDuration={"value": 3, "unit": "days"})), 3),
    (drafted(instruction(boundsRange={"low": duration(3), "high": duration(7)})), 7),
    (drafted(instruction(boundsPeriod={"start": "2026-03-05", "end": "2026-03-09T12:00:00Z"})), 4),
    (drafted(instruction(boundsPeriod={"end": "2026-02-01T00:00:00Z"})), 0),
    (drafted(instruction(count=6)), 3),
    (drafted(instruction(count=4, countMax=8)), 4),
    (drafted(instruction(boundsDuration=duration(3)), instruction(boundsDuration=duration(5))), 5),
    (drafted(instruction(), **SUPPLY), 3),
    (drafted(instruction(), dispenseRequest={"validityPeriod": {"end": "2026-03-06T12:00:00Z"}}), 1),
    (drafted(instruction(boundsDuration=duration(3)), instruction(), **SUPPLY), 3),
]
OPEN = [
    drafted(instruction()),
    drafted(),
    drafted(instruction(boundsPeriod={"start": "2026-03-05"})),
    drafted(instruction(boundsDuration={"value": 3})),
    drafted(instruction(boundsDuration=duration(None))),
    drafted(instruction(boundsDuration=duration(0))),
    drafted(instruction(boundsDuration=duration(-3))),
    drafted(instruction(boundsDuration=duration(3, "fortnight"))),
    drafted(instruction(boundsDuration=duration(1e300))),
    drafted(instruction(boundsRange={"low": duration(3)})),
    drafted(instruction(boundsDuration=[duration(3)])),
    drafted(instruction(count=0)),
    drafted(instruction(boundsDuration=duration(3)), instruction()),
    drafted(instruction(), dispenseRequest="three days"),
]


@pytest.mark.parametrize(("case", "days"), STATED)
def test_an_end_that_is_stated(case: Case, days: float) -> None:
    assert case.facts()["draft-days"].value == pytest.approx(days)


@pytest.mark.parametrize("case", OPEN)
def test_no_end_is_guessed(case: Case) -> None:
    assert case.facts()["draft-days"].value is None


@pytest.mark.parametrize(
    ("case", "asked"),
    [
        (drafted(instruction(boundsDuration=duration(3))), None),
        (drafted(instruction(boundsDuration=duration(7))), None),
        (drafted(instruction(boundsDuration=duration(8))), ("order-too-long", "warning")),
        (drafted(instruction()), ("order-without-end", "info")),
        (drafted(instruction(), hook="order-select"), None),
    ],
)
def test_what_is_asked_beside_an_order_that_is_right(case: Case, asked: tuple[str, str] | None) -> None:
    """The order stays right; while it is only selected, nothing that is missing counts."""
    first, *others = case.cards()
    assert explanation(first)["decision"] == "order-ok"
    found = [(explanation(c)["rule"], c["indicator"]) for c in others if explanation(c)["rule"].startswith("order-")]
    assert found == ([asked] if asked else [])
