"""How many calls one client may make: with a clock that the test turns, and over HTTP."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest
from flask import Blueprint, Flask, g

from cds_service.web.outcome import answer
from cds_service.web.rates import PER_MINUTE, RateLimit, Rates, rates
from cds_service.web.trust.tokens import Token
from tests.web.stub import SELECT, StubService, call_body, client_of


@dataclass
class Clock:
    now: float = 5000.0

    def __call__(self) -> float:
        return self.now


def taken(counted: Rates, client: str, times: int) -> int:
    return sum(counted.take(client) == 0.0 for _ in range(times))


def test_a_minutes_calls_at_once_then_one_by_one() -> None:
    clock = Clock()
    counted = Rates(60, clock)
    assert taken(counted, "a", 100) == 60
    assert counted.take("a") == pytest.approx(1.0)
    assert taken(counted, "b", 1) == 1  # each for itself
    clock.now += 1.0
    assert taken(counted, "a", 100) == 1
    clock.now += 600.0
    assert taken(counted, "a", 100) == 60


def test_an_ordinary_ehr_never_meets_it() -> None:
    """Thirty calls in every second of an hour."""
    clock = Clock()
    counted = Rates(PER_MINUTE, clock)
    for _ in range(3600):
        clock.now += 1.0
        assert taken(counted, "https://ehr.example.org", 30) == 30


def test_a_flood_of_addresses_takes_no_more_memory_and_costs_nobody_a_call() -> None:
    counted = Rates(2)
    size = len(counted._memory)
    for number in range(50_000):
        assert counted.take(f"2001:db8::{number:x}") == 0.0
    assert len(counted._memory) == size <= 256 * 1024


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")
def test_all_workers_count_together() -> None:
    counted = Rates(10)
    pid = os.fork()
    if not pid:
        os._exit(taken(counted, "a", 7))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert taken(counted, "a", 10) == 3


def test_over_http_429_says_when_to_come_again() -> None:
    client = client_of(StubService(), calls_per_minute=2)
    assert [client.post(SELECT, json=call_body()).status_code for _ in range(3)] == [200, 200, 429]
    refused = client.post(f"{SELECT}/x", json={})
    assert refused.status_code == 404
    refused = client.post(SELECT, json=call_body())
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.get_json()["resourceType"] == "OperationOutcome"
    assert "do not read this as no contraindication" in refused.get_json()["issue"][0]["diagnostics"]
    assert client.get("/cds-services").status_code == client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("chosen", "address", "limited"),
    [(None, "127.0.0.1", False), (None, "192.0.2.1", True), (1, "127.0.0.1", True), (0, "192.0.2.1", False)],
)
def test_who_is_counted(monkeypatch: pytest.MonkeyPatch, chosen: int | None, address: str, limited: bool) -> None:
    monkeypatch.setattr("cds_service.web.rates.PER_MINUTE", 1)
    client = client_of(StubService(), calls_per_minute=chosen)
    found = [client.post(SELECT, json=call_body(), environ_base={"REMOTE_ADDR": address}) for _ in range(2)]
    assert (found[1].status_code == 429) is limited


def test_a_token_is_counted_by_its_issuer_wherever_it_comes_from() -> None:
    app, pages = Flask("x"), Blueprint("hooks", "x")
    pages.add_url_rule("/x", view_func=lambda: answer({}), methods=["POST"])
    app.register_blueprint(pages)
    counted = rates(1)
    assert counted is not None
    limit = RateLimit(counted, everybody=False)
    found = []
    for iss, address in (("a", "192.0.2.1"), ("a", "192.0.2.2"), ("b", "192.0.2.1")):
        with app.test_request_context("/x", method="POST", environ_base={"REMOTE_ADDR": address}):
            g.token = Token(iss, "1", 0.0)
            found.append(limit.guard() is None)
    assert found == [True, False, True]
