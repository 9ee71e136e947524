"""Unknown facts, alternatives, strata, and the explanation of every result."""

from __future__ import annotations

import pytest
from engine_book import HOOK, KIND, Book, rule, run, truth_of

from cds_service.engine import Engine, Outcome

SEPTIC = {"fact": "septic", "is": True}
ALLERGIC = {"fact": "allergic", "is": True}
PREGNANT = {"fact": "pregnant", "is": True}
GRADE = {"fact": "grade", "atLeast": 2}


def outcome(definition: object, **values: object) -> Outcome:
    return run(Engine(Book(definition)), **values).outcomes["only"]  # type: ignore[arg-type]


def test_all_of_when_must_hold() -> None:
    both = rule(when=[GRADE, SEPTIC])
    assert truth_of(both, grade=2, septic=True) is True
    assert truth_of(both, grade=2) is None
    assert truth_of(both, grade=1) is False
    assert truth_of(both, septic=False) is False


def test_an_unknown_unless_makes_the_rule_unknown_never_true() -> None:
    definition = rule(when=[GRADE], unless=[SEPTIC])
    assert truth_of(definition, grade=2, septic=False) is True
    assert truth_of(definition, grade=2, septic=True) is False
    assert truth_of(definition, grade=2) is None
    assert truth_of(definition, grade=1) is False
    assert truth_of(definition, septic=True) is False


def test_one_alternative_is_enough() -> None:
    definition = rule(any=[[GRADE, SEPTIC], [ALLERGIC]])
    assert truth_of(definition, allergic=True) is True
    assert truth_of(definition, grade=3, septic=True, allergic=False) is True
    assert truth_of(definition, grade=3, allergic=False) is None
    assert truth_of(definition, grade=1, allergic=False) is False
    assert truth_of(definition, grade=1) is None


def test_alternatives_do_not_replace_when() -> None:
    definition = rule(when=[PREGNANT], any=[[GRADE], [ALLERGIC]], unless=[SEPTIC])
    assert truth_of(definition, pregnant=True, allergic=True, septic=False) is True
    assert truth_of(definition, pregnant=False, allergic=True, septic=False) is False
    assert truth_of(definition, allergic=True, septic=False) is None
    assert truth_of(definition, pregnant=True, allergic=True, grade=4, septic=True) is False


def test_the_explanation_of_a_rule_that_fires() -> None:
    definition = rule(when=[PREGNANT], any=[[GRADE], [ALLERGIC]], unless=[SEPTIC])
    found = outcome(definition, pregnant=True, grade=1, allergic=True, septic=False)
    assert found == Outcome(True, holds=("pregnant", "allergic", "septic"), fails=(), missing=())


def test_the_explanation_of_a_silent_rule() -> None:
    definition = rule(when=[PREGNANT, GRADE], unless=[SEPTIC])
    found = outcome(definition, pregnant=True, grade=1, septic=True)
    assert found == Outcome(False, holds=("pregnant",), fails=("grade", "septic"), missing=())


def test_what_cannot_change_the_result_is_not_missing() -> None:
    definition = rule(when=[GRADE], any=[[ALLERGIC], [PREGNANT, SEPTIC]])
    assert outcome(definition, grade=1).missing == ()
    assert outcome(definition, grade=2).missing == ("allergic", "pregnant", "septic")
    assert outcome(definition, grade=2, pregnant=False).missing == ("allergic",)
    assert outcome(definition, allergic=True).missing == ("grade",)
    assert outcome(definition, allergic=False, pregnant=False).fails == ("allergic", "pregnant")


def test_each_name_is_given_once() -> None:
    between = rule(when=[GRADE, {"fact": "grade", "atMost": 3}])
    assert outcome(between, grade=2).holds == ("grade",)
    assert outcome(between).missing == ("grade",)


def chain() -> Engine:
    return Engine(
        Book(
            rule("infection", when=[SEPTIC]),
            rule("refractory", "pathway", when=[GRADE], unless=[{"finding": "infection", "is": True}]),
            rule("usual-dose", "regimen", when=[{"finding": "refractory", "is": True}]),
            rule("unclear", "advice", when=[{"finding": "refractory", "known": False}]),
            rule("nothing", "advice", when=[{"finding": "refractory", "is": False}]),
        )
    )


def test_findings_are_facts_of_later_strata() -> None:
    assert run(chain(), septic=False, grade=2).fired == {"refractory", "usual-dose"}
    assert run(chain(), septic=True, grade=2).fired == {"infection", "nothing"}
    assert run(chain(), septic=False, grade=1).fired == {"nothing"}


def test_an_unknown_finding_is_unknown_to_later_strata() -> None:
    found = run(chain(), grade=2)
    assert found.fired == {"unclear"}
    assert found.outcomes["refractory"].missing == ("infection",)
    assert found.outcomes["usual-dose"] == Outcome(None, (), (), ("refractory",))
    assert list(found.outcomes) == ["infection", "refractory", "usual-dose", "unclear", "nothing"]


def test_a_finding_may_have_the_name_of_a_fact() -> None:
    engine = Engine(
        Book(rule("septic", when=[GRADE]), rule("both", "advice", when=[SEPTIC, {"finding": "septic", "is": False}]))
    )
    assert run(engine, septic=True, grade=1).fired == {"both"}
    assert run(engine, septic=True, grade=2).fired == {"septic"}


def test_only_rules_of_the_hook_and_the_order_kind_run() -> None:
    engine = Engine(
        Book(
            rule("here", when=[SEPTIC]),
            rule("other-hook", when=[SEPTIC], hooks=["order-sign"]),
            rule("other-order", when=[SEPTIC], orders=["vaccine"]),
            rule("draft", when=[SEPTIC], status="draft", hooks=["order-sign", HOOK]),
            rule("retired", when=[SEPTIC], status="retired"),
            rule("without-order", when=[SEPTIC], hooks=["patient-view"], orders=[]),
        )
    )
    assert [each.id for each in engine.rules(HOOK, KIND)] == ["here", "draft"]
    assert run(engine, septic=True).fired == {"here", "draft"}
    assert engine.run("order-sign", KIND, {"septic": True}).fired == {"other-hook", "draft"}
    assert engine.run("patient-view", "", {"septic": True}).fired == {"without-order"}
    assert engine.rules(HOOK, "unheard-of") == ()
    assert engine.run(HOOK, "unheard-of", {"septic": True}).outcomes == {}


@pytest.mark.parametrize("status", ["retired", "active"])
def test_a_finding_that_was_not_evaluated_is_unknown(status: str) -> None:
    orders = ["vaccine"] if status == "active" else [KIND]
    engine = Engine(
        Book(
            rule("gone", when=[SEPTIC], status=status, orders=orders),
            rule("asks", "advice", when=[{"finding": "gone", "is": False}]),
        )
    )
    assert run(engine, septic=False).outcomes["asks"].truth is None
