"""A walked run as text, as JSON and as JUnit XML. Files are written beside their place and moved there when whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from cds_service.errors import CdsError
from cds_service.tools.replay.report import count
from cds_service.tools.replay.totals import Totals, cause, is_marked, is_touched, runs

Line = dict[str, Any]
_HIDDEN = ("svg", "tally")
_NOT_IN_JSON = ("card",)


def written(path: Path, parts: Iterable[str]) -> None:
    """Write a file whole or not at all. Raises CdsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            try:
                file.writelines(parts)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise CdsError(f"{path}: cannot be written: {error.strerror}") from error


# ---------------------------------------------------------------- for people


def table(lines: Iterable[Line]) -> Iterator[str]:
    """How the decision moves: a patient's line, then one for as long as the answer stays the same."""
    for line in lines:
        mark = "≠ " if is_touched(line) else ""
        story = f": {line['story']}" if line["story"] else ""
        yield f"{mark}{line['patient']}{story}"
        if not line["steps"]:
            yield "    nothing in it has a time"
        for run in runs(line):
            yield from _run(run)


def _run(run: list[Line]) -> Iterator[str]:
    first = run[0]
    told = [first["decision"], first.get("indicator", ""), first.get("dose", ""), first.get("rule", "")]
    ordered = f" ({first['order']})" if first["order"] else ""
    yield f"    {span(run):<36}  {'  '.join(filter(None, told))}{ordered}"
    if "error" in first:
        yield f"        failed: {first['error']}"
    if first.get("wrong"):
        yield f"        expected {' or '.join(first['expected'])}"
    if "differs" in first:
        yield f"        ≠ {difference(first)}"


def difference(step: Line) -> str:
    """`block -> suggest (decision, dose) by rule-id (fires -> silent)`."""
    other = step.get("other", {})
    said = f"{step['decision']} -> {other.get('decision', '?')}" if step["decision"] != other.get("decision") else ""
    dose = f"{step.get('dose') or 'no dose'} -> {other.get('dose') or 'no dose'}"
    dose = dose if step.get("dose") != other.get("dose") else ""
    kinds = f"({', '.join(step['differs'])})"
    return " ".join(filter(None, (said, dose, kinds, f"by {_cause(step)}")))


def _cause(step: Line) -> str:
    first = (step.get("causes") or [{}])[0]
    return f"{cause(step)} ({first['was']} -> {first['now']})" if "was" in first else cause(step)


def span(run: list[Line]) -> str:
    """From when to when the steps of a run are."""
    start, end = clock(run[0]["at"]), clock(run[-1]["at"])
    return start if start == end else f"{start} to {end}"


def clock(at: str | None) -> str:
    """`2026-03-05 10:00`, in the zone as it was asked."""
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M}" if at else "now"


def summary(found: Totals) -> str:
    """`20 patients, 480 questions, 0 failed, 3 differ, 2 patients touched`."""
    parts = [count(found.patients, "patient"), count(found.steps, "question"), f"{found.failed:,} failed"]
    if found.problems:
        parts.append(f"{found.problems:,} not usable")
    if found.expected:
        parts.append(f"{found.expected - found.wrong:,} of {found.expected:,} as expected")
    if found.compared:
        parts.append(f"{found.differing:,} differ")
        parts += [f"{rule}: {count:,}" for rule, count in found.causes.most_common(10)]
    return ", ".join(parts)


# ---------------------------------------------------------------- for programs


def as_json(lines: Iterable[Line], problems: Iterable[tuple[str, str]], found: Totals, names: Line) -> Iterator[str]:
    """One document, a patient a line: {asked, against, summary, problems, patients}."""
    yield "{"
    for key, value in names.items():
        yield f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},\n"
    counted = {
        "patients": found.patients,
        "questions": found.steps,
        "failed": found.failed,
        "expected": found.expected,
        "wrong": found.wrong,
        "differing": found.differing,
        "decisions": dict(found.decisions),
        "causes": dict(found.causes),
    }
    yield f'"summary": {json.dumps(counted, ensure_ascii=False)},\n'
    told = [{"where": where, "problem": what} for where, what in problems]
    yield f'"problems": {json.dumps(told, ensure_ascii=False)},\n"patients": ['
    for index, line in enumerate(lines):
        yield ("," if index else "") + "\n" + json.dumps(_public(line), ensure_ascii=False)
    yield "\n]}\n"


def _public(line: Line) -> Line:
    steps = [{key: value for key, value in step.items() if key not in _NOT_IN_JSON} for step in line["steps"]]
    return {key: value for key, value in line.items() if key not in _HIDDEN} | {"steps": steps}


# ---------------------------------------------------------------- for build servers


def junit(lines: Iterable[Line], problems: Iterable[tuple[str, str]], found: Totals) -> Iterator[str]:
    """A test case a patient: failed where an answer is wrong or differs, in error where none came. What could not be
    read is a test case in error."""
    bad = found.touched
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    told = list(problems)
    count, errors = found.patients + len(told), len(told)
    yield f'<testsuites><testsuite name="anakinra-cds replay" tests="{count}" failures="{bad}" errors="{errors}">\n'
    for line in lines:
        yield f"<testcase classname={_quoted(line['source'])} name={_quoted(line['patient'])}>"
        marked = [run for run in runs(line) if is_marked(run[0])]
        if marked:
            steps = sum(len(run) for run in marked)
            text = "\n".join(f"{span(run)}: {_why(run[0])}" for run in marked)
            yield f'<failure message="{steps} of {len(line["steps"])} answers">{_clean(escape(text))}</failure>'
        yield "</testcase>\n"
    for where, what in told:
        yield f'<testcase classname={_quoted(where)} name="source"><error message={_quoted(what)}/></testcase>\n'
    yield "</testsuite></testsuites>\n"


def _why(step: Line) -> str:
    if "error" in step:
        return f"failed: {step['error']}"
    expected = f"{step['decision']}, expected {' or '.join(step['expected'])}" if step.get("wrong") else ""
    return "; ".join(filter(None, (expected, difference(step) if "differs" in step else "")))


def _quoted(text: str) -> str:
    return _clean(quoteattr(text))


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return "".join(
        c for c in text if c in "\t\n\r" or (" " <= c < "\ufffe" and not "\ud800" <= c <= "\udfff") or c > "\uffff"
    )
