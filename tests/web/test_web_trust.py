"""Who may call: a token opens calls and feedback once, and whatever is wrong with it is refused in the same words."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.errors import SettingsError, StoreError
from cds_service.knowledge.model import Issuer
from cds_service.store.taken import Taken
from tests.support.tokens import ISS, claims, key_set, signed
from tests.web.stub import EHR, SELECT, StubService, call_body, client_of, issue
from tests.web.test_web_feedback import until
from tests.web.test_web_tokens import BAD

PUBLIC = "https://cds.example.org"


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return guarded(tmp_path)


def guarded(folder: Path, **changes: Any) -> FlaskClient:
    """A service whose one issuer has its keys in a file, and whose store lies in `folder`."""
    keys = folder / "keys.json"
    keys.write_bytes(key_set("ES384", "RS384"))
    service = StubService()
    service.knowledge.site.issuers = (Issuer(iss=ISS, jwks=str(keys)),)
    settings = {"jwt": "required", "public_url": PUBLIC, "store": True, "data": folder, "cors_origins": (EHR,)}
    return client_of(service, **(settings | changes))


def call(client: FlaskClient, token: str | None, path: str = SELECT) -> TestResponse:
    headers = [] if token is None else [("Authorization", f"Bearer {token}")]
    body = json.dumps(call_body()).encode()
    return client.post(path, data=body, content_type="application/json", headers=headers)


def fresh(path: str = SELECT, **changes: Any) -> str:
    return signed(claims(time.time(), aud=PUBLIC + path, **changes))


def test_a_token_opens_one_call(client: FlaskClient) -> None:
    token = fresh()
    assert call(client, token).status_code == 200
    again = call(client, token)
    assert again.status_code == 401
    assert again.headers["WWW-Authenticate"] == "Bearer"
    assert issue(again)["code"] == "login"
    assert call(client, fresh()).status_code == 200
    told = re.findall(r'calls_total\{[^}]*status="(\d+)"\} (\d)', client.get("/metrics").text)
    assert dict(told) == {"200": "2", "401": "1"}


def test_a_token_of_a_call_is_taken_once_by_all_processes_and_after_a_restart(tmp_path: Path) -> None:
    token = fresh()
    assert [call(guarded(tmp_path), token).status_code for _ in range(3)] == [200, 401, 401]


def test_whatever_is_wrong_the_refusal_is_the_same(client: FlaskClient) -> None:
    refusals = [call(client, BAD[name]()) for name in BAD if name not in {"nothing", "a dot too many"}]
    refusals += [call(client, None), call(client, ""), call(client, fresh("/cds-services/anakinra-order-sign"))]
    assert {response.status_code for response in refusals} == {401}
    assert len({response.get_data() for response in refusals}) == 1


def test_two_tokens_are_none(client: FlaskClient) -> None:
    both = [("Authorization", f"Bearer {fresh()}"), ("Authorization", f"Bearer {fresh()}")]
    assert client.post(SELECT, data=b"{}", content_type="application/json", headers=both).status_code == 401


def test_a_token_is_asked_for_before_the_body_is_read(client: FlaskClient) -> None:
    assert client.post(SELECT, data=b"no json", content_type="text/plain").status_code == 401
    assert client.post(f"{SELECT}/feedback", data=b"no json").status_code == 401


def test_feedback_has_a_token_of_its_own(client: FlaskClient) -> None:
    path = f"{SELECT}/feedback"
    body = json.dumps({"feedback": []}).encode()
    for token, status in ((fresh(), 401), (fresh(path), 200)):
        headers = {"Authorization": f"Bearer {token}"}
        assert client.post(path, data=body, content_type="application/json", headers=headers).status_code == status


def test_discovery_preflights_and_the_rest_stay_open(client: FlaskClient) -> None:
    for path in ("/cds-services", "/health", "/ready", "/metrics"):
        assert client.get(path).status_code == 200
    for path in ("/cds-services", SELECT, f"{SELECT}/feedback"):
        preflight = client.options(path, headers={"Origin": EHR})
        assert preflight.status_code == 204
        assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]


def test_a_browser_may_read_the_refusal(client: FlaskClient) -> None:
    refused = client.post(SELECT, data=b"{}", headers={"Origin": EHR})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == EHR


def test_without_a_public_address_it_is_the_one_that_was_called(tmp_path: Path) -> None:
    client = guarded(tmp_path, public_url="")
    token = signed(claims(time.time(), aud=f"http://localhost{SELECT}"))
    assert call(client, token).status_code == 200


@pytest.mark.parametrize(
    "host", ["a b", "other.example.org", "localhost.example.org", "127.0.0.1.example.org", "[::2]"]
)
def test_without_a_public_address_a_host_beyond_this_machine_is_nobodys_audience(tmp_path: Path, host: str) -> None:
    """Else a token that was made for another service would open this one to whoever holds it."""
    client = guarded(tmp_path, public_url="")
    for aud in (f"http://{host}{SELECT}", SELECT):
        headers = {"Authorization": f"Bearer {signed(claims(time.time(), aud=aud))}", "Host": host}
        assert client.post(SELECT, data=b"{}", content_type="application/json", headers=headers).status_code == 401


def test_a_tenant_that_no_record_can_hold_is_left_out(client: FlaskClient) -> None:
    assert call(client, fresh(tenant="a\ud800")).status_code == 200


def test_a_site_that_names_nobody_cannot_require_tokens(tmp_path: Path) -> None:
    service = StubService()
    service.knowledge.site.issuers = ()
    with pytest.raises(SettingsError, match="names no issuers"):
        client_of(service, jwt="required", store=True, data=tmp_path)


def test_without_a_store_no_token_can_be_told_from_its_copy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CDS_STORE"):
        guarded(tmp_path, store=False)


def test_where_the_store_is_down_advice_is_given_and_a_token_opens_one_call_of_a_worker(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "store.sqlite").mkdir(parents=True)
    client = guarded(tmp_path, data=data)
    token, path = fresh(), f"{SELECT}/feedback"
    assert [call(client, token).status_code for _ in range(3)] == [200, 401, 401]
    assert call(client, fresh(path), path).status_code == 400  # it is no feedback
    (data / "store.sqlite").rmdir()
    until(lambda: client.get("/ready").get_json()["store"] == "up")
    # What was taken meanwhile is known to all of them now.
    assert call(guarded(tmp_path, data=data), token).status_code == 401
    assert call(guarded(tmp_path, data=data), fresh()).status_code == 200


def test_a_store_that_ends_while_it_is_served_admits_callers_still(tmp_path: Path) -> None:
    client = guarded(tmp_path, data=tmp_path / "data")
    before, after = fresh(), fresh()
    assert call(client, before).status_code == 200
    until(lambda: client.get("/ready").get_json()["store"] == "up")
    for file in (tmp_path / "data").glob("store.sqlite*"):
        file.write_bytes(b"no database at all " * 4096)
    assert [call(client, token).status_code for token in (before, after, after)] == [401, 200, 401]


def test_more_tokens_than_are_remembered_admit_nobody_where_nobody_else_can_tell() -> None:
    taken, now = Taken(most=2), datetime.now(UTC)
    ends = now + timedelta(seconds=9)
    assert [taken.take(each, ends, now, alone=True) for each in "aab"] == [True, False, True]
    with pytest.raises(StoreError):
        taken.take("c", ends, now, alone=True)
    # The store tells: the oldest may be forgotten here.
    assert [taken.take(each, ends, now, alone=False) for each in "cbc"] == [True, False, False]
    later = now + timedelta(seconds=10)
    assert [taken.take(each, later, later, alone=True) for each in "ddee"] == [True, False, True, False]
