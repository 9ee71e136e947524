"""Every case of tests/data/facts/*.yaml: a small chart in, and what its facts and its first card must be.

`each` repeats a case for each of its texts, written {each} in the chart. `expect` maps facts to values, `unknown`,
`not-false` (unknown or true), `not-true`, `{near: number, within: share}`, or, of a number of which only that is known,
`{least: number}` or `{most: number}`; `decision` is the first card's decision and indicator, `says` names rules that
answer and `saysNot` rules that do not. `base: refractory` starts from `house.REFRACTORY` instead of an empty chart.
`source` quotes the references.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.facts.model import Fact
from tests.facts.house import REFRACTORY, Case
from tests.facts.notation import patient

DATA = Path(__file__).parents[1] / "data" / "facts"
KEYS = {
    "name", "source", "base", "patient", "given", "draft", "prefetch", "missing", "hook", "encounter", "site",
    "expect", "decision", "says", "saysNot", "each",
}  # fmt: skip


def _cases() -> Iterator[Any]:
    for path in sorted(DATA.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8")):
            unknown = set(case) - KEYS
            assert not unknown, f"{path.name}: {case['name']}: unknown keys {sorted(unknown)}; there are {sorted(KEYS)}"
            if "each" not in case:
                yield pytest.param(case, id=f"{path.stem}: {case['name']}")
            for text in case.get("each", ()):
                yield pytest.param(_filled(case, text), id=f"{path.stem}: {case['name']}: {text}")


def _filled(written: Any, text: str) -> Any:
    """A case with a text where {each} is written."""
    if isinstance(written, dict):
        return {key: _filled(value, text) for key, value in written.items() if key != "each"}
    if isinstance(written, list):
        return [_filled(value, text) for value in written]
    return written.replace("{each}", text) if isinstance(written, str) else written


def _case(written: Mapping[str, Any]) -> Case:
    base = {None: (), "refractory": REFRACTORY}[written.get("base")]
    more = {k: written[k] for k in ("draft", "prefetch", "missing", "hook", "encounter", "site") if k in written}
    return Case(given=(*base, *written.get("given", ())), person=patient(**written.get("patient", {})), **more)


def _holds(fact: Fact, expected: object) -> bool:
    value = fact.value
    match expected:
        case {"least": number} | {"most": number}:
            bound = fact.least if "least" in expected else fact.most
            return value is None and bound == pytest.approx(number, abs=2e-4)
        case "unknown":
            return value is None
        case "not-false":
            return value is not False
        case "not-true":
            return value is not True
        case {"near": number, **more}:
            return value == pytest.approx(number, rel=more.get("within", 1e-6))
    return type(value) is type(expected) and value == expected


@pytest.mark.parametrize("written", list(_cases()))
def test_case(written: Mapping[str, Any]) -> None:
    case = _case(written)
    facts = case.facts()
    found = {name: facts[name] for name in written.get("expect", {})}
    differ = {
        name: (fact.value, fact.why or fact.text)
        for name, fact in found.items()
        if not _holds(fact, written["expect"][name])
    }
    assert differ == {}
    if "decision" in written:
        assert case.first() == written["decision"], case.answers()
    answering = {rule for _, _, rule in case.answers()} if "says" in written or "saysNot" in written else set()
    assert answering >= set(written.get("says", ()))
    assert not answering & set(written.get("saysNot", ()))


def test_names_are_unique() -> None:
    names = [case.id for case in _cases()]
    assert len(names) == len(set(names))
