"""The shipped rules as a collection: what holds for all of them and no single file can show."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cds_service.chart.prefetch import templates
from cds_service.cli import main
from cds_service.contract import ASKS, SERVICES
from cds_service.knowledge import Knowledge
from cds_service.knowledge.checks.comparisons import ORDERINGS
from cds_service.knowledge.model import RuleDefinition, conditions
from cds_service.knowledge.review import MAX_RULE_LINES
from cds_service.tools.replay.bundles import Chart, read, sources
from cds_service.tools.replay.calls import HOOKS, build_call
from cds_service.web.door import read_call
from tests.facts.house import service
from tests.support.cards import explanation
from tests.support.public_data import SYNTHEA, needs
from tests.support.shipped import ROOT, inspection, rule_files, rules
from tests.support.vignettes import AT

FILES = [pytest.param(path, id=path.stem) for path in rule_files()]
RULES = [pytest.param(path, id=path.stem) for path in rules()]
REVIEWED_WITHIN = timedelta(days=730)
ORDER_SERVICES = [name for name, hook in SERVICES.items() if hook in HOOKS and hook not in ASKS]
STATUS_SERVICE = next(name for name, hook in SERVICES.items() if hook == "patient-view")


def knowledge() -> Knowledge:
    found = inspection().knowledge
    assert found is not None, "\n".join(inspection().problems)
    return found


def rule_of(path: Path) -> RuleDefinition:
    return next(rule for rule in knowledge().rules if rule.id == path.stem)


def test_the_checkout_has_no_problems() -> None:
    assert inspection().problems == ()


def test_check_passes_at_every_shipped_site() -> None:
    for site in sorted(path.stem for path in ROOT.glob("rules/sites/*.yaml")):
        result = CliRunner().invoke(main, ["check", "--root", str(ROOT), "--site", site])
        assert result.exit_code == 0, f"{site}: {result.stderr}"


def test_rule_ids_are_unique() -> None:
    repeated = [name for name, count in Counter(path.stem for path in rules()).items() if count > 1]
    assert repeated == []


@pytest.mark.parametrize("path", RULES)
def test_rule_has_cases_beside_it(path: Path) -> None:
    assert path.with_name(f"{path.stem}.cases.yaml").is_file()


@pytest.mark.parametrize("path", RULES)
def test_rule_has_cases_of_every_kind(path: Path) -> None:
    """It fires, stays silent, and is unknown where data are missing; numbers have a case exactly at their limit."""
    rule = rule_of(path)
    cases = knowledge().cases[rule.id]
    asks = [condition for _, condition in conditions(rule)]
    results = {case.result for case in cases}
    assert {"fires", "silent"} <= results
    assert "unknown" in results or all(condition.operator == "known" for condition in asks)
    for condition in asks:
        if condition.operator in ORDERINGS:
            limit = knowledge().operand(condition)
            assert any(case.facts.get(condition.fact) == limit for case in cases), f"{condition.fact}: none at {limit}"


@pytest.mark.parametrize("path", RULES)
def test_every_fact_of_a_rule_is_known_in_some_case(path: Path) -> None:
    rule = rule_of(path)
    named = {condition.fact or condition.finding for _, condition in conditions(rule)}
    told = {name for case in knowledge().cases[rule.id] for name in (*case.facts, *case.findings)}
    assert named == told


@pytest.mark.parametrize("path", FILES)
def test_rule_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_RULE_LINES


@pytest.mark.parametrize("path", FILES)
def test_rule_can_be_reviewed(path: Path) -> None:
    rule = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule["version"])
    assert {"approvalDate", "lastReviewDate", "status"} <= rule.keys()
    assert re.match(r"When .*\bthen\b", rule["rationale"], re.DOTALL), "expected prose: When ..., then ..."


@pytest.mark.parametrize("path", RULES)
def test_review_dates(path: Path) -> None:
    """Nothing becomes active that nobody approved, and what is active was looked at within two years."""
    assert review_faults(rule_of(path), date.today()) == []  # noqa: DTZ011 - the day where the tests run


def review_faults(rule: RuleDefinition, today: date) -> list[str]:
    dates = {"approvalDate": rule.approval_date, "lastReviewDate": rule.last_review_date}
    found = [f"{name}: {day} is in the future" for name, day in dates.items() if day is not None and day > today]
    if rule.status == "active":
        found += [f"{name}: missing" for name, day in dates.items() if day is None]
        if rule.last_review_date is not None and today - rule.last_review_date > REVIEWED_WITHIN:
            found.append(f"lastReviewDate: {rule.last_review_date} is more than two years ago")
    return found


@pytest.mark.parametrize(
    ("status", "approved", "reviewed", "faults"),
    [
        ("draft", None, None, 0),
        ("active", None, None, 2),
        ("active", date(2026, 1, 1), None, 1),
        ("active", date(2022, 1, 1), date(2024, 11, 22), 0),
        ("active", date(2022, 1, 1), date(2024, 11, 21), 1),
        ("draft", date(2026, 11, 23), None, 1),
        ("active", date(2026, 11, 22), date(2026, 11, 23), 1),
    ],
)
def test_review_dates_can_be_wrong(status: str, approved: date | None, reviewed: date | None, faults: int) -> None:
    changed = {"status": status, "approval_date": approved, "last_review_date": reviewed}
    rule = knowledge().rules[0].model_copy(update=changed)
    assert len(review_faults(rule, date(2026, 11, 22))) == faults


def test_no_rule_leans_on_refuted_evidence() -> None:
    knowledge = inspection().knowledge
    assert knowledge is not None
    refuted = {name for name, evidence in knowledge.evidence.items() if evidence.status == "refuted"}
    assert {
        rule.id: sorted(refuted & set(rule.evidence)) for rule in knowledge.rules if refuted & set(rule.evidence)
    } == {}


def synthea() -> Iterator[Any]:
    """Charts of whole lives without any CAR-T therapy; none where the folder is not there."""
    found, _ = sources([SYNTHEA]) if SYNTHEA.is_dir() else ((), ())
    for source in found:
        for chart in read(source):
            if isinstance(chart, Chart):
                yield pytest.param(chart, id=chart.patient_id[:8])


@needs(SYNTHEA)
@pytest.mark.parametrize("service_id", ORDER_SERVICES)
@pytest.mark.parametrize("chart", list(synthea()))
def test_silence_without_car_t(chart: Chart, service_id: str) -> None:
    """An order of anakinra meets safety rules only, an order of anything else nothing at all."""
    hook = SERVICES[service_id]
    for at in (AT, datetime(2020, 1, 1, tzinfo=UTC)):
        body = build_call(chart, hook=hook, templates=templates(knowledge()), at=at)
        call = read_call(service_id, hook, json.dumps(body).encode(), allow_evaluation_time=True)
        told = [explanation(card) for card in service().answer(call, at)["cards"]]
        rules = {rule.id: rule.stratum for rule in knowledge().rules}
        assert [(each["rule"], each.get("pathway")) for each in told if rules[each["rule"]] != "safety"] == []
        body["context"]["draftOrders"]["entry"][0]["resource"]["medicationCodeableConcept"] = {"text": "ibuprofen"}
        call = read_call(service_id, hook, json.dumps(body).encode(), allow_evaluation_time=True)
        assert service().answer(call, at) == {"cards": []}


@needs(SYNTHEA)
@pytest.mark.parametrize("chart", list(synthea()))
def test_a_chart_without_car_t_is_opened_in_silence(chart: Chart) -> None:
    for at in (AT, datetime(2020, 1, 1, tzinfo=UTC)):
        body = build_call(chart, hook="patient-view", templates=templates(knowledge()), at=at)
        call = read_call(STATUS_SERVICE, "patient-view", json.dumps(body).encode(), allow_evaluation_time=True)
        assert service().answer(call, at) == {"cards": []}
