"""Five states of every prefetch key, with no FHIR server, with a good one, and with one that fails.

Missing, OperationOutcome and cut mean "not done": read from the server, else unknown. `null` and an empty Bundle mean
"no data": never read again.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from cds_service.chart.prefetch import templates
from cds_service.knowledge import load
from tests.fhir_server.asking import Answer, Asker, lacking, offering
from tests.fhir_server.good import GoodServer, outcome
from tests.fhir_server.misbehaving import FaultServer
from tests.support.cards import drug_orders, is_anakinra
from tests.support.vignettes import Vignette, vignettes

TEMPLATES = templates(load())
KEYS = tuple(TEMPLATES)
OPEN = ("missing", "outcome", "outcome-inside", "cut", "cut-elsewhere", "cut-untold", "unreadable")
CLOSED = ("null", "empty")
# What the base chart (grade 2, adult, no order yet) cannot be answered without: the first card says so.
REQUIRED = {"conditions", "allergies", "administrations", "requests", "cultures"}
CASES = {case.id: case for case in vignettes()}


def in_state(sent: Mapping[str, Any], key: str, state: str, good: GoodServer) -> dict[str, Any]:
    """The prefetch with one key in that state."""
    changed = copy.deepcopy(dict(sent))
    bundle = changed.pop(key)
    if state == "missing":
        return changed
    changed[key] = {
        "outcome": outcome("exception"),
        "outcome-inside": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": outcome("timeout")}]},
        "unreadable": {"resourceType": "Bundle", "type": "searchset", "entry": "none"},
        "null": None,
        "empty": {"resourceType": "Bundle", "type": "searchset", "total": 0},
    }.get(state)
    if state.startswith("cut"):
        changed[key] = cut(bundle, key, state, good)
    return changed


def cut(bundle: dict[str, Any], key: str, state: str, good: GoodServer) -> dict[str, Any]:
    """The first half of a Bundle. The rest is behind a link of the server's, of somebody else's, or of nobody's."""
    if bundle["resourceType"] != "Bundle":  # one resource cannot be cut: a Bundle that says that there is one
        return {"resourceType": "Bundle", "type": "searchset", "total": 1}
    entries = bundle.get("entry", [])
    half = entries[: len(entries) // 2]
    _, query = bundle["link"][0]["url"].split("/r4/")
    onward = {
        "cut": f"{good.base}/{query}&_offset={len(half)}".replace("|", "%7C"),
        "cut-elsewhere": f"https://elsewhere.example.org/{query}",
    }
    link = [{"relation": "next", "url": onward[state]}] if state in onward else []
    more = {"entry": half} if half else {}
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries) + 1, "link": link, **more}


@pytest.fixture(scope="module", params=["V01", "V18"])
def case(request: pytest.FixtureRequest) -> Vignette:
    """A chart for which anakinra is offered, and one with a blocking infection."""
    return CASES[request.param]


@pytest.fixture(scope="module")
def whole(case: Vignette, asker: Asker) -> dict[str, Any]:
    """The call with everything in prefetch."""
    return case.call(asker.templates())


@pytest.fixture(scope="module")
def full(whole: dict[str, Any], asker: Asker) -> Answer:
    """What is answered to that."""
    return asker.ask(whole)


def offers(answer: Answer) -> bool:
    return any(is_anakinra(order) for card in answer.body["cards"] for order in drug_orders(card))


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize("key", KEYS)
def test_a_good_server_makes_up_for_it(
    key: str, state: str, whole: dict[str, Any], full: Answer, good: GoodServer, asker: Asker
) -> None:
    good.seen.clear()
    call = {**whole, "prefetch": in_state(whole["prefetch"], key, state, good)}
    found = asker.ask(offering(call, good.base))
    assert found.cards == full.cards, lacking(found)
    kinds = {target.split("?")[0].rsplit("/", 1)[-1] for target, _ in good.seen}
    kind, _, query = TEMPLATES[key].partition("?")
    assert kinds == {kind if query else whole["context"]["patientId"]}


@pytest.mark.parametrize(
    ("server", "state"),
    [
        *product(("none", "401"), OPEN),
        ("other-patient", "missing"),
        ("other-patient", "cut"),
        ("not-trusted", "missing"),
    ],
)
@pytest.mark.parametrize("key", KEYS)
def test_without_one_it_is_unknown(
    key: str,
    state: str,
    server: str,
    whole: dict[str, Any],
    full: Answer,
    good: GoodServer,
    faulty: FaultServer,
    asker: Asker,
) -> None:
    call = {**whole, "prefetch": in_state(whole["prefetch"], key, state, good)}
    if server != "none":
        base = "http://127.0.0.1:1/fhir" if server == "not-trusted" else faulty.base(server)
        call = offering(call, base)
    found = asker.ask(call)
    if key == "patient":
        assert found.decision == "412"
        return
    # A hard stop that is still proven wins over what is missing; what is not needed may be missing.
    assert found.decision in {full.decision, "insufficient-data"}
    if full.decision == "suggest" and key in REQUIRED:
        assert found.decision == "insufficient-data"
        assert not offers(found)
    if full.decision == "block":
        assert not offers(found)
    if found.decision == "insufficient-data":
        assert f"{key}: " in lacking(found)


@pytest.mark.parametrize("state", CLOSED)
@pytest.mark.parametrize("key", KEYS)
def test_no_data_is_an_answer(key: str, state: str, whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    """The same with and without a server, which nobody asks; null and an empty Bundle are the same."""
    call = {**whole, "prefetch": in_state(whole["prefetch"], key, state, good)}
    other = {**whole, "prefetch": in_state(whole["prefetch"], key, CLOSED[1 - CLOSED.index(state)], good)}
    good.seen.clear()
    with_server, without, same = (asker.ask(c) for c in (offering(call, good.base), call, other))
    if key == "patient" and state == "null":
        assert with_server.decision == without.decision == "412"
    elif key == "patient":
        assert without.decision == "412"
    else:
        assert with_server.cards == without.cards == same.cards
    assert good.seen == []


def test_reasons(whole: dict[str, Any], faulty: FaultServer, asker: Asker) -> None:
    """Why there was no second source, in words."""
    call = {**whole, "prefetch": {k: v for k, v in whole["prefetch"].items() if k != "allergies"}}
    trusted = faulty.base("401")
    words = {
        "FHIR server: not trusted by this site": offering(call, "http://127.0.0.1:1/fhir"),
        "FHIR server: access token expired": offering(call, trusted, expires_in=0),
        "FHIR server: token_type is not Bearer": offering(call, trusted, token_type=None),
        "FHIR server: 401": offering(call, trusted),
    }
    for words_, asked in words.items():
        assert f"allergies: not sent by the EHR; allergies: {words_}" in lacking(asker.ask(asked))
    plain = lacking(asker.ask(call))
    assert "allergies: not sent by the EHR" in plain
    assert "FHIR server" not in plain
    assert "FHIR server" not in lacking(asker.ask({**call, "fhirServer": trusted}))


OF_ANOTHER = "FHIR server: the access token is of another patient, not used"


@pytest.mark.parametrize("named", ["somebody-else", "Patient/somebody-else", "{0}x", "http://x.example.org/Patient/x"])
def test_a_token_of_another_patient_goes_nowhere(
    named: str, whole: dict[str, Any], good: GoodServer, asker: Asker
) -> None:
    """What it would have read stays unread, and the card says why; without a patient that is 412."""
    other = named.format(whole["context"]["patientId"])
    good.seen.clear()
    some = {**whole, "prefetch": {k: v for k, v in whole["prefetch"].items() if k != "allergies"}}
    answer = asker.ask(offering(some, good.base, patient=other))
    assert answer.decision in ("insufficient-data", "block")  # what is proven wins
    assert f"allergies: {OF_ANOTHER}" in lacking(answer)
    assert answer.decision == "block" or OF_ANOTHER in answer.cards[0]["detail"]
    assert asker.ask(offering({**whole, "prefetch": {}}, good.base, patient=other)).decision == "412"
    assert asker.ask(offering(whole, good.base, patient=other)).decision == asker.ask(whole).decision
    assert good.seen == []


@pytest.mark.parametrize("named", ["{0}", "Patient/{0}", "http://x.example.org/Patient/{0}/_history/1", "", None])
def test_a_token_of_this_patient_or_of_nobody_is_used(
    named: str | None, whole: dict[str, Any], good: GoodServer, asker: Asker
) -> None:
    mine = named.format(whole["context"]["patientId"]) if named is not None else None
    good.seen.clear()
    some = {**whole, "prefetch": {k: v for k, v in whole["prefetch"].items() if k != "allergies"}}
    asker.ask(offering(some, good.base, patient=mine))
    assert good.seen != []
