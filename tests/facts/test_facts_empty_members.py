"""A member that says nothing changes no answer: FHIR forbids null, "", {} and [], and servers send them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.chart.validation import elements_of, problem_of
from tests.facts.house import REFRACTORY, Case
from tests.facts.notation import Item, Resource, resources
from tests.facts.pool import BOUNDED, CONTRAINDICATIONS, EXAMPLES, charts, persons
from tests.support.cards import outlines

EMPTY: tuple[Any, ...] = ("", None, {}, [], [{}], [""], [None], {"text": ""}, {"coding": []}, [{"text": ""}])
_WITHIN = ("system", "version", "code", "display", "text", "coding", "reference", "unit", "extension", "start", "end")
found = st.lists(st.sampled_from(sorted(CONTRAINDICATIONS)), max_size=2, unique=True)


def with_empty(resource: Resource, draw: st.DataObject) -> Resource:
    """The resource with one member more that says nothing, of itself or of an object within it."""
    changed = copy.deepcopy(resource)
    inner = [each for value in changed.values() for each in _objects(value)]
    place = draw.draw(st.sampled_from([changed, *inner]))
    names = _absent(changed) if place is changed else [name for name in _WITHIN if name not in place]
    place[draw.draw(st.sampled_from(names))] = draw.draw(st.sampled_from(EMPTY))
    return changed


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for each in value for found in _objects(each)]
    return [value, *(f for each in value.values() for f in _objects(each))] if isinstance(value, dict) else []


def _absent(resource: Resource) -> list[str]:
    return sorted(elements_of(resource["resourceType"]).keys() - resource.keys())


@settings(BOUNDED, max_examples=EXAMPLES * 2)
@given(charts, persons, found, st.data())
def test_empty_members(items: Sequence[Item], person: Resource, which: list[str], draw: st.DataObject) -> None:
    more = [CONTRAINDICATIONS[name] | {"id": f"c{n}"} for n, name in enumerate(which)]
    chart = resources([*items, *more])
    changed = [with_empty(r, draw) for r in chart]
    assert outlines(Case(chart=changed, person=person).cards()) == outlines(Case(chart=chart, person=person).cards())


@pytest.mark.parametrize("empty", EMPTY, ids=str)
def test_of_a_draft_and_of_the_patient(empty: object) -> None:
    """Also where they are invalid by it."""
    draft: Item = {"draft": "anakinra", "id": "draft-1", "with": {"note": empty, "encounter": empty, "_status": empty}}
    plain, changed = Case(given=REFRACTORY), Case(given=REFRACTORY, draft=(draft,))
    person = plain.person | {"name": empty, "_birthDate": empty, "deceasedDateTime": empty}
    assert outlines(changed.cards()) == outlines(plain.cards())
    assert outlines(Case(given=REFRACTORY, person=person).cards()) == outlines(plain.cards())


def test_some_are_really_invalid() -> None:
    (sepsis,) = resources([CONTRAINDICATIONS["sepsis"]])
    assert problem_of(sepsis) == ""
    assert "text" in problem_of(sepsis | {"code": sepsis["code"] | {"text": ""}})


def test_what_is_needed_and_empty_is_missing() -> None:
    (given_,) = resources([{"given": "tocilizumab", "ago": "2h"}])
    case = Case(chart=[given_ | {"effectiveDateTime": ""}])
    assert "not valid FHIR R4" in case.facts()["tocilizumab-doses"].unusable[0]
