"""What says nothing is left out of a resource, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.empty import may_hold_empty, without_empty, without_empty_members

SAYS: tuple[Any, ...] = (0, 0.0, False, " ", "x", [0], {"valueBoolean": False}, [[False]])
SAYS_NOTHING: tuple[Any, ...] = ("", None, {}, [], [None], [""], [{}], [{"text": ""}], {"coding": [{"display": ""}]})


@pytest.mark.parametrize("value", SAYS, ids=repr)
def test_what_says_something_stays(value: object) -> None:
    assert without_empty({"a": value, "b": {"c": [value]}}) == {"a": value, "b": {"c": [value]}}


@pytest.mark.parametrize("value", SAYS_NOTHING, ids=repr)
def test_what_says_nothing_goes(value: object) -> None:
    assert without_empty({"a": value, "b": [value, {"c": 1, "d": value}]}) == {"b": [{"c": 1}]}


def test_items_beside_their_extensions_keep_their_places() -> None:
    beside = {"given": ["A", None, ""], "_given": [None, {"extension": [{"url": "u"}]}, None]}
    assert without_empty(beside) == beside
    assert without_empty({"given": ["A", None], "_given": [None, {}]}) == {"given": ["A", None]}


def test_a_resource_of_nothing() -> None:
    assert without_empty({"a": ""}) == {}


def test_what_nests_too_deep_stays_as_it_is() -> None:
    deep: dict[str, Any] = {"a": ""}
    for _ in range(20_000):
        deep = {"a": deep}
    assert without_empty(deep) is deep


@pytest.mark.parametrize("written", ['{"a":""}', '{"a": null}', '{"a": { }}', '{"a": [\n]}', '{"a": [ {\t} ]}'])
def test_what_may_hold_something_empty_is_looked_through(written: str) -> None:
    assert may_hold_empty(written.encode())


@pytest.mark.parametrize("written", ['{"a": "x", "b": [0, {"c": false}]}', "{}"[:1], "1"])
def test_what_holds_nothing_empty_is_not(written: str) -> None:
    assert not may_hold_empty(written.encode())


def test_a_bundle_stays_as_it_came_but_for_its_resources() -> None:
    odd = [None, {}, {"resource": None}, {"resource": {}}, {"fullUrl": "", "resource": {"id": "1", "text": ""}}]
    bundle = {"resourceType": "Bundle", "link": [], "entry": odd}
    told = [None, {}, {"resource": None}, {"resource": {}}, {"fullUrl": "", "resource": {"id": "1"}}]
    assert without_empty_members(bundle) == {"resourceType": "Bundle", "link": [], "entry": told}
    assert without_empty_members({"resourceType": "Patient", "name": []}) == {"resourceType": "Patient"}
    assert without_empty_members({"resourceType": "Bundle", "entry": ""}) == {"resourceType": "Bundle", "entry": ""}
