"""The families of infection of the clinical policy (R3) by their ordinary names in seven languages, and look-alikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.chart.test_words import sense

DATA: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "data/infections.yaml").read_text(encoding="utf-8"))
SETS: Final = {
    "severe": ("severe-infection", "tuberculosis", "covid-19"),
    "other": ("infection-review",),
    "review": ("infection-unclear", "infection-review"),
}
ALL: Final = tuple(dict.fromkeys(name for names in SETS.values() for name in names))
ORDER: Final = ("said", "doubted", "past", "denied")
NAMES = [
    pytest.param(family["weight"], language, name, id=f"{language}: {name}")
    for family in DATA["families"]
    for language in DATA["frames"]
    for name in family.get(language, ())
]


def worst(text: str, sets: tuple[str, ...]) -> str:
    return min((sense(text, name) for name in sets), key=ORDER.index)


def in_the_blood(text: str) -> bool:
    """An organism in the blood is an infection by two value sets together."""
    return sense(text, "culture-pathogen") == "said" and "said" in (
        sense(text, "in-the-blood"),
        sense(text, "blood-culture"),
    )


@pytest.mark.parametrize(("weight", "language", "name"), NAMES)
def test_a_family_is_known_by_its_ordinary_name(weight: str, language: str, name: str) -> None:
    if in_the_blood(name):
        return
    assert worst(name, SETS[weight]) == "said"
    if weight == "other":
        assert worst(name, SETS["severe"]) == "denied"
    for template in DATA["frames"][language]["doubted"]:
        assert worst(template.format(name), SETS[weight]) == "doubted", template
    for template in DATA["frames"][language]["denied"]:
        assert worst(template.format(name), SETS[weight]) == "denied", template


@pytest.mark.parametrize("text", DATA["controls"])
def test_what_only_looks_like_an_infection_is_none(text: str) -> None:
    assert worst(text, ALL) == "denied"
