"""The public words of this service, once: services and hooks, decisions in their order, extensions, systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Hook = Literal["order-select", "order-sign", "patient-view"]
Indicator = Literal["info", "warning", "critical"]
DecisionName = Literal[
    "block", "order-exceeds-max", "duplicate", "vaccine-warning", "insufficient-data", "review",
    "suggest", "suggest-reduced", "suggest-restricted", "wait", "not-indicated", "investigational",
    "not-recommended", "order-ok", "caution", "monitoring", "status",
]  # fmt: skip

# Service id -> its hook.
SERVICES: Final[Mapping[str, Hook]] = {
    "anakinra-order-select": "order-select",
    "anakinra-order-sign": "order-sign",
    "car-t-toxicity-patient-view": "patient-view",
}  # A hook without orders -> the hook whose rules it asks, as of an order that has no dose yet.
ASKS: Final[Mapping[str, Hook]] = {"patient-view": "order-select"}
# Of the text that discovery and answers follow (2.0.1 is the published STU 2), and of each hook's page in its library.
CDS_HOOKS_VERSION: Final = "2.0.1"
HOOK_VERSIONS: Final[Mapping[Hook, str]] = {"order-select": "1.0", "order-sign": "1.0", "patient-view": "1.0"}

# Hard answers first, then the pathway's own, then what goes with it.
_ORDER: Final[tuple[tuple[DecisionName, ...], ...]] = (
    ("block",),
    ("order-exceeds-max",),
    ("duplicate",),
    ("vaccine-warning",),
    ("insufficient-data",),
    ("review",),
    ("suggest", "suggest-reduced", "suggest-restricted", "wait", "not-indicated", "investigational", "not-recommended"),
    ("order-ok",),
    ("caution",),
    ("monitoring",),
    ("status",),
)
RANK: Final[Mapping[str, int]] = {name: rank for rank, names in enumerate(_ORDER) for name in names}
SEVERITY: Final[Mapping[str, int]] = {"critical": 0, "warning": 1, "info": 2}
SUGGESTS: Final = frozenset({"suggest", "suggest-reduced", "suggest-restricted"})
PATHWAY: Final = frozenset(_ORDER[6])
# While one of these holds, nothing is suggested and nothing can be ordered with one click.
PRECLUDES: Final = frozenset({"block", "insufficient-data", "review", "duplicate"})
INSUFFICIENT: Final[DecisionName] = "insufficient-data"
# Without an order there is one answer. It says what rules of these decisions found, and what rules that screen did.
STATUS: Final[DecisionName] = "status"
TOLD_BY_STATUS: Final = frozenset({"block", "insufficient-data", "review"}) | PATHWAY
# Answers of a pathway that show that rescue is not asked for.
NO_RESCUE: Final = frozenset({"not-indicated", "investigational", "not-recommended"})
# The rule of the service itself, and its card, for when an evaluation failed.
UNEVALUATED: Final = "system-unevaluated"
# Decisions that a rule does not take itself, each with the card of its own name.
OWN_CARD: Final = frozenset({"insufficient-data", "order-ok", "suggest-restricted"})
# The cards that are the beginning and the end of the first one, that name answers without a card of their own, and the
# card of an answer given again.
HEADER: Final = "first-card-header"
ALSO: Final = "also"
FOOTER: Final = "first-card-footer"
REPEATED: Final = "repeated"

EXPLANATION: Final = "org.anakinra-cds.explanation"
# The order that a card is about; and all of them, as Da Vinci CRD names them (a Reference each).
ORDER: Final = "org.anakinra-cds.order"
ASSOCIATED: Final = "davinci-crd.associated-resource"
EVALUATION_TIME: Final = "org.anakinra-cds.evaluation-time"
# Facts by name, each with the value that it is assumed to have (null: unknown): of the workbench, nowhere else.
ASSUMED: Final = "org.anakinra-cds.assumed"
RULE_SYSTEM: Final = "https://anakinra-cds.org/CodeSystem/rule"
SOURCE_LABEL: Final = "Anakinra CDS (draft content, not reviewed by clinicians)"
# The path below which each rule has its page.
CATALOGUE: Final = "knowledge"
# The largest body of a call unless a setting says otherwise, and what of it a prefetch leaves to the rest of the call:
# drafts, context, token, and each Bundle's own links (a template has 6,000 characters at most).
BODY_BYTES: Final = 2 * 1024 * 1024
CALL_BYTES: Final = 96 * 1024
# What a panel holds: cards in all, and words of a card that is not the first (its own rule may say otherwise).
MOST_CARDS: Final = 5
CARD_WORDS: Final = 45
SUMMARY_LIMIT: Final = 139  # CDS Hooks 2.0, card attributes: summary is "<140-character"


def most_cards(hook: str) -> int:
    """How many cards an answer has at most: without an order there is one status."""
    return 1 if hook in ASKS else MOST_CARDS
