"""What all patients of a run come to: counted line by line, so that nothing has to be held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cds_service.tools.replay.ours import Tally

Line = dict[str, Any]


@dataclass(slots=True)
class Totals:
    """`steps` are questions; `failed` of them got no answer, `wrong` are not as expected, `differing` not as the other
    service says. `causes` counts the first cause of each difference, `moves` how often a decision became another."""

    patients: int = 0
    steps: int = 0
    failed: int = 0
    expected: int = 0
    wrong: int = 0
    compared: bool = False
    differing: int = 0
    touched: int = 0
    problems: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    tally: Tally = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Count one patient."""
        self.patients += 1
        self.touched += is_touched(line)
        last = ""
        for step in line["steps"]:
            self.steps += 1
            self.failed += "error" in step
            self.expected += "expected" in step
            self.wrong += bool(step.get("wrong"))
            self.decisions[step["decision"]] += 1
            if "differs" in step:
                self.differing += 1
                self.causes[cause(step)] += 1
            if last and last != step["decision"]:
                self.moves[last, step["decision"]] += 1
            last = step["decision"]
        for rule, counts in line.get("tally", {}).items():
            mine = self.tally.setdefault(rule, [0] * len(counts))
            self.tally[rule] = [a + b for a, b in zip(mine, counts, strict=True)]

    @property
    def is_well(self) -> bool:
        """No difference, nothing wrong, nothing that failed."""
        return not (self.failed or self.wrong or self.differing or self.problems)


def totals(lines: Iterable[Line], problems: int, *, compared: bool) -> Totals:
    """Everything counted."""
    found = Totals(problems=problems, compared=compared)
    for line in lines:
        found.add(line)
    return found


def cause(step: Line) -> str:
    """The rule that made a step differ; what it was where no rule is known."""
    causes = step.get("causes") or ()
    return str(causes[0]["rule"]) if causes else "no rule that is known"


def is_touched(line: Line) -> bool:
    """Whether anything about a patient failed, is wrong or differs."""
    return any(is_marked(step) for step in line["steps"])


def is_marked(step: Line) -> bool:
    """Whether a step failed, is wrong or differs."""
    return "error" in step or "differs" in step or bool(step.get("wrong"))


def runs(line: Line) -> Iterator[list[Line]]:
    """The steps of a patient, those that follow each other with the same answer together."""
    run: list[Line] = []
    for step in line["steps"]:
        if run and _answer(step) != _answer(run[-1]):
            yield run
            run = []
        run.append(step)
    if run:
        yield run


def _answer(step: Line) -> tuple[Any, ...]:
    keys = ("hook", "order", "decision", "indicator", "rule", "dose", "error", "wrong", "differs")
    other = step.get("other", {})
    return (*(step.get(key) for key in keys), other.get("decision"), other.get("dose"), cause(step))
