"""Mixes that nobody would mix: the reading of what a Medication is made of stays bounded."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.resource import Resource


def given(code: dict[str, Any], ingredients: int) -> Resource:
    bag = {
        "resourceType": "Medication",
        "id": "bag",
        "code": code,
        "ingredient": [{"itemReference": {"reference": "#bag"}}] * ingredients,
    }
    named = {"medicationReference": {"reference": "#bag"}, "contained": [bag]}
    return Resource({"resourceType": "MedicationAdministration", **named})


@pytest.mark.parametrize("ingredients", [33, 5000])
def test_a_bag_of_too_many_parts_is_no_known_drug(ingredients: int) -> None:
    """What it is called may be any bag; nothing that was not read makes it harmless."""
    resource = given({"text": "Continuous infusion"}, ingredients)
    assert resource.concept.empty
    assert resource.ingredients == ()


def test_its_own_code_still_says_what_it_is() -> None:
    code = {"coding": [{"system": "http://www.whocc.no/atc", "code": "L04AC07"}]}
    assert given(code, 33).concept.codes == (("http://www.whocc.no/atc", "L04AC07"),)


def test_a_part_that_is_the_bag_itself_ends() -> None:
    assert given({"text": "norepinephrine infusion"}, 32).concept.label == "norepinephrine infusion"
