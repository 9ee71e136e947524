"""Whether an answer is calmer than another: the one definition, of the clinical policy 6.1 R5.

Calmer is: from an answer without a one-click order to `suggest*` or `order-ok`; from any stop, `wait` or `review` to
`not-indicated` or no card; or a lost vaccine warning. Readings, to the safe side: `investigational` and
`not-recommended` are as calm as `not-indicated`; a stop that offers a lower dose is still a stop; and a draft that was
right may be offered a dose instead. A caution alone is not calm: it is how the contract says that a weight is missing.
A vaccine warning is lost where nothing in its place says what could not be read. A status is calmer where its card is
gone, or where what was a warning or critical is news: between these two, a stop that was lost is told as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.cards import drug_orders, explanation

NO_CARD: Final = "no-card"
# The call itself was refused: nobody can read that as advice.
REFUSED: Final = "refused"
STATUS: Final = "status"
ALARMS: Final = frozenset({"warning", "critical"})
PERMITS: Final = frozenset({"suggest", "suggest-reduced", "suggest-restricted", "order-ok"})
STOPS: Final = frozenset(
    {"block", "order-exceeds-max", "duplicate", "vaccine-warning", "insufficient-data", "review", "wait", REFUSED}
)
CALM: Final = frozenset({"not-indicated", "investigational", "not-recommended", NO_CARD})
STATEMENTS_NOT_READ: Final = "stated and home drugs were not read"
REPORTS_NOT_READ: Final = "microbiology reports were not read"


@dataclass(frozen=True, slots=True)
class Tone:
    """What of an answer makes it calm or not."""

    decision: str
    one_click: bool
    warns_of_vaccine: bool
    indicator: str = ""


def tone(cards: Sequence[Mapping[str, Any]], status: int = 200) -> Tone:
    """The tone of an answer."""
    if status != 200:
        return Tone(REFUSED, False, False)
    decisions = [explanation(card)["decision"] for card in cards]
    offers = any(card.get("selectionBehavior") == "at-most-one" and any(drug_orders(card)) for card in cards)
    first, indicator = (decisions[0], str(cards[0]["indicator"])) if decisions else (NO_CARD, "")
    return Tone(first, offers, "vaccine-warning" in decisions, indicator)


def calmer(before: Tone, after: Tone) -> str:
    """How `after` is calmer than `before`, in words; "" where it is not."""
    if before.decision == STATUS and after.decision == NO_CARD:
        return "the status was lost"
    if before.decision == after.decision == STATUS and before.indicator in ALARMS and after.indicator not in ALARMS:
        return f"a status that was {before.indicator} became {after.indicator}"
    if before.decision in STOPS and after.decision in CALM | PERMITS:
        return f"{before.decision} became {after.decision}"
    if not before.one_click and before.decision not in PERMITS and after.decision in PERMITS:
        return f"{before.decision} became {after.decision}"
    if not before.one_click and after.one_click and before.decision != "order-ok":
        return f"{before.decision} without a one-click order became {after.decision} with one"
    if before.warns_of_vaccine and not after.warns_of_vaccine and after.decision not in ("insufficient-data", REFUSED):
        return f"the vaccine warning was lost ({after.decision})"
    return ""


def says_reports_not_read(cards: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the first card says so, and calls no blood culture the last, or none on record, without that."""
    detail = cards[0]["detail"].lower()
    line = detail.partition("**before signing:**")[2].partition("\n")[0]
    culture = line.partition("blood culture ")[2]  # a result of several words holds semicolons of its own
    return REPORTS_NOT_READ in detail and (not culture or "(reports not read);" in culture)


def says_statements_not_read(cards: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the first card says so; there may be none to say it."""
    return not cards or STATEMENTS_NOT_READ in cards[0]["detail"].lower()
