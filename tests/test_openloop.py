"""The open-loop load: its schedule, what it counts and plans, a second of it on a real service; how fast it is, is
nobody's test."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from benchmarks import openloop, planning
from benchmarks.arrivals import evenly, poisson, sights
from benchmarks.charts import Calls
from benchmarks.costs import TRUSTED
from benchmarks.generator import Requests, closed, opened
from benchmarks.latency import BOUNDS, bars, buckets, percentile, strict
from benchmarks.stored import Stored
from cds_service import knowledge
from cds_service.chart import prefetch
from tests.support import postgresql
from tests.support.nginx import NGINX

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
_STALL = 0.6
_RATE = 50.0


@pytest.fixture(scope="module")
def calls() -> Calls:
    return Calls(prefetch.templates(knowledge.load()), 60)


@pytest.fixture(scope="module")
def plan(calls: Calls) -> openloop.Plan:
    return openloop.Plan(calls, seconds=1.0, share=0.5, workers=(1,), short=0.5, warm=0.2)


# ---------------------------------------------------------------- schedule


@pytest.mark.parametrize(
    ("rate", "seconds", "moments"),
    [(2, 2, [0, 0.5, 1, 1.5]), (0.5, 3, [0, 2]), (4, 0.5, [0, 0.25]), (10, 0, []), (1, 0.5, [0])],
)
def test_even_arrivals(rate: float, seconds: float, moments: list[float]) -> None:
    assert list(evenly(rate, seconds)) == moments


def test_poisson_arrivals_are_those_of_their_seed_and_as_irregular_as_they_should_be() -> None:
    found = list(poisson(100, 100, 7))
    assert found == list(poisson(100, 100, 7)) != list(poisson(100, 100, 8))
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 100
    assert abs(len(found) - 10_000) < 500  # five standard deviations
    between = [later - earlier for earlier, later in itertools.pairwise(found)]
    # As often longer than the mean as an exponential distribution is.
    assert abs(sum(each > 0.01 for each in between) / len(between) - math.exp(-1)) < 0.03


@pytest.mark.parametrize(("first", "least", "most"), [(0, 0, 0), (1, 1000, 1000), (0.3, 220, 380)])
def test_charts_that_nobody_saw_are_the_share_asked_for(first: float, least: int, most: int) -> None:
    found = list(itertools.islice(sights(first, 3), 1000))
    assert least <= sum(found) <= most
    assert found == list(itertools.islice(sights(first, 3), 1000))


# ---------------------------------------------------------------- what is counted


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([1], 0.5, 1),
        ([1, 2], 0.5, 1),
        ([1, 2, 3], 0.5, 2),
        (range(1, 101), 0.99, 99),
        (range(1, 101), 0.999, 100),
        (range(1, 1001), 0.999, 999),
        ([5, 6], 0, 5),
        ([5, 6], 1, 6),
        (range(1, 11), 0.7, 7),  # 0.7 * 10 is a little more than 7
    ],
)
def test_percentile(values: Sequence[float], share: float, found: float) -> None:
    assert percentile(values, share) == found


def test_a_percentile_of_nothing_is_no_number() -> None:
    nothing = percentile([], 0.5)
    assert math.isnan(nothing)
    written = json.dumps(strict({"ms": (nothing, 1.5), "n": 3, "below": math.inf, "t": "x"}), allow_nan=False)
    assert json.loads(written) == {"ms": [None, 1.5], "n": 3, "below": None, "t": "x"}


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        ([], []),
        ([0.0001], [(0.0001, 0.00015, 1)]),
        ([0.00005], [(0, 0.0001, 1)]),
        ([0.001, 0.0014, 0.0021], [(0.001, 0.0015, 2), (0.0015, 0.002, 0), (0.002, 0.003, 1)]),
        ([1000], [(70, math.inf, 1)]),
    ],
)
def test_buckets(seconds: list[float], found: list[tuple[float, float, int]]) -> None:
    made = [(each.least, each.below, each.count) for each in buckets(seconds)]
    assert [each[2] for each in made] == [each[2] for each in found]
    assert [each[:2] for each in made] == [pytest.approx(each[:2]) for each in found]


def test_every_bound_begins_a_bucket_and_every_value_is_in_one() -> None:
    assert sorted(BOUNDS) == list(BOUNDS)
    for bound in BOUNDS:
        assert [each.least for each in buckets([bound])] == [bound]
    assert sum(each.count for each in buckets([0.0, *BOUNDS, 1e9])) == len(BOUNDS) + 2


def test_what_holds_any_has_a_mark() -> None:
    lines = list(bars(buckets([0.01] * 1000 + [0.02]), 10))
    assert [line.count("#") for line in lines] == [10, 0, 1]
    assert [line.split()[2] for line in lines] == ["1,000", "0", "1"]
    assert list(bars([])) == []


@contextmanager
def standing_still(after: int) -> Iterator[int]:
    """The port of a server that answers one call at a time, and stands still for a while before this one."""
    asked = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if next(asked) == after:
                time.sleep(_STALL)
            self.send_response(200)
            self.send_header("Connection", "close")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket.listen(128)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.mark.parametrize("most", [1, 64])
def test_all_calls_that_a_stall_kept_waiting_are_charged_to_it(calls: Calls, most: int) -> None:
    """Also those that had no connection yet. A closed load would have asked one call in the meantime."""
    with standing_still(after=10) as port:
        tally = asyncio.run(opened(port, Requests(calls, 0.0, 1), evenly(_RATE, 1.5), most, 1000))
    assert tally.statuses == {200: 75}
    waited = [took for took in tally.took if took > _STALL / 4]
    assert len(waited) > _RATE * _STALL / 2
    assert max(tally.took) >= _STALL * 0.95
    with standing_still(after=0) as port:
        asked = asyncio.run(closed(port, Requests(calls, 0.0, 1), 1, _STALL * 0.9))
    assert asked.statuses == {200: 1}


def test_a_load_is_bounded_and_says_what_got_no_answer(calls: Calls) -> None:
    with standing_still(after=-1) as port:
        tally = asyncio.run(opened(port, Requests(calls, 0.0, 1), evenly(1000, 60), 4, 5))
    assert tally.statuses == {200: 5}
    assert tally.sent > 5 * 50_000
    assert tally.received == 5 * (tally.received // 5) > 10
    nobody = asyncio.run(opened(port, Requests(calls, 0.0, 1), evenly(1000, 60), 4, 5))
    assert (nobody.statuses, nobody.answered) == ({0: 5}, 0)


@pytest.mark.parametrize(
    ("load", "faults"),
    [
        (None, []),
        ({"statuses": {"200": 5, "503": 2}, "rows": 5}, []),
        ({"statuses": {"200": 5}, "rows": None}, []),
        ({"statuses": {"200": 5, "none": 1}, "rows": 4}, ["1 calls got no answer", "5 answers and 4 records of them"]),
    ],
)
def test_what_a_load_must_not_lose(load: dict[str, Any] | None, faults: list[str]) -> None:
    assert list(openloop.lost(load)) == faults


def test_what_a_record_costs_is_what_is_more_by_the_number_of_records() -> None:
    before = Stored(10, 20, 1000, {"audit": 8192, "card": 8192, "token": 0}, 5000)
    after = Stored(20, 50, 3000, {"audit": 8192 * 2, "card": 8192 * 3, "token": 0}, 9000)
    found = {
        "records": 10,
        "cards": 3.0,
        "textBytes": 200.0,
        "walBytes": 400.0,
        "auditBytes": 819.2,
        "cardBytes": 1638.4,
        "totalBytes": 2457.6,
    }
    assert after.since(before) == pytest.approx(found)
    assert after.since(after) == {}


# ---------------------------------------------------------------- a second of it


@linux
def test_a_second_of_it(plan: openloop.Plan, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(json.dumps(openloop.run(plan)))
    load = found["load"]
    assert load["statuses"].keys() == {"200"}
    assert load["rows"] == load["statuses"]["200"] > 0
    assert list(openloop.lost(load)) == []
    assert load["ms"]["p50"] >= load["msFromSending"]["p50"] > 0
    assert sum(count for _, count in found["histogram"]) == load["rows"]
    assert {name: used > 0 for name, used in load["cpuMs"].items() if name != "rules engine"} == {
        "workers": True,
        "generator": True,
    }
    assert load["sharedOnceMB"][0] < load["residentMB"][0]
    assert {*planning.tables(found)} == {"run", "idle", "sites", "capacity", "load"}
    said = capsys.readouterr().out
    assert "processors busy" in said
    assert found["idle"][0]["cores"]["generator"] > 0
    assert "#" in said


@linux
def test_a_call_with_a_token_is_measured_too(plan: openloop.Plan) -> None:
    found = openloop.cost(plan, TRUSTED, lambda _: None).as_json()
    assert found["statuses"].keys() == {"200"}
    assert found["rows"] == found["statuses"]["200"]


@linux
@pytest.mark.skipif(NGINX is None or postgresql.programs() is None, reason="no nginx or no PostgreSQL here")
def test_replicas_and_what_they_leave_in_postgresql(plan: openloop.Plan) -> None:
    (found,), left = openloop.doubled(replace(plan, replicas=1), lambda _: None)
    assert found.tally.statuses.keys() == {200}
    assert found.rows == found.tally.answered
    assert left["connectionsPerWorker"] >= 1
    assert left["records"] > found.rows  # those of the load before it too
    assert min(left[name] for name in ("appendedPerSecond", "verifiedPerSecond", "takenPerSecond")) > 0
    assert left["totalBytes"] >= left["auditBytes"] + left["cardBytes"]
    assert int(left["postgresql"].split(".")[0]) > 9
    assert {"PostgreSQL", "nginx"} <= found.cpu.keys()
