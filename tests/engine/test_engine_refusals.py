"""What the engine refuses: values of the wrong type, and rules that cannot be compiled."""

from __future__ import annotations

from typing import Any

import pytest
from engine_book import HOOK, KIND, Book, rule

from cds_service.engine import Engine, Scalar, compile
from cds_service.errors import KnowledgeError

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


@pytest.mark.parametrize(
    "condition",
    [
        {"fact": "septic", "is": 1},
        {"fact": "septic", "is": "true"},
        {"fact": "septic", "isNot": "true"},
        {"fact": "septic", "atLeast": 1},
        {"fact": "grade", "is": True},
        {"fact": "grade", "is": "2"},
        {"fact": "grade", "isNot": "2"},
        {"fact": "grade", "atLeast": "2"},
        {"fact": "crp", "atLeast": "70"},
        {"fact": "crp", "above": 0.00001},
        {"fact": "crp", "below": float("inf")},
        {"fact": "source", "is": True},
        {"fact": "source", "is": 3},
        {"fact": "source", "above": "a"},
        {"fact": "source", "is": "x" * 129},
        {"fact": "route", "is": "oral"},
        {"fact": "unheard-of", "is": True},
        {"fact": "unheard-of", "known": True},
        {"finding": "other", "is": "yes"},
        {"finding": "other", "atLeast": 1},
    ],
)
def test_a_comparison_of_the_wrong_type_is_refused_at_start(condition: dict[str, Any]) -> None:
    book = Book(rule("other", when=[SEPTIC]), rule("asks", "advice", when=[condition]))
    with pytest.raises(KnowledgeError, match=f"asks: {condition.get('fact', 'other')}: "):
        Engine(book)


@pytest.mark.parametrize("stratum", ["safety", "pathway"])
def test_a_finding_must_come_from_an_earlier_stratum(stratum: str) -> None:
    book = Book(
        rule("first", "pathway", when=[SEPTIC]),
        rule("asks", stratum, when=[{"finding": "first", "is": True}]),
    )
    with pytest.raises(KnowledgeError, match="asks: first: a finding is a rule of an earlier stratum"):
        Engine(book)


def test_all_problems_are_told_at_once() -> None:
    book = Book(
        rule("one", when=[{"fact": "septic", "is": 1}]), rule("two", "advice", when=[{"finding": "none", "is": True}])
    )
    with pytest.raises(KnowledgeError) as caught:
        Engine(book)
    assert len(caught.value.problems) == 2


def test_keys_that_durable_cannot_tell_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile, "_hash", len)
    with pytest.raises(KnowledgeError, match="durable cannot tell"):
        Engine(Book(rule(when=[SEPTIC])))


def test_too_many_keys_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile, "MAX_KEYS", 1)
    with pytest.raises(KnowledgeError, match="2 facts and findings compared, at most 1"):
        Engine(Book(rule(when=[SEPTIC, {"fact": "grade", "is": 1}])))


def test_the_hash_is_durables() -> None:
    """Known values of durable's own source: its hashes of `sid`, `id` and `$m`."""
    assert [compile._hash(key) for key in ("sid", "id", "$m")] == [3593476751, 926444256, 1690058490]


def test_an_empty_alternative_is_refused() -> None:
    with pytest.raises(KnowledgeError, match="only: any: list 2 is empty"):
        Engine(Book(rule(any=[[SEPTIC], []])))


def test_too_many_compiled_rules_are_refused() -> None:
    alternatives = [[{"fact": "grade", "is": n}] for n in range(6)]
    engine = Engine(Book(*(rule(f"rule-{n}", any=alternatives) for n in range(10))))
    assert len(engine.run(HOOK, KIND, {"grade": 3}).fired) == 10
    with pytest.raises(KnowledgeError, match=r"66 compiled rules.*at most 60.*rule-0 \(6\)"):
        Engine(Book(*(rule(f"rule-{n}", any=alternatives) for n in range(11))))


def test_sixty_rules_may_fire_at_once() -> None:
    engine = Engine(Book(*(rule(f"rule-{n}", when=[{"fact": "grade", "atLeast": n}]) for n in range(60))))
    found = engine.run(HOOK, KIND, {"grade": 59})
    assert (len(found.fired), found.failure, found.disagreements) == (60, "", ())
