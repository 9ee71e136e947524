"""Whatever is not understood never calms; the same in a hospital's own codes changes nothing; the same in other words,
an abbreviation or another language never calms (clinical policy 6.1 R1, R2, R4, R6; `calmer` is defined in R5)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts.house import REFRACTORY, Case
from tests.facts.notation import Item, Resource, resources
from tests.facts.pool import BOUNDED, CONTRAINDICATIONS, EXAMPLES, charts, persons
from tests.facts.rewritten import FORMS, PUZZLES, local_codes, local_site, other_words, puzzles, recoded, reworded
from tests.support.calmer import calmer, tone
from tests.support.cards import outlines

forms = st.sampled_from(sorted(FORMS))
moments = st.sampled_from(["30m", "2h", "6h", "11h", "2d"])
HOOKS = st.sampled_from(["order-select", "order-sign"])
# A contraindication or two in some of the charts, so that there is something to lose.
found = st.lists(st.sampled_from(sorted(CONTRAINDICATIONS)), max_size=2, unique=True)


def chart_of(items: Sequence[Item], which: Sequence[str]) -> list[Resource]:
    more = [CONTRAINDICATIONS[name] | {"id": f"c{n}"} for n, name in enumerate(which)]
    return resources([*items, *more])


# ---- (a) not understood


@pytest.mark.parametrize("name", PUZZLES)
@settings(BOUNDED, max_examples=max(EXAMPLES // 3, 1))
@given(items=charts, person=persons, which=found, form=forms, ago=moments, hook=HOOKS)
def test_what_is_not_understood_never_calms(
    name: str, items: Sequence[Item], person: Resource, which: list[str], form: str, ago: str, hook: str
) -> None:
    chart = chart_of(items, which)
    record = puzzles(FORMS[form], ago)[name]
    before = Case(chart=chart, person=person, hook=hook)
    after = Case(chart=chart, person=person, hook=hook, also={q: [r] for q, r in record.items()})
    assert calmer(tone(before.cards()), tone(after.cards())) == "", (name, form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["problem", "undated problem", "allergy"])
def test_what_is_not_understood_stops_one_click(name: str, form: str) -> None:
    """Where it may be a contraindication (R2)."""
    record = puzzles(FORMS[form], "2h")[name]
    assert Case(given=REFRACTORY).first() == "suggest warning"
    assert Case(given=REFRACTORY, also={q: [r] for q, r in record.items()}).first() == "insufficient-data warning"


# ---- (b) a hospital's own codes


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> str:
    return local_site(tmp_path_factory.mktemp("coded"))


def answered(case: Case) -> list[Any]:
    """Decision, indicator, rule, dose and offers of each card."""
    return outlines(case.cards())


def values(case: Case) -> dict[str, Any]:
    return {name: fact.value for name, fact in case.facts().items()}


@settings(BOUNDED, max_examples=2 * EXAMPLES)
@given(items=charts, person=persons, which=found, seed=st.integers(0, 2**16))
def test_a_mapped_local_code_changes_nothing(
    coded: str, items: Sequence[Item], person: Resource, which: list[str], seed: int
) -> None:
    """Whichever of its records are written so."""
    chart = chart_of(items, which)
    draw = random.Random(seed)
    local = {r["id"] for r in chart if draw.random() < draw.choice((0.3, 1.0))}
    plain = Case(chart=chart, person=person, site=coded)
    written = Case(chart=chart, person=person, site=coded, written=lambda r: recoded(r) if r.get("id") in local else r)
    assert values(written) == values(plain)
    assert answered(written) == answered(plain)


def test_charts_are_really_recoded() -> None:
    assert len(local_codes()) > 40
    assert all(recoded(r) != r for r in resources(REFRACTORY))
    plain = Case(given=REFRACTORY)
    # Without the site that maps them nobody understands these codes.
    assert Case(given=REFRACTORY, written=recoded).first() != plain.first()


# ---- (c) other words


@settings(BOUNDED, max_examples=2 * EXAMPLES)
@given(items=charts, person=persons, which=found, seed=st.integers(0, 2**16), keep_code=st.booleans())
def test_other_words_never_calm(
    items: Sequence[Item], person: Resource, which: list[str], seed: int, keep_code: bool
) -> None:
    chart = chart_of(items, which)
    draw = random.Random(seed)
    before = Case(chart=chart, person=person)
    after = Case(chart=chart, person=person, written=lambda r: reworded(r, draw.choice, keep_code))
    assert calmer(tone(before.cards()), tone(after.cards())) == ""


def test_there_are_other_words() -> None:
    assert sum(len(texts) for texts in other_words().values()) > 500
    assert any("\u3040" <= c <= "\u30ff" for texts in other_words().values() for text in texts for c in text)
