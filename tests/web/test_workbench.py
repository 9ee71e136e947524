"""The workbench behind its page: off by default, as strict as the hooks, and neither recorded nor counted."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest
import yaml
from flask.testing import FlaskClient

from cds_service.advice.model import Assessment
from cds_service.app import create_app
from cds_service.contract import ASSUMED, EVALUATION_TIME, SERVICES
from cds_service.engine.logic import _all, _any
from cds_service.explaining import Line, OrderText, order_text, reached
from cds_service.knowledge import load
from cds_service.service import Service
from cds_service.settings import Settings
from cds_service.tools.commands import serve
from cds_service.web.openapi import Served, document
from cds_service.web.workbench import pages
from cds_service.web.workbench.pages import STATIC
from tests.support.examples import example_calls
from tests.support.places import read
from tests.web.stub import StubService, call_body, client_of, issue, post
from tests.web.test_web_audit import exported

HOOKS = "/cds-services/anakinra-order-select"
CALL = f"/workbench{HOOKS}"
VENDORED = yaml.safe_load((STATIC.parent / "vendored.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.start(load())


@pytest.fixture(scope="module")
def client(service: Service) -> FlaskClient:
    """A service that obeys no evaluation time but in the workbench."""
    return create_app(Settings(store=False, workbench=True), service).test_client()


@pytest.fixture
def request_body() -> dict[str, Any]:
    """That of the refractory patient."""
    path = Path(__file__).parents[2] / "examples" / "requests" / "refractory-grade-2.json"
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


# ---------------------------------------------------------------- on and off


def test_off_nothing_of_it_is_there() -> None:
    client = client_of(StubService())
    for path in (
        "/workbench",
        "/workbench/",
        "/workbench/edition/app.js",
        "/workbench/config",
        "/workbench/patients/no-car-t",
    ):
        assert client.get(path).status_code == 404
    assert post(client, call_body(), CALL).status_code == 404
    assert post(client, call_body(), "/workbench/timeline/anakinra-order-select").status_code == 404
    assert client.get("/", headers={"Accept": "text/html"}).location == "/knowledge"
    assert "workbench" not in client.get("/").get_json()["endpoints"]


def test_on_a_browser_is_led_there() -> None:
    client = client_of(StubService(), workbench=True)
    assert client.get("/", headers={"Accept": "text/html"}).location == "/workbench"
    assert client.get("/").get_json()["endpoints"]["workbench"] == "/workbench"
    assert client.get("/workbench/").location == "/workbench"
    prefixed = client_of(StubService(), workbench=True, public_url="https://cds.example.org/a")
    assert prefixed.get("/", headers={"Accept": "text/html"}).location == "https://cds.example.org/a/workbench"


def test_who_opens_it_to_others_is_warned(caplog: pytest.LogCaptureFixture) -> None:
    for host, workbench, warned in (("127.0.0.1", True, False), ("0.0.0.0", True, True), ("0.0.0.0", False, False)):
        caplog.clear()
        serve._trust(Settings(workbench=workbench, jwt="off"), host)
        assert ("CDS_WORKBENCH=on" in caplog.text) is warned


def test_its_page_loads_nothing_from_elsewhere_and_holds_no_script_or_style() -> None:
    client = client_of(StubService(), workbench=True)
    page = client.get("/workbench")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\bsrc=)", page.text)
    addresses = re.findall(r'(?:href|src)="([^"#][^"]*)"', page.text)
    assert addresses
    for address in addresses:
        assert ":" not in address
        if re.fullmatch(r"workbench/.+\.\w+", address):
            assert client.get(f"/{address}").status_code == 200, address


def test_every_module_is_asked_for_at_once() -> None:
    """Else each waits for the one that imports it."""
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:modulepreload"|module") (?:href|src)="workbench/(\w+\.js)"', page)) == {
        path.name for path in STATIC.glob("*.js")
    }


def test_its_own_scripts_make_no_markup_of_text_and_name_no_other_place() -> None:
    names = r"https://fhir\.example\.org/r4|http://unitsofmeasure\.org|http://www\.w3\.org/2000/svg"
    for path in STATIC.glob("*.js"):
        code = re.sub(f'"({names})"', "", path.read_text(encoding="utf-8"))
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://", code), (
            path.name
        )


def test_a_browser_keeps_the_files_and_asks_for_the_page_at_each_visit() -> None:
    client = client_of(StubService(), workbench=True)
    page = client.get("/workbench")
    assert page.headers["Cache-Control"] == "no-cache"
    assert client.get("/workbench", headers={"If-None-Match": page.headers["ETag"]}).status_code == 304
    (script,) = re.findall(r'src="(workbench/.+/app[.]js)"', page.text)
    first = client.get(f"/{script}")
    assert first.mimetype == "text/javascript"
    assert "immutable" in first.headers["Cache-Control"]
    assert client.get(f"/{script}".replace("app.js", "nothing.js")).status_code == 404
    assert client.get(f"/{script}".replace("app.js", "../pages.py")).status_code == 404
    assert client.get("/workbench/another/app.js").status_code == 404
    assert client.get("/workbench/app.js").status_code == 404


def test_an_edition_has_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a browser would go on with the files of the last one."""
    before = client_of(StubService(), workbench=True).get("/workbench")
    files = dict(pages._files())
    monkeypatch.setattr(pages, "_files", {**files, "time.js": files["time.js"] + b"//"}.items)
    after = client_of(StubService(), workbench=True).get("/workbench")
    assert before.text != after.text
    assert before.headers["ETag"] != after.headers["ETag"]


@pytest.mark.parametrize("package", VENDORED, ids=lambda each: str(each["package"]))
def test_vendored_files_are_those_of_their_version(package: dict[str, Any]) -> None:
    folder = STATIC / "vendor" / package["package"]
    assert {path.name for path in folder.iterdir()} == package["files"].keys()
    assert any(name.startswith("LICENSE") for name in package["files"])
    for name, digest in package["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    (code,) = (folder / name for name in package["files"] if not name.startswith("LICENSE"))
    assert package["version"] in code.read_text(encoding="utf-8")[:400]
    assert package["from"].endswith(f"/{package['package']}-{package['version']}.tgz")


def test_every_vendored_folder_is_named() -> None:
    assert {path.name for path in (STATIC / "vendor").iterdir()} == {each["package"] for each in VENDORED}


# ---------------------------------------------------------------- calls


def without_ids(cards: list[Any]) -> Any:
    return json.loads(re.sub(r'"uuid": "[^"]*"', '"uuid": ""', json.dumps(cards)))


def test_its_cards_are_those_of_the_hook(service: Service, client: FlaskClient, request_body: dict[str, Any]) -> None:
    hooks = create_app(Settings(store=False, allow_evaluation_time=True), service).test_client()
    theirs = post(hooks, request_body, HOOKS).get_json()["cards"]
    ours = post(client, request_body, CALL).get_json()["cards"]
    assert ours[0]["extension"]["org.anakinra-cds.explanation"]["decision"] == "suggest"
    assert without_ids(ours) == without_ids(theirs)
    # And the hook of the same application still answers as of today.
    assert without_ids(post(client, request_body, HOOKS).get_json()["cards"]) != without_ids(theirs)


def test_answers_are_as_described(client: FlaskClient, request_body: dict[str, Any]) -> None:
    components = document(Served(store=False, tokens=False, workbench=True))["components"]
    for path, name in (("/workbench/config", "WorkbenchConfig"), (CALL, "WorkbenchAnswer")):
        whole = jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": components})
        told = client.get(path) if name == "WorkbenchConfig" else post(client, request_body, path)
        assert [str(error) for error in whole.iter_errors(told.get_json())] == []


def test_nothing_of_it_is_recorded_or_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Service, request_body: dict[str, Any]
) -> None:
    monkeypatch.setenv("CDS_DATA", str(tmp_path))
    client = create_app(Settings(data=tmp_path, workbench=True), service).test_client()

    def counted() -> set[str]:
        lines = client.get("/metrics").text.splitlines()
        kinds = ("calls_total", "cards_total", "rules_total", "rule_shown", "prefetch_total")
        return {line for line in lines if line.startswith(tuple(f"anakinra_cds_{kind}" for kind in kinds))}

    before = counted()
    told = post(client, request_body, CALL)
    assert told.headers["Cache-Control"] == "no-store"
    card = told.get_json()["cards"][0]["uuid"]
    assert counted() == before
    # Its feedback is taken at the hook's own endpoint, as that on any card that is not on record.
    item = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-03-05T10:00:00Z"}
    assert post(client, {"feedback": [item]}, f"{HOOKS}/feedback").status_code == 200
    assert 'card="unknown"' in client.get("/metrics").text
    # Records are written in the order of their answers: where this call's is there, all before it are.
    instance = request_body["hookInstance"] = str(uuid4())
    post(client, request_body, HOOKS)
    answers = [record for record in exported(2) if record["kind"] == "answer"]
    assert [record["instance"] for record in answers] == [instance]


def stub_with_facts(service: Service) -> StubService:
    stub = StubService()
    stub.knowledge.catalogue = service.knowledge.catalogue
    return stub


def test_no_fhir_server_is_read_for_it(service: Service) -> None:
    stub = stub_with_facts(service)
    client = client_of(stub, workbench=True)
    body = call_body(
        fhirServer="https://fhir.example.org/r4",
        fhirAuthorization={
            "access_token": "t",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "x",
            "subject": "y",
        },
    )
    assert post(client, body, CALL).status_code == 200
    ((call, _),) = stub.calls
    assert (call.fhir_server, call.fhir_authorization) == (None, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"hook": "order-select", "hook": "order-select"}', 400),
        (call_body(hook="order-sign"), 400),
        (call_body(extension={EVALUATION_TIME: "yesterday"}), 400),
        (call_body(extension={ASSUMED: []}), 400),
        (call_body(extension={ASSUMED: {"no-such-fact": 1}}), 400),
        (call_body(extension={ASSUMED: {"crs-grade": "two"}}), 400),
        (call_body(extension={ASSUMED: {"crs-grade": True}}), 400),
        (call_body(extension={ASSUMED: {"crs-grade": 10**15}}), 400),
        (call_body(extension={ASSUMED: {"child": 0}}), 400),
        (b" " * (3 * 1024 * 1024), 413),
    ],
)
def test_its_envelope_is_proven_as_that_of_a_hook(client: FlaskClient, body: Any, status: int) -> None:
    refused = post(client, body, CALL)
    assert refused.status_code == status
    assert "no-such-fact" not in issue(refused)["diagnostics"]


def test_another_media_type_and_another_service_are_refused(client: FlaskClient) -> None:
    assert post(client, call_body(), CALL, content_type="text/plain").status_code == 415
    assert post(client, call_body(), "/workbench/cds-services/other").status_code == 404
    assert client.get("/workbench/patients/nobody").status_code == 404


def test_it_is_limited_as_calls_are(service: Service) -> None:
    client = client_of(stub_with_facts(service), workbench=True, calls_per_minute=1)
    assert post(client, b"{", CALL).status_code == 400
    assert post(client, b"{", CALL).status_code == 429


def test_every_example_is_offered(client: FlaskClient) -> None:
    patients = client.get("/workbench/config").get_json()["patients"]
    assert {each["group"] for each in patients} == {"patients", "cards"}
    for each in patients[:3]:
        bundle = client.get(f"/workbench/patients/{each['id']}").get_json(force=True)
        assert bundle["resourceType"] == "Bundle"
        assert each["story"]


# ---------------------------------------------------------------- what if


def explained(client: FlaskClient, body: dict[str, Any], assumed: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The decision of the first card, and what became of each rule."""
    changed = body | {"extension": body["extension"] | {ASSUMED: assumed}}
    told = post(client, changed, CALL).get_json()
    first = told["cards"][0]["extension"]["org.anakinra-cds.explanation"]["decision"] if told["cards"] else ""
    return first, {rule["id"]: rule["result"] for order in told["orders"] for rule in order["rules"]}


def test_a_value_may_be_assumed(client: FlaskClient, request_body: dict[str, Any]) -> None:
    decision, rules = explained(client, request_body, {})
    assert (decision, rules["crs-refractory"]) == ("suggest", "fires")
    decision, rules = explained(client, request_body, {"crs-grade": 1})
    assert decision != "suggest"
    assert rules["crs-refractory"] == "silent"
    decision, rules = explained(client, request_body, {"crs-grade": None})
    assert (decision, rules["crs-refractory"]) == ("insufficient-data", "unknown")


def test_a_hook_ignores_what_is_assumed(service: Service, request_body: dict[str, Any]) -> None:
    hooks = create_app(Settings(store=False, allow_evaluation_time=True, workbench=True), service).test_client()
    whole = post(hooks, request_body, HOOKS).get_json()["cards"]
    request_body["extension"][ASSUMED] = {"crs-grade": 1}
    assert without_ids(post(hooks, request_body, HOOKS).get_json()["cards"]) == without_ids(whole)


# ---------------------------------------------------------------- criteria


def combined(lines: tuple[Line, ...]) -> bool | None:
    """What the criteria of a rule come to in three-valued logic."""
    required = [line.met for line in lines if line.part != "any"]
    options: dict[int, list[bool | None]] = {}
    for line in lines:
        if line.part == "any":
            options.setdefault(line.option, []).append(line.met)
    return _all([*required, _any([_all(option) for option in options.values()]) if options else True])


def assessments(service: Service) -> list[Assessment]:
    calls = [read(call) for _, _, call in list(example_calls(service.program.templates_of))[::6]]
    found = [service.assess(call, call.evaluation_time or datetime.now(UTC)) for call in calls]
    return [each for each in found if each is not None]


def test_the_criteria_of_every_rule_come_to_what_became_of_it(service: Service) -> None:
    results = {"fires": True, "silent": False, "unknown": None}
    told: list[OrderText] = [order_text(o, service.program) for each in assessments(service) for o in each.orders]
    seen = {rule.result for order in told for rule in order.rules}
    assert seen == results.keys()
    for order in told:
        for rule in order.rules:
            assert combined(rule.lines) is results[rule.result], rule.id
            decisive = [line.met for line in rule.lines if line.reached]
            assert decisive, rule.id
            if rule.result == "silent":
                assert False in decisive, rule.id
            if rule.result == "unknown":
                assert None in decisive, rule.id
            for line in rule.lines:
                assert line.kind == "finding" or line.name in order.facts


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("w+ w+ u+", "111"),
        ("w- w+ u+", "100"),
        ("w? w- u+", "110"),
        ("0+ 1- 2+", "100"),
        ("0- 0+ 1+ 1+ u-", "10111"),
        ("0- 1- u+", "110"),
        ("0? 1+ 2+", "110"),
        ("w+ 0- 1? u+", "1111"),
    ],
)
def test_what_is_reached(criteria: str, expected: str) -> None:
    """w: when, a number: an alternative of any, u: unless; met, not met or unknown."""
    each = criteria.split()
    places = [({"w": "when", "u": "unless"}.get(c[0], "any"), int(c[0]) if c[0].isdigit() else 0) for c in each]
    met = [{"+": True, "-": False, "?": None}[c[1]] for c in each]
    assert "".join(str(int(one)) for one in reached(places, met)) == expected


# ---------------------------------------------------------------- the course


def test_the_course_is_a_picture(client: FlaskClient, request_body: dict[str, Any]) -> None:
    path = "/workbench/timeline/anakinra-order-select"
    drawn = post(client, request_body, f"{path}?since=2026-03-01T00:00:00Z")
    assert (drawn.status_code, drawn.mimetype) == (200, "image/svg+xml")
    assert drawn.text.startswith("<svg")
    assert "<style" not in drawn.text
    assert ">suggest</text>" in drawn.text
    for since in ("", "?since=soon", "?since=2026-03-06T00:00:00Z", "?since=2025-03-06T00:00:00Z"):
        assert post(client, request_body, path + since).status_code == 400
    other = call_body(extension=request_body["extension"])
    assert post(client, other, f"{path}?since=2026-03-01T00:00:00Z").status_code in {200, 204}


def test_every_service_is_answered(client: FlaskClient, request_body: dict[str, Any]) -> None:
    body = request_body | {"hook": "patient-view"}
    body["context"] = {name: body["context"][name] for name in ("userId", "patientId")}
    (name,) = (name for name, hook in SERVICES.items() if hook == "patient-view")
    assert len(post(client, body, f"/workbench/cds-services/{name}").get_json()["cards"]) == 1
