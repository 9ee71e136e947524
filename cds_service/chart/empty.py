"""Resources without their empty members: FHIR forbids them, and servers send them where they have nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

Json = Mapping[str, Any]
_BLANKS: Final = b" \t\r\n"
_SIGNS: Final = (b'""', b"null", b"{}", b"[]")


def may_hold_empty(body: bytes) -> bool:
    """Whether a text in JSON may hold something empty: few do, and the others are not looked through."""
    written = body.translate(None, _BLANKS)
    return any(sign in written for sign in _SIGNS)


def without_empty_members(value: Json) -> Json:
    """A resource, or a Bundle, without the empty members of its resources; the Bundle itself as it came."""
    entries = value.get("entry")
    if value.get("resourceType", "Bundle") != "Bundle":
        return without_empty(value)
    return {**value, "entry": [_entry(entry) for entry in entries]} if isinstance(entries, list) else value


def draft_without_empty(draft: Json) -> Json:
    """A draft order, which came parsed, without its empty members."""
    return without_empty(draft) if may_hold_empty(msgspec.json.encode(draft)) else draft


def _entry(entry: Any) -> Any:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return {**entry, "resource": without_empty(resource)} if isinstance(resource, dict) else entry


def without_empty(resource: Json) -> Json:
    """The resource without members that say nothing: null, an empty text, an object or a list of nothing but such."""
    try:
        return _said(resource) or {}
    except RecursionError:  # nested so deep that nobody reads it
        return resource


def _said(value: Any) -> Any:
    """What a value says; None for nothing."""
    if isinstance(value, dict):
        found = {name: told for name, each in value.items() if (told := _member(value, name, each)) is not None}
        return found or None
    if isinstance(value, list):
        return [told for each in value if (told := _said(each)) is not None] or None
    return None if value == "" else value


def _member(parent: Json, name: str, value: Any) -> Any:
    """What a member says. The items of a list keep their places where another list stands beside it, as primitives do
    beside their extensions."""
    told = _said(value)
    beside = name.startswith("_") or f"_{name}" in parent
    return value if told is not None and beside and isinstance(value, list) else told
