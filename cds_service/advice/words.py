"""Numbers, doses and chart text as a clinician reads them.

Whatever comes from a chart is escaped: cards are Markdown, and clients differ in the raw HTML that they let through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cds_service.advice.model import DosePlan, DraftedDose
from cds_service.chart.figures import rounded
from cds_service.chart.validation import INVALID
from cds_service.knowledge.model import Route

# What could start emphasis, code, links, tables or an autolink within a line; a line of its own cannot be started.
_MARKUP = re.compile(r"([\\`*_\[\]#|~@]|:(?=//)|(?<=www)\.)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")


# A reference to a resource: an id says nothing to a reader, and the explanation holds it.
_REFERENCE = re.compile(
    r"\b(AllergyIntolerance|Condition|DiagnosticReport|Immunization|Medication(?:Administration|Request|Statement)?"
    r"|Observation|Procedure|ServiceRequest)/[A-Za-z0-9.-]{1,64}"
)
# A record that is no valid FHIR: what its validator says is for whoever repairs it, and stands in the explanation.
_INVALID = re.compile(rf"(?:\b[A-Z][A-Za-z]+/[^\s;]+: )?{INVALID} \[[^\]]*(?:\]|\Z)")
_UNREAD: Final = "a record that cannot be read"
MOST_WORDS: Final = 14  # of one reason on a card
_LONGEST: Final = 256  # characters of a text that is remembered
_TIMES: Final = frozenset({"h", "d", "min"})
_MOST_SHOWN: Final = 1000  # characters of one value on a card, which has some hundred words


class Trusted(str):
    """Text of our own files: its Markdown is meant."""

    __slots__ = ()


def escape(value: object) -> object:
    """For Jinja2's `finalize`: strings that are not our own lose their markup; numbers print short."""
    if isinstance(value, Trusted):
        return value
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int | float):
        return number(value)
    text = _cut(str(value))
    return _remembered(text) if len(text) <= _LONGEST else _escaped(text)


@lru_cache(maxsize=4096)
def _remembered(text: str) -> str:
    return _escaped(text)


def _cut(text: str) -> str:
    """As much of a text as a card can hold; the explanation has the rest."""
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN].rpartition(' ')[0] or text[:_MOST_SHOWN]} ..."


def _escaped(text: str) -> str:
    plain_ = _CONTROL.sub(" ", text).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKUP.sub(r"\\\1", plain_)


def spoken(text: str) -> str:
    """A text as a clinician says it: without ids of resources, and without the words of a validator."""
    return _REFERENCE.sub(r"\1", _INVALID.sub(_UNREAD, text)) if "/" in text or INVALID in text else text


def brief(text: str, most: int = MOST_WORDS) -> str:
    """A reason as a card has room for it: as it is spoken, and its first words."""
    said = spoken(text).split()
    if len(said) <= most:
        return " ".join(said)
    # A cut within a clause may turn its sense round.
    ends = [place for place, word in enumerate(said[:most], 1) if word[-1] in ";,.:)"]
    return f"{' '.join(said[: ends[-1] if ends else most]).rstrip(' ;,:')} ..."


def words_of(text: str) -> int:
    """How many words a reader counts."""
    return len(text.split())


def plain(value: object) -> object:
    """For summaries, which are plain text: one line, and no tag even where a client takes it for HTML."""
    if isinstance(value, Trusted):
        return value
    if isinstance(value, str):
        return _CONTROL.sub(" ", _cut(value)).replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")
    return escape(value)


def number(value: float) -> str:
    """Rounded for reading only: 20.003 prints as 20, 0.85 as 0.85, 499.96 as 499.96; never so far that a value
    seems to stand on the other side of a threshold that it was compared with."""
    return rounded(value)


def figure(value: object, unit: str) -> str:
    """A value for reading: yes and no, times to a tenth, other numbers to a hundredth, and no UCUM annotations.

    A time that a tenth would make whole, such as 7.96 h, keeps its hundredths: it may stand below a threshold of 8.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    said = number(round(value, 1)) if unit in _TIMES else number(value)
    if "." not in said:
        said = number(value)
    return " ".join(part for part in (said, "" if unit.startswith("{") or unit == "a" else unit) if part)


def moment(value: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def dose(plan: DosePlan, routes: Mapping[str, Route]) -> str:
    """ "100 mg SC q12h (200 mg/day)", with the weight it comes from where it does."""
    words = f"{number(plan.dose_mg)} mg {routes[plan.route].short} q{plan.interval_h}h ({number(plan.daily_mg)} mg/day"
    if plan.mg_per_kg is not None and plan.weight_kg is not None:
        words += f"; {number(plan.mg_per_kg)} mg/kg at {number(plan.weight_kg)} kg"
    return words + ")"


def drafted(said: DraftedDose, routes: Mapping[str, Route]) -> str:
    """ "100 mg SC q12h (200 mg/day)", or without a route where the draft names none of ours."""
    route = routes[said.route].short if said.route else "without a route"
    return f"{number(said.dose_mg)} mg {route} q{number(said.interval_h)}h ({number(said.daily_mg)} mg/day)"
