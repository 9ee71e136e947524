"""Both evaluators and a plain reference give the same truth for every combination of true, false and unknown."""

from __future__ import annotations

import itertools
import random
from typing import Any

from engine_book import Book, reference, rule, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.engine import Engine, Scalar
from cds_service.knowledge.model import STRATA

FLAGS = ("septic", "allergic", "pregnant", "dialysis")
flag_conditions = st.one_of(
    st.builds(lambda fact, value: {"fact": fact, "is": value}, st.sampled_from(FLAGS[:3]), st.booleans()),
    st.builds(lambda fact, value: {"fact": fact, "known": value}, st.sampled_from(FLAGS[:3]), st.booleans()),
)
bodies = st.fixed_dictionaries(
    {
        "when": st.lists(flag_conditions, min_size=1, max_size=3),
        "any": st.lists(st.lists(flag_conditions, min_size=1, max_size=2), max_size=3),
        "unless": st.lists(flag_conditions, max_size=2),
    }
)


def all_states(names: tuple[str, ...]) -> list[dict[str, Scalar]]:
    """Every combination of true, false and unknown."""
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in itertools.product((True, False, None), repeat=len(names))
    ]


@settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(bodies, min_size=1, max_size=4))
def test_every_combination_of_generated_rules(drawn: list[dict[str, Any]]) -> None:
    """27 states each: about 2,000 evaluations."""
    book = Book(*(rule(f"rule-{n}", **body) for n, body in enumerate(drawn)))
    engine = Engine(book)
    for values in all_states(FLAGS[:3]):
        found = run(engine, **values)
        assert {i: o.truth for i, o in found.outcomes.items()} == reference(book, values)


def random_condition(draw: random.Random, earlier: list[str]) -> dict[str, Any]:
    kinds = ["flag", "number", "code", "known", *(["finding"] * bool(earlier))]
    match draw.choice(kinds):
        case "flag":
            return {"fact": draw.choice(FLAGS), "is": draw.random() < 0.5}
        case "number":
            comparison = draw.choice(["is", "atLeast", "above", "atMost", "below"])
            return {"fact": draw.choice(["crp", "age", "grade"]), comparison: draw.randrange(-1, 4)}
        case "code":
            return {"fact": "source", draw.choice(["is", "isNot"]): draw.choice(["a", "ab", "b"])}
        case "known":
            return {"fact": draw.choice([*FLAGS, "crp", "source"]), "known": draw.random() < 0.5}
        case _:
            return {"finding": draw.choice(earlier), draw.choice(["is", "known"]): draw.random() < 0.5}


def random_book(seed: int, per_stratum: int = 12) -> Book:
    draw = random.Random(seed)
    rules, earlier = [], list[str]()
    for stratum in STRATA:
        conditions = lambda most: [random_condition(draw, earlier) for _ in range(draw.randint(1, most))]  # noqa: B023, E731
        members = [
            rule(
                f"{stratum}-{n}",
                stratum,
                when=conditions(3),
                any=[conditions(2) for _ in range(draw.choice([0, 0, 2, 3]))],
                unless=conditions(2) if draw.random() < 0.4 else [],
            )
            for n in range(per_stratum)
        ]
        rules += members
        earlier = [each.id for each in rules]
    return Book(*rules)


BOOKS = [random_book(seed) for seed in range(6)]
ENGINES = [Engine(book) for book in BOOKS]
numbers = st.one_of(st.integers(-2, 4), st.sampled_from([0.9999, 1.0, 1.0001, -1.0, 2.00004, 2.5, 1e-7]))
states = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(FLAGS, st.booleans()),
        "crp": numbers,
        "age": numbers,
        "grade": st.integers(-2, 4),
        "source": st.sampled_from(["a", "ab", "b", "", "aba"]),
    },
)


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from(range(len(BOOKS))), states)
def test_random_states_of_larger_books(which: int, values: dict[str, Any]) -> None:
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
    found = run(ENGINES[which], **values)
    assert {i: o.truth for i, o in found.outcomes.items()} == reference(BOOKS[which], rounded)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(range(len(BOOKS))), states)
def test_missing_names_are_unknown_and_explanations_fit_the_truth(which: int, values: dict[str, Any]) -> None:
    found = run(ENGINES[which], **values)
    unknown_findings = {i for i, o in found.outcomes.items() if o.truth is None}
    for outcome in found.outcomes.values():
        assert bool(outcome.missing) is (outcome.truth is None)
        assert bool(outcome.fails) is (outcome.truth is False)
        assert outcome.holds or outcome.truth is not True
        assert not [
            name for name in outcome.missing if name in values or name in found.outcomes.keys() - unknown_findings
        ]


def test_every_combination_through_four_strata() -> None:
    book = random_book(99)
    engine = Engine(book)
    for values in all_states(FLAGS):
        found = run(engine, crp=1, grade=2, **values)
        assert {i: o.truth for i, o in found.outcomes.items()} == reference(book, {"crp": 1, "grade": 2, **values})
