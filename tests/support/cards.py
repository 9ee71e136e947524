"""What every card must be, whatever it says, and what its suggestions order."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from cds_service.contract import EXPLANATION
from cds_service.contract import RULE_SYSTEM as TOPIC_SYSTEM

INDICATORS = ("info", "warning", "critical")
ANAKINRA = "72435"
_HOURS = {"min": 1 / 60, "h": 1, "d": 24, "wk": 168}
Card = Mapping[str, Any]
_TARGET = re.compile(r"(?<=\])\([^)]*\)")
_MARKUP = re.compile(r"[*_`#|\[\]\\]")


def explanation(card: Card) -> Mapping[str, Any]:
    """The card's own account of itself."""
    found: Mapping[str, Any] = card["extension"][EXPLANATION]
    return found


def text_of(cards: list[Any]) -> str:
    """All that a clinician reads, in lower case: summaries, details, suggestion labels."""
    words = [word for card in cards for word in (card["summary"], card.get("detail", ""))]
    words += [suggestion["label"] for card in cards for suggestion in card.get("suggestions", ())]
    return "\n".join(words).lower()


def words(card: Card) -> list[str]:
    """The words of summary and detail as plain text, without the targets of links."""
    text = _MARKUP.sub(" ", _TARGET.sub("", f"{card['summary']}\n{card.get('detail', '')}"))
    return [word for word in text.split() if word != "-"]


def drug_orders(card: Card) -> Iterator[Mapping[str, Any]]:
    """Every MedicationRequest that a suggestion of the card would write, the recommended suggestion's first."""
    suggestions = sorted(card.get("suggestions", ()), key=lambda suggestion: not suggestion.get("isRecommended"))
    for suggestion in suggestions:
        for action in suggestion["actions"]:
            resource = action.get("resource", {})
            if action["type"] != "delete" and resource.get("resourceType") == "MedicationRequest":
                yield resource


def is_anakinra(order: Mapping[str, Any]) -> bool:
    """True where the order is of anakinra by its RxNorm ingredient code."""
    return any(coding.get("code") == ANAKINRA for coding in order["medicationCodeableConcept"].get("coding", ()))


def dose_of(order: Mapping[str, Any]) -> dict[str, Any]:
    """`{mg, intervalH, route}` of an order with one bounded dosage instruction in mg; route is SC or IV."""
    (instruction,) = order["dosageInstruction"]
    (amount,) = instruction["doseAndRate"]
    quantity, repeat = amount["doseQuantity"], instruction["timing"]["repeat"]
    assert (quantity["system"], quantity["code"]) == ("http://unitsofmeasure.org", "mg")
    assert repeat["boundsDuration"]["value"] > 0
    hours = repeat["period"] * _HOURS[repeat["periodUnit"]] / repeat["frequency"]
    assert instruction["route"]["coding"], "the route must be coded"
    return {"mg": quantity["value"], "intervalH": hours, "route": route_of(str(instruction["route"]))}


def route_of(written: str) -> str:
    """`SC` or `IV` from however a route is written."""
    folded = written.lower()
    if "subcutan" in folded or folded == "sc":
        return "SC"
    return "IV" if "intraven" in folded or folded == "iv" else written


def faults(card: Card, drafts: list[Mapping[str, Any]]) -> list[str]:
    """Every way in which a card breaks CDS Hooks or this service's contract."""
    found = [f"{path}: null or empty" for path in _empty(card, "card")]
    summary = card.get("summary")
    if not isinstance(summary, str) or not 0 < len(summary) < 140:
        found.append(f"summary: expected 1 to 139 characters, found {summary!r}")
    if card.get("indicator") not in INDICATORS:
        found.append(f"indicator: {card.get('indicator')!r}")
    source = card.get("source", {})
    topic = source.get("topic", {})
    if not source.get("label") or topic.get("system") != TOPIC_SYSTEM or not topic.get("code"):
        found.append(f"source: {source}")
    if not explanation(card).get("decision"):
        found.append("explanation: no decision")
    found += _uuid_faults(card, "card")
    if "suggestions" in card:
        found += _suggestion_faults(card, drafts)
    for reason in card.get("overrideReasons", ()):
        if not {"code", "system", "display"} <= set(reason):
            found.append(f"overrideReasons: {reason}")
    for link in card.get("links", ()):
        if not {"label", "url", "type"} <= set(link) or link["type"] not in ("absolute", "smart"):
            found.append(f"links: {link}")
    return found


def _suggestion_faults(card: Card, drafts: list[Mapping[str, Any]]) -> Iterator[str]:
    if card.get("selectionBehavior") not in ("any", "at-most-one"):
        yield f"selectionBehavior: {card.get('selectionBehavior')!r}"
    recommended = sum(1 for suggestion in card["suggestions"] if suggestion.get("isRecommended"))
    if recommended > 1 and card.get("selectionBehavior") == "at-most-one":
        yield f"{recommended} suggestions are recommended, but only one may be chosen"
    references = {f"{draft['resourceType']}/{draft['id']}" for draft in drafts}
    for suggestion in card["suggestions"]:
        yield from _uuid_faults(suggestion, "suggestion")
        if not suggestion.get("label") or not suggestion.get("actions"):
            yield f"suggestion: expected label and actions, found {sorted(suggestion)}"
        for action in suggestion.get("actions", ()):
            yield from _action_faults(action, references)


def _action_faults(action: Mapping[str, Any], drafts: set[str]) -> Iterator[str]:
    kind, resource = action.get("type"), action.get("resource")
    if kind not in ("create", "update", "delete") or not action.get("description"):
        yield f"action: expected type and description, found {kind!r}"
    if kind == "delete":
        if action.get("resourceId") not in drafts:
            yield f"delete: resourceId {action.get('resourceId')!r} is not in draftOrders"
        return
    if not isinstance(resource, Mapping):
        yield f"{kind}: no resource"
        return
    if kind == "update" and f"{resource['resourceType']}/{resource.get('id')}" not in drafts:
        yield f"update: {resource['resourceType']}/{resource.get('id')} is not in draftOrders"
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValueError as error:
        yield f"{kind}: not valid R4: {error}"


def _uuid_faults(item: Mapping[str, Any], name: str) -> list[str]:
    try:
        uuid.UUID(item["uuid"])
    except (KeyError, ValueError):
        return [f"{name}: uuid {item.get('uuid')!r}"]
    return []


def _empty(value: Any, path: str) -> Iterator[str]:
    if value is None or value in ("", [], {}):
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _empty(item, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _empty(item, f"{path}[{number}]")


def outlines(cards: Iterable[Card]) -> list[Any]:
    """Decision, indicator, rule, pathway, dose and number of offers of each card, and of each answer that is named on
    one: what rewording leaves as it is."""
    found: list[Any] = []
    for card in cards:
        e, offers = explanation(card), len(card.get("suggestions", ()))
        found.append((e["decision"], card["indicator"], e["rule"], e.get("pathway"), e.get("dosePlan"), offers))
        found += [(n["decision"], n["indicator"], n["rule"], None, None, 0) for n in e.get("also", ())]
    return found
