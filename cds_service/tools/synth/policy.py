"""The clinical policy's numbers as the truth reads them: policy.yaml, apart from rules/policies/ on purpose."""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Final

import yaml

from cds_service.tools.synth.course import DAY, HOUR
from cds_service.tools.synth.figure_parts import Model
from cds_service.tools.synth.figures import FOLDER

_MINUTES: Final = {"h": HOUR, "d": DAY}


class Figure(Model):
    """One number, and the line of the policy that says it."""

    value: float
    unit: str
    line: str


class Names(Model):
    """Names of courses.yaml that are one thing to the policy."""

    names: tuple[str, ...]
    line: str


class Policy(Model):
    """The whole file."""

    owner: str
    date: datetime.date
    figures: dict[str, Figure]
    severe_infections: Names
    other_infections: Names
    lasting_organisms: dict[str, str]
    contaminants: Names
    blocking_allergies: Names
    reviewed_allergies: Names
    autoimmune: Names
    masks: dict[str, str]
    permitted: dict[str, tuple[tuple[float, float], ...]]
    child_intervals: tuple[float, float]
    restricted_sites: tuple[str, ...]

    def value(self, name: str) -> float:
        """The number of a name."""
        return self.figures[name].value

    def minutes(self, name: str) -> int:
        """A time of the policy."""
        figure = self.figures[name]
        return round(figure.value * _MINUTES[figure.unit])


@lru_cache(maxsize=1)
def policy() -> Policy:
    """The policy of this package."""
    content = yaml.load((FOLDER / "policy.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return Policy.model_validate(content)
