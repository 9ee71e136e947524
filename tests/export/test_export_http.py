"""The knowledge as FHIR over HTTP: what is found, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.knowledge import Knowledge
from cds_service.tools.export import TYPES
from cds_service.tools.export.validation import problems
from tests.support.exported import Resources
from tests.web.stub import StubService, client_of

FHIR = "application/fhir+json"
CANARY = "zq7-canary"


def client_for(knowledge: Knowledge, **settings: Any) -> FlaskClient:
    service = StubService()
    service.knowledge = knowledge
    return client_of(service, **settings)


@pytest.fixture(scope="module")
def client(ours: Knowledge, pages: Path) -> FlaskClient:
    return client_for(ours, pages=pages)


def got(client: FlaskClient, path: str) -> dict[str, Any]:
    response = client.get(path)
    assert (response.status_code, response.mimetype) == (200, FHIR), response.text
    body: dict[str, Any] = response.get_json()
    return body


def refused(response: TestResponse) -> tuple[int, str]:
    """Status and code of a refusal, which is an OperationOutcome in FHIR's own media type."""
    assert response.mimetype == FHIR
    outcome = response.get_json()
    assert list(problems([{"id": "x", **outcome}])) == []
    (issue,) = outcome["issue"]
    assert (issue["severity"], bool(issue["diagnostics"])) == ("error", True)
    return response.status_code, issue["code"]


def ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


# ---------------------------------------------------------------- what is served


def test_the_capability_statement(client: FlaskClient, ours: Knowledge) -> None:
    statement = got(client, "/fhir/metadata")
    assert list(problems([{"id": "x", **statement}])) == []
    (rest,) = statement["rest"]
    assert [each["type"] for each in rest["resource"]] == list(TYPES)
    for each in rest["resource"]:
        assert [i["code"] for i in each["interaction"]] == ["read", "search-type"]
        for parameter in each["searchParam"]:
            assert got(client, f"/fhir/{each['type']}?{parameter['name']}={CANARY}")["total"] == 0
    assert statement["implementation"]["url"] == "http://localhost/fhir"
    assert ours.digest in statement["implementation"]["description"]


def test_every_resource_can_be_read(client: FlaskClient, resources: Resources) -> None:
    for name, resource in resources.items():
        assert got(client, f"/fhir/{name}") == resource


@pytest.mark.parametrize("kind", TYPES)
def test_all_of_a_type_page_by_page(client: FlaskClient, resources: Resources, kind: str) -> None:
    expected = [name for name in resources if name.startswith(f"{kind}/")]
    path, found, pages = f"/fhir/{kind}?_count=7", [], []
    while path:
        bundle = got(client, path)
        assert list(problems([{"id": "x", **bundle}])) == []
        assert (bundle["type"], bundle["total"]) == ("searchset", len(expected))
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert got(client, relative(links["self"])) == bundle
        assert ("previous" in links) is bool(pages)
        for entry in bundle["entry"]:
            name = f"{kind}/{entry['resource']['id']}"
            assert entry["fullUrl"] == f"http://localhost/fhir/{name}"
            assert (entry["resource"], entry["search"]) == (resources[name], {"mode": "match"})
            found.append(name)
        if pages:
            assert ids(got(client, relative(links["previous"]))) == pages[-1]
        pages.append(ids(bundle))
        path = relative(links["next"]) if "next" in links else ""
    assert found == expected
    assert all(len(page) == 7 for page in pages[:-1])


def relative(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


BASE = "https://anakinra-cds.org/fhir"
SEARCHES = {
    "_id=anakinra": ["anakinra"],
    "_id=anc,anakinra": ["anakinra", "anc"],
    "_id=Anakinra": [],
    f"url={BASE}/ValueSet/anc": ["anc"],
    f"url={BASE}/ValueSet/an": [],
    "name=CRSGRADE": [f"crs-grade-{grade}" for grade in range(1, 6)],
    "name=Grade": ["grade-of-another-scale"],
    "name=crsgrade1,crsgrade2&_id=crs-grade-2": ["crs-grade-2"],
    "_id=anc&version=1.0.0": ["anc"],
    "_id=anc&version=1.0": [],
    "_id=anc&_format=json": ["anc"],
    "_id=anc&_format=application/fhir%2Bjson": ["anc"],
    "_id=anc&_format=application/fhir+json": ["anc"],
    "_id=anc&_format=application/fhir%2Bjson;fhirVersion=4.0": ["anc"],
    "name=CrsGrade&_count=2&_offset=3": ["crs-grade-4", "crs-grade-5"],
}


@pytest.mark.parametrize(("query", "expected"), SEARCHES.items(), ids=SEARCHES)
def test_a_search(client: FlaskClient, query: str, expected: list[str]) -> None:
    bundle = got(client, f"/fhir/ValueSet?{query}")
    assert ids(bundle) == expected
    assert list(problems([{"id": "x", **bundle}])) == []


def test_only_the_number_of_matches(client: FlaskClient, ours: Knowledge) -> None:
    bundle = got(client, "/fhir/ValueSet?_count=0")
    assert (bundle["total"], ids(bundle)) == (len(ours.value_sets), [])
    assert [link["relation"] for link in bundle["link"]] == ["self"]


def test_a_page_is_never_larger_than_what_the_service_allows(client: FlaskClient) -> None:
    bundle = got(client, "/fhir/ValueSet?_count=999999999")
    assert bundle["link"][0]["url"].endswith("?_count=500&_offset=0")
    assert len(ids(bundle)) == min(500, bundle["total"])


def test_a_page_behind_the_last(client: FlaskClient) -> None:
    bundle = got(client, "/fhir/Library?_offset=50&_count=10")
    assert (bundle["total"], ids(bundle)) == (2, [])
    assert {link["relation"]: link["url"] for link in bundle["link"]}["previous"].endswith("_offset=40")


def test_urls_are_those_that_clients_reach(ours: Knowledge, pages: Path) -> None:
    client = client_for(ours, pages=pages, public_url="https://cds.example.org/anakinra")
    assert got(client, "/fhir/metadata")["implementation"]["url"] == "https://cds.example.org/anakinra/fhir"
    bundle = got(client, "/fhir/Library?_count=1")
    assert bundle["entry"][0]["fullUrl"] == "https://cds.example.org/anakinra/fhir/Library/facts"
    assert {urlsplit(link["url"]).netloc for link in bundle["link"]} == {"cds.example.org"}


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/ValueSet", "/fhir/ValueSet/anc"])
def test_what_has_not_changed_is_not_sent_again(client: FlaskClient, path: str) -> None:
    first = client.get(path)
    assert first.headers["ETag"].startswith('W/"')
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(path, headers={"If-None-Match": 'W/"other"'}).data == first.data
    head = client.head(path)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", first.headers["ETag"])
    assert head.content_length == len(first.data)


# ---------------------------------------------------------------- what is refused


REFUSED = {
    f"/fhir/ValueSet/{CANARY}": (404, "not-found"),
    f"/fhir/{CANARY}": (404, "not-supported"),
    f"/fhir/Patient/{CANARY}": (404, "not-supported"),
    "/fhir/Patient": (404, "not-supported"),
    f"/fhir/ValueSet/anc/{CANARY}": (404, "not-found"),
    "/fhir": (404, "not-found"),
    "/fhir/": (404, "not-found"),
    f"/fhir/ValueSet?{CANARY}=1": (400, "not-supported"),
    f"/fhir/ValueSet?name:exact={CANARY}": (400, "not-supported"),
    f"/fhir/ValueSet?_count={CANARY}": (400, "invalid"),
    "/fhir/ValueSet?_count=-1": (400, "invalid"),
    "/fhir/ValueSet?_count=": (400, "invalid"),
    "/fhir/ValueSet?_offset=1.5": (400, "invalid"),
    "/fhir/ValueSet?_offset=99999999999": (400, "invalid"),
    "/fhir/ValueSet?_count=%D9%A3": (400, "invalid"),
    "/fhir/ValueSet?_id=": (400, "required"),
    "/fhir/ValueSet?url=,": (400, "required"),
    f"/fhir/ValueSet?_format={CANARY}": (406, "not-supported"),
    "/fhir/ValueSet/anc?_format=xml": (406, "not-supported"),
    "/fhir/metadata?_format=application/fhir%2Bxml": (406, "not-supported"),
}


@pytest.mark.parametrize(("path", "expected"), REFUSED.items(), ids=REFUSED)
def test_a_refusal(client: FlaskClient, path: str, expected: tuple[int, str]) -> None:
    response = client.get(path)
    assert refused(response) == expected
    assert CANARY not in response.text


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/ValueSet", "/fhir/ValueSet/anc", "/fhir/ValueSet/_search"])
def test_everything_is_only_read(client: FlaskClient, path: str) -> None:
    for response in (client.post(path), client.put(path), client.patch(path), client.delete(path)):
        assert refused(response) == (405, "not-supported")
        assert "GET" in response.headers["Allow"]


def test_other_pages_keep_their_own_media_type(client: FlaskClient) -> None:
    for path, status in (("/health", 200), ("/fhirx", 404), ("/cds-services", 200)):
        response = client.get(path)
        assert (response.status_code, response.mimetype) == (status, "application/json")
