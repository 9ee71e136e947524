"""`rules/timeline.yaml`: each slip is refused by file and line, and knowledge without a picture starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.knowledge_root import Problems, refused, replace, write

FILE = "rules/timeline.yaml"
PICTURE = """\
tracks:
  - title: Counts
    least: 0
    most: 10
    lines: [{title: low, at: policy.neutropenia}]
    series:
      - {title: counts, values: neutrophil-count}
      - {title: infected, fact: active-infection}
      - {title: infections, records: [{from: conditions, in: infection, status: active}]}
"""


@pytest.fixture
def pictured(root: Path) -> Path:
    write(root, FILE, PICTURE)
    return root


def test_a_picture_that_fits(pictured: Path, problems: Problems) -> None:
    assert problems() == ()


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("policy.neutropenia", "policy.neutropenai", "tracks[0].lines[0].at", "did you mean neutropenia?"),
        ("values: neutrophil-count", "values: neutrophils", "tracks[0].series[0].values", "no such fact"),
        ("values: neutrophil-count", "values: active-infection", "tracks[0].series[0].values", "takes the newest"),
        ("fact: active-infection", "fact: infection", "tracks[0].series[1].fact", "no such fact"),
        ("in: infection", "in: infections", "tracks[0].series[2].records[0].in[0]", "no such value set"),
        ("status: active", "status: final", "tracks[0].series[2].records[0].status", "expected a status of Condition"),
        ("status: active", "within: policy.neutropenia", "tracks[0].series[2].records[0].within", "a policy in"),
        ("most: 10", "most: 0", "tracks[0].most", "expected more than 0"),
        ("least: 0\n", "least: 0\n    scale: log\n", "tracks[0].least", "more than 0 on a log scale"),
        ("fact: active-infection", "vital: temperature", "tracks[0].series[1].vital", "by crs-grade"),
        ("fact: active-infection", "fact: active-infection, hollow: [old]", "tracks[0].series[1]", "need records"),
        ("fact: active-infection", "fact: active-infection, values: x", "tracks[0].series[1]", "expected one of fact"),
    ],
)
def test_a_slip_is_refused(pictured: Path, problems: Problems, old: str, new: str, key: str, expected: str) -> None:
    line = replace(pictured, FILE, old, new)
    refused(problems(), FILE, line, key, expected)
