"""Charts made to be slow or large (`benchmarks/attacks.py`, `benchmarks/floods.py`): work that grows with the bytes and
no faster, and memory that keeps nothing of long strings. `make hostile` measures both at a served worker."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from datetime import UTC, datetime

import pytest

from benchmarks.attacks import ATTACKS
from benchmarks.charts import example_call
from benchmarks.floods import FLOODS
from benchmarks.shapes import body
from cds_service.chart.read import ReadCache, parse_read
from cds_service.chart.validation import MOST_PARTS, problem_of
from cds_service.knowledge import load
from cds_service.service import Service
from cds_service.web.door import read_call

AT = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
SMALL = 30_000
CALLS = 4
LEFT = 150_000  # bytes that so many calls may leave behind: less than one of their long strings
# What these send are thousands of short texts: so many as a cache holds are remembered, and measured by `make hostile`.
SHORT = {"small problems", "times"}


@pytest.fixture(scope="module")
def service() -> Service:
    """One that remembers no chart beside the last."""
    return Service.start(load(), ReadCache(1))


@pytest.fixture(scope="module")
def base(service: Service) -> dict[str, object]:
    return example_call(service.program.templates)


def answer(service: Service, sent: bytes) -> None:
    service.answer(read_call("anakinra-order-select", "order-select", sent), AT)


def steps(service: Service, sent: bytes) -> int:
    """Calls of functions, those of Python itself among them, while a call is answered."""
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        answer(service, sent)
    finally:
        sys.setprofile(before)
    return counted


@pytest.mark.parametrize("name", ATTACKS)
def test_four_times_the_bytes_are_four_times_the_work(name: str, service: Service, base: dict[str, object]) -> None:
    attack, least = ATTACKS[name], len(body(base))
    answer(service, attack(base, least + SMALL))
    none = steps(service, attack(base, least + 2_000))
    # Texts are cut and remembered in pieces, so that a count varies by some ten thousand steps: small ones say nothing.
    once, more = (steps(service, attack(base, least + times * SMALL)) - none for times in (2, 8))
    assert more < 8 * max(once, 45_000)  # sixteen where work grows with the square


# What the interpreter does by itself in one step, and what is dear: so many steps at most, however long it is.
FEW = {"inside: a long ICD-10 code": 5_000, "inside: a long NDC": 5_000, "draft: members": 60_000}


@pytest.mark.parametrize("name", FEW)
def test_more_of_it_is_no_more_work(name: str, service: Service, base: dict[str, object]) -> None:
    least = len(body(base))
    short, long = (steps(service, ATTACKS[name](base, least + size)) for size in (SMALL, 4 * SMALL))
    assert long - short < FEW[name]


@pytest.mark.parametrize("name", sorted(set(FLOODS) - SHORT))
def test_long_strings_leave_nothing_behind(name: str, service: Service, base: dict[str, object]) -> None:
    for number in range(2):
        answer(service, FLOODS[name](base, number))
    answer(service, body(base))
    tracemalloc.start()
    try:
        for number in range(2, 2 + CALLS):
            answer(service, FLOODS[name](base, number))
        answer(service, body(base))
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The last chart of all is held, and takes what its own bytes take.
    assert left < LEFT + 20 * len(body(base))


def test_a_resource_of_too_many_parts_is_not_read_and_said() -> None:
    crowded = {"resourceType": "Condition", "id": "x", "extension": [{"url": "x"}] * MOST_PARTS}
    entries = [{"resource": crowded}, {"resource": {"resourceType": "Condition", "id": "y"}}]
    read = parse_read(body({"resourceType": "Bundle", "entry": entries}))
    assert [r.id for r in read.resources] == ["y"]
    assert read.gaps == (f"1 resource of more than {MOST_PARTS} parts, not read",)
    assert parse_read(body(crowded)).gaps == read.gaps
    assert problem_of(crowded) == f"it has more than {MOST_PARTS} parts"


@pytest.mark.parametrize(("item", "held"), [(b'"a longer text that is no object"', True), (b"{}", False)])
def test_the_cache_of_reads_counts_what_json_becomes(item: bytes, held: bool) -> None:
    """What is nothing but brackets takes many times its bytes as objects: fewer of such values are held."""
    cache = ReadCache(100_000)
    first, second = (b'{"x":%d,"entry":[%s]}' % (n, b",".join([item] * (9_000 // len(item)))) for n in range(2))
    parsed = cache.read(first, "test", lambda read: read)
    cache.read(second, "test", lambda read: read)
    assert (cache.read(first, "test", lambda read: read) is parsed) is held


# Cards are read in seconds, and no chart makes them long; the draft that an offer changes is sent back whole.
MOST_SAID = 60_000


@pytest.mark.parametrize("name", [name for name in ATTACKS if not name.startswith("draft: ")])
def test_no_chart_makes_a_card_long(name: str, service: Service, base: dict[str, object]) -> None:
    sent = read_call("anakinra-order-select", "order-select", ATTACKS[name](base, len(body(base)) + 4 * SMALL))
    details = [card["detail"] for card in service.answer(sent, AT)["cards"]]
    assert sum(map(len, details)) < MOST_SAID
