"""The public words, written out once more: outside systems rely on these very ones."""

from __future__ import annotations

from typing import get_args

from cds_service import contract
from cds_service.knowledge import Knowledge
from cds_service.service import Service


def test_the_words_that_clients_rely_on() -> None:
    assert contract.SERVICES == {
        "anakinra-order-select": "order-select",
        "anakinra-order-sign": "order-sign",
        "car-t-toxicity-patient-view": "patient-view",
    }
    assert contract.EXPLANATION == "org.anakinra-cds.explanation"
    assert contract.EVALUATION_TIME == "org.anakinra-cds.evaluation-time"
    assert contract.UNEVALUATED == "system-unevaluated"
    assert contract.RULE_SYSTEM == "https://anakinra-cds.org/CodeSystem/rule"
    assert contract.SUMMARY_LIMIT == 139


def test_every_decision_has_its_rank_and_every_indicator_its_weight() -> None:
    assert set(contract.RANK) == set(get_args(contract.DecisionName))
    assert set(contract.SEVERITY) == set(get_args(contract.Indicator))
    hard = ["block", "order-exceeds-max", "duplicate", "vaccine-warning", "insufficient-data", "review"]
    assert sorted(contract.RANK, key=contract.RANK.__getitem__)[:6] == hard
    assert contract.RANK["review"] < contract.RANK["wait"] < contract.RANK["order-ok"] < contract.RANK["caution"]


def test_what_precludes_is_no_suggestion() -> None:
    assert {"block", "insufficient-data", "review", "duplicate"} == contract.PRECLUDES
    assert contract.SUGGESTS < contract.PATHWAY
    assert not contract.PRECLUDES & contract.SUGGESTS


def test_discovery_names_the_text_that_it_follows_and_the_version_of_each_hook(ours: Knowledge) -> None:
    entries = {entry["hook"]: entry for entry in Service.start(ours).discovery()}
    assert set(entries) == set(contract.SERVICES.values())
    assert {entry["version"] for entry in entries.values()} == {"2.0.1"}
    assert {entry["hookVersion"] for entry in entries.values()} == {"1.0"}
