"""`/ready` and the canaries: every rule can fire and can stay silent in this process, or it says which cannot."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_service import knowledge
from cds_service.app import create_app
from cds_service.engine import Engine
from cds_service.engine.canaries import Canary, canaries
from cds_service.engine.compile import Ruleset
from cds_service.engine.durable import GuardedHost
from cds_service.knowledge import Knowledge
from cds_service.program import Program, compile_program
from cds_service.service import Service
from cds_service.settings import Settings
from tests.support.shipped import ROOT, inspection
from tests.web.stub import StubService, client_of

_HANGS = 20


@pytest.fixture(scope="module")
def program() -> Program:
    found = inspection().knowledge
    assert found is not None
    return compile_program(found)


def evaluated(program: Program) -> set[str]:
    """Ids of the rules of some hook and occasion, as they are evaluated there."""
    return {rule.id for plan in program.plans.values() for rule in plan.rules}


def dead(program: Program, of: dict[str, tuple[Canary, ...]] | None = None) -> set[str]:
    return {each.rule for each in program.engine.dead(canaries(program.knowledge) if of is None else of)}


def test_every_rule_that_is_evaluated_has_both_canaries_and_they_sing(program: Program) -> None:
    found = canaries(program.knowledge)
    assert len(ids := evaluated(program)) > 100
    assert all({canary.fires for canary in found[rule_id]} == {True, False} for rule_id in ids)
    assert program.engine.dead(found) == ()


@pytest.mark.parametrize("site", ["us-high-dose"])
def test_they_sing_at_other_sites(site: str) -> None:
    assert Service(compile_program(knowledge.load(ROOT, site))).troubles() == []


@pytest.mark.parametrize("bound", ["least", "most"])
def test_they_move_with_the_thresholds_of_a_site(program: Program, bound: str) -> None:
    shipped = program.knowledge
    policies = {
        name: policy.model_copy(update={"value": getattr(policy, bound)})
        if policy.site_may_override and getattr(policy, bound) is not None
        else policy
        for name, policy in shipped.policies.items()
    }
    here = compile_program(replace(shipped, policies=policies))
    assert dead(here, canaries(shipped)), "no threshold of a site has moved past a case"
    assert dead(here) == set()


def test_a_rule_that_stops_firing_or_fires_always_in_durable_rules_is_named(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Callable[..., set[str]] = GuardedHost.run
    for victim in sorted(evaluated(program))[::20]:
        for change in (set.difference, set.union):

            def changed(
                host: GuardedHost, ruleset: Ruleset, values: Any, victim: str = victim, change: Any = change
            ) -> Any:
                return change(run(host, ruleset, values), {victim})

            monkeypatch.setattr(GuardedHost, "run", changed)
            assert dead(program) == {victim}


def test_where_durable_rules_fails_every_rule_is_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(program, engine=Engine(program.knowledge))
    monkeypatch.setattr(GuardedHost, "run", lambda *_: 1 / 0)
    assert dead(other) >= {"crs-refractory", "infection-severe"}


def test_a_rule_whose_criterion_was_turned_round_is_named(program: Program) -> None:
    """What both evaluators see alike: only the cases know better."""
    shipped = program.knowledge
    chosen = [rule for rule in shipped.rules if len(rule.when) == 1 and rule.when[0].is_ is True][:5]
    turned = {
        rule.id: rule.model_copy(update={"when": (rule.when[0].model_copy(update={"is_": False}),)}) for rule in chosen
    }
    rules = tuple(turned.get(rule.id, rule) for rule in shipped.rules)
    assert dead(compile_program(replace(shipped, rules=rules))) >= turned.keys()
    assert len(turned) == 5


def test_a_rule_without_a_case_of_one_kind_is_named(program: Program) -> None:
    found = canaries(program.knowledge)
    rule_id = min(evaluated(program))
    for kept in (True, False):
        fewer = {**found, rule_id: tuple(c for c in found[rule_id] if c.fires is kept)}
        (one,) = program.engine.dead(fewer)
        assert one.rule == rule_id
        assert f"`result: {'silent' if kept else 'fires'}`" in one.trouble


def test_a_value_set_that_lost_a_code_is_named(tmp_path: Path) -> None:
    for name in ("rules", "cards"):
        shutil.copytree(ROOT / name, tmp_path / name)
    assert inspection().knowledge is not None
    assert inspection().knowledge.unrecorded == ()
    file = tmp_path / "rules/terms/anakinra.yaml"
    text = file.read_text(encoding="utf-8")
    code = next(line for line in text.splitlines() if "code:" in line)
    file.write_text(text.replace(code + "\n", "", 1), encoding="utf-8")
    (problem,) = loaded(tmp_path).unrecorded
    assert problem.startswith("rules/terms/anakinra.yaml:")


def loaded(root: Path) -> Knowledge:
    return knowledge.load(root)


def test_a_process_with_a_trouble_is_not_ready_says_why_and_still_answers(caplog: pytest.LogCaptureFixture) -> None:
    service = StubService()
    service.trouble = ["rule infection-severe: must fire"]
    client = client_of(service)
    with caplog.at_level(logging.ERROR):
        answers = [client.get("/ready") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].get_json()["troubles"] == service.trouble
    assert caplog.text.count("not ready: rule infection-severe") <= 1
    assert client.get("/health").status_code == client.get("/cds-services").status_code == 200


@pytest.mark.parametrize("damage", ["head", "pages", "cut"])
def test_a_damaged_file_is_no_store_that_is_up(tmp_path: Path, damage: str) -> None:
    client = client_of(StubService(), store=True, data=tmp_path)
    until(lambda: client.get("/ready").get_json()["store"] == "up")
    file = tmp_path / "store.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = file.read_bytes()
    page = int.from_bytes(whole[16:18], "big")
    damaged = {"head": b"x" * 100 + whole[100:], "pages": whole[:page].ljust(len(whole), b"\xff"), "cut": whole[:page]}
    file.write_bytes(damaged[damage])
    # The process that had it open, and one that starts now.
    for each in (client, create_app(Settings(data=tmp_path), StubService()).test_client()):
        until(lambda each=each: each.get("/ready").get_json()["store"] == "down")  # type: ignore[misc]
        assert each.get("/ready").status_code == 200


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _HANGS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
