"""What the engine refuses: values of the wrong type. Rules that do not fit are refused before they reach it."""

from __future__ import annotations

import pytest
from engine_book import HOOK, KIND, Book, rule

from cds_service.engine import Engine, Scalar

SEPTIC = {"fact": "septic", "is": True}


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("septic", 1),
        ("septic", "true"),
        ("septic", None),
        ("grade", True),
        ("grade", 2.0),
        ("grade", "2"),
        ("grade", 10**18),
        ("crp", True),
        ("crp", "70"),
        ("crp", float("nan")),
        ("crp", float("inf")),
        ("crp", 1e300),
        ("source", 3),
        ("source", "x" * 129),
        ("source", "line\nbreak"),
        ("source", "nul\0"),
        ("source", "\ud800"),
        ("route", "oral"),
        ("unheard-of", True),
    ],
)
def test_a_wrong_value_is_a_type_error_that_names_the_fact(fact: str, value: Scalar) -> None:
    engine = Engine(Book(rule(when=[SEPTIC])))
    with pytest.raises(TypeError, match=f"fact '{fact}': "):
        engine.run(HOOK, KIND, {fact: value})


def test_a_type_error_does_not_tell_the_value() -> None:
    with pytest.raises(TypeError, match="expected a number") as caught:
        Engine(Book(rule(when=[SEPTIC]))).run(HOOK, KIND, {"crp": "Jane Doe"})
    assert "Jane" not in str(caught.value)


def test_sixty_rules_may_fire_at_once() -> None:
    engine = Engine(Book(*(rule(f"rule-{n}", when=[{"fact": "grade", "atLeast": n}]) for n in range(60))))
    found = engine.run(HOOK, KIND, {"grade": 59})
    assert (len(found.fired), found.failure, found.disagreements) == (60, "", ())
