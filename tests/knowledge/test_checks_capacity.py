"""What durable-rules can hold, proven of the files: rules and keys of one ruleset, and keys that it can tell apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.engine import compile as compiled
from cds_service.knowledge.checks import capacity
from tests.support.knowledge_root import Problems, replace, write

RULE = "rules/shared/safety/toy-neutropenia.yaml"
ALTERNATIVE = "  - [{fact: neutrophil-count, below: policy.neutropenia}]\n"


def add_rules(root: Path, count: int, alternatives: int) -> None:
    text = (root / RULE).read_text(encoding="utf-8")
    for number in range(count):
        rule = text.replace("id: toy-neutropenia", f"id: toy-{number}")
        write(root, f"rules/shared/many/toy-{number}.yaml", rule + "any:\n" + ALTERNATIVE * alternatives)


def test_sixty_compiled_rules_and_no_more(root: Path, problems: Problems) -> None:
    add_rules(root, 8, 7)
    assert problems() == ()  # 56, and the toy rule
    add_rules(root, 8, 8)
    found = problems()
    assert len(found) == 2  # one for each hook
    file, line = found[0].split(": ")[0].rsplit(":", 1)
    assert (root / file).read_text(encoding="utf-8").splitlines()[int(line) - 1] == "any:"
    assert "any: 65 compiled safety rules of toy-drug at order-select" in found[0]
    assert "at most 60 allowed" in found[0]


def test_rules_that_are_retired_or_of_another_stratum_do_not_count(root: Path, problems: Problems) -> None:
    add_rules(root, 8, 8)
    replace(root, "rules/shared/many/toy-0.yaml", "stratum: safety", "stratum: advice")
    assert problems() == ()
    replace(root, "rules/shared/many/toy-0.yaml", "stratum: advice", "stratum: safety")
    replace(root, "rules/shared/many/toy-1.yaml", "status: draft", "status: retired")
    assert problems() == ()


def test_too_many_keys(root: Path, problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "MAX_KEYS", 2)
    line = (root / RULE).read_text(encoding="utf-8").splitlines().index("when:") + 1
    assert problems()[0].startswith(
        f"{RULE}:{line}: when: 2 facts and findings compared by the safety rules of toy-drug"
    )


def test_keys_that_durable_cannot_tell_apart(root: Path, problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "fnv", lambda key: key.removeprefix("known_"))
    found = problems()
    assert found[0].startswith("rules/facts.yaml:22: facts.neutrophil-count: durable cannot tell ")
    assert found[-1].startswith(f"{RULE}:1: id: durable cannot tell 'known_finding_toy_neutropenia' from 'finding_toy_")


def test_the_hash_is_durables() -> None:
    """Known values of durable's own source: its hashes of `sid`, `id` and `$m`."""
    assert [capacity.fnv(key) for key in ("sid", "id", "$m")] == [3593476751, 926444256, 1690058490]


def test_every_word_of_the_engine_is_reserved() -> None:
    words = {compiled.SENTINEL, *filter(None, compiled._SYMBOLS.values())}
    assert words <= set(capacity.RESERVED)
