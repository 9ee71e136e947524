"""The door: the bytes of a call become a checked `HookCall`, or a refusal that says where and what was expected.

Only the envelope is judged. A resource inside `draftOrders` or `prefetch` is never a reason to refuse a call, and
nothing that was sent, neither a value nor a name unknown to us, appears in a refusal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from cds_service.chart.resource import reference_to
from cds_service.contract import ASSUMED, EVALUATION_TIME
from cds_service.engine.values import fits
from cds_service.hook_call import HookCall
from cds_service.knowledge.model import FactDefinition
from cds_service.web import strict_json
from cds_service.web.members import UUID, moment
from cds_service.web.members import text as _text
from cds_service.web.members import wrong as _wrong
from cds_service.web.strict_json import Member

HOOKS_WITH_ORDERS: Final = frozenset({"order-select", "order-sign"})

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")
_ANY_TYPE: Final = "*/"
_VERSION: Final = re.compile(r"/_history/[^/]*\Z")
_TOKEN: Final = re.compile(r"[!-~]{1,16384}")


def read_call(
    service_id: str,
    hook: str,
    body: bytes,
    *,
    allow_evaluation_time: bool = False,
    assumable: Mapping[str, FactDefinition] | None = None,
) -> HookCall:
    """The call in `body`, made to service `service_id` of hook `hook`. Raises CallError(400).

    `assumable` are the facts whose values a call may choose; None: it may choose none, and what it says is ignored.
    """
    call = strict_json.read(body)
    if call.get("hook") != hook:
        raise _wrong("hook", f'the string "{hook}", which is the hook of this service', "hook" in call)
    instance = _text(call.get("hookInstance"), UUID, "hookInstance", "a UUID such as those of RFC 4122")
    context = _object(call.get("context"), "context")
    selections, draft_orders, draft_urls = _orders(context, hook)
    authorization = _optional_object(call, "fhirAuthorization")
    extension = _optional_object(call, "extension") or {}
    return HookCall(
        service_id=service_id,
        hook=hook,
        hook_instance=instance,
        user_id=_text(_parsed(context, "userId"), _REFERENCE, "context.userId", "a reference such as Practitioner/123"),
        patient_id=_text(_parsed(context, "patientId"), _ID, "context.patientId", "a bare FHIR id, without Patient/"),
        encounter_id=_encounter(context),
        selections=selections,
        draft_orders=draft_orders,
        draft_urls=draft_urls,
        prefetch=_prefetch(call),
        fhir_server=_server(call),
        fhir_authorization=None if authorization is None else _authorization(authorization),
        evaluation_time=_evaluation_time(extension) if allow_evaluation_time else None,
        assumed={} if assumable is None else _assumed(extension, assumable),
    )


# ---------------------------------------------------------------- members of the envelope


def _object(value: Member, path: str) -> dict[str, msgspec.Raw]:
    if not isinstance(value, dict):
        raise _wrong(path, "an object", value is not None)
    return strict_json.named(value, path)


def _optional_object(call: Mapping[str, Member], name: str) -> dict[str, Any] | None:
    """A member of the call that may be absent or null, parsed with all that is in it."""
    if call.get(name) is None:
        return None
    return {key: strict_json.parse(raw, name) for key, raw in _object(call[name], name).items()}


def _parsed(context: Mapping[str, msgspec.Raw], name: str) -> Any:
    return strict_json.parse(context[name], f"context.{name}") if name in context else None


def _encounter(context: Mapping[str, msgspec.Raw]) -> str | None:
    value = _parsed(context, "encounterId")
    if value is None or value == "":  # some clients send an empty string where there is no encounter
        return None
    return _text(value, _ID, "context.encounterId", "a bare FHIR id, without Encounter/, or no such member")


def _prefetch(call: Mapping[str, Member]) -> dict[str, bytes]:
    value = call.get("prefetch")
    if value is None:
        return {}
    return {key: bytes(raw) for key, raw in _object(value, "prefetch").items()}


def _server(call: Mapping[str, Member]) -> str | None:
    value = call.get("fhirServer")
    if value is None:
        return None
    try:
        parts = urlsplit(value) if isinstance(value, str) and len(value) <= 2048 else None
        usable = parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or not isinstance(value, str):
        raise _wrong("fhirServer", "an absolute http or https URL", True)
    return value


def _authorization(value: dict[str, Any]) -> dict[str, Any]:
    path = "fhirAuthorization"
    _text(value.get("access_token"), _TOKEN, f"{path}.access_token", "a token of printable ASCII without spaces")
    kind = value.get("token_type")
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        raise _wrong(f"{path}.token_type", '"Bearer"', True)
    lifetime = value.get("expires_in")
    if lifetime is not None and (isinstance(lifetime, bool) or not isinstance(lifetime, int)):
        raise _wrong(f"{path}.expires_in", "a whole number of seconds", True)
    for name in ("scope", "subject", "patient"):
        if not isinstance(value.get(name, ""), str | None):
            raise _wrong(f"{path}.{name}", "a string", True)
    return value


def _evaluation_time(extension: Mapping[str, Any]) -> datetime | None:
    if EVALUATION_TIME not in extension:
        return None
    return moment(extension[EVALUATION_TIME], f'extension["{EVALUATION_TIME}"]')


def _assumed(extension: Mapping[str, Any], assumable: Mapping[str, FactDefinition]) -> dict[str, Any]:
    """Each value of the type of its fact, or null."""
    path = f'extension["{ASSUMED}"]'
    value = extension.get(ASSUMED)
    if not isinstance(value, dict | None):
        raise _wrong(path, "an object", True)
    if any(name not in assumable for name in value or ()):
        raise _wrong(path, "names of facts that the rules know", True)
    for name, each in (value or {}).items():
        if each is not None and not fits(assumable[name], each):
            raise _wrong(f"{path}.{name}", f"a value of type {assumable[name].type}, or null", True)
    return value or {}


# ---------------------------------------------------------------- orders


def _orders(
    context: Mapping[str, msgspec.Raw], hook: str
) -> tuple[tuple[str, ...], tuple[dict[str, Any], ...], tuple[str, ...]]:
    """`context.selections` (order-select only), the resources of `context.draftOrders`, and the fullUrl of each."""
    for name in context:  # every member of the context is proven, also those that this hook does not need
        _parsed(context, name)
    if hook not in HOOKS_WITH_ORDERS:
        return (), (), ()
    drafts, urls = _draft_orders(_parsed(context, "draftOrders"))
    selections = _selections(_parsed(context, "selections"), drafts, urls) if hook == "order-select" else ()
    return selections, drafts, urls


def _selections(value: object, drafts: Sequence[Mapping[str, Any]], urls: Sequence[str]) -> tuple[str, ...]:
    """Each as `Type/id` of a draft. A bare id, a versioned or an absolute reference is taken where it names just one.
    One that names none is refused: it would be answered with silence, which reads as "nothing to say"."""
    path = "context.selections"
    if not isinstance(value, list):
        raise _wrong(path, "an array of references such as MedicationRequest/123", value is not None)
    names = _names(drafts, urls)
    found: list[str] = []
    for number, item in enumerate(value):
        written = _VERSION.sub("", item) if isinstance(item, str) else ""
        *_, last = pieces = written.split("/")
        named = names.get(written) or names.get("/".join(pieces[-2:])) or names.get(_ANY_TYPE + last, frozenset())
        if len(named) != 1:
            expected = "a reference such as MedicationRequest/123 that names one of context.draftOrders"
            raise _wrong(f"{path}[{number}]", expected, True)
        found += named
    return tuple(found)


def _names(drafts: Sequence[Mapping[str, Any]], urls: Sequence[str]) -> Mapping[str, Set[str]]:
    """How a draft may be named (`Type/id`, id, fullUrl) -> the `Type/id` of those that are named so. One that says no
    type is named by any: it is answered as one that cannot be read."""
    names = defaultdict(set)
    for draft, url in zip(drafts, urls, strict=True):
        if draft.get("id"):
            written = f"{draft.get('resourceType')}/{draft['id']}"
            untyped = "" if isinstance(draft.get("resourceType"), str) else f"{_ANY_TYPE}{draft['id']}"
            for name in (written, str(draft["id"]), url, untyped):
                names[name].add(reference_to(draft))
    names.pop("", None)
    return names


def _draft_orders(value: object) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    path = "context.draftOrders"
    if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
        raise _wrong(path, 'a FHIR Bundle ("resourceType": "Bundle")', value is not None)
    entries = value.get("entry")
    if not isinstance(entries, list | None):
        raise _wrong(f"{path}.entry", "an array", True)
    found = _resources(entries or [], f"{path}.entry")
    return tuple(resource for resource, _ in found), tuple(url for _, url in found)


def _resources(entries: list[Any], path: str) -> list[tuple[dict[str, Any], str]]:
    """The resource of each entry, and its fullUrl. Of an entry without one nobody can tell what it orders: `{}`."""
    found = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise _wrong(f"{path}[{number}]", "an object", True)
        resource = entry.get("resource")
        if not isinstance(resource, dict | None):
            raise _wrong(f"{path}[{number}].resource", "a FHIR resource", True)
        url = entry.get("fullUrl")
        found.append((resource or {}, url if isinstance(url, str) else ""))
    return found
