"""The example patients of this checkout as calls, asked as examples/expected.yaml says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cds_service.tools.replay.bundles import Problem, read, sources
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.expected import load_expected

EXAMPLES = Path(__file__).parents[2] / "examples"


def example_calls(templates: Callable[[str], Mapping[str, str]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(patient, hook, request) of every example; `templates` gives those of a hook."""
    expected = load_expected(EXAMPLES / "expected.yaml")
    for source in sources([EXAMPLES / "patients"])[0]:
        for chart in read(source):
            assert not isinstance(chart, Problem), chart
            wanted = expected[chart.patient_id]
            hook = wanted.hook or "order-select"
            yield (
                chart.patient_id,
                hook,
                build_call(chart, hook=hook, templates=templates(hook), at=wanted.at, withhold=wanted.withhold),
            )
