"""`make schemathesis`: requests made up from /openapi.json; no answer to them is a 5xx, or not as described there."""

from __future__ import annotations

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import hypothesis
import schemathesis
from flask import Flask
from hypothesis import strategies
from schemathesis import checks
from schemathesis.core.failures import FailureGroup

from cds_service import knowledge
from cds_service.app import create_app
from cds_service.settings import Settings
from cds_service.shipped import find_examples
from cds_service.tools.build import build

# Beyond these, checks ask for more than a description promises, such as that what it does not describe is refused.
CHECKS: Final = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)


_AT_ONCE: Final = 500
"""Requests of one run of hypothesis, which remembers each of its own."""


@dataclass(slots=True)
class Asked:
    """How often each operation answered with which status; and what was wrong with an answer."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def application(folder: Path, pages: Path | None = None) -> Flask:
    """The real service, with its store in a folder."""
    return create_app(Settings(data=folder, pages=pages, allow_evaluation_time=True))


def ask(app: Flask, requests: int, seed: int, paths: str = "/") -> Asked:
    """So many requests in all, of the operations whose path begins so."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    chosen = [operation for operation in operations if operation.path.startswith(paths)]
    asked, weights = Asked(), [_weight(operation) for operation in chosen]
    fixed = weights.count(0)
    for operation, weight in zip(chosen, weights, strict=True):
        left = round((requests - fixed) * weight / sum(weights)) if weight else 1
        for number, start in enumerate(range(0, left, _AT_ONCE)):
            _ask(operation, min(_AT_ONCE, left - start), seed + number, asked)
    return asked


def _weight(operation: Any) -> int:
    """Calls and feedback most of all; where nothing can be varied, once is enough."""
    return 12 if operation.method == "post" else int(any((*operation.path_parameters, *operation.query)))


def _ask(operation: Any, requests: int, seed: int, asked: Asked) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=requests,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(), whole=strategies.sampled_from([{}, {}, *_wholes(operation)]))
    def one(case: Any, whole: Mapping[str, Any]) -> None:
        if isinstance(case.body, dict):
            case.body = case.body | whole
        response = case.call()
        asked.statuses[operation.label, response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as found:
            asked.faults.extend(f"{operation.label}: {fault}" for fault in found.exceptions)

    one()


def _wholes(operation: Any) -> list[dict[str, Any]]:
    """Members of an example request: what is made up alone has no chart, and seldom an order that is ours."""
    if operation.path != "/cds-services/{service_id}":
        return []
    call = json.loads((find_examples() / "requests" / "refractory-grade-2.json").read_text(encoding="utf-8"))
    return [{name: call[name] for name in names} for names in (("hook", "context"), ("hook", "context", "prefetch"))]


@click.command()
@click.option("--requests", default=20_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(requests: int, seed: int) -> None:
    """Exit code 1 where an answer is not as described."""
    logging.disable()
    # The store writes behind the answers, until the process ends: its folder may not be empty when it is taken away.
    with tempfile.TemporaryDirectory(prefix="anakinra-cds-described-", ignore_cleanup_errors=True) as folder:
        pages = Path(folder) / "pages"
        loaded = knowledge.load()
        build(loaded, pages, datetime.now(UTC).date(), find_examples())
        asked = ask(application(Path(folder) / "data", pages), requests, seed)
    for (label, status), number in asked.statuses.items():
        print(f"{number:7} {status} {label}")
    print(f"{asked.statuses.total():7} requests, {len(asked.faults)} faults")
    for fault in asked.faults[:20]:
        print(fault)
    if asked.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
