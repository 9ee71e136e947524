"""Drugs that records name only by a reference: read from the call's own server, or unknown, never "another drug"."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fhir_server.asking import CANARY, LIMIT_S, Answer, Asker, lacking, offering
from tests.fhir_server.faults import FAULTS, SLOW
from tests.fhir_server.good import GoodServer
from tests.fhir_server.misbehaving import FaultServer, Trap
from tests.fhir_server.references import referring_prefetch
from tests.support.cards import drug_orders, is_anakinra
from tests.support.charts import site
from tests.support.vignettes import Vignette, vignettes

CASES = vignettes()


def by_reference(
    call: dict[str, Any], reference: Any = "Medication/{}".format
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The call with every drug of its prefetch as a reference, and the Medications by id."""
    prefetch, made = referring_prefetch(call["prefetch"], reference)
    return {**call, "prefetch": prefetch}, made


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_cards_are_the_same(case: Vignette, good: GoodServer, at_site: dict[str, Asker]) -> None:
    """With the drugs on the server as with the drugs in the records; without a server nothing more is offered."""
    asker = at_site[site(case.given)]
    whole = case.call(asker.templates(case.hook))
    call, good.medications = by_reference(whole)
    expected = asker.ask(whole)
    good.seen.clear()
    assert asker.ask(offering(call, good.base)).cards == expected.cards
    assert {given for _, given in good.seen} <= {f"Bearer {CANARY}"}
    alone = asker.ask(call)
    if expected.decision in ("suggest", "suggest-reduced", "suggest-restricted", "wait", "not-indicated"):
        assert alone.decision == "insufficient-data"
    assert not offers(alone)


def offers(answer: Answer) -> bool:
    return any(is_anakinra(order) for card in answer.body["cards"] for order in drug_orders(card))


@pytest.fixture
def whole(refractory: Vignette, asker: Asker) -> dict[str, Any]:
    """The call with everything in prefetch and every drug coded."""
    return refractory.call(asker.templates())


def test_one_search_for_all_of_them(whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    call, good.medications = by_reference(whole)
    good.seen.clear()
    assert asker.ask(offering(call, good.base)).decision == "suggest"
    (target,) = {target for target, _ in good.seen if "_offset" not in target}
    assert urlsplit(target).path == "/fhir/Medication"
    asked = parse_qs(urlsplit(target).query)["_id"][0].split(",")
    assert sorted(asked) == sorted(good.medications)
    assert len(asked) > good.page or len(good.seen) == 1


def test_after_the_queries_that_prefetch_left_open(whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    """What a search brings may name its drugs by reference as well."""
    call, good.medications = by_reference(whole)
    patient = whole["context"]["patientId"]
    kept = good.charts[patient]
    good.charts[patient] = [e["resource"] for v in call["prefetch"].values() for e in v.get("entry", ())]
    good.charts[patient] += [call["prefetch"]["patient"]]
    try:
        server = offering({k: v for k, v in call.items() if k != "prefetch"}, good.base)
        assert asker.ask(server).cards == asker.ask(whole).cards
    finally:
        good.charts[patient] = kept


@pytest.mark.parametrize(
    "spelling", ["Medication/{}", "Medication/{}/_history/3", "{base}/Medication/{}", "{base}/Medication/{}/_history/3"]
)
def test_spellings_of_a_reference(spelling: str, whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    call, good.medications = by_reference(whole, lambda id_: spelling.format(id_, base=good.base))
    assert asker.ask(offering(call, good.base)).decision == "suggest"


@pytest.mark.parametrize(
    "spelling",
    ["{trap}/fhir/Medication/{id}", "{base}x/Medication/{id}", "{base}/a/Medication/{id}", "Substance/{id}", "{id}",
     "urn:uuid:{id}", "Medication/{id},x", "Medication/{id}&_include=*", "Medication/", "//{id}",
     "{base}/../Medication/{id}", "{base}/Medication/{id}?_format=x", "Medication/{id}#x"],
)  # fmt: skip
def test_what_is_not_on_this_server_is_not_asked_for(
    spelling: str, whole: dict[str, Any], good: GoodServer, asker: Asker, the_trap: Trap
) -> None:
    before = the_trap.hits
    call, good.medications = by_reference(
        whole, lambda id_: spelling.format(id=id_, base=good.base, trap=the_trap.origin)
    )
    good.seen.clear()
    answer = asker.ask(offering(call, good.base))
    assert answer.decision == "insufficient-data"
    assert not offers(answer)
    assert good.seen == []
    assert the_trap.hits == before


def test_a_medication_that_the_server_does_not_have(whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    call, made = by_reference(whole)
    lost = next(id_ for id_, drug in made.items() if "tocilizumab" in drug["code"]["text"])
    good.medications = {id_: drug for id_, drug in made.items() if id_ != lost}
    answer = asker.ask(offering(call, good.base))
    assert answer.decision == "insufficient-data"
    assert not offers(answer)


def test_a_medication_without_a_code(whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    call, made = by_reference(whole)
    good.medications = {id_: {**drug, "code": {}} for id_, drug in made.items()}
    assert asker.ask(offering(call, good.base)).decision == "insufficient-data"


def test_another_medication_than_asked_for_is_not_taken(whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    call, made = by_reference(whole)
    good.medications = {id_: {**drug, "id": f"{id_}x"} for id_, drug in made.items()}
    assert asker.ask(offering(call, good.base)).decision == "insufficient-data"


def test_what_one_call_learnt_is_not_told_to_the_next(whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    """The same bytes of prefetch, with and without a server, with and without the Medication."""
    call, made = by_reference(whole)
    good.medications = made
    for _ in range(2):
        assert asker.ask(offering(call, good.base)).decision == "suggest"
        assert asker.ask(call).decision == "insufficient-data"
    anakinra = whole["context"]["draftOrders"]["entry"][0]["resource"]["medicationCodeableConcept"]
    good.medications = {id_: {**drug, "code": anakinra} for id_, drug in made.items()}
    assert asker.ask(offering(call, good.base)).decision == "duplicate"


@pytest.mark.parametrize("reference", ["Medication/{}", "urn:uuid:{}", "https://ehr.example.org/fhir/Medication/{}"])
@pytest.mark.parametrize("place", ["its own Bundle", "another Bundle"])
def test_medications_that_came_along(reference: str, place: str, whole: dict[str, Any], asker: Asker) -> None:
    """Included entries name the drug, also those of another query; nobody is asked."""
    call, made = by_reference(whole, reference.format)
    included = [{"fullUrl": reference.format(id_), "resource": drug} for id_, drug in made.items()]
    keys = ("administrations", "requests", "statements") if place == "its own Bundle" else ("conditions",)
    for key in keys:
        held = call["prefetch"][key]
        call["prefetch"][key] = {**held, "entry": [*held.get("entry", ()), *included]}
    assert asker.ask(call).cards == asker.ask(whole).cards


# ---------------------------------------------------------------- drafts


def drafted(whole: dict[str, Any], drug: dict[str, Any], *beside: dict[str, Any]) -> dict[str, Any]:
    """The call with another drug in its draft."""
    (entry,) = whole["context"]["draftOrders"]["entry"]
    draft = {k: v for k, v in entry["resource"].items() if k != "medicationCodeableConcept"} | drug
    orders = {"resourceType": "Bundle", "entry": [{"resource": draft}, *({"resource": each} for each in beside)]}
    return {**whole, "context": {**whole["context"], "draftOrders": orders}}


NAMED = {"resourceType": "Medication", "id": "m1", "code": {"text": "Kineret 100 mg/0.67 mL"}}


@pytest.mark.parametrize(
    ("drug", "beside"),
    [
        ({"medicationReference": {"reference": "Medication/m1"}}, [NAMED]),
        ({"medicationReference": {"reference": "https://ehr.example.org/fhir/Medication/m1"}}, [NAMED]),
        ({"medicationReference": {"reference": "#m1"}, "contained": [NAMED]}, []),
        ({"medicationReference": {"reference": "Medication/77", "display": "anakinra 100 mg/0.67 mL syringe"}}, []),
        ({"medicationReference": {"display": "KINERET"}}, []),
    ],
    ids=["beside it", "absolute", "contained", "display", "display alone"],
)
def test_a_draft_by_reference(
    drug: dict[str, Any], beside: list[dict[str, Any]], whole: dict[str, Any], asker: Asker
) -> None:
    assert asker.ask(drafted(whole, drug, *beside)).decision == "suggest"


CODED = {"coding": [{"system": "http://www.whocc.no/atc", "code": "L04AC03"}]}


@pytest.mark.parametrize(
    ("drug", "beside", "named"),
    [
        ({"medicationCodeableConcept": CODED}, [], {**CODED, "text": "anakinra"}),
        ({"medicationCodeableConcept": {"text": "Kineret"}}, [], {"text": "Kineret"}),
        (
            {"medicationReference": {"reference": "Medication/m1"}},
            [{**NAMED, "code": CODED}],
            {"reference": "Medication/m1", "display": "anakinra"},
        ),
    ],
    ids=["code alone", "words", "reference"],
)
def test_an_offered_order_names_its_drug(
    drug: dict[str, Any], beside: list[dict[str, Any]], named: dict[str, Any], whole: dict[str, Any], asker: Asker
) -> None:
    """What a draft says in codes or by reference alone gets the drug's name; its own words stay."""
    (suggestion, *_) = asker.ask(drafted(whole, drug, *beside)).body["cards"][0]["suggestions"]
    order = suggestion["actions"][0]["resource"]
    assert order[next(iter(drug))] == named


@pytest.mark.parametrize(
    "drug",
    [
        {"medicationReference": {"reference": "Medication/77", "display": "ondansetron"}},
        {"medicationReference": {}},
    ],
)
def test_a_draft_that_nothing_names_gets_no_card(drug: dict[str, Any], whole: dict[str, Any], asker: Asker) -> None:
    """Contract: "a draft with no drug yet ... gets {cards: []}"."""
    assert asker.ask(drafted(whole, drug)).body == {"cards": []}


def test_a_draft_whose_drug_is_not_in_it(whole: dict[str, Any], asker: Asker) -> None:
    """It may be any drug, so it is told."""
    answer = asker.ask(drafted(whole, {"medicationReference": {"reference": "#m1"}}))
    assert (answer.decision, offers(answer)) == ("insufficient-data", False)


def test_a_draft_that_the_server_names(whole: dict[str, Any], good: GoodServer, asker: Asker) -> None:
    """Before anything else is read: what the drug is decides whether there is anything to read at all."""
    call = offering(drafted(whole, {"medicationReference": {"reference": "Medication/m1"}}), good.base)
    good.medications = {"m1": NAMED}
    good.seen.clear()
    assert asker.ask(call).decision == "suggest"
    assert asker.ask({k: v for k, v in call.items() if k != "prefetch"}).decision == "suggest"
    assert good.seen[0][0] == "/fhir/Medication?_id=m1&_count=1"
    good.medications = {"m1": {**NAMED, "code": {"text": "ondansetron"}}}
    assert asker.ask(call).body == {"cards": []}


def test_a_draft_that_an_included_medication_names(whole: dict[str, Any], asker: Asker) -> None:
    call = drafted(whole, {"medicationReference": {"reference": "Medication/m1"}})
    held = call["prefetch"]["requests"]
    requests = {**held, "entry": [*held.get("entry", ()), {"resource": NAMED}]}
    assert asker.ask({**call, "prefetch": {**call["prefetch"], "requests": requests}}).decision == "suggest"


# ---------------------------------------------------------------- faults


@pytest.fixture(scope="module")
def answers(faulty: FaultServer, asker: Asker, refractory: Vignette) -> Iterator[dict[str, Answer]]:
    """Everything in prefetch but the drugs, at every fault."""
    call, _ = by_reference(refractory.call(asker.templates()))
    wanted = sorted(FAULTS, key=lambda fault: fault not in SLOW)
    with ThreadPoolExecutor(5) as pool:
        found = pool.map(lambda fault: asker.ask(offering(call, faulty.base(fault, "drugs"))), wanted)
        yield dict(zip(wanted, found, strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_search_that_fails_leaves_them_unknown(fault: str, answers: dict[str, Answer], the_trap: Trap) -> None:
    answer = answers[fault]
    assert answer.decision == "insufficient-data"
    assert not offers(answer)
    assert CANARY not in answer.text
    assert answer.seconds < LIMIT_S
    assert the_trap.hits == 0


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - SLOW))
def test_a_draft_that_nobody_can_name_is_told(
    fault: str, whole: dict[str, Any], faulty: FaultServer, asker: Asker
) -> None:
    """It may be anakinra: no rule was evaluated for it, and that is said."""
    call = drafted(whole, {"medicationReference": {"reference": "Medication/m1"}})
    answer = asker.ask(offering(call, faulty.base(fault, "draft")))
    assert answer.decision == "insufficient-data"
    assert "draft-unresolved" in answer.text


def test_a_draft_that_refers_to_nothing_known_is_told(whole: dict[str, Any], asker: Asker) -> None:
    answer = asker.ask(drafted(whole, {"medicationReference": {"reference": "Medication/77"}}))
    assert answer.decision == "insufficient-data"
    assert not offers(answer)


@pytest.mark.parametrize(
    ("fault", "words"),
    {
        "403": "FHIR server: 403",
        "hang": "FHIR server too slow (1.5 s)",
        "huge": "FHIR server: answer larger than 8 MiB",
        "endless": "FHIR server: more than 5 pages",
        "next-elsewhere": "FHIR server: its link to the next page leads elsewhere, not followed",
        "null": "FHIR server: not a Bundle",
        "deep": "FHIR server: nested too deeply",
        "outcome": "FHIR server: an OperationOutcome instead of data",
        "outcome-inside": "FHIR server: the search reported an error among its results",
        "other-patient": "FHIR server: no such Medication",
    }.items(),
)
def test_the_card_says_why(fault: str, words: str, answers: dict[str, Answer]) -> None:
    assert words in lacking(answers[fault])
