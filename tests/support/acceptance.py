"""Our own acceptance cases, tests/data/cases/*.yaml: how each becomes a call, and how an answer differs from it.

`given` is what differs from the base of tests/data/vignettes.yaml, in the words of `charts.KEYS`; `source` says which
part of the clinical policy or of the public contract the expectation comes from. `expected` has, besides what vignettes
expect: `rule`, `pathway` and `summary` of the first card (rule id, pathway or null, words), `days` of its plan, `also`
(rule id -> `decision indicator: words of the summary` of a further card, or `none`), `flags` and `noFlags` (rules whose
findings must and must not hold), `mustNotSay`, `actions` (types of the recommended suggestion's actions), `orders`
(words of the monitoring orders offered), `reevaluateIn` (hours). `differs` says in which way the service does not
answer so yet: such a case is expected to fail, strictly, and `differs` must go as soon as it does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cds_service.tools.replay.bundles import Chart
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.expected import NO_CARD
from tests.support.cards import dose_of, drug_orders, explanation, is_anakinra, route_of, text_of
from tests.support.charts import chart, site
from tests.support.vignettes import AT, FILE

FOLDER = FILE.with_name("cases")
KEYS = {
    "decision", "indicator", "dose", "alternatives", "offers", "oneClick", "mustSay", "rule", "days", "also", "flags",
    "noFlags", "mustNotSay", "actions", "orders", "reevaluateIn", "summary", "pathway",
    "mustExplain", "tells",
}  # fmt: skip
Cards = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One chart description (the base with everything that differs) and what the service must answer."""

    id: str
    title: str
    given: Mapping[str, Any]
    expected: Mapping[str, Any]
    differs: str = ""

    @property
    def hook(self) -> str:
        """The hook of its call."""
        return str(self.given.get("hook", "order-select"))

    @property
    def place(self) -> str | Mapping[str, Any]:
        """The shipped site at which it plays, or what its own site file says."""
        found = self.given.get("site")
        return found if isinstance(found, Mapping) else site(self.given)

    def resources(self) -> list[dict[str, Any]]:
        """The patient's chart."""
        return chart(self.given, AT, self.id)

    def call(self, templates: Mapping[str, str]) -> dict[str, Any]:
        """The whole request."""
        selected = self.given.get("selected")
        return build_call(
            Chart(self.id, self.title, tuple(self.resources()), self.id),
            hook=self.hook,
            templates=templates,
            at=AT,
            selections=None if selected is None else [f"MedicationRequest/{each}" for each in selected],
            withhold=self.given.get("withhold") or (),
        )


def acceptance_cases() -> list[Acceptance]:
    """Every case, one for each of its variants, by file and in the order written."""
    base = yaml.safe_load(FILE.read_text(encoding="utf-8"))["base"]
    return [case for path in sorted(FOLDER.glob("*.yaml")) for case in _read(path, base)]


def _read(path: Path, base: Mapping[str, Any]) -> Iterator[Acceptance]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for case in content["cases"]:
        unknown = (set(case) - {"id", "title", "source", "given", "variants", "expected", "differs"}) | (
            set(case["expected"]) - KEYS
        )
        if unknown or not case.get("source"):
            raise ValueError(f"{path.name}: {case['id']}: unknown keys {sorted(unknown)}, or no source")
        variants = case.get("variants")
        for number, variant in enumerate(variants or [{}], 1):
            name = f"{path.stem}-{case['id']}-{number}" if variants else f"{path.stem}-{case['id']}"
            given = {**base, **content.get("base", {}), **case.get("given", {}), **variant}
            yield Acceptance(name, case["title"], given, case["expected"], case.get("differs", ""))


def differences(expected: Mapping[str, Any], cards: Cards) -> list[str]:
    """One line for each expectation that the cards do not meet."""
    if expected["decision"] == NO_CARD or not cards:
        shown = [explanation(card)["decision"] for card in cards]
        return [] if expected["decision"] == NO_CARD and not cards else [f"expected {expected['decision']}: {shown}"]
    return [
        *_first(expected, cards[0]),
        *_others(expected, cards),
        *_orders(expected, cards),
        *_words(expected, cards),
    ]


def _first(expected: Mapping[str, Any], card: Mapping[str, Any]) -> Iterator[str]:
    told = explanation(card)
    found = {"indicator": card["indicator"], **{name: told.get(name) for name in ("decision", "rule", "pathway")}}
    for name, value in found.items():
        if name in expected and expected[name] != value:
            yield f"{name}: expected {expected[name]}, found {value} (unknown: {told.get('unknown')})"
    if expected.get("summary", "").lower() not in card["summary"].lower():
        yield f"summary: expected {expected['summary']!r} in {card['summary']!r}"
    if "reevaluateIn" in expected:
        wanted, moment = expected["reevaluateIn"], told.get("reevaluateAt")
        hours = (datetime.fromisoformat(moment) - AT).total_seconds() / 3600 if moment else None
        if wanted != (None if hours is None else round(hours, 2)):
            yield f"reevaluateIn: expected {wanted}, found {hours}"
    tells = {each["rule"]: f"{each['decision']} {each['indicator']}" for each in told.get("also", ())}
    if lacking := {rule: said for rule, said in expected.get("tells", {}).items() if tells.get(rule) != said}:
        yield f"tells: expected {lacking}, found {tells}"
    flags = set(told.get("flags", ()))
    if lacking := set(expected.get("flags", ())) - flags:
        yield f"flags: expected {sorted(lacking)}, found {sorted(flags)}"
    if wrong := set(expected.get("noFlags", ())) & flags:
        yield f"flags: not expected {sorted(wrong)}"


def _others(expected: Mapping[str, Any], cards: Cards) -> Iterator[str]:
    """The cards after the first. An answer that is only named on another's card has no words of its own."""
    told = [(explanation(card), card) for card in cards[1:]]
    named = {each["rule"]: each for explained, _ in told for each in explained.get("also", ())}
    shown = {e["rule"]: f"{e['decision']} {card['indicator']}: {card['summary']}" for e, card in told}
    for rule, wanted in expected.get("also", {}).items():
        kind, _, words = wanted.partition(": ")
        if rule in named:
            found, words = f"{named[rule]['decision']} {named[rule]['indicator']}", ""
        else:
            found = shown.get(rule, "none")
        if found.partition(": ")[0] != kind or words.lower() not in found.lower():
            yield f"also: {rule}: expected {wanted}, found {found}"


def _orders(expected: Mapping[str, Any], cards: Cards) -> Iterator[str]:
    plan = explanation(cards[0]).get("dosePlan", {})
    found = plan and {"mg": plan["doseMg"], "intervalH": plan["intervalH"], "route": route_of(plan["route"])}
    if "dose" in expected and found != expected["dose"]:
        yield f"dose: expected {expected['dose']}, found {found}"
    if "days" in expected and plan.get("durationDays") != expected["days"]:
        yield f"days: expected {expected['days']}, found {plan.get('durationDays')}"
    anakinra = [order for card in cards for order in drug_orders(card) if is_anakinra(order)]
    offered = [dose_of(order) for order in anakinra]
    if "oneClick" in expected and bool(offered) != expected["oneClick"]:
        yield f"oneClick: expected {expected['oneClick']}, found {offered}"
    if offered and "dose" in expected and offered[0] != expected["dose"]:
        yield f"dose: the first order offered is {offered[0]}"
    pairs = [(each["mg"], each["intervalH"]) for each in offered]
    for name, those in (("alternatives", pairs[1:]), ("offers", pairs)):
        wanted = [(each["mg"], each["intervalH"]) for each in expected.get(name, ())]
        if name in expected and sorted(wanted) != sorted(those):
            yield f"{name}: expected {wanted}, found {those}"
    yield from _suggested(expected, cards)


def _suggested(expected: Mapping[str, Any], cards: Cards) -> Iterator[str]:
    if "actions" in expected:
        shown = [s for s in cards[0].get("suggestions", ()) if s.get("isRecommended")]
        found = [action["type"] for suggestion in shown for action in suggestion["actions"]]
        if found != expected["actions"]:
            yield f"actions: expected {expected['actions']}, found {found}"
    labels = " | ".join(s["label"] for card in cards[1:] for s in card.get("suggestions", ())).lower()
    for words in expected.get("orders", ()):
        if words.lower() not in labels:
            yield f"orders: expected {words!r}, found {labels!r}"


def _words(expected: Mapping[str, Any], cards: Cards) -> Iterator[str]:
    text = text_of(list(cards))
    for phrase in expected.get("mustSay", ()):
        if phrase.lower() not in text:
            yield f"mustSay: {phrase!r} is not in {text!r}"
    told = json.dumps([explanation(card) for card in cards]).lower()
    for phrase in expected.get("mustExplain", ()):
        if phrase.lower() not in told:
            yield f"mustExplain: {phrase!r} is not in {told!r}"
    for phrase in expected.get("mustNotSay", ()):
        if phrase.lower() in text:
            yield f"mustNotSay: {phrase!r} is in {text!r}"
