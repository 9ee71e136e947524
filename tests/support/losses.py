"""Ways in which one prefetch value can be incomplete: each makes of a whole value what an EHR sent in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

EPIC: Final = "urn:oid:1.2.840.114350.1.13.999.2.7.2.657369"
NEXT: Final = [{"relation": "next", "url": "https://fhir.example.org/r4?page=2"}]
Value = Any


@dataclass(frozen=True, slots=True)
class Loss:
    """`of` makes the value that is sent, from the whole one; None where the key is not sent at all.

    `server`: the call also names a FHIR server, and that fails. `site`: an empty list means unknown at the site.
    `lists`: only lists can be so.
    """

    name: str
    of: Callable[[Value], Value] | None
    lists: bool = True
    server: bool = False
    empty_is_unknown: bool = False

    def call(self, whole: Mapping[str, Any], key: str) -> dict[str, Any]:
        """The request with one of its prefetch values lost."""
        prefetch = {k: v for k, v in whole["prefetch"].items() if k != key}
        if self.of is not None:
            prefetch[key] = self.of(whole["prefetch"][key])
        return {**whole, "prefetch": prefetch}


def outcome(severity: str, code: str, text: str = "", epic: str = "") -> dict[str, Any]:
    """An OperationOutcome of one issue."""
    details: dict[str, Any] = {"text": text} if text else {}
    if epic:
        details["coding"] = [{"system": EPIC, "code": epic}]
    issue = {"severity": severity, "code": code, **({"details": details} if details else {})}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _entries(bundle: Value) -> list[Any]:
    return list((bundle or {}).get("entry", ()))


def _cut(kept: Sequence[Any], total: int, linked: bool) -> dict[str, Any]:
    """A searchset of which not all was sent: it names the page that follows, or how many there are."""
    told: dict[str, Any] = {"link": NEXT} if linked else {"total": total + 1}
    return {"resourceType": "Bundle", "type": "searchset", "entry": list(kept), **told}


def _half(bundle: Value) -> dict[str, Any]:
    entries = _entries(bundle)
    return _cut(entries[: len(entries) // 2], len(entries), linked=True)


def _first(bundle: Value) -> dict[str, Any]:
    return _cut(_entries(bundle)[:1], len(_entries(bundle)), linked=False)


def _last(bundle: Value) -> dict[str, Any]:
    return _cut(_entries(bundle)[-1:], len(_entries(bundle)), linked=False)


def _oldest_half(bundle: Value) -> dict[str, Any]:
    """From a server that sorts the other way round."""
    entries = _entries(bundle)[::-1]
    return _cut(entries[: (len(entries) + 1) // 2], len(entries), linked=True)


def _none(bundle: Value) -> dict[str, Any]:
    return _cut([], len(_entries(bundle)), linked=False)


def _single(place: int) -> Callable[[Value], Value]:
    """One resource where a list was asked for; of an empty list, nothing by its total."""

    def of(bundle: Value) -> dict[str, Any]:
        entries = _entries(bundle)
        found: dict[str, Any] = entries[place]["resource"] if entries else _none(bundle)
        return found

    return of


def _with(said: dict[str, Any]) -> Callable[[Value], Value]:
    """The bundle without its first half, and an outcome among its entries that says so; or that says nothing."""

    def warned(bundle: Value) -> dict[str, Any]:
        entries = _entries(bundle)
        return {**(bundle or {}), "entry": [*entries[(len(entries) + 1) // 2 :], {"resource": said}], "total": None}

    return lambda bundle: {k: v for k, v in warned(bundle).items() if v is not None}


def _beside(said: dict[str, Any]) -> Callable[[Value], Value]:
    return lambda bundle: {**bundle, "entry": [*_entries(bundle), {"resource": said}]}


_CODES: Final = ("incomplete", "throttled", "suppressed", "timeout", "too-costly", "forbidden", "security")
_WITHHELD: Final = "Client not authorized for a sub-resource. Search results of this type have not been included."
WARNED: Final = (
    *(outcome("warning" if n % 2 else "information", code) for n, code in enumerate(_CODES)),
    outcome("warning", "processing", epic="59204"),
    outcome("information", "informational", text=_WITHHELD),
)
LOSSES: Final = (
    Loss("key dropped", None, lists=False),
    Loss("key dropped, its server fails", None, lists=False, server=True),
    Loss("an error in its place", lambda _: outcome("error", "exception"), lists=False),
    Loss("a fatal error in its place", lambda _: outcome("fatal", "timeout"), lists=False),
    Loss("a fatal error in its place, its server fails", lambda _: outcome("fatal", "timeout"), server=True),
    Loss("an error among its entries", _with(outcome("error", "exception"))),
    Loss("cut after half, with a next page", _half),
    Loss("cut after half, its server fails", _half, server=True),
    Loss("cut after the first, by its total", _first),
    Loss("only the last, by its total", _last),
    Loss("the oldest half, with a next page", _oldest_half),
    Loss("nothing sent, by its total", _none),
    Loss("a single resource in its place", _single(0)),
    Loss("the last resource alone in its place", _single(-1)),
    Loss("null where that means unknown", lambda _: None, empty_is_unknown=True),
    *(Loss(f"warned: {said['issue'][0]}", _with(said)) for said in WARNED),
)
# Beside complete answers: Epic's notices of every search, and a server that sorts by nothing.
ROUTINE: Final = (
    Loss("Epic 4119", _beside(outcome("warning", "processing", "It may not contain the entire record", epic="4119"))),
    Loss("Epic 4101", _beside(outcome("information", "processing", "incomplete?", epic="4101"))),
    Loss("_sort ignored", _beside(outcome("warning", "not-supported", "_sort is not supported and was ignored"))),
)
