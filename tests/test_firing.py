"""Rules whose firing rate changed: an exact comparison, no alarm from small numbers, each day read once."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from cds_service.errors import StoreError
from cds_service.firing import (
    LEAST_BEFORE,
    LEAST_FIRED,
    LEAST_NOW,
    MOST_CHANCE,
    Comparison,
    Watch,
    compared,
    days_of,
    samples,
)

TODAY = date(2026, 11, 28)
NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
ASKED = {("order-select", "anakinra"): frozenset({"asthma", "gout"}), ("order-sign", "anakinra"): frozenset({"late"})}


def record(
    patient: str, *flags: str, day: date = TODAY - timedelta(days=1), hook: str = "order-select", trouble: str = ""
) -> str:
    order = {"occasion": "anakinra", "flags": flags, "trouble": trouble, "facts": {"x": {"value": 1}}}
    body = {"kind": "answer", "at": f"{day}T10:00:00.000000Z", "hook": hook, "patient": patient}
    return json.dumps(body | {"orders": [order], "cards": []})


def days(now: tuple[int, int], before: tuple[int, int], rule: str = "asthma") -> dict[date, Any]:
    """Records with so many of so many patients in the last week, and in the four before."""
    lines = []
    for start, (fired, asked) in ((1, now), (8, before)):
        span = 7 if start == 1 else 28
        for n in range(asked):
            day = TODAY - timedelta(days=start + n % span)
            lines.append(record(f"{start}-{n}", *((rule,) if n < fired else ()), day=day))
    return days_of(lines)


def of(now: tuple[int, int], before: tuple[int, int]) -> Comparison | None:
    found = {each.rule: each for each in compared(days(now, before), ASKED, TODAY)}
    return found.get("asthma")


@pytest.mark.parametrize(
    ("now", "before", "change"),
    [
        ((0, 40), (60, 160), "less"),  # it fell silent
        ((38, 40), (60, 160), "more"),  # it fires for everybody
        ((15, 40), (60, 160), ""),
        ((20, 40), (60, 160), ""),  # more, as chance has it
        ((600, 1000), (2000, 4000), ""),  # sure, and too small a change to matter
        ((20, 40), (0, 160), "more"),  # it never fired
    ],
)
def test_a_change(now: tuple[int, int], before: tuple[int, int], change: str) -> None:
    found = of(now, before)
    assert found is not None
    assert found.change == change
    assert (found.now.fired, found.now.asked, found.before.fired, found.before.asked) == (*now, *before)


def test_small_numbers_are_not_compared_at_all() -> None:
    assert of((LEAST_NOW - 1, LEAST_NOW - 1), (0, 400)) is None
    assert of((40, 40), (0, LEAST_BEFORE - 1)) is None
    assert of((LEAST_FIRED - 1, 40), (0, 400)) is None
    assert of((0, 40), (1, 400)) is None  # a rare rule that does not fire in a week
    assert of((LEAST_FIRED, 40), (0, 400)) is not None


def test_the_chance_is_that_of_fishers_test() -> None:
    def exactly(fired: int, asked: int, before: int, of_all: int) -> float:
        both, whole = fired + before, math.comb(asked + of_all, fired + before)

        def tail(counts: range) -> Fraction:
            return Fraction(sum(math.comb(asked, k) * math.comb(of_all, both - k) for k in counts), whole)

        low, high = max(0, both - of_all), min(both, asked)
        return float(min(Fraction(1), 2 * min(tail(range(low, fired + 1)), tail(range(fired, high + 1)))))

    for now in ((5, 10), (0, 12), (12, 12), (7, 30)):
        for before in ((40, 100), (30, 41), (90, 90)):
            found = of(now, before)
            if found is not None:
                rules = len(compared(days(now, before), ASKED, TODAY))
                assert found.chance == pytest.approx(min(1.0, rules * exactly(*now, *before)), rel=1e-9)


def test_where_nothing_changed_hardly_anything_is_named() -> None:
    """Three hundred looks at forty rules with rates of their own: by its construction one look in a hundred may."""
    chosen = random.Random(20261128)
    rates = [chosen.uniform(0.02, 0.9) for _ in range(40)]
    rules = {("order-select", "anakinra"): frozenset(f"r{n}" for n in range(len(rates)))}
    alarms = 0
    for _ in range(300):
        lines = (
            record(
                f"{back}-{n}",
                *(f"r{i}" for i, rate in enumerate(rates) if chosen.random() < rate),
                day=TODAY - timedelta(days=back),
            )
            for back in range(1, 36)
            for n in range(3)
        )
        alarms += any(each.change for each in compared(days_of(lines), rules, TODAY))
    assert alarms <= 300 * MOST_CHANCE * 3


def test_a_patient_counts_once_a_week_and_only_where_the_rule_was_asked() -> None:
    lines = [
        *(record("p", "asthma") for _ in range(30)),
        record("p"),
        record("q", "late", hook="order-sign"),
        record("r", "asthma", trouble="the rules engine failed"),
        '{"kind": "retention", "at": "2026-11-27T00:00:00.000000Z"}',
    ]
    ((day, seen),) = days_of(lines).items()
    assert day == TODAY - timedelta(days=1)
    assert set(seen) == {"p", "q"}
    assert (seen["p"].asked, seen["p"].fired) == ({("order-select", "anakinra")}, {"asthma"})
    assert seen["q"].asked == {("order-sign", "anakinra")}


class Store:
    def __init__(self, lines: dict[date, list[str]]) -> None:
        self.lines, self.read, self.down = lines, list[date](), False

    def records(self, since: datetime, until: datetime) -> Iterator[str]:
        if self.down:
            raise StoreError("down")
        for day in (since.date() + timedelta(days=n) for n in range((until - since).days)):
            self.read.append(day)
            yield from self.lines.get(day, ())


def test_a_watch_reads_each_day_once_and_never_the_day_that_runs() -> None:
    lines: dict[date, list[str]] = {}
    for n in range(36):
        day = TODAY - timedelta(days=n)
        lines[day] = [record(f"{n}-{p}", *(("asthma",) if n > 7 else ()), day=day) for p in range(8)]
    store = Store(lines)
    watch = Watch(store.records, ASKED)
    store.down = True
    assert watch.found(NOW) == ()
    watch.wait()
    store.down = False
    assert watch.found(NOW + timedelta(minutes=1)) == ()  # not again so soon
    watch.wait()
    assert store.read == []
    watch.found(NOW + timedelta(minutes=6))
    watch.wait()
    found = watch.found(NOW + timedelta(minutes=7))
    assert [(each.rule, each.change) for each in found] == [("asthma", "less")]
    assert list(samples(found)) == [({"rule": "asthma"}, -1.0)]
    assert (len(store.read), TODAY in store.read) == (35, False)
    watch.found(NOW + timedelta(days=1))
    watch.wait()
    assert store.read[35:] == [TODAY]
