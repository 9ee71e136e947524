"""The example site of local codes: read rightly through prefetch and through a FHIR server, and only there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from cds_service.chart.recognition import Recogniser
from cds_service.chart.vocabulary import concept, matchers
from cds_service.knowledge import Knowledge, load
from cds_service.tools.replay.bundles import Chart, read, sources
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.client import LocalClient
from cds_service.tools.replay.expected import Expectation, load_expected
from cds_service.tools.replay.run import Replay, Result
from tests.fhir_server.asking import CANARY, Asker, offering, service
from tests.fhir_server.good import GoodServer, running
from tests.support.cards import explanation

ROOT = Path(__file__).parents[2]
SITE = ROOT / "examples/site-local-codes"
EXPECTED = load_expected(SITE / "expected.yaml")
PATIENTS = sorted((SITE / "patients").glob("*.json"))
OID = "urn:oid:2.999."


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load(site=str(SITE))


def charts() -> dict[str, Chart]:
    found = [chart for source in sources(PATIENTS)[0] for chart in read(source)]
    return {chart.patient_id: chart for chart in found if isinstance(chart, Chart)}


def replayed(site: str, expected: Mapping[str, Expectation] = EXPECTED) -> dict[str, Result]:
    run = Replay(LocalClient(site), expected=expected)
    return {result.chart.patient_id: result for source in sources(PATIENTS)[0] for result in run.replay(source)}


def codings(value: Any) -> Iterator[dict[str, str]]:
    """Every Coding, in place."""
    if isinstance(value, dict):
        if "system" in value and "code" in value and "value" not in value:
            yield value
        for item in value.values():
            yield from codings(item)
    elif isinstance(value, list):
        for item in value:
            yield from codings(item)


def test_each_patient_is_expected_and_valid() -> None:
    assert [path.stem for path in PATIENTS] == sorted(EXPECTED)
    for path in PATIENTS:
        Bundle.model_validate(json.loads(path.read_text(encoding="utf-8")))


def test_what_the_site_maps_means_nothing_elsewhere(knowledge: Knowledge) -> None:
    """No shipped set knows a code or a display of the example: nothing is answered by accident."""
    known = load()
    recogniser = Recogniser(known.value_sets, known.code_systems, known.languages, known.site.scripts)
    shipped = matchers(known.value_sets, recogniser)
    for name, codes in knowledge.local_codes.items():
        for code in codes:
            assert code.system.startswith(OID)
            found = concept({"coding": [{"system": code.system, "code": code.code, "display": code.display}]})
            # Sets of how a drug is given are never asked what it is.
            asked = {n: m for n, m in shipped.items() if not n.startswith("route-") and n != "continuous-infusion"}
            assert [n for n, matcher in asked.items() if matcher.matches(found)] == [], (name, code)


def test_through_prefetch() -> None:
    assert {name: result.differences for name, result in replayed(str(SITE)).items()} == dict.fromkeys(EXPECTED, ())


def test_elsewhere_every_answer_is_another() -> None:
    assert [name for name, result in replayed("us").items() if not result.differences] == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GoodServer, Asker, Asker]]:
    """A FHIR server with the patients, and services at the example site and at `us` that trust it."""
    good = GoodServer(CANARY)
    for name, chart in charts().items():
        good.charts[name] = [r for r in chart.resources if r.get("status") != "draft"]
    folder = tmp_path_factory.mktemp("sites")
    with (
        running(good),
        service(folder, good.base) as elsewhere,
        service(folder, good.base, folder=SITE) as here,
    ):
        yield good, here, elsewhere


@pytest.mark.parametrize("name", EXPECTED)
def test_through_a_fhir_server(served: tuple[GoodServer, Asker, Asker], name: str) -> None:
    good, here, elsewhere = served
    wanted = EXPECTED[name]
    call = build_call(charts()[name], hook="order-select", templates={}, at=wanted.at)
    del call["prefetch"]
    good.seen.clear()
    answer = here.ask(offering(call, good.base))
    assert answer.decision == wanted.decision
    assert answer.cards[0]["indicator"] == wanted.indicator
    assert said(answer.cards) == said(replayed(str(SITE))[name].cards)
    asked = " ".join(target for target, _ in good.seen)
    assert "urn:oid:2.999.1.1%7C10302" in asked
    assert "urn:oid:2.999.1.5%7CLB07" in asked
    assert elsewhere.ask(offering(call, good.base)).decision != wanted.decision


def in_standard_codes(knowledge: Knowledge, chart: Chart, patient: str) -> Chart:
    """The chart, of another patient, with every local code written as a code, or else as a word, that ships in its
    value sets."""
    standard: dict[tuple[str, str], dict[str, str]] = {}
    shipped = load().value_sets
    for value_set, codes in knowledge.local_codes.items():
        for code in codes:
            first = next((c for c in shipped[value_set].codes if c.match == "exact"), None)
            told = {"system": first.system, "code": first.code, "display": first.display} if first else {}
            words = shipped[value_set].text
            standard.setdefault((code.system, code.code), told or {"display": words[0] if words else code.display})
    resources = json.loads(json.dumps(chart.resources).replace(chart.patient_id, patient))
    for coding in codings(resources):
        if coding["system"].startswith(OID) and (found := standard.get((coding["system"], coding["code"]))):
            coding.clear()
            coding.update(found)
    for resource in resources:
        # A device is seen wherever it is charted; its row, which has no standard code, is asked for by the flow's.
        if resource["resourceType"] == "Observation" and "system" not in resource["code"]["coding"][0]:
            resource["code"] = {"coding": [{"system": "http://loinc.org", "code": "3151-8"}]}
        if resource.get("valueString", "").startswith("SX"):
            resource["valueString"] = "no growth"
    left = {(coding["system"], coding["code"]) for coding in codings(resources)}
    assert left.isdisjoint(standard)
    return Chart(patient, chart.story, tuple(resources), chart.source)


def said(cards: Any) -> list[tuple[str, str, str, Any]]:
    """What must be the same of each card, whichever codes the chart has: rule, decision, indicator, doses."""
    told = [(card["indicator"], explanation(card)) for card in cards]
    return [(of["rule"], of["decision"], indicator, of.get("dosePlan")) for indicator, of in told]


@pytest.mark.parametrize("name", EXPECTED)
def test_like_the_same_chart_in_standard_codes(knowledge: Knowledge, name: str) -> None:
    there = Replay(LocalClient("us"), expected=EXPECTED)
    standard = in_standard_codes(knowledge, charts()[name], name)
    answer = there.ask(standard)
    here = replayed(str(SITE))[name]
    assert (answer.decision, answer.indicator, answer.dose) == (here.decision, here.indicator, here.dose)
    assert said(answer.cards) == said(here.cards)


@pytest.mark.parametrize("name", EXPECTED)
def test_so_through_a_fhir_server(knowledge: Knowledge, served: tuple[GoodServer, Asker, Asker], name: str) -> None:
    """Both read from the server: the local chart by the site's searches, the re-coded one by those of `us`."""
    good, here, elsewhere = served
    local = charts()[name]
    standard = in_standard_codes(knowledge, local, f"standard-{name}")
    good.charts[standard.patient_id] = [r for r in standard.resources if r.get("status") != "draft"]
    answers = []
    for asker, chart in ((here, local), (elsewhere, standard)):
        call = build_call(chart, hook="order-select", templates={}, at=EXPECTED[name].at)
        del call["prefetch"]
        answers.append(said(asker.ask(offering(call, good.base)).cards))
    assert answers[0] == answers[1] == said(replayed(str(SITE))[name].cards)
    assert answers[0]
