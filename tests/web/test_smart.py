"""The SMART app against a stand-in EHR: who may launch it, what it shows, and what it never does."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import jsonschema_rs
import pytest
import requests
import yaml
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Cookie, TestResponse

from cds_service.app import create_app, start_service
from cds_service.assess import assess, question_without_order
from cds_service.chart.chart import Chart as PatientChart
from cds_service.chart.server import TrustedServers, base_of
from cds_service.chart.visit import Form
from cds_service.errors import SettingsError, StoreError
from cds_service.knowledge.model import Site
from cds_service.settings import Settings
from cds_service.tools.replay.bundles import Chart
from cds_service.tools.replay.calls import build_call
from cds_service.web.hooks import Answers
from cds_service.web.openapi import Served, document
from cds_service.web.smart import oauth
from cds_service.web.smart.link import LABEL
from cds_service.web.smart.oauth import NotLaunched
from cds_service.web.smart.then import then
from tests.fhir_server.good import running
from tests.support.charts import chart
from tests.support.smart_ehr import CLIENT, ENCOUNTER, TOKEN, SmartEhr
from tests.support.vignettes import vignettes
from tests.web.stub import SELECT, StubService
from tests.web.test_openapi import described, mapped
from tests.web.test_web_feedback import until

PUBLIC: Final = "https://cds.example.org/anakinra"
PATIENT: Final = "p-smart"
OTHER: Final = "p-other"
HOST: Final = "cds.example.org"
COOKIES: Final = "/anakinra/smart"


@dataclass(slots=True)
class App:
    """The application at a site that trusts one EHR; `client` is a browser of it."""

    service: Answers
    application: Flask
    ehr: SmartEhr
    folder: Path
    chart: Chart
    client: FlaskClient

    def browser(self, **changes: Any) -> FlaskClient:
        """A browser of another application of the same service."""
        return create_app(settings(self.folder, **changes), self.service).test_client()

    def begin(self, launch: str = "l1", **more: str) -> TestResponse:
        """The launch by the EHR."""
        self.ehr.launches.setdefault(launch, {"patient": PATIENT, "encounter": ENCOUNTER})
        return self.get("/smart/launch", query_string={"iss": self.ehr.base, "launch": launch} | more)

    def get(self, path: str, client: FlaskClient | None = None, **more: Any) -> TestResponse:
        """As a browser that asks for a page, by way of the proxy that `PUBLIC` names."""
        return (client or self.client).get(path, base_url=f"{PUBLIC}/", headers={"Accept": "text/html"}, **more)

    def cookie(self, back: str) -> Cookie:
        """What the browser keeps of the launch that a way back ends."""
        name = oauth.cookie_name(parse_qs(urlsplit(back).query)["state"][0])
        found = self.client.get_cookie(name, HOST, COOKIES)
        assert found is not None
        return found

    def holding(self, name: str, value: str) -> FlaskClient:
        """Another browser, with this cookie."""
        browser = self.application.test_client()
        browser.set_cookie(name, value, domain=HOST, path=COOKIES)
        return browser

    def signed_in(self, launch: str = "l1") -> str:
        """The way back: path and query of the callback, as the EHR sends the browser there."""
        begun = self.begin(launch)
        assert begun.status_code == 303, begun.text
        back = requests.get(begun.location, allow_redirects=False, timeout=10).headers["Location"]
        assert back.startswith(f"{PUBLIC}/smart/callback?")
        return back.removeprefix(PUBLIC)

    def page(self, launch: str = "l1") -> TestResponse:
        """All of it."""
        return self.get(self.signed_in(launch))


def settings(folder: Path, **changes: Any) -> Settings:
    return Settings(
        **{"site": str(folder / "site.yaml"), "data": folder / "data", "public_url": PUBLIC}
        | {"smart_client_id": CLIENT, "audit_key": "k" * 32}
        | changes
    )


def write_site(folder: Path, ehr: SmartEhr, **more: Any) -> None:
    site = {"extend": "us", "fhirServers": [ehr.base], **more}
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")


@pytest.fixture(scope="module")
def refractory() -> Chart:
    """A chart as of now, for which rescue is suggested."""
    case = next(case for case in vignettes() if case.id == "V01")
    return Chart(PATIENT, case.title, tuple(chart(case.given, datetime.now(UTC), PATIENT)), case.id)


@pytest.fixture(scope="module")
def ehr(refractory: Chart) -> Iterator[SmartEhr]:
    server = SmartEhr()
    stored = [each for each in refractory.resources if each.get("status") != "draft"]
    server.charts[PATIENT] = [
        each | {"name": [{"given": ["Ana"], "family": "<b>Example</b>"}]} if each["resourceType"] == "Patient" else each
        for each in stored
    ]
    with running(server):
        yield server


@pytest.fixture(scope="module")
def whole(ehr: SmartEhr, refractory: Chart, tmp_path_factory: pytest.TempPathFactory) -> App:
    """Made once: a start is dear."""
    folder = tmp_path_factory.mktemp("smart")
    write_site(folder, ehr)
    service = start_service(settings(folder))
    application = create_app(settings(folder), service)
    return App(service, application, ehr, folder, refractory, application.test_client())


@pytest.fixture
def app(whole: App) -> App:
    """A browser without cookies, an EHR that behaves."""
    whole.client = whole.application.test_client()
    whole.ehr.told, whole.ehr.given, whole.ehr.secret, whole.ehr.refusing = {}, {}, "", False
    whole.ehr.launches.clear()
    whole.ehr.seen.clear()
    return whole


def called(client: FlaskClient, of: Chart) -> list[dict[str, Any]]:
    """The cards for the chart's order, by prefetch."""
    service = next(s for s in client.get("/cds-services").get_json()["services"] if s["hook"] == "order-select")
    call = build_call(of, hook="order-select", templates=service["prefetch"], at=datetime.now(UTC))
    call.pop("extension", None)
    cards: list[dict[str, Any]] = client.post(SELECT, json=call).get_json()["cards"]
    return cards


def launch_link(cards: list[dict[str, Any]]) -> dict[str, str]:
    (link,) = [link for card in cards for link in card.get("links", ()) if link["type"] == "smart"]
    return dict(link)


def refused(answer: TestResponse, status: int, why: str) -> None:
    assert (answer.status_code, answer.mimetype) == (status, "text/html"), answer.text
    assert why in answer.text
    assert "do not read this as no contraindication" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


# ---------------------------------------------------------------- the card


def test_the_first_card_links_to_the_launch_and_names_its_record_and_no_patient(app: App) -> None:
    cards = called(app.client, app.chart)
    link = launch_link(cards)
    assert (link["label"], link["url"]) == (LABEL, f"{PUBLIC}/smart/launch")
    assert re.fullmatch(r"[0-9a-f-]{36}", link["appContext"])
    assert launch_link(cards[:1]) == link
    assert link["appContext"] not in {card["uuid"] for card in cards}


def test_without_a_store_the_link_names_no_record(app: App) -> None:
    assert "appContext" not in launch_link(called(app.browser(store=False), app.chart))


def test_where_it_is_off_there_is_no_link_and_no_page(app: App) -> None:
    browser = app.browser(smart_client_id="", store=False)
    kinds = {link["type"] for card in called(browser, app.chart) for link in card.get("links", ())}
    assert kinds == {"absolute"}
    assert browser.get("/smart/launch").status_code == 404
    assert browser.get("/smart/callback").status_code == 404


# ---------------------------------------------------------------- the way there


def test_the_browser_is_sent_to_sign_in_with_a_challenge_and_a_cookie_that_only_this_service_can_read(app: App) -> None:
    begun = app.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.location).query).items()}
    assert urlsplit(begun.location).path == "/authorize"
    assert (asked["aud"], asked["launch"], asked["code_challenge_method"]) == (app.ehr.base, "l1", "S256")
    scopes = asked["scope"].split()
    assert scopes[0] == "launch"
    assert {"patient/Patient.rs", "patient/Observation.rs", "patient/MedicationAdministration.rs"} <= set(scopes)
    assert all(re.fullmatch(r"patient/[A-Z]\w+\.rs", scope) for scope in scopes[1:])
    cookie = begun.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/anakinra/smart", "Max-Age=600"))
    assert "verifier" not in cookie
    assert [auth for _, auth in app.ehr.seen] == [""]  # its configuration was read without a token


def test_an_ehr_of_smart_1_is_asked_for_its_scopes(app: App) -> None:
    app.ehr.told = {"capabilities": ["permission-v1"]}
    asked = parse_qs(urlsplit(app.begin().location).query)
    assert "patient/Observation.read" in asked["scope"][0].split()


def test_every_launch_has_a_state_and_a_verifier_of_its_own(app: App) -> None:
    found = [parse_qs(urlsplit(app.begin().location).query) for _ in range(3)]
    assert len({each["state"][0] for each in found}) == len({each["code_challenge"][0] for each in found}) == 3


@pytest.mark.parametrize(
    "iss",
    [
        "http://127.0.0.1:9/fhir",
        "http://169.254.169.254/latest",
        "{base}@evil.example",
        "{base}/../other",
        "{base}?x=",
        "file:///etc/passwd",
        "",
    ],
)
def test_nothing_is_asked_of_a_server_that_the_site_does_not_trust(app: App, iss: str) -> None:
    asked = {"iss": iss.format(base=app.ehr.base), "launch": "l1"}
    answer = app.get("/smart/launch", query_string=asked)
    refused(answer, 400, "does not trust")
    assert (app.ehr.seen, "Set-Cookie" in answer.headers) == ([], False)


def test_a_server_without_tls_is_trusted_on_this_machine_only() -> None:
    servers = TrustedServers("x", ["http://fhir.example.org/r4", "http://127.0.0.1/r4", "https://fhir.example.org/r4"])
    with pytest.raises(NotLaunched):
        oauth.trusted("http://fhir.example.org/r4", servers)
    assert oauth.trusted("http://127.0.0.1/r4", servers)
    assert oauth.trusted("https://fhir.example.org/r4/", servers)


def test_a_parameter_twice_is_none(app: App) -> None:
    query = urlencode([("iss", app.ehr.base), ("iss", app.ehr.base), ("launch", "l1")])
    refused(app.get(f"/smart/launch?{query}"), 400, "does not trust")


@pytest.mark.parametrize(
    "told",
    [
        {"code_challenge_methods_supported": ["plain"]},
        {"token_endpoint": "https://evil.example/token"},
        {"authorization_endpoint": "https://evil.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
    ],
)
def test_an_authorization_server_that_is_not_trusted_or_proves_nothing_is_not_used(
    app: App, told: Mapping[str, Any]
) -> None:
    app.ehr.told = dict(told)
    app.ehr.launches["l1"] = {"patient": PATIENT}
    asked = {"iss": app.ehr.base, "launch": "l1"}
    refused(app.get("/smart/launch", query_string=asked), 502, "authorization server")


def test_an_authorization_server_elsewhere_is_used_where_the_site_names_it() -> None:
    fhir = base_of("https://fhir.example.org/r4")
    assert fhir is not None
    content = (
        b'{"authorization_endpoint": "https://auth.example.org/t1/authorize", "token_endpoint": '
        b'"https://auth.example.org/t1/token", "code_challenge_methods_supported": ["S256"]}'
    )
    with pytest.raises(NotLaunched):
        oauth.endpoints(content, fhir, TrustedServers("x", ["https://auth.example.org/t2"]))
    found = oauth.endpoints(content, fhir, TrustedServers("x", ["https://auth.example.org/t1"]))
    assert found.token == "https://auth.example.org/t1/token"


# ---------------------------------------------------------------- the way back


def test_a_launch_shows_the_patient_the_decision_then_and_now_and_every_rule(app: App) -> None:
    cards = called(app.client, app.chart)
    record = launch_link(cards)["appContext"]
    app.ehr.launches["l1"] = {"patient": PATIENT, "appContext": record}
    found: list[str] = []

    def recorded() -> bool:
        found[:] = [app.page().text]
        return "No record of that answer" not in found[0]

    until(recorded)
    (text,) = found
    then, _, now = text.partition("Now, with no order in hand")
    assert ">suggest</strong>" in then
    assert "order-select" in then
    assert ">status</strong>" in now
    assert ">suggest</strong>" in now
    assert "Ana &lt;b&gt;Example&lt;/b&gt;" in text
    assert "<b>" not in text
    assert '<svg xmlns="http://www.w3.org/2000/svg" class="tl"' in text
    assert {"met", "not met", "unknown", "not reached"} >= set(re.findall(r"</span> ([a-z ]+)</span>\n<div>", text))
    shown = set(re.findall(r"/knowledge/rules/([a-z0-9-]+)", text))
    assert len(shown) > 40
    assert "The card that led here was about another patient" not in text


def test_the_page_runs_nothing_and_loads_nothing_from_elsewhere(app: App) -> None:
    answer = app.page()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script|<style| style=|\son\w+=|url\(|<img|<iframe", answer.text)
    links = re.findall(r'(?:href|src|action)="([^"#]+)', answer.text)
    assert links
    assert all(link.startswith(f"{PUBLIC}/") for link in links)
    styles = app.client.get("/smart/style.css")
    assert (styles.mimetype, ".tl{" in styles.text) == ("text/css", True)
    assert app.client.get("/smart/style.css", headers={"If-None-Match": styles.headers["ETag"]}).status_code == 304


def test_the_token_goes_to_the_fhir_server_only_and_is_nowhere_afterwards(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = app.page()
    assert answer.status_code == 200
    searches = [(target, auth) for target, auth in app.ehr.seen if "well-known" not in target]
    assert searches
    assert {auth for _, auth in searches} == {f"Bearer {TOKEN}"}
    assert TOKEN not in answer.text
    assert TOKEN not in str(answer.headers)
    told = "\n".join(record.getMessage() + str(vars(record)) for record in caplog.records)
    assert "told" in told
    assert TOKEN not in told
    assert PATIENT not in told
    kept = b"".join(file.read_bytes() for file in app.folder.rglob("*") if file.is_file())
    assert TOKEN.encode() not in kept


def test_a_client_with_a_secret_says_it_to_the_token_endpoint(app: App) -> None:
    app.ehr.secret = "not-a-secret-of-anybody"
    refused(app.page(), 502, "did not answer as it should")
    app.client = app.browser(smart_client_secret=app.ehr.secret)
    assert app.page().status_code == 200


def test_another_browser_or_another_state_is_refused(app: App) -> None:
    back = app.signed_in()
    before = app.ehr.exchanged
    refused(app.get(back, app.browser()), 400, "began no such launch")
    wrong = re.sub(r"state=[^&]+", f"state={'x' * 43}", back)
    refused(app.get(wrong), 400, "began no such launch")
    refused(app.get(back.partition("&state")[0]), 400, "began no such launch")
    assert app.ehr.exchanged == before


def test_a_cookie_of_another_launch_or_of_our_making_is_refused(app: App) -> None:
    first, second = app.signed_in("l1"), app.signed_in("l2")
    own, other = app.cookie(first), app.cookie(second)
    for value in (other.value, own.value[:-2], "", "a.b.c"):
        refused(app.get(first, app.holding(own.key, value)), 400, "began no such launch")


def test_a_way_back_is_good_once(app: App) -> None:
    back = app.signed_in()
    cookie = app.cookie(back)
    first = app.get(back)
    assert first.status_code == 200
    assert "Max-Age=0" in first.headers["Set-Cookie"]  # and the browser forgets it
    before = app.ehr.exchanged
    refused(app.get(back, app.holding(cookie.key, cookie.value)), 400, "was used before")
    assert app.ehr.exchanged == before


def test_a_code_that_was_used_or_is_for_another_verifier_gives_no_token(app: App) -> None:
    first, second = app.signed_in("l1"), app.signed_in("l2")
    assert app.get(first).status_code == 200
    codes = [parse_qs(urlsplit(each).query)["code"][0] for each in (first, second)]
    replayed = second.replace(urlencode({"c": codes[1]})[2:], urlencode({"c": codes[0]})[2:])
    refused(app.get(replayed), 502, "did not answer as it should")
    third, fourth = app.signed_in("l3"), app.signed_in("l4")
    codes = [parse_qs(urlsplit(each).query)["code"][0] for each in (third, fourth)]
    swapped = fourth.replace(urlencode({"c": codes[1]})[2:], urlencode({"c": codes[0]})[2:])
    refused(app.get(swapped), 502, "did not answer as it should")


def test_signing_in_for_too_long_is_refused() -> None:
    secrets, state = oauth.Secrets(b"k" * 32), oauth.new_state()
    sealed = secrets.sealed(oauth.Pending(state, "https://a.example/r4", "https://a.example/token"), 1e9)
    assert secrets.opened(sealed, state, 1e9 + oauth.MOST_SECONDS - 1).iss == "https://a.example/r4"
    with pytest.raises(NotLaunched, match="too long"):
        secrets.opened(sealed, state, 1e9 + oauth.MOST_SECONDS)
    with pytest.raises(NotLaunched, match="no such launch"):
        oauth.Secrets(b"l" * 32).opened(sealed, state, 1e9)


def test_who_is_not_allowed_is_told_so(app: App) -> None:
    app.ehr.refusing = True
    refused(app.page(), 400, "did not allow it")


@pytest.mark.parametrize(
    ("given", "status", "why"),
    [
        ({"patient": None}, 400, "named no patient"),
        ({"patient": "../Patient"}, 400, "named no patient"),
        ({"patient": ".."}, 400, "named no patient"),
        ({"token_type": "mac"}, 502, "no token that can be used"),
        ({"access_token": "two words"}, 502, "no token that can be used"),
        ({"expires_in": 0}, 502, "has ended"),
        ({"patient": "nobody"}, 412, "could not be read"),
        ({"access_token": "of-somebody-else"}, 412, "could not be read"),
    ],
)
def test_an_answer_that_cannot_be_used_shows_nothing(app: App, given: Mapping[str, Any], status: int, why: str) -> None:
    app.ehr.given = dict(given)
    refused(app.page(), status, why)


def test_a_caller_that_is_no_browser_is_told_by_an_operation_outcome(app: App) -> None:
    answer = app.client.get("/smart/callback?state=x")
    assert (answer.status_code, answer.get_json()["issue"][0]["code"]) == (400, "invalid")


# ---------------------------------------------------------------- then and now


def test_the_record_of_another_patient_is_not_shown_and_said(app: App, caplog: pytest.LogCaptureFixture) -> None:
    other = Chart(OTHER, "", tuple(chart(_given("V01"), datetime.now(UTC), OTHER)), OTHER)
    app.ehr.launches["l1"] = {"patient": PATIENT, "appContext": launch_link(called(app.client, other))["appContext"]}
    texts: list[str] = []

    def recorded() -> bool:
        texts[:] = [app.page().text]
        return "No record of that answer" not in texts[0]

    until(recorded)
    assert "The card that led here was about another patient" in texts[0]
    then, _, now = texts[0].partition("Now, with no order in hand")
    assert "<strong>suggest" not in then
    assert ">suggest</strong>" in now
    assert "another patient" in caplog.text
    assert OTHER not in caplog.text


def _given(name: str) -> Mapping[str, Any]:
    return next(case.given for case in vignettes() if case.id == name)


def test_what_changed_since_the_card_is_told(app: App) -> None:
    earlier = datetime.now(UTC) - timedelta(hours=2)
    before = Chart(PATIENT, "", tuple(chart(_given("V01") | {"crs_grade": 4}, earlier, PATIENT)), PATIENT)
    app.ehr.launches["l1"] = {"patient": PATIENT, "appContext": launch_link(called(app.client, before))["appContext"]}
    texts: list[str] = []

    def recorded() -> bool:
        texts[:] = [app.page().text]
        return "No record of that answer" not in texts[0]

    until(recorded)
    assert re.search(r"<th scope=\"row\">[^<]*CRS[^<]*</th><td>4</td><td>2</td>", texts[0])


@pytest.mark.parametrize(
    ("context", "why"),
    [
        ("", "The launch names no card."),
        ("not a uuid", "The launch names no card."),
        ("0b2f6e9c-7d6f-4f5e-9b6f-0d3a3f6a1c11", "No record of that answer is kept here"),
    ],
)
def test_without_a_record_only_now_is_shown(app: App, context: str, why: str) -> None:
    app.ehr.launches["l1"] = {"patient": PATIENT, "appContext": context}
    text = app.page().text
    assert why in text
    assert ">suggest</strong>" in text


class Kept:
    """A store with one record, or none that can be read."""

    def __init__(self, record: dict[str, Any] | None) -> None:
        self.record = record

    def answer(self, record_id: str) -> dict[str, Any]:
        if self.record is None:
            raise StoreError("down")
        return self.record

    def name(self, kind: str, text: str) -> str:
        return f"{kind} {text}"


def test_what_a_record_does_not_hold_is_not_made_up(app: App) -> None:
    now = datetime.now(UTC)
    question = question_without_order(app.service.program, "patient-view", None)
    found = assess(app.service.program, PatientChart(PATIENT, {}), question, now)
    answer = {"decision": "wait", "indicator": "info", "rule": "of-another-version", "version": "1.0.0"}
    record = {"at": now.isoformat(), "patient": f"patient {PATIENT}", "answers": [answer], "program": "x"}
    told = then("c", found, app.service.program, Kept({**record, "orders": [{"facts": {"digest": "d"}}]}))
    assert (told.state, told.changes, told.same_rules) == ("found", None, False)
    assert [(each.decision, each.title) for each in told.decisions] == [("wait", "of-another-version")]
    assert then("c", found, app.service.program, Kept({**record, "patient": ""})).state == "another patient"
    assert then("c", found, app.service.program, Kept(None)).state == "store down"


def test_without_a_store_only_now_is_shown(app: App) -> None:
    app.client = app.browser(store=False)
    app.ehr.launches["l1"] = {"patient": PATIENT, "appContext": "0b2f6e9c-7d6f-4f5e-9b6f-0d3a3f6a1c11"}
    text = app.page().text
    assert "No record of that answer is kept here" in text
    assert ">suggest</strong>" in text
    back = app.signed_in("l2")
    assert app.get(back).status_code == 200


def test_what_could_not_be_read_is_said_and_never_taken_for_no(app: App) -> None:
    held = app.ehr.charts[PATIENT]
    app.ehr.charts[PATIENT] = held
    app.ehr.extra = [{"resourceType": "AllergyIntolerance", "id": "x", "patient": {"reference": "Patient/p-else"}}]
    try:
        text = app.page().text
    finally:
        app.ehr.extra = []
    assert "Not all of the chart was read." in text
    assert re.search(r"<li><code>allergies</code> [^<]*of another patient", text)
    now = text.partition("Now, with no order in hand")[2]
    assert ">suggest</strong>" not in now.partition("</section>")[0]


def test_a_silent_site_shows_nothing(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    back = app.signed_in()
    monkeypatch.setattr(Site, "silences", lambda *_: True)
    asked = {"iss": app.ehr.base, "launch": "l1"}
    refused(app.get("/smart/launch", query_string=asked), 404, "silent")
    refused(app.get(back), 404, "silent")


# ---------------------------------------------------------------- settings


def test_its_endpoints_are_described_where_it_is_on(app: App) -> None:
    assert described(app.application) == mapped(app.application)
    assert "/smart/launch" in app.client.get("/openapi").text
    components = document(Served(store=True, tokens=False, smart=True))["components"]
    link = jsonschema_rs.validator_for({"$ref": "#/components/schemas/Link", "components": components})
    assert link.is_valid(launch_link(called(app.client, app.chart)))


def test_who_launches_too_often_must_wait(app: App) -> None:
    app.client = app.browser(calls_per_minute=2, store=False)
    asked = {"iss": "https://elsewhere.example.org/r4", "launch": "l1"}
    statuses = [app.get("/smart/launch", query_string=asked).status_code for _ in range(3)]
    assert statuses == [400, 400, 429]


@pytest.mark.parametrize("url", ["", "http://cds.example.org"])
def test_it_does_not_start_where_browsers_could_not_come_back_safely(app: App, url: str) -> None:
    with pytest.raises(SettingsError, match="CDS_PUBLIC_URL"):
        app.browser(public_url=url)


def test_it_does_not_start_where_no_server_is_trusted(app: App) -> None:
    service = StubService()
    service.knowledge.site.fhir_servers = ()
    with pytest.raises(SettingsError, match="fhirServers"):
        create_app(settings(app.folder, store=False), service)


def test_what_is_sent_shows_in_no_repr() -> None:
    assert "x" not in repr(Form(b"x", "x")).replace("Form", "")
