"""The service over HTTP: routes, limits, refusals, health, metrics."""

from __future__ import annotations

import gzip
import io
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds_service.contract import EXPLANATION
from cds_service.errors import CallError
from cds_service.web.door import EVALUATION_TIME
from tests.web.stub import CARD, SELECT, StubService, call_body, client_of, issue, post

CANARY = "Zq7-canary"


def test_discovery() -> None:
    service = StubService()
    response = client_of(service).get("/cds-services")
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.get_json() == {"services": service.discovery()}


def test_a_call_is_answered_with_the_cards_of_the_service() -> None:
    service = StubService({"cards": [CARD]})
    response = post(client_of(service), call_body())
    assert (response.status_code, response.get_json()) == (200, {"cards": [CARD]})
    assert response.headers["Cache-Control"] == "no-store"
    call, now = service.calls[0]
    assert call.service_id == "anakinra-order-select"
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_the_time_of_the_call_is_used_only_where_allowed() -> None:
    body = call_body(extension={EVALUATION_TIME: "2020-01-01T00:00:00Z"})
    for allowed in (True, False):
        service = StubService()
        assert post(client_of(service, allow_evaluation_time=allowed), body).status_code == 200
        assert (service.calls[0][1] == datetime(2020, 1, 1, tzinfo=UTC)) is allowed


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", "application/fhir+json", "Application/JSON"]
)
def test_content_types_that_are_read(content_type: str) -> None:
    assert post(client_of(StubService()), call_body(), content_type=content_type).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"content_type": kind} for kind in ("", "text/plain", "application/json; charset=latin-1", "application/xml")]
    + [{"headers": {"Content-Encoding": coding}} for coding in ("gzip", "br", "gzip, identity")],
)
def test_other_content_types_and_compressed_bodies_are_refused(headers: dict[str, Any]) -> None:
    response = post(client_of(StubService()), gzip.compress(json.dumps(call_body()).encode()), **headers)
    assert (response.status_code, issue(response)["code"]) == (415, "not-supported")


def test_the_size_of_a_body_is_limited() -> None:
    client = client_of(StubService(), max_body_bytes=2000)
    body = json.dumps(call_body()).encode()
    assert post(client, body.ljust(2000)).status_code == 200
    response = post(client, body.ljust(2001))
    assert (response.status_code, issue(response)["code"]) == (413, "too-long")
    for size, status in ((2000, 200), (2001, 413), (9000, 413)):  # chunked: the size is not said beforehand
        stream = io.BytesIO(body.ljust(size))
        extra = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        response = client.post(
            SELECT, input_stream=stream, environ_overrides=extra, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == status


@pytest.mark.parametrize(
    ("body", "code"), [(b"", "required"), (b"{", "structure"), (b"[]", "structure"), (b"{}", "required")]
)
def test_bodies_that_are_no_call(body: bytes, code: str) -> None:
    service = StubService()
    response = post(client_of(service), body)
    assert (response.status_code, issue(response)["code"]) == (400, code)
    assert not service.calls


def test_a_hook_of_another_service_is_refused() -> None:
    response = post(client_of(StubService()), call_body(), path="/cds-services/anakinra-order-sign")
    assert issue(response)["diagnostics"].startswith("hook: expected")


@pytest.mark.parametrize("path", ["/cds-services/" + CANARY, "/" + CANARY, "/cds-services/a/b"])
def test_unknown_urls(path: str) -> None:
    response = post(client_of(StubService()), call_body(), path=path)
    assert (response.status_code, issue(response)["code"]) == (404, "not-found")
    assert CANARY not in response.text


def test_wrong_methods() -> None:
    client = client_of(StubService())
    for response in (client.get(SELECT), client.put(SELECT), client.post("/cds-services"), client.delete("/health")):
        assert (response.status_code, issue(response)["code"]) == (405, "not-supported")
        assert response.headers["Allow"]


def test_an_unobtainable_patient() -> None:
    service = StubService(CallError(412, "not-found", "prefetch.patient: missing"))
    response = post(client_of(service), call_body())
    assert response.status_code == 412
    assert issue(response) == {"severity": "error", "code": "not-found", "diagnostics": "prefetch.patient: missing"}


def test_a_failure_is_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError(CANARY)
    error.__cause__ = KeyError(CANARY)
    with caplog.at_level(logging.DEBUG):
        response = post(client_of(StubService(error)), call_body())
    assert response.status_code == 500
    assert issue(response)["code"] == "exception"
    assert "RuntimeError" in caplog.text
    assert "KeyError" in caplog.text
    assert "stub.py" in caplog.text
    assert CANARY not in caplog.text + response.text


def test_nothing_of_a_call_is_logged_counted_or_echoed(caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(StubService({"cards": [CARD]}))
    secret = call_body(
        context__patientId=CANARY,
        context__userId=f"Practitioner/{CANARY}",
        fhirServer=f"https://{CANARY}",
        fhirAuthorization={"access_token": CANARY},
        prefetch={CANARY: CANARY},
    )
    with caplog.at_level(logging.DEBUG):
        texts = [
            post(client, body, headers={"Authorization": f"Bearer {CANARY}", "X-A": CANARY}).text
            for body in (secret, secret | {"hook": CANARY}, secret | {CANARY: CANARY, "hookInstance": CANARY})
        ]
    texts.append(client.get("/metrics").text)
    assert CANARY not in "".join(texts) + caplog.text


def test_health_and_readiness() -> None:
    client = client_of(StubService())
    assert client.get("/health").get_json()["status"] == "alive"
    ready = client.get("/ready").get_json()
    assert (ready["status"], ready["knowledge"], ready["site"]) == ("ready", "0123456789ab", "us")


def test_metrics() -> None:
    lost = {"summary": "x", "extension": {EXPLANATION: {"rule": "system-unevaluated"}}}
    service = StubService({"cards": [CARD, lost, {"summary": "silent"}]})
    client = client_of(service)
    assert "anakinra_cds_disagreements_total 0" in client.get("/metrics").text
    post(client, call_body())
    post(client, call_body())
    post(client, b"{}")
    response = client.get("/metrics")
    assert response.mimetype == "text/plain"
    assert set(response.text.splitlines()) >= {
        'anakinra_cds_calls_total{service="anakinra-order-select",status="200"} 2.0',
        'anakinra_cds_calls_total{service="anakinra-order-select",status="400"} 1.0',
        'anakinra_cds_cards_total{decision="suggest"} 2.0',
        'anakinra_cds_cards_total{decision="none"} 4.0',
        "anakinra_cds_disagreements_total 2.0",
        "# TYPE anakinra_cds_cards_total counter",
    }
