"""The pictures of pathways: they tell of each rule exactly what it asks for, and nothing runs out of its box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import pytest

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition
from cds_service.tools.catalogue import FilePlaces, render
from cds_service.tools.catalogue.order import drawn
from cds_service.tools.catalogue.pathways import NARROW, WIDE, Box, Branch, criteria, drawing, tree
from cds_service.tools.catalogue.sentences import sentence
from tests.support.outline import words

# A line's mean width per character, of the widest common face at the size of a drawing: DejaVu Sans, plain and bold.
CHARACTER, BOLD = 7.4, 8.4


def deciding(knowledge: Knowledge, pathway: str) -> list[RuleDefinition]:
    return [rule for rule in knowledge.rules if rule.pathway == pathway and rule.finding.decision]


def paths(branches: Sequence[Branch], above: frozenset[str] = frozenset()) -> Iterator[tuple[str, frozenset[str]]]:
    """(rule, everything asked on the way to its answer) of each answer."""
    for branch in branches:
        here = above | {criterion.key for criterion in branch.criteria}
        yield from ((rule.id, here) for rule in branch.answers)
        yield from paths(branch.branches, here)


def test_each_rule_answers_once_and_after_exactly_its_own_criteria(ours: Knowledge) -> None:
    for pathway in drawn(ours):
        rules = deciding(ours, pathway)
        found = list(paths(tree(ours, rules)))
        asked = {rule.id: frozenset(criterion.key for criterion in criteria(ours, rule)) for rule in rules}
        assert sorted(rule for rule, _ in found) == sorted(asked), pathway
        assert dict(found) == asked, pathway


def test_what_rules_share_is_asked_once(ours: Knowledge) -> None:
    (root,) = tree(ours, deciding(ours, "crs-refractory"))
    refractory = next(rule for rule in ours.rules if rule.id == "crs-refractory")
    said = " ".join(text.words for text in root.criteria[0].texts)
    assert all(sentence(ours, condition).plain in said for condition in refractory.when)
    assert not root.answers
    assert len(root.branches) > 1


def test_what_must_not_hold_is_said_as_what_must(ours: Knowledge) -> None:
    rule = next(rule for rule in ours.rules if rule.id == "crs-adult-severe")
    said = [text.words for criterion in criteria(ours, rule) for text in criterion.texts]
    assert "Renal function: not severe" in said
    assert "Renal function: not dialysis" in said


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_boxes_lie_apart_inside_the_drawing_and_hold_their_words(ours: Knowledge, width: int) -> None:
    for pathway in drawn(ours):
        made = drawing(ours, tree(ours, deciding(ours, pathway)), width)
        for box in made.boxes:
            assert 0 <= box.x <= box.x + box.width <= made.width == width
            assert 0 <= box.y <= box.y + box.height <= made.height
            assert all(len(line.words) * (BOLD if line.strong else CHARACTER) <= box.width for line in box.lines)
        assert not [pair for pair in combinations(made.boxes, 2) if overlap(*pair)], pathway
        assert all(a.y <= b.y for a, b in pairwise(made.boxes)), "told from top to bottom"


def overlap(a: Box, b: Box) -> bool:
    across = a.x < b.x + b.width and b.x < a.x + a.width
    return across and a.y < b.y + b.height and b.y < a.y + a.height


def test_a_page_tells_the_answer_with_its_dose_and_where_it_stands(ours: Knowledge) -> None:
    pages = render(ours, FilePlaces())
    page = words(pages["pathways/crs-refractory"])
    for said in ("suggest", "Anakinra for an adult with severe refractory CRS", "100 mg every 6 h, IV", "hard stop"):
        assert said in page
    assert "no pathway before it does: crs-refractory, iec-hs, icans" in words(pages["pathways/crs"])
    assert "../pathways/crs-refractory.html" in pages["rules/crs-adult-severe"]
