"""`assess` by itself: a chart and a question in, one frozen assessment out, whoever asks."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from datetime import datetime
from pathlib import Path

import pytest

from cds_service.advice.model import Assessment
from cds_service.assess import NO_ORDER, Question, assess
from cds_service.knowledge.occasions import Occasion
from cds_service.program import Program
from cds_service.tools.charts import chart_of, question_of
from cds_service.tools.replay.bundles import Chart, read, sources
from cds_service.tools.replay.calls import build_call
from cds_service.web.door import read_call
from tests.facts.house import service
from tests.support.shipped import ROOT

AT = datetime.fromisoformat("2026-03-05T10:00:00+00:00")


@pytest.fixture
def program() -> Program:
    return service().program


def patient(name: str) -> Chart:
    """One of the examples."""
    (source,), _ = sources([Path(ROOT / "examples/patients" / f"{name}.json")])
    (found,) = read(source)
    assert isinstance(found, Chart)
    return found


def assessed(program: Program, name: str = "refractory-grade-2", hook: str = "order-select") -> Assessment:
    bundle = patient(name)
    return assess(program, chart_of(program, bundle, AT), question_of(program, bundle, hook), AT)


def test_a_bundle_is_assessed_as_the_call_about_it(program: Program) -> None:
    body = build_call(patient("refractory-grade-2"), hook="order-select", templates=program.templates)
    asked = service().assess(read_call("anakinra-order-select", "order-select", json.dumps(body).encode()), AT)
    assert asked is not None
    found = assessed(program)
    assert {n: f.value for n, f in found.orders[0].facts.items()} == {
        n: f.value for n, f in asked.orders[0].facts.items()
    }
    said = [(a.decision, a.rule.id, a.plan, len(a.offers), len(a.monitoring)) for a in found.answers]
    assert said == [(a.decision, a.rule.id, a.plan, len(a.offers), len(a.monitoring)) for a in asked.answers]


def test_the_same_question_has_the_same_answer(program: Program) -> None:
    first, again = assessed(program), assessed(program)
    assert (first.program, first.now, first.patient_id) == (f"{program.knowledge.digest} us", AT, "refractory-grade-2")
    assert [a.because for a in first.answers] == [a.because for a in again.answers]
    assert json.dumps(_plain(program, first)) == json.dumps(_plain(program, again))


def test_what_would_be_placed_is_decided_before_a_card_is_worded(program: Program) -> None:
    found = assessed(program)
    first = found.answers[0]
    assert first.decision == "suggest"
    assert first.leads
    assert [offer.kind for offer in first.offers] == ["anakinra"] * len(first.offers) != []
    assert all(offer.changes is not None and offer.removes == () for offer in first.offers)
    (monitoring,) = [a for a in found.answers if a.decision == "monitoring"]
    assert monitoring.monitoring
    assert monitoring.days == first.plan.duration_days if first.plan else False


def test_without_an_order_every_fact_is_found_and_nothing_is_answered(program: Program) -> None:
    bundle = patient("refractory-grade-2")
    found = assess(program, chart_of(program, bundle, AT), Question("", NO_ORDER), AT)
    (looked,) = found.orders
    assert found.answers == ()
    assert not found.failed
    catalogue = program.knowledge.catalogue
    unmeant = {alias for alias, of in catalogue.of_drug.items() if "anakinra" not in of}  # by the first drug
    assert looked.facts.keys() == catalogue.facts.keys() - unmeant
    assert looked.facts["crs-grade"].value == 2
    assert looked.facts["anakinra-drafted"].value is False


def test_a_status_is_assessed_without_an_order(program: Program) -> None:
    found = assessed(program, hook="patient-view")
    (status,) = found.answers
    assert (status.decision, status.rule.id, status.leads) == ("status", "car-t-status", True)
    assert [each.decision for each in status.found] == ["suggest"]
    assert (status.plan, status.offers, status.monitoring) == (None, (), ())
    assert {"crs-grade", "tocilizumab-doses", "car-t-in-late-scope"} <= {fact.name for fact in status.because}
    (order,) = found.orders
    assert order.drafts == ()


def test_an_assessment_cannot_be_changed(program: Program) -> None:
    found = assessed(program)
    with pytest.raises(FrozenInstanceError):
        found.answers = ()  # type: ignore[misc]
    with pytest.raises(KeyError):
        found.of(Occasion("live-vaccine"))


def _plain(program: Program, assessment: Assessment) -> list[object]:
    """The cards without their uuids."""
    cards = program.wording.cards(assessment)
    return [[card["summary"], card["detail"], card["indicator"], card["extension"]] for card in cards]
