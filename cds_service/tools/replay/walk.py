"""Walk a patient's episode: ask at each step, compare, and keep what is needed for every report as one JSON line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cds_service.program import Program
from cds_service.timeline.collect import collect
from cds_service.timeline.draw import draw
from cds_service.timeline.model import Decided
from cds_service.tools.charts import chart_of
from cds_service.tools.replay import bundles
from cds_service.tools.replay.asking import Asked, Respondents
from cds_service.tools.replay.calls import encounter_of
from cds_service.tools.replay.client import Reply
from cds_service.tools.replay.episode import Course, Step
from cds_service.tools.replay.ours import OurClient, Outcomes, Tally
from cds_service.tools.replay.told import Told, differing, rules_of, told_of, unlinked

Line = dict[str, Any]
_MOST_HOURS: Final = 72  # of a timeline; beside the steps, where they are few
_WORDS: Final[dict[bool | None, str]] = {True: "fires", False: "silent", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Walk:
    """How episodes are walked: who is asked, which other service, and whether a report with pictures is wanted.

    `drawn_by` draws what a service elsewhere was asked about, ours draw themselves; None: no pictures.
    """

    asked: Respondents
    against: Asked | None = None
    drawn_by: Program | None = None

    def patient(self, chart: bundles.Chart, steps: Iterable[Step]) -> Line:
        """Everything about one patient. Raises CdsError."""
        course, asked = Course(chart), self.asked.of(chart.patient_id)
        tally: Tally = {}
        taken = [(step, self._step(asked, course, step, tally)) for step in steps]
        line: Line = {
            "patient": chart.patient_id,
            "source": chart.source,
            "story": chart.story,
            "steps": [told for _, told in taken],
        }
        if self.drawn_by is not None:
            drawn_by = asked.ours.program if asked.ours else self.drawn_by
            line["svg"] = _picture(drawn_by, course, [told for _, told in taken])
            line["tally"] = tally
        return line

    def _step(self, asked: Asked, course: Course, step: Step, tally: Tally) -> Line:
        chart = course.at(step.at, step.asked_again)
        reply = asked.ask(chart, step)
        told = told_of(reply)
        line: Line = {
            "at": step.at.isoformat() if step.at else None,
            "hook": step.hook,
            "order": step.order,
            **{name: value for name, value in asdict(told).items() if value},
        }
        if self.drawn_by is not None:
            if asked.ours is not None:
                asked.ours.tally(tally)
            line["card"] = _shown(reply)
        if step.expected:
            line["expected"] = list(step.expected)
            line["wrong"] = told.decision not in step.expected
        if self.against is not None:
            line |= _compared(asked, reply, self.against, self.against.ask(chart, step))
        return line


def _picture(program: Program, course: Course, told: Sequence[Line]) -> str:
    """The timeline, in as few bytes as say it."""
    timed = [(datetime.fromisoformat(step["at"]), step) for step in told if step["at"]]
    hours = sorted({at for at, _ in timed})
    if not hours:
        return ""
    if len(hours) < _MOST_HOURS / 4:
        # A single question has a course too: that of the days before it.
        first = min(hours[0], hours[-1] - timedelta(days=5))
        between = (hours[-1] - first) / _MOST_HOURS
        hours = sorted({*hours, *(first + n * between for n in range(_MOST_HOURS))})
    chart = chart_of(program, course.at(hours[-1]), hours[-1])
    decisions = [_decided(at, step) for at, step in sorted(timed, key=lambda pair: pair[0])]
    encounter = encounter_of(course.chart) or None
    timeline = collect(program, chart, hours, encounter_id=encounter, decisions=decisions)
    return draw(timeline, styled=False, brief=True)


def _decided(at: datetime, step: Line) -> Decided:
    return Decided(at, step["decision"], step.get("indicator", ""), step.get("summary", ""), step.get("rule", ""))


def _shown(reply: Reply) -> Line:
    """The first card as a reader needs it."""
    cards = reply.body["cards"] if not reply.error else []
    if not cards:
        return {}
    told = {key: str(cards[0].get(key, "")) for key in ("summary", "detail", "indicator")}
    return told | {"detail": unlinked(told["detail"])}


# ---------------------------------------------------------------- two answers to one question


def _compared(mine: Asked, reply: Reply, theirs: Asked, other: Reply) -> Line:
    """What differs, and the rules that made it differ; nothing where both say the same."""
    if reply.error or other.error:
        kinds: tuple[str, ...] = ("decision",) if bool(reply.error) != bool(other.error) else ()
        causes: list[Line] = []
    else:
        before, after = reply.body["cards"], other.body["cards"]
        kinds = differing(before, after)
        causes = list(_causes(mine.ours, theirs.ours, rules_of(before, after))) if kinds else []
    if not kinds:
        return {"error": other.error} if other.error and not reply.error else {}
    return {"other": _short(told_of(other)), "differs": list(kinds), "causes": causes}


def _short(told: Told) -> Line:
    return {name: value for name, value in asdict(told).items() if value}


def _causes(mine: OurClient | None, theirs: OurClient | None, shown: Sequence[str]) -> Iterator[Line]:
    """The rules behind a difference, the first of them its cause.

    Where both services run here, these are the rules of which something else became, in order of evaluation: a later
    one follows from an earlier one. Where every rule came out alike, or a service runs elsewhere, those whose cards
    differ.
    """
    if mine is not None and theirs is not None:
        was, now = mine.outcomes(), theirs.outcomes()
        changed = [rule for rule in _ordered(mine, was, theirs, now) if was.get(rule, 0) != now.get(rule, 0)]
        if changed:
            yield from ({"rule": rule, "was": _said(was, rule), "now": _said(now, rule)} for rule in changed)
            return
    yield from ({"rule": rule} for rule in shown)


def _ordered(mine: OurClient, was: Outcomes, theirs: OurClient, now: Outcomes) -> Iterator[str]:
    """The rules of both, those that are written otherwise first, then as they are evaluated."""
    before, after = ({rule.id: rule for rule in c.program.knowledge.rules} for c in (mine, theirs))
    known = list(dict.fromkeys((*was, *now)))
    rewritten = [rule for rule in known if before.get(rule) != after.get(rule)]
    yield from dict.fromkeys((*rewritten, *known))


def _said(outcomes: Outcomes, rule: str) -> str:
    return _WORDS[outcomes[rule]] if rule in outcomes else "not there"
