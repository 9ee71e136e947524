"""What the page shows of one launch, and the page: HTML without script, whose every text is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from cds_service import __version__
from cds_service.assess import Question, assess, cards
from cds_service.chart.chart import Chart
from cds_service.chart.times import clock
from cds_service.program import Program
from cds_service.timeline.collect import collect, decide_at
from cds_service.timeline.draw import STYLE, draw
from cds_service.timeline.words import table
from cds_service.web.smart.basis import RESULTS, Basis, LeftOut, basis, gaps, left_out
from cds_service.web.smart.then import Decision, Records, Then, decided, then

_FOLDER: Final = Path(__file__).parent
DAYS: Final = 14
"""How far back the picture goes at most."""
_LEAST_HOURS: Final = 48
_HOURS_APART: Final = 2
_ANSWERS_APART: Final = 8  # each is an assessment of its own: milliseconds
_LONGEST_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything on the page. `summary` is that of the card that would be shown now ("": none)."""

    patient: Mapping[str, str]
    read_at: str
    since: str
    summary: str
    indicator: str
    decisions: tuple[Decision, ...]
    failed: bool
    then: Then
    then_at: str
    picture: Markup
    table: Markup
    orders: tuple[Basis, ...]
    gaps: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]
    program: str


def shown(
    program: Program, chart: Chart, question: Question, now: datetime, context: str, records: Records | None
) -> Shown:
    """What is found in a chart now, and what was decided under the reference `context`."""
    zone = program.knowledge.site.timezone
    told, made = cards(program, assess(program, chart, question, now), silent=program.silent)
    before = then(context, told, program, records)
    first: Mapping[str, Any] = made[0] if made else {}
    decisions = list(decide_at(program, chart, question, _hours(now, 24 * DAYS, _ANSWERS_APART)))
    # The picture begins a little before there was first something to say.
    first_said = next((each.at for each in decisions if each.decision), now)
    back = min(24 * DAYS, max(_LEAST_HOURS, int((now - first_said) / timedelta(hours=1)) + _ANSWERS_APART))
    hours = _hours(now, back, _HOURS_APART)
    inside = [each for each in decisions if each.at >= hours[0]]
    course = collect(program, chart, hours, encounter_id=question.encounter_id, decisions=inside)
    orders = tuple(basis(order, program) for order in told.orders)
    return Shown(
        patient=named(chart),
        read_at=_dated(now, zone),
        since=_dated(hours[0], zone),
        summary=str(first.get("summary", "")),
        indicator=str(first.get("indicator", "")),
        decisions=tuple(dict.fromkeys(decided(told.answers))),
        failed=told.failed,
        then=before,
        then_at=_dated(before.at, zone) if before.at else "",
        # Both escape what they are made of.
        picture=Markup(draw(course, styled=False)),
        table=Markup(table(course)),
        orders=orders,
        gaps=gaps(orders),
        left_out=left_out(orders),
        program=program.id,
    )


def _dated(moment: datetime, zone: str) -> str:
    """Day and time by the ward's clock."""
    return f"{moment.astimezone(ZoneInfo(zone or 'UTC')):%Y-%m-%d} {clock(moment, zone)}"


def _hours(now: datetime, back: int, apart: int) -> list[datetime]:
    """Moments from so many hours back until now."""
    return [now - timedelta(hours=each) for each in range(back - back % apart, -1, -apart)]


def named(chart: Chart) -> dict[str, str]:
    """By what a reader tells whose chart this is: name, birth date (both "" where the chart has none) and id."""
    patient = chart.patient()
    raw: Mapping[str, Any] = patient.raw if patient else {}
    names = raw.get("name")
    usual = names[0] if isinstance(names, list) and names and isinstance(names[0], dict) else {}
    given = usual.get("given")
    parts = [*(given if isinstance(given, list) else ()), usual.get("family")]
    text = usual.get("text") or " ".join(part for part in parts if isinstance(part, str))
    told = {"name": text, "born": raw.get("birthDate"), "id": chart.patient_id}
    return {key: value[:_LONGEST_NAME] if isinstance(value, str) else "" for key, value in told.items()}


def page(what: Shown, public_url: str) -> str:
    """The page of one launch."""
    return _template("page.html.j2").render(shown=what, results=RESULTS, version=__version__, public_url=public_url)


def refusal(why: str, public_url: str) -> str:
    """The page where nothing can be shown."""
    return _template("refused.html.j2").render(why=why, public_url=public_url)


def style() -> bytes:
    """The styles of both, and of the picture."""
    return ((_FOLDER / "style.css").read_text(encoding="utf-8") + STYLE).encode()


@cache
def _template(name: str) -> Template:
    loader = FileSystemLoader(_FOLDER)
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template(name)
