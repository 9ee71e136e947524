"""Every card links to the page of its rule: absolute, served, and without anything of the patient."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.errors import SettingsError
from cds_service.knowledge import load
from cds_service.service import Service
from cds_service.setting_kinds import public_url
from cds_service.settings import Settings, from_environ
from tests.facts.house import REFRACTORY, Case
from tests.support.cards import explanation
from tests.support.shipped import ROOT
from tests.web.stub import StubService, call_body, client_of, post

REQUEST = (ROOT / "examples/requests/refractory-grade-2.json").read_bytes()
SELECT = "/cds-services/anakinra-order-select"
PUBLIC = "https://cds.example.org/anakinra"


@pytest.fixture(scope="module")
def client(pages: Path) -> FlaskClient:
    return create_app(Settings(allow_evaluation_time=True, pages=pages)).test_client()


def cards_of(client: FlaskClient, host: str = "cds.local:8080") -> list[dict[str, Any]]:
    response = client.post(SELECT, data=REQUEST, content_type="application/json", headers={"Host": host})
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.get_json()["cards"]
    assert found
    return found


def test_every_card_links_to_the_page_of_its_rule(client: FlaskClient) -> None:
    for card in cards_of(client):
        rule = explanation(card)["rule"]
        url = f"http://cds.local:8080/knowledge/rules/{rule}"
        assert card["source"]["url"] == url
        (link,) = card["links"]
        assert (link["url"], link["type"]) == (url, "absolute")
        assert rule in link["label"]
        page = client.get(urlsplit(url).path)
        assert (page.status_code, page.mimetype) == (200, "text/html")
        for anchor in ("criteria", "cases", "evidence", "limits", "versions", "source-attributes"):
            assert f'id="{anchor}"' in page.text


def test_nothing_of_the_patient_is_in_a_link(client: FlaskClient) -> None:
    patient = json.loads(REQUEST)["context"]["patientId"]
    for card in cards_of(client):
        url = card["source"]["url"]
        assert patient not in url
        assert urlsplit(url).query == urlsplit(url).fragment == ""


@pytest.mark.parametrize("host", ["<script>", "a b", 'a"b', "user@host", ""])
def test_a_host_that_names_none_gives_no_link(client: FlaskClient, host: str) -> None:
    for card in cards_of(client, host):
        assert "url" not in card["source"]
        assert "links" not in card


def test_the_public_address_comes_before_the_one_that_was_called() -> None:
    service = StubService()
    assert post(client_of(service, public_url=PUBLIC), call_body()).status_code == 200
    assert post(client_of(service), call_body()).status_code == 200
    assert service.addresses == [PUBLIC, "http://localhost"]


def test_without_an_address_no_card_links_and_nothing_else_differs(client: FlaskClient) -> None:
    """As on the command line, where nobody has called an address."""
    plain = Case(given=REFRACTORY).cards()
    assert plain
    for card in plain:
        assert "links" not in card
        assert card["source"].keys() == {"label", "topic"}
    assert {*cards_of(client)[0]} - {*plain[0]} == {"links"}


def test_what_could_not_be_evaluated_links_to_the_first_page(pages: Path) -> None:
    service = Service.start(load(ROOT))
    engine = service.program.engine
    honest = engine.run
    engine.run = lambda *asked: replace(honest(*asked), failure="broken")  # type: ignore[method-assign]
    client = create_app(Settings(allow_evaluation_time=True, pages=pages), service).test_client()
    (card,) = [c for c in cards_of(client) if explanation(c)["rule"] == "system-unevaluated"]
    assert card["links"][0]["url"] == card["source"]["url"] == "http://cds.local:8080/knowledge"
    assert client.get("/knowledge").status_code == 200


# ---------------------------------------------------------------- the setting


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("", ""),
        ("https://cds.example.org", "https://cds.example.org"),
        ("http://127.0.0.1:8080/x/", "http://127.0.0.1:8080/x"),
    ],
)
def test_an_address(written: str, kept: str) -> None:
    assert public_url(written) == kept
    assert from_environ({"CDS_PUBLIC_URL": written}).public_url == kept


@pytest.mark.parametrize(
    "written",
    [
        "cds.example.org",
        "ftp://a",
        "https://",
        "javascript:alert(1)",
        "https://a?x=1",
        "https://a/#b",
        "https://u:p@a",
        "https://a b",
        "https://a:99999",
        "https://[::1",
        "https://a/<b>",
    ],
)
def test_an_address_that_cannot_be_used(written: str) -> None:
    with pytest.raises(SettingsError, match="CDS_PUBLIC_URL: expected an address such as https://"):
        from_environ({"CDS_PUBLIC_URL": written})
