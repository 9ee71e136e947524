"""What a replay is expected to answer: a YAML file of patient id -> decision, and how to put the question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cds_service.errors import CdsError
from cds_service.tools.options import parse_time
from cds_service.tools.replay.calls import HOOKS

NO_CARD = "no-card"
_KEYS = ("decision", "indicator", "dose", "hook", "at", "withhold", "site")


class ExpectationError(CdsError):
    """A file of expectations that cannot be used; one line per problem."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One patient's expected first card (`decision` `no-card`: none). What is None is not compared.

    `dose` reads as the report prints it, such as `100 mg SC q12h`. `hook`, `at` and `withhold` (types of
    resources whose prefetch keys are left out) say how to put the question; `site` is the file, beside these
    expectations, of another site that it is put to.
    """

    decision: str
    indicator: str | None = None
    dose: str | None = None
    hook: str | None = None
    at: datetime | None = None
    withhold: tuple[str, ...] = ()
    site: str = ""


def load_expected(path: Path) -> dict[str, Expectation]:
    """The expectations of a file by patient id; raises ExpectationError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ExpectationError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, dict):
        raise ExpectationError(f"{path}: expected a mapping of patient id to expectation")
    found: dict[str, Expectation] = {}
    problems: list[str] = []
    for key, value in content.items():
        try:
            found[str(key)] = _expectation(value)
        except ValueError as error:
            problems.append(f"{path}: {key}: {error}")
    if problems:
        raise ExpectationError("\n".join(problems))
    return found


def _expectation(value: Any) -> Expectation:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping with the keys {', '.join(_KEYS)}")
    unknown = sorted(set(map(str, value)) - set(_KEYS))
    if unknown:
        raise ValueError(f"unknown key {', '.join(unknown)}; there are: {', '.join(_KEYS)}")
    if not isinstance(value.get("decision"), str):
        raise ValueError(f"decision: expected a decision such as `suggest`, or `{NO_CARD}`")
    hook = value.get("hook")
    if hook is not None and hook not in HOOKS:
        raise ValueError(f"hook: expected one of {', '.join(HOOKS)}")
    withhold = value.get("withhold", ())
    if isinstance(withhold, str) or not all(isinstance(kind, str) for kind in withhold):
        raise ValueError("withhold: expected a list of FHIR resource types")
    at = value.get("at")
    return Expectation(
        decision=value["decision"],
        indicator=value.get("indicator"),
        dose=value.get("dose"),
        hook=hook,
        at=None if at is None else parse_time(at),
        withhold=tuple(withhold),
        site=str(value.get("site", "")),
    )
