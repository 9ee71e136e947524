"""Browser clients: an exact allowlist, preflights without authentication, headers also on refusals."""

from __future__ import annotations

import pytest

from cds_service.app import create_app
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from tests.web.stub import EHR, SELECT, StubService, call_body, client_of, post

SITE = "http://site.example.org:8443"


def service() -> StubService:
    found = StubService()
    found.knowledge.site.cors_origins = (SITE,)
    return found


@pytest.mark.parametrize("origin", [EHR, SITE])
@pytest.mark.parametrize("path", ["/cds-services", SELECT])
def test_a_preflight(origin: str, path: str) -> None:
    response = client_of(service(), cors_origins=(EHR,)).options(
        path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    assert (response.status_code, response.data) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert int(response.headers["Access-Control-Max-Age"]) > 0
    assert response.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    "origin", ["null", "*", EHR + "/", EHR + ":443", EHR.upper(), "https://evil.example", EHR + ".evil"]
)
def test_other_origins_get_nothing(origin: str) -> None:
    client = client_of(service(), cors_origins=(EHR,))
    for response in (
        client.options(SELECT, headers={"Origin": origin}),
        client.get("/cds-services", headers={"Origin": origin}),
    ):
        assert not any(name.startswith("Access-Control") for name in response.headers.keys())  # noqa: SIM118
        assert response.headers["Vary"] == "Origin"


def test_answers_and_refusals_are_marked_too() -> None:
    client = client_of(service(), cors_origins=(EHR,))
    from_ehr = {"Origin": EHR}
    responses = [
        post(client, call_body(), headers=from_ehr),
        post(client, b"{}", headers=from_ehr),
        post(client, b"{}", headers=from_ehr, content_type="text/plain"),
        post(client, b"{}", path="/cds-services/unknown", headers=from_ehr),
        client.put(SELECT, headers=from_ehr),
        client.options("/cds-services/a/b/c", headers=from_ehr),
    ]
    assert [response.status_code for response in responses] == [200, 400, 415, 404, 405, 404]
    for response in responses:
        assert response.headers["Access-Control-Allow-Origin"] == EHR


def test_off_by_default_and_elsewhere() -> None:
    assert (
        "Access-Control-Allow-Origin" not in client_of(StubService()).options(SELECT, headers={"Origin": EHR}).headers
    )
    response = client_of(service(), cors_origins=(EHR,)).get("/health", headers={"Origin": EHR})
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://a.example/", "ehr.example.org", "https://*.example.org", "HTTPS://A"]
)
def test_what_is_no_origin_keeps_the_service_from_starting(origin: str) -> None:
    with pytest.raises(SettingsError, match="CDS_CORS_ORIGINS"):
        create_app(Settings(cors_origins=(origin,)), StubService())
    stub = StubService()
    stub.knowledge.site.cors_origins = (origin,)
    with pytest.raises(SettingsError, match="site us: corsOrigins"):
        create_app(Settings(), stub)
