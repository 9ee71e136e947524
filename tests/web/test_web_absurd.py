"""Absurd numbers, times and shapes anywhere in a call: always an answer, soon, and none that is calmer.

ABSURD_CALLS says how many calls each test posts; the seeds are kept, so that what is found can be found again.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.contract import RANK
from cds_service.settings import Settings
from tests.support.cards import drug_orders, explanation, is_anakinra
from tests.support.examples import example_calls

CALLS = int(os.environ.get("ABSURD_CALLS", "400"))
# Of work, after which it hangs; how fast an answer comes is measured by `make bench`.
HANGS = 10.0
# As JSON text, so that numbers stand there which Python would not write.
NUMBERS = (
    "0", "-0.0", "-1", "-1e308", "1e308", "1.7976931348623157e308", "5e-324", "1e-323", "1e300", "1e400", "-1e400",
    "1000000", "1e12", "999999999999999999", "9223372036854775808", "9" * 400, "0." + "0" * 300 + "1", "1e-400",
    "1e99999999", "NaN", "Infinity", "-Infinity", '"NaN"', '"Infinity"', '"-inf"', '"1e400"', '"100"', '"0x10"',
    '"\\u0661\\u0660"', "true", "false",
)  # fmt: skip
TIMES = (
    '"0001-01-01"', '"0001"', '"0001-01"', '"0000-00-00"', '"9999"', '"9999-12"', '"9999-12-31"',
    '"0001-01-01T00:00:00+14:00"', '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59-12:00"',
    '"9999-12-31T23:59:59+14:00"', '"9999-12-31T23:59:59.999999999Z"', '"2026-02-30"', '"2026-13-01T00:00:00Z"',
    '"2026-01-01T24:00:00Z"', '"2026-06-30T23:59:60Z"', '"2026-01-01T00:00:00+99:99"', '"2026-01-01T00:00:00"',
    '"10000-01-01"', '"-0044-03-15"', '"20260101"', '"yesterday"', "20260101", "1e308",
)  # fmt: skip
SHAPES = (
    "null", "true", "false", "0", "-1", "1e308", '""', '" "', '"x"', '"\\u0000"', "[]", "{}", "[null]", "[[]]", "[{}]",
    '[""]', "[true]", "[1e308]", '{"value": 1e308}', '{"coding": {}}', '{"text": 5}', '{"reference": 7}',
    '{"coding": [null, 1, true, "x", {"code": 1, "system": {}, "display": []}]}', '{"start": 5, "end": []}',
    '{"start": "9999-12-31", "end": "0001-01-01"}', '{"start": "0001-01-01", "end": "9999-12-31"}',
    "[" * 40 + "]" * 40, '{"a":' * 40 + "1" + "}" * 40, "[" * 200 + "]" * 200, json.dumps("x" * 5000),
    json.dumps(["08:00:00"] * 3000), json.dumps([{}] * 500),
)  # fmt: skip
_TIME_NAMES = ("Date", "date", "Time", "start", "end", "authoredOn", "Asserted", "lastUpdated")
_NUMBER_NAMES = ("value", "frequency", "period", "count", "total")
_DATED = re.compile(r"\d{4}(-\d\d|$)")
Path = tuple[str | int, ...]
Call = dict[str, Any]


@cache
def client() -> FlaskClient:
    return create_app(Settings(site="us", allow_evaluation_time=True)).test_client()


@cache
def calls() -> tuple[tuple[str, str, Call], ...]:
    """(service, patient, call) of every example."""
    services = {entry["hook"]: entry for entry in client().get("/cds-services").get_json()["services"]}
    made = example_calls(lambda hook: services[hook]["prefetch"])
    return tuple((services[hook]["id"], name, call) for name, hook, call in made)


def inside(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every element below a value with its path, objects and arrays included."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key), part
        yield from inside(part, (*path, key))


def elements(call: Call) -> list[tuple[Path, Any]]:
    """Every element of the resources in a call with its path; those of the envelope are left out."""
    found = [(("prefetch", *path), value) for path, value in inside(call["prefetch"]) if len(path) > 1]
    drafts = inside(call["context"].get("draftOrders", {}).get("entry", []))
    return found + [(("context", "draftOrders", "entry", *path), value) for path, value in drafts if len(path) > 2]


def replaced(call: Call, changes: list[tuple[Path, str]]) -> bytes:
    """The call as JSON with elements replaced by JSON texts; a path that an earlier change took away is left alone."""
    changed = copy.deepcopy(call)
    texts = {}
    for number, (path, text) in enumerate(changes):
        mark, holder = f"\x01{number}\x01", changed
        try:
            for key in path[:-1]:
                holder = holder[key]  # type: ignore[index]
            holder[path[-1]] = mark  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            continue
        texts[json.dumps(mark)] = text
    body = json.dumps(changed)
    for quoted, text in texts.items():
        body = body.replace(quoted, text)
    return body.encode()


def post(service: str, body: bytes) -> tuple[int, list[dict[str, Any]], float]:
    """(status, cards, seconds of work)."""
    began = time.thread_time()
    reply = client().post(f"/cds-services/{service}", data=body, content_type="application/json")
    return reply.status_code, reply.get_json().get("cards", []), time.thread_time() - began


def fitting(path: Path, chance: random.Random) -> str:
    """An absurd value for an element: mostly of the kind that belongs there by its name."""
    name = str(path[-1])
    if chance.random() < 0.4:
        return chance.choice((*NUMBERS, *TIMES, *SHAPES))
    if any(word in name for word in _TIME_NAMES):
        return chance.choice(TIMES)
    return chance.choice(NUMBERS if any(word in name for word in _NUMBER_NAMES) else SHAPES)


def test_any_element_may_be_absurd() -> None:
    """Whole elements and leaves of charts and drafts, one and several at a time."""
    chance = random.Random(8)
    answered = 0
    for number in range(CALLS):
        service, name, call = chance.choice(calls())
        found = elements(call)
        drafts = [element for element in found if element[0][0] == "context"]
        chosen = chance.sample(found, chance.randint(2, 25)) if number % 2 else [chance.choice(found)]
        chosen += [chance.choice(drafts)] if drafts and number % 3 == 0 else []
        changes = [(path, fitting(path, chance)) for path, _ in chosen]
        status, cards, seconds = post(service, replaced(call, changes))
        # 400: a number of too many digits, NaN, too deep. 412: the Patient is not to be recognised.
        assert status in (200, 400, 412), (name, changes)
        assert seconds < HANGS, (seconds, name, changes)
        json.dumps(cards, allow_nan=False)
        answered += status == 200
    assert answered > CALLS / 3


def strictness(cards: list[dict[str, Any]]) -> tuple[bool, int]:
    """Whether anything stands against the order or is missing, and how many orders one click could place."""
    hard = any(RANK[explanation(card)["decision"]] < RANK["suggest"] for card in cards)
    return hard, sum(is_anakinra(order) for card in cards for order in drug_orders(card))


def test_an_absurd_number_or_time_never_calms() -> None:
    """What stood against an order is not gone, and no order is offered where none was."""
    chance = random.Random(9)
    whole = {name: strictness(post(service, json.dumps(call).encode())[1]) for service, name, call in calls()}
    changed = 0
    for _ in range(CALLS):
        service, name, call = chance.choice(calls())
        dated = [
            (path, TIMES) for path, v in elements(call) if isinstance(v, str) and _DATED.match(v) and path[-1] != "code"
        ]
        counted = [
            (path, NUMBERS) for path, v in elements(call) if isinstance(v, int | float) and not isinstance(v, bool)
        ]
        path, values = chance.choice(dated + counted)
        text = chance.choice(values)
        status, cards, _ = post(service, replaced(call, [(path, text)]))
        hard, offered = strictness(cards)
        if status == 200:
            assert hard or not whole[name][0], (name, path, text)
            assert not offered or whole[name][1], (name, path, text)
            changed += (hard, offered) != whole[name]
    assert changed > CALLS / 50  # else nothing that matters was touched
