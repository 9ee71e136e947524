"""Tell what a replay found: a line a patient, the summary line, the differences, the answers as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cds_service.tools.printing import table
from cds_service.tools.replay.run import Replay, Result


def rows(results: Sequence[Result]) -> str:
    """One line a patient, below a line of titles."""
    titles = ("", "patient", "decision", "indicator", "dose", "ms", "story")
    return table(titles, [_row(result) for result in results])


def _row(result: Result) -> tuple[str, ...]:
    mark = "≠" if result.differences or result.reply.error else ""
    ms = f"{result.reply.ms:.0f}" if result.reply.ms >= 10 else f"{result.reply.ms:.1f}"
    return mark, result.chart.patient_id, result.decision, result.indicator, result.dose, ms, result.chart.story


def summary(replay: Replay) -> str:
    """`20 patients, 1,432 resources, 0 errors, 3 silent, p50 2.1 ms, p95 4.0 ms`."""
    results = replay.results
    errors = len(replay.problems) + sum(1 for result in results if result.reply.error)
    silent = sum(1 for result in results if not result.reply.error and not result.cards)
    parts = [
        count(len(results), "patient"),
        count(sum(len(result.chart.resources) for result in results), "resource"),
        count(errors, "error"),
        f"{silent:,} silent",
    ]
    times = [result.reply.ms for result in results if result.reply.status]
    if times:
        parts += [f"p50 {percentile(times, 50):.1f} ms", f"p95 {percentile(times, 95):.1f} ms"]
    return ", ".join(parts)


def count(number: int, noun: str) -> str:
    """`1 patient`, `1,432 resources`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of some values (at least one)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def error_lines(replay: Replay) -> list[str]:
    """One line for every source that could not be used and every call that failed."""
    failed = [
        f"{result.chart.source}: Patient/{result.chart.patient_id}: {result.reply.error}"
        for result in replay.results
        if result.reply.error
    ]
    return [str(problem) for problem in replay.problems] + failed


def difference_lines(replay: Replay) -> list[str]:
    """Where an answer is not as expected, and who was expected and did not come."""
    lines = [
        f"{result.chart.patient_id}: {difference}" for result in replay.results for difference in result.differences
    ]
    return lines + [f"{patient_id}: expected, but no source holds this patient" for patient_id in replay.missing()]


def time_ignored(results: Sequence[Result]) -> bool:
    """True where a service evaluated at another time than it was asked to."""
    return any(
        result.at is not None and result.evaluated_at and not _same_time(result.evaluated_at, result.at)
        for result in results
    )


def _same_time(said: str, asked: datetime) -> bool:
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return False
    return found.tzinfo is not None and abs((found - asked).total_seconds()) < 1


def answers(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Every answer, for JSON. It holds patient data when the charts do."""
    return [
        {
            "patientId": result.chart.patient_id,
            "source": result.chart.source,
            "hook": result.hook,
            "at": None if result.at is None else result.at.isoformat(),
            "status": result.reply.status,
            "ms": round(result.reply.ms, 3),
            "error": result.reply.error,
            "differences": list(result.differences),
            "answer": result.reply.body,
        }
        for result in results
    ]
