"""A caution that says `onceIn` reminds a clinician of the same once in that time (clinical policy 6.8 H5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from cds_service.web.repeats import Reminders
from tests.facts.house import NOW, REFRACTORY, Case, service
from tests.support.cards import explanation

SCREEN = "iec-hs-screen"
STRIKING = [*REFRACTORY, {"obs": "ferritin", "value": 14200, "ago": "3h", "id": "f"},
            {"obs": "fibrinogen", "value": 1.2, "unit": "g/L", "ago": "3h", "id": "g"}]  # fmt: skip
HIGHER = [*STRIKING, {"obs": "ferritin", "value": 21000, "ago": "1h", "id": "h"}]


def shown(reminders: Reminders, hours: float, given: Sequence[Any] = STRIKING, **call: Any) -> list[str]:
    """The rules of the cards of an order some hours later, on the same chart."""
    asked = replace(Case(given=given).call(), **{"hook_instance": str(uuid4())} | call)
    found = service().assess(asked, NOW)
    assert found is not None
    reminded = reminders.given(asked, replace(found, now=NOW + timedelta(hours=hours)))
    cards = service().advice(asked.service_id, found, reminded=reminded).cards
    assert SCREEN in explanation(cards[0])["flags"]
    return [explanation(card)["rule"] for card in cards]


@pytest.fixture
def reminders() -> Reminders:
    return Reminders(service().program.windows)


@pytest.mark.parametrize(
    ("later", "again"),
    [
        ({"hours": 0.5}, False),
        ({"hours": 23.9}, False),
        ({"hours": 24}, True),
        ({"hours": -1}, True),
        ({"hours": 1, "given": HIGHER}, True),
        ({"hours": 1, "user_id": "Practitioner/2"}, True),
        ({"hours": 1, "fhir_server": "https://other.example.org/r4"}, True),
    ],
    ids=str,
)
def test_once_in_its_time_on_the_same_values(reminders: Reminders, later: dict[str, Any], again: bool) -> None:
    first = shown(reminders, 0)
    assert SCREEN in first
    then = shown(reminders, **later)
    assert (SCREEN in then) == again
    if not again:
        assert then == [rule for rule in first if rule != SCREEN]


def test_the_same_call_sent_again_gets_the_same_cards(reminders: Reminders) -> None:
    assert shown(reminders, 0, hook_instance="1") == shown(reminders, 0, hook_instance="1")
