"""What many hospitals need, as docs/scale.md reckons it from what was measured."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import planning
from benchmarks.need import Assumed, Cost, Need, need

_COST = Cost(service=0.01, around=0.001, wire=62_500, stored=5000, text=8000, verified=1000, appended=500)


@pytest.mark.parametrize(
    ("assumed", "found"),
    [
        (
            Assumed(hospitals=864, calls=1000, peak=5, share=0.5, workers=2, spare=1),
            Need(10, 50, 0.5, 0.05, 2, 25, 315_360_000, 1_576_800_000_000, 2_522_880_000_000, 1000 / 9, 0.1, 87.6),
        ),
        (
            Assumed(hospitals=864, calls=10_000, peak=4, share=0.5, workers=2, spare=2),
            Need(100, 400, 4, 0.4, 6, 200, 3_153_600_000, 15_768_000_000_000, 25_228_800_000_000, 100 / 3, 0.8, 876),
        ),
        (
            Assumed(hospitals=1, calls=86.4, peak=1, share=1, workers=1, spare=0),
            Need(
                0.001,
                0.001,
                0.00001,
                0.000001,
                1,
                0.0005,
                31_536,
                157_680_000,
                252_288_000,
                2.5e6 / 9,
                0.000002,
                0.00876,
            ),
        ),
    ],
)
def test_what_hospitals_need(assumed: Assumed, found: Need) -> None:
    made = need(assumed, _COST)
    for name in Need.__slots__:
        assert getattr(made, name) == pytest.approx(getattr(found, name)), name


def test_the_page_shows_what_was_measured() -> None:
    page, found = planning.PAGE.read_text(encoding="utf-8"), planning.read()
    assert planning.filled(page, found) == page, "run: python -m benchmarks.planning --write"
    with pytest.raises(ValueError, match="expected one part each"):
        planning.filled(page.replace("<!-- measured: plan -->", ""), found)
    with pytest.raises(ValueError, match="expected one part each"):
        planning.filled(page, {**measured(), "load": None})


def measured() -> dict[str, Any]:
    """A run as `make openloop REPLICAS=2` writes it, with figures of nobody."""
    parts = {"workers": 9.0, "rules engine": 1.0, "PostgreSQL": 0.5, "nginx": 0.5, "generator": 1.0}
    each = {
        "name": "1 x thing", "workers": 1, "replicas": 1, "offeredPerSecond": 12.5, "seconds": 10.0,
        "statuses": {"200": 1234, "503": 5}, "unevaluated": 0, "perSecond": 80.0,
        "ms": {"p50": 8.0, "max": 99.0}, "lateMs": {"p50": 0.5, "max": 2.0}, "cpuMs": parts,
        "cores": {part: used / 100 for part, used in parts.items()}, "coresOfOthers": 0.25, "machineWasFull": True,
        "requestBytes": 50_000.0, "answerBytes": 12_500.0, "residentMB": [500.0, 600.0], "sharedOnceMB": [200.0, 250.0],
        "rows": 1234, "rowsBehindSeconds": 0.2,
    }  # fmt: skip
    stored = {
        "records": 2000, "cards": 3.0, "textBytes": 8000.0, "walBytes": 6000.0, "auditBytes": 4000.0,
        "cardBytes": 1000.0, "totalBytes": 5000.0, "appendedPerSecond": 3000.0, "verifiedPerSecond": 1000.0,
        "takenPerSecond": 2000.0, "connectionsPerWorker": 1.0, "postgresql": "15.1",
    }  # fmt: skip
    twice = [each, {**each, "name": "2 x thing", "perSecond": 120.0, "workers": 2}]
    about = {"at": "2026-01-02T03:04:05+00:00", "commit": "abc", "machine": "M x2", "python": "3", "loadBefore": 0.5}
    about |= {"resources": 60, "firstSight": 0.5, "share": 0.5}
    return {
        **about,
        "costs": [each],
        "idle": twice,
        "capacity": twice,
        "replicas": twice,
        "load": each,
        "stored": stored,
    }


def test_what_is_on_record_is_strict_json() -> None:
    """RFC 8259 has no NaN: other readers than Python's refuse a file with one."""

    def refused(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    assert json.loads(planning.FILE.read_text(encoding="utf-8"), parse_constant=refused)


def test_a_percentile_of_nothing_is_shown_as_none() -> None:
    found = measured()
    run = {**found["load"], "ms": {"p50": None, "max": None}}
    tables = planning.tables({**found, "load": run, "costs": [run]})
    assert "| from the schedule | p50 - ms, max - ms |" in tables["load"]
    assert tables["costs"][-1].endswith(" | - |")


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("costs", "| 1 x thing | 9.00 | 1.00 | 10.00 | 10,000 | 8.0 |"),
        ("capacity", "| 2 x thing | 120 | 1.50 | 10.00 | 1.00 | 1.00 | 0.12 | 0.25 | yes | 5 |"),
        ("load", "| answers by status | 1,234 x 200, 5 x 503; 0 not evaluated |"),
        ("idle", "| 2 x worker | 0.1000 | 200 | 250 |"),
        ("sites", "| memory, GB | 500 |"),  # 1,000 hospitals, each with two services of 250 MB
        ("stored", "| all tables together | 5,000 |"),
        ("plan", "| processors of the service busy then | 0.06 | 0.58 | 5.79 |"),
        ("plan", "| replicas of 2 workers, 50% busy, and 1 more | 2 | 2 | 7 |"),
        ("plan", "| the chain of records busy then | 0% | 2% | 19% |"),
        ("plan", "| database a year, GB | 182 | 1,825 | 18,250 |"),
        ("plan", "| `audit verify` of a year's records, hours | 10.1 | 101.4 | 1,013.9 |"),
    ],
)
def test_a_table_says_what_was_measured(part: str, line: str) -> None:
    assert line in planning.tables(measured())[part]
    assert line in planning.filled(planning.PAGE.read_text(encoding="utf-8"), measured())
