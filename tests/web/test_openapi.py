"""The description of the HTTP surface is that of the application: every endpoint, and answers as they are described."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema_rs
from flask import Flask

from benchmarks.described import application, ask
from cds_service.app import create_app
from cds_service.contract import EXPLANATION
from cds_service.knowledge import load
from cds_service.record import unrecorded
from cds_service.service import Service
from cds_service.settings import Settings
from cds_service.web.front.words import COUNTED_AS
from cds_service.web.openapi import Served, document, explanation
from tests.support.examples import example_calls
from tests.support.places import answer
from tests.support.shipped import ROOT
from tests.web.stub import StubService, client_of
from tests.web.test_web_trust import guarded

EVERY = 3
"""One example in so many is answered."""


def described(app: Flask) -> set[tuple[str, str]]:
    found = app.test_client().get("/openapi.json").get_json()
    return {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}


def mapped(app: Flask) -> set[tuple[str, str]]:
    """What the application answers, as a description writes it."""
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_endpoint_is_described_and_no_other(tmp_path: Path) -> None:
    for settings in (Settings(store=False), Settings(data=tmp_path), Settings(store=False, workbench=True)):
        app = create_app(settings, StubService())
        assert described(app) == mapped(app)


def test_every_refusal_is_described_wherever_it_can_happen(tmp_path: Path) -> None:
    """Those of the front by the table that it refuses by, another method by asking for one."""
    client = client_of(StubService(), store=True, data=tmp_path, workbench=True)
    for path, methods in document(Served(store=True, tokens=False, workbench=True))["paths"].items():
        for operation in methods.values():
            assert {str(status) for status in {*COUNTED_AS, 405, 503}} <= operation["responses"].keys(), path
        other = client.delete(re.sub("{[^}]+}", "x", path))
        assert (other.status_code, other.get_json()["resourceType"]) == (405, "OperationOutcome")
        assert other.headers["Allow"]


def test_the_table_for_who_connects_an_ehr_has_every_status_that_is_described() -> None:
    described = {
        int(status)
        for methods in document(Served(store=True, tokens=True, smart=True))["paths"].values()
        for operation in methods.values()
        for status in operation["responses"]
    }
    text = (ROOT / "docs/connecting.md").read_text(encoding="utf-8")
    table = text.partition("## Status codes")[2].partition("\n## ")[0]
    told = {int(status) for row in re.findall(r"^\| (\d[\d, ]*) \|", table, re.MULTILINE) for status in row.split(", ")}
    assert described - {303, 308} == told


def test_a_service_that_may_not_be_asked_says_so_as_described() -> None:
    service = StubService()
    service.trouble = ["rule x: fires on nobody"]
    components = document(Served(store=True, tokens=False))["components"]
    asked = client_of(service).get("/ready")
    schema = jsonschema_rs.validator_for({"$ref": "#/components/schemas/NotReady", "components": components})
    assert (asked.status_code, [str(error) for error in schema.iter_errors(asked.get_json())]) == (503, [])


def test_tokens_are_described_where_they_are_asked_for(tmp_path: Path) -> None:
    found = guarded(tmp_path).get("/openapi.json").get_json()
    assert found["security"] == [{"client": []}]
    assert found["servers"] == [{"url": "https://cds.example.org"}]
    open_ones = {
        path for path, methods in found["paths"].items() for each in methods.values() if each.get("security") == []
    }
    assert {path for path in found["paths"] if path not in open_ones} == {
        "/cds-services/{service_id}",
        "/cds-services/{service_id}/feedback",
    }
    assert "security" not in document(Served(store=True, tokens=False))


def test_answers_are_as_they_are_described() -> None:
    components = document(Served(store=True, tokens=False))["components"]
    whole = jsonschema_rs.validator_for({"$ref": "#/components/schemas/Answer", "components": components})
    alone, service, told = jsonschema_rs.validator_for(explanation()), Service.start(load()), 0
    for name, _, call in list(example_calls(service.program.templates_of))[::EVERY]:
        _, cards = answer(service, call)
        for shown in [cards, unrecorded(cards)] if cards else []:
            wrong = [str(error) for error in whole.iter_errors({"cards": shown})]
            assert (name, wrong) == (name, [])
            for card in shown:
                assert alone.is_valid(card["extension"][EXPLANATION])
            told += 1
    assert told > 10


def test_the_page_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path), StubService())
    page = app.test_client().get("/openapi")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    links = re.findall(r'(?:href|src|action)\s*=\s*"([^"]*)"', page.text)
    assert {link for link in links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(re.findall(r'id="([^"]*)"', page.text))
    assert not re.search(r"<script|style=|url\(|@import|\son\w+=", page.text)
    for _, path in mapped(app):
        assert f" {path}</code>" in page.text


def test_a_sample_of_made_up_requests_is_answered_as_described(tmp_path: Path) -> None:
    asked = ask(application(tmp_path), 60, seed=11, paths="/cds-services")
    assert asked.faults == []
    assert {status for (_, status), _ in asked.statuses.items()} >= {200, 400}
