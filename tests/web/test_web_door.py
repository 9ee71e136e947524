"""Every row of the envelope: what is accepted, what is refused, where, and with which words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cds_service.chart.resource import Resource
from cds_service.errors import CallError
from cds_service.hook_call import HookCall
from cds_service.web.door import EVALUATION_TIME, read_call
from tests.web.stub import call_body

CANARY = "Zq7-canary"
DRAFT = {"resourceType": "MedicationRequest", "id": "m1"}


def read(hook: str = "order-select", /, *, allow: bool = False, **changes: Any) -> HookCall:
    body = call_body(**({"hook": hook} | changes))
    return read_call("service", hook, json.dumps(body).encode(), allow_evaluation_time=allow)


def refusal(hook: str = "order-select", /, *, allow: bool = False, **changes: Any) -> CallError:
    with pytest.raises(CallError) as found:
        read(hook, allow=allow, **changes)
    assert found.value.status == 400
    assert CANARY not in str(found.value)
    return found.value


def test_a_whole_call() -> None:
    call = read(
        fhirServer="https://fhir.example.org/r4",
        fhirAuthorization={"access_token": "t", "token_type": "Bearer", "expires_in": 30, "scope": "s", "subject": "c"},
        context__encounterId="e1",
        unknown=[1, {"a": None}],
        extension={"org.example": {"a": 1}},
    )
    assert call == HookCall(
        service_id="service",
        hook="order-select",
        hook_instance="d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        user_id="Practitioner/1",
        patient_id="p1",
        encounter_id="e1",
        selections=("MedicationRequest/m1",),
        draft_orders=(DRAFT,),
        draft_urls=("",),
        prefetch={"patient": b'{"resourceType": "Patient", "id": "p1"}', "conditions": b"null"},
        fhir_server="https://fhir.example.org/r4",
        fhir_authorization={
            "access_token": "t",
            "token_type": "Bearer",
            "expires_in": 30,
            "scope": "s",
            "subject": "c",
        },
        evaluation_time=None,
    )


def test_order_sign_ignores_selections_and_patient_view_has_no_orders() -> None:
    assert read("order-sign", context__selections=...).draft_orders == (DRAFT,)
    assert read("order-sign", context__selections={"not": "read"}).selections == ()
    call = read("patient-view", context__selections=..., context__draftOrders=...)
    assert (call.selections, call.draft_orders) == ((), ())


@pytest.mark.parametrize("name", ["prefetch", "fhirServer", "fhirAuthorization", "extension", "context__encounterId"])
def test_optional_members_may_be_absent_or_null(name: str) -> None:
    assert read(**{name: ...}) == read(**{name: None})
    assert read(prefetch=None).prefetch == {}


REQUIRED = ["hook", "hookInstance", "context", "context__userId", "context__patientId", "context__selections"]


@pytest.mark.parametrize("name", [*REQUIRED, "context__draftOrders"])
def test_a_missing_member_is_named(name: str) -> None:
    path = name.replace("__", ".")
    error = refusal(**{name: ...})
    assert error.code == "required"
    assert error.diagnostics.startswith(f"{path}: missing; expected ")


WRONG: list[tuple[str, str, list[Any]]] = [
    ("hook", "hook", ["order-sign", CANARY, 1, {}, [CANARY]]),
    ("hookInstance", "hookInstance", [CANARY, "", 5, "d1577c69-dfbe-44ad-ba6d-3e05e953b2e", {}]),
    ("context", "context", [[], CANARY, 1]),
    ("context__userId", "context.userId", ["1", "Practitioner/", f"Practitioner/{CANARY}/x", "a/b c", 1, [], "Pa\n/1"]),
    ("context__patientId", "context.patientId", [f"Patient/{CANARY}", "", "a b", "x" * 65, 1, [], "a\n", "é", "a_b"]),
    ("context__encounterId", "context.encounterId", [f"Encounter/{CANARY}", 1, []]),
    ("context__selections", "context.selections", [CANARY, {}, 1]),
    ("context__selections", "context.selections[1]", [["MedicationRequest/m1", CANARY], ["m1", 5]]),
    ("context__selections", "context.selections[0]", [["m2"], [""], [None], ["/"], ["http://x/ServiceRequest/m1"]]),
    ("context__draftOrders", "context.draftOrders", [[], CANARY, 1, {}, {"resourceType": CANARY}]),
    ("context__draftOrders__entry", "context.draftOrders.entry", [{}, CANARY, 1]),
    ("context__draftOrders__entry", "context.draftOrders.entry[0]", [[CANARY], [None], [[]]]),
    ("context__draftOrders__entry", "context.draftOrders.entry[1].resource", [[{}, {"resource": CANARY}]]),
    ("prefetch", "prefetch", [[], CANARY, 1, True]),
    ("fhirServer", "fhirServer", [1, {}, CANARY, "file:///etc/passwd", "https://", "http://[x", f"ftp://{CANARY}"]),
    ("fhirAuthorization", "fhirAuthorization", [CANARY, 1, []]),
    ("fhirAuthorization", "fhirAuthorization.access_token", [{}, {"access_token": 1}, {"access_token": "a\r\nB: c"}]),
    ("fhirAuthorization", "fhirAuthorization.token_type", [{"access_token": "t", "token_type": CANARY}]),
    ("fhirAuthorization", "fhirAuthorization.expires_in", [{"access_token": "t", "expires_in": CANARY}]),
    ("fhirAuthorization", "fhirAuthorization.scope", [{"access_token": "t", "scope": [CANARY]}]),
    ("extension", "extension", [[], CANARY]),
]


@pytest.mark.parametrize(
    ("name", "path", "value"), [(name, path, value) for name, path, values in WRONG for value in values]
)
def test_a_wrong_member_is_named_and_nothing_is_echoed(name: str, path: str, value: Any) -> None:
    error = refusal(**{name: value})
    assert error.code in {"invalid", "required"}
    assert error.diagnostics.split(": ")[0] == path
    assert "expected" in error.diagnostics


def test_resources_are_never_a_reason_to_refuse() -> None:
    odd = [{"resourceType": 5, "status": {"a": []}}, {}, {"category": {"x": 1}, "id": None}]
    entries = [{"resource": each} for each in odd] + [{}, {"resource": None}, {"fullUrl": "x"}]
    none = {"context__selections": []}
    assert read(context__draftOrders__entry=entries, **none).draft_orders == (*odd, {}, {}, {})
    assert read(context__draftOrders__entry=None, **none).draft_orders == ()
    assert read(context__draftOrders__entry=..., **none).draft_orders == ()
    assert read(context__selections=[]).selections == ()
    raw = json.dumps(call_body(prefetch=5)).replace('"prefetch": 5', '"prefetch": {"a": {"b": 1, "b": 2}}')
    assert read_call("s", "order-select", raw.encode()).prefetch == {"a": b'{"b": 1, "b": 2}'}


@pytest.mark.parametrize(
    "written",
    [
        "MedicationRequest/m1",
        "m1",
        "MedicationRequest/m1/_history/2",
        "https://ehr.example.org/fhir/MedicationRequest/m1",
        "https://ehr.example.org/fhir/MedicationRequest/m1/_history/2",
        "urn:uuid:5f3c1b0e-8a4e-4c39-9d52-0d6a3c7e9a11",
    ],
)
def test_a_selection_is_taken_however_it_names_one_draft(written: str) -> None:
    other = {"resource": {"resourceType": "ServiceRequest", "id": "s1"}}
    draft = {"resource": DRAFT, "fullUrl": "urn:uuid:5f3c1b0e-8a4e-4c39-9d52-0d6a3c7e9a11"}
    call = read(context__draftOrders__entry=[other, draft], context__selections=[written])
    assert call.selections == ("MedicationRequest/m1",)


def test_a_selection_of_a_draft_with_an_endless_id_is_that_draft() -> None:
    draft = {"resourceType": "MedicationRequest", "id": "a" * 500}
    call = read(
        context__draftOrders__entry=[{"resource": draft}], context__selections=[f"MedicationRequest/{'a' * 500}"]
    )
    assert call.selections == (Resource(draft).ref,)
    assert len(call.selections[0]) < 100


def test_a_draft_without_a_type_is_named_by_its_id_alone() -> None:
    for untyped in ({"id": "m1"}, {"id": "m1", "resourceType": 5}):
        for written in ("MedicationRequest/m1", "m1", "https://ehr.example.org/fhir/MedicationRequest/m1"):
            call = read(context__draftOrders__entry=[{"resource": untyped}], context__selections=[written])
            assert call.selections == (Resource(untyped).ref,)
    typed = [{"resource": {"resourceType": "ServiceRequest", "id": "m1"}}]
    refusal(context__draftOrders__entry=typed, context__selections=["MedicationRequest/m1"])


def test_a_selection_that_names_no_draft_or_one_of_two_is_refused() -> None:
    of_two = [{"resource": DRAFT}, {"resource": {"resourceType": "ServiceRequest", "id": "m1"}}]
    assert read(context__draftOrders__entry=of_two).selections == ("MedicationRequest/m1",)
    for entries, selection in ((of_two, "m1"), ([], "MedicationRequest/m1"), ([{}], "MedicationRequest/m1")):
        error = refusal(context__draftOrders__entry=entries, context__selections=[selection])
        assert error.diagnostics.startswith("context.selections[0]: expected ")


@pytest.mark.parametrize("text", ["{0}", "urn:uuid:{0}"])
def test_uuids_in_either_case(text: str) -> None:
    given = text.format("D1577C69-dfbe-44ad-ba6d-3e05e953b2ea")
    assert read(hookInstance=given).hook_instance == given


@pytest.mark.parametrize(
    ("replaced", "twice", "path"),
    [
        ('"hook":', '"hook": "order-select", "hook":', "body"),
        ('"userId":', '"userId": "A/1", "userId":', "context"),
        ('"id": "m1"', f'"id": "m1", "{CANARY}": 1, "{CANARY}": 2', "context.draftOrders"),
        ('"patient":', '"patient": null, "patient":', "prefetch"),
        ('"a": 1', '"a": 1, "a": 1', "extension"),
        ('"scope":', '"scope": "", "scope":', "fhirAuthorization"),
        ('"x": {', f'"{CANARY}": 1, "x": {{"{CANARY}": 1, "{CANARY}": 2}}, "y": {{', None),
    ],
)
def test_a_key_given_twice(replaced: str, twice: str, path: str | None) -> None:
    body = call_body(extension={"o": {"a": 1}}, fhirAuthorization={"access_token": "t", "scope": "s"}, x={"y": 1})
    raw = json.dumps(body).replace(replaced, twice, 1).encode()
    if path is None:  # objects that we do not know are not ours to judge
        read_call("s", "order-select", raw)
        return
    with pytest.raises(CallError) as found:
        read_call("s", "order-select", raw)
    assert found.value.diagnostics.startswith(f"{path}: a key occurs twice")
    assert CANARY not in str(found.value)


def test_the_evaluation_time_is_obeyed_only_where_it_is_allowed() -> None:
    def at(text: Any, *, allow: bool = True) -> datetime | None:
        return read(extension={EVALUATION_TIME: text}, allow=allow).evaluation_time

    assert at("2026-01-31T08:00:00Z") == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert at("2026-01-31t08:00:00.25+02:00") == datetime(
        2026, 1, 31, 8, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2))
    )
    assert at("2026-01-31T08:00:00Z", allow=False) is None
    assert at(CANARY, allow=False) is None
    assert read(allow=True).evaluation_time is None
    absurd = ("0001-01-01T00:00:00+14:00", "1899-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00")
    named = (CANARY, "2026-01-31", "2026-01-31T08:00:00", "2026-02-30T08:00:00Z", "2026-01-31T08:00:60Z", 5, None)
    for wrong in (*named, *absurd):
        error = refusal(extension={EVALUATION_TIME: wrong}, allow=True)
        assert error.diagnostics.startswith(f'extension["{EVALUATION_TIME}"]: ')
