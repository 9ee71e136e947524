"""`rules/computed.yaml` names exactly what the service's code looks up: the list that pages and warnings rely on."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import cds_service
from cds_service.contract import FOOTER, OWN_CARD
from cds_service.facts.gather import TOPICS
from cds_service.knowledge import Knowledge, inspect, load
from tests.support.knowledge_root import replace, write
from tests.support.shipped import ROOT

COMPUTED = "rules/computed.yaml"
FACTS = Path(cds_service.__file__).parent / "facts"
MODULES: Mapping[str, str] = {topic: run.__module__.rpartition(".")[2] for topic, run in TOPICS.items()}


@pytest.fixture(scope="module")
def ours() -> Knowledge:
    return load(ROOT)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imported(module: str) -> Iterator[str]:
    """The other modules of cds_service.facts that a module imports."""
    for node in ast.walk(_tree(FACTS / f"{module}.py")):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cds_service.facts"):
            rest = str(node.module).removeprefix("cds_service.facts").lstrip(".")
            yield from [rest] if rest else [alias.name for alias in node.names]


def _helpers(topic: str) -> set[str]:
    """A topic's module and those it is made of, but not the modules of other topics."""
    found = {MODULES[topic]}
    left = list(found)
    while left:
        new = {name for name in _imported(left.pop()) if name not in found and name not in MODULES.values()}
        found |= new
        left += new
    return found


def _texts(path: Path) -> Iterator[str]:
    """Every text in the code; where it is built, as f"crs-grade-{n}" is, its beginning and `*`."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            yield f"{node.values[0].value}*"


def _named(topic: str, known: Mapping[str, object]) -> set[str]:
    """The known names that occur in a topic's code."""
    texts = {text for module in _helpers(topic) for text in _texts(FACTS / f"{module}.py")}
    beginnings = tuple(text[:-1] for text in texts if text.endswith("-*"))
    return {name for name in known if name in texts or name.startswith(beginnings)}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_names_what_its_code_looks_up(ours: Knowledge, topic: str) -> None:
    uses = ours.computed.topics.get(topic)
    assert uses is not None, f"{COMPUTED}: add the topic {topic}"
    assert set(uses.policies) == _named(topic, ours.policies), f"{COMPUTED}: topics.{topic}.policies"
    assert set(uses.value_sets) == _named(topic, ours.value_sets), f"{COMPUTED}: topics.{topic}.valueSets"


def test_the_service_itself_names_its_cards(ours: Knowledge) -> None:
    by_rules = {rule.card for rule in ours.rules}
    needed = {FOOTER, *OWN_CARD, "system-unevaluated"} - by_rules
    assert needed <= set(ours.computed.service.cards)


def test_the_service_itself_names_its_policies(ours: Knowledge) -> None:
    """Those that the code beside the topics looks up, whichever rules run."""
    files = [path for path in FACTS.parent.rglob("*.py") if path.parent != FACTS]
    texts = {text for path in files for text in _texts(path)}
    assert set(ours.computed.service.policies) == texts & ours.policies.keys()


def test_no_policy_regimen_or_card_is_unused() -> None:
    found = [w for w in inspect(ROOT).warnings if "not used by any other file" in w]
    assert [w for w in found if "the value set" not in w] == []


def test_windows_of_queries_daily_maxima_and_topics_count_as_use(root: Path) -> None:
    policy = "{title: Spare, value: 1, unit: h, owner: o, validFrom: 2026-01-01, reference: r}"
    spare = "".join(f"toy-{name}: {policy}\n" for name in ("window", "topic", "always"))
    replace(root, "rules/policies.yaml", "neutropenia:\n", spare + "neutropenia:\n")
    replace(root, "rules/facts.yaml", "sort: -date, count: 10}", "sort: -date, count: 10, window: toy-window}")
    fact = "  toy-fact: {title: A toy, type: boolean, from: {topic: toys}}\n"
    replace(root, "rules/facts.yaml", "  active-infection:\n", fact + "  active-infection:\n")
    assert [w.split(": ")[1] for w in inspect(root).warnings] == ["toy-topic", "toy-always"]
    write(root, COMPUTED, "topics: {toys: {policies: [toy-topic]}}\nservice: {policies: [toy-always]}\n")
    assert inspect(root).warnings == ()


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("topics: {toys: {}}", "topics.toys", "no such topic toys"),
        ("service: {policies: [fever]}", "service.policies[0]", "no such policy fever"),
        ("service: {valueSets: [wbc]}", "service.valueSets[0]", "no such value set wbc"),
        ("service: {cards: [footer]}", "service.cards[0]", "no such card footer"),
    ],
)
def test_a_name_that_is_not_there(root: Path, text: str, key: str, expected: str) -> None:
    write(root, COMPUTED, f"{text}\n")
    (found,) = inspect(root).problems
    assert found.startswith(f"{COMPUTED}:1: {key}: {expected}")
