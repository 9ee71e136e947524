"""The acceptance cases, over real HTTP: what the first card decides and offers, and that every card is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cds_service.tools.replay.client import HttpClient
from tests.support.cards import dose_of, drug_orders, explanation, faults, is_anakinra, route_of, text_of
from tests.support.charts import site
from tests.support.live import live_service
from tests.support.vignettes import AT, Vignette, vignettes

CASES = vignettes()
EXPECTED_CASES = 36
Ask = Callable[[Vignette], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def ask() -> Iterator[Ask]:
    """A function that asks the service at a vignette's site and gives the cards; services start once a site."""
    clients: dict[str, tuple[HttpClient, dict[str, dict[str, Any]]]] = {}
    answers: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as stack:

        def put(case: Vignette) -> list[dict[str, Any]]:
            place = site(case.given)
            if place not in clients:
                client = HttpClient(stack.enter_context(live_service(place)), trust_env=False)
                stack.callback(client.close)
                clients[place] = client, {entry["hook"]: entry for entry in client.services()}
            client, services = clients[place]
            if case.id not in answers:
                service = services[case.hook]
                reply = client.call(service["id"], case.call(service["prefetch"]))
                assert not reply.error, reply.error
                answers[case.id] = reply.body["cards"]
            return answers[case.id]

        yield put


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every case is a named test of every test function here that takes one, or a `dosed` one."""
    for name, cases in (("case", CASES), ("dosed", [case for case in CASES if "dose" in case.expected])):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, cases, ids=[case.id for case in cases])


def test_all_cases_are_here() -> None:
    assert len({case.id.split("-")[0] for case in CASES}) == EXPECTED_CASES


def test_decision(case: Vignette, ask: Ask) -> None:
    cards = ask(case)
    first = explanation(cards[0])
    found = (first["decision"], cards[0]["indicator"])
    why = {"unknown": first.get("unknown"), "flags": first.get("flags"), "rule": first.get("rule")}
    assert found == (case.expected["decision"], case.expected["indicator"]), why
    assert first["evaluatedAt"].startswith(AT.strftime("%Y-%m-%dT%H:%M"))


def test_dose(dosed: Vignette, ask: Ask) -> None:
    """The plan, the order that one click places, and the alternatives beside it."""
    expected = dosed.expected["dose"]
    card = ask(dosed)[0]
    plan = explanation(card)["dosePlan"]
    assert {"mg": plan["doseMg"], "intervalH": plan["intervalH"], "route": route_of(plan["route"])} == expected
    assert plan["dailyMg"] == pytest.approx(expected["mg"] * 24 / expected["intervalH"])
    doses = [dose_of(order) for order in drug_orders(card)]
    assert doses[0] == expected
    offered = [(dose["mg"], dose["intervalH"]) for dose in doses]
    for other in dosed.expected.get("alternatives", ()):
        assert (other["mg"], other["intervalH"]) in offered[1:]


def test_one_click(case: Vignette, ask: Ask) -> None:
    """An order of anakinra can be placed where it is expected, and nowhere else, on no card."""
    cards = ask(case)
    orders = [order for card in cards for order in drug_orders(card) if is_anakinra(order)]
    assert bool(orders) == case.expected["oneClick"]
    offers = case.expected.get("offers")
    if offers:
        allowed = [(offer["mg"], offer["intervalH"]) for offer in offers]
        found = [(dose["mg"], dose["intervalH"]) for dose in map(dose_of, orders)]
        assert found[0] in allowed
        assert set(found) <= set(allowed)


def test_words(case: Vignette, ask: Ask) -> None:
    text = text_of(ask(case))
    missing = [phrase for phrase in case.expected.get("mustSay", ()) if phrase.lower() not in text]
    assert missing == [], text


def test_every_card_is_sound(case: Vignette, ask: Ask) -> None:
    context = case.call({})["context"]
    drafts = [entry["resource"] for entry in context["draftOrders"]["entry"]]
    assert [fault for card in ask(case) for fault in faults(card, drafts)] == []
