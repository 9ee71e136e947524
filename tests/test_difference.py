"""`anakinra-cds diff`: files, content with both values, and the example patients whose answer changes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.knowledge import Knowledge
from cds_service.tools.catalogue.shown import Shown
from cds_service.tools.difference import Difference, page
from cds_service.tools.difference.compared import Version
from cds_service.tools.difference.content import Change, content_changes, file_changes
from tests.support import knowledge_root
from tests.support.outline import Outline, words
from tests.support.shipped import ROOT

PATIENTS = ("refractory-grade-2", "bacteraemia", "no-car-t")
WINDOW = "rules/policies/tocilizumab.yaml"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three of the example patients: two sets, as the shipped ones are."""
    folder = tmp_path_factory.mktemp("examples")
    expected = yaml.safe_load((ROOT / "examples/expected.yaml").read_text(encoding="utf-8"))
    for name in ("patients", "cards"):
        (folder / name).mkdir()
    for name in PATIENTS:
        shutil.copy(ROOT / f"examples/patients/{name}.json", folder / "patients")
    (folder / "expected.yaml").write_text(json.dumps({name: expected[name] for name in PATIENTS}), encoding="utf-8")
    (folder / "cards/expected.yaml").write_text("{}", encoding="utf-8")
    return folder


def version(folder: Path) -> Path:
    """A copy of the shipped knowledge, to change."""
    for name in ("rules", "cards"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def told(few: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """(what is printed, progress, the page) of a longer response window and another word on a card."""
    new, out = version(tmp_path_factory.mktemp("new")), tmp_path_factory.mktemp("out") / "page.html"
    before = "last tocilizumab dose, value: 8, unit: h, least: 4"
    knowledge_root.replace(new, WINDOW, before, before.replace("value: 8", "value: 24"))
    knowledge_root.replace(new, "cards/infection-severe.yaml", "This is no advice", "That is no advice")
    result = CliRunner().invoke(main, ["diff", str(ROOT), str(new), "--out", str(out), "--examples", str(few)])
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr, out.read_text(encoding="utf-8")


def test_the_page_tells_what_changed_with_both_values(told: tuple[str, str, str]) -> None:
    page = words(told[2])
    assert "Hours to wait for a response to the last tocilizumab dose changed tocilizumab-response-window" in page
    assert "value 8 h 24 h" in page
    assert "or: Hours since the last tocilizumab dose is at least 24 h" in page
    assert "cards/infection-severe.yaml" in page
    assert "This is no advice to do nothing. Infection and CRS" in page
    assert "That is no advice to do nothing." in page


def test_the_page_tells_whose_answer_changes_the_decisions_first(told: tuple[str, str, str]) -> None:
    page = words(told[2])
    assert "4 of 6 answers to example patients change: 2 with another decision" in page
    section = page[page.index("Answers to example patients that change (4)") :]
    assert section.index("Before: suggest Anakinra 100 mg SC q12h") < section.index("After: wait Wait: last")
    assert section.index("refractory-grade-2") < section.index("bacteraemia")
    assert "no-car-t" not in section


def test_the_page_stands_alone_and_is_whole(told: tuple[str, str, str]) -> None:
    page = Outline(told[2])
    assert page.wrong == []
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in {*page.ids, "content"} for link in page.links)
    assert not {"src", "style", "action"} & page.attributes
    assert "{{" not in told[2]
    assert "{%" not in told[2]


def test_progress_is_said_beside_the_result(told: tuple[str, str, str]) -> None:
    printed, progress, _ = told
    assert "2 files" in printed
    assert "4 of 6 answers to example patients change" in printed
    assert progress.index("OLD: reading") < progress.index("NEW: reading") < progress.index("comparing")


def test_what_cannot_be_used_is_named(root: Path, few: Path, tmp_path: Path) -> None:
    for old, new, said in (
        (tmp_path / "gone", ROOT, "OLD, "),
        (ROOT, tmp_path / "gone", "NEW, "),
        (root, ROOT, "OLD, "),
    ):
        result = CliRunner().invoke(
            main, ["diff", str(old), str(new), "--out", str(tmp_path / "x"), "--examples", str(few)]
        )
        assert result.exit_code == 1
        assert f"{said}{old if said == 'OLD, ' else new}, cannot be used:" in result.stderr
        assert not (tmp_path / "x").exists()


# ---------------------------------------------------------------- content and files, one by one


def test_the_same_knowledge_does_not_differ(ours: Knowledge, on_patients: Shown) -> None:
    assert content_changes(ours, ours, on_patients, on_patients) == ()
    assert file_changes(ROOT, ROOT) == ()


def test_content_is_told_added_removed_and_changed(ours: Knowledge) -> None:
    window = ours.policies["tocilizumab-response-window"]
    policies = {n: p for n, p in ours.policies.items() if n != "icans-severe-grade"}
    policies |= {"tocilizumab-response-window": window.model_copy(update={"value": 12}), "new-one": window}
    found = content_changes(ours, replace(ours, policies=policies | {"icans-severe-grade": window}), Shown(), Shown())
    of_policies = {item.id: item for item in found if item.kind == "Policies"}
    assert {name: item.state for name, item in of_policies.items()} == {
        "icans-severe-grade": "changed", "new-one": "added", "tocilizumab-response-window": "changed",
    }  # fmt: skip
    assert of_policies["tocilizumab-response-window"].changes == (Change("value", ("8 h",), ("12 h",)),)
    back = content_changes(replace(ours, policies={**policies, "icans-severe-grade": window}), ours, Shown(), Shown())
    assert [item.id for item in back if item.state == "removed"] == ["new-one"]


@pytest.mark.parametrize("state", ["added", "removed"])
def test_a_rule_that_is_new_or_gone_is_told_whole(ours: Knowledge, on_patients: Shown, state: str) -> None:
    """What it asks, what it answers, and its card as a patient sees it, or else as it is written."""
    names = ("infection-other", "neutrophils-severe")
    fewer = replace(ours, rules=tuple(rule for rule in ours.rules if rule.id not in names))
    sides = (fewer, ours) if state == "added" else (ours, fewer)
    seen_by = replace(on_patients, rules={n: one for n, one in on_patients.rules.items() if n != "neutrophils-severe"})
    found = {item.id: item for item in content_changes(*sides, seen_by, seen_by) if item.kind == "Rules"}
    assert {name: item.state for name, item in found.items()} == dict.fromkeys(names, state)
    for item in found.values():
        assert not [change for change in item.changes if (change.before if state == "added" else change.after)]
    seen, unseen = ({c.what: c.before or c.after for c in found[name].changes} for name in names)
    assert seen["criteria"] == ("Other active infection: yes",)
    assert (seen["finding.decision"], seen["finding.indicator"]) == (("block",), ("warning",))
    assert seen["its card"][0] == on_patients.rules["infection-other"].card["summary"]
    card = ours.cards[next(rule.card for rule in ours.rules if rule.id == "neutrophils-severe")]
    assert unseen["its card"][:2] == ("no example patient shows it; as it is written:", card.summary)


def test_the_page_shows_a_new_rule_whole(ours: Knowledge, on_patients: Shown) -> None:
    fewer = replace(ours, rules=tuple(rule for rule in ours.rules if rule.id != "infection-other"))
    items = content_changes(fewer, ours, on_patients, on_patients)
    old, new = (Version(name, ROOT, of, None, ()) for name, of in (("OLD", fewer), ("NEW", ours)))  # type: ignore[arg-type]
    html = page(Difference(old, new, (), items, (), 0))
    assert Outline(html).wrong == []
    assert "Other active infection: yes" in words(html)
    assert words(on_patients.rules["infection-other"].card["summary"]) in words(html)


def test_a_card_that_is_new_is_told_whole(ours: Knowledge, on_patients: Shown) -> None:
    fewer = replace(ours, cards={name: card for name, card in ours.cards.items() if name != "pregnancy"})
    (item,) = [i for i in content_changes(fewer, ours, on_patients, on_patients) if i.kind == "Cards"]
    words_ = next(change for change in item.changes if change.what == "words")
    assert (item.state, words_.before, len(words_.after) > 1) == ("added", (), True)


def test_of_a_list_only_what_differs_is_told(ours: Knowledge) -> None:
    old = ours.value_sets["latex-allergy"]
    new = old.model_copy(update={"text": (*old.text[1:], "rubber glove")})
    (item,) = content_changes(ours, replace(ours, value_sets={**ours.value_sets, new.id: new}), Shown(), Shown())
    (change,) = item.changes
    assert (item.kind, change.before, change.after) == ("Value sets", (old.text[0],), ("rubber glove",))
    turned = old.model_copy(update={"text": tuple(reversed(old.text))})
    (item,) = content_changes(ours, replace(ours, value_sets={**ours.value_sets, old.id: turned}), Shown(), Shown())
    assert item.changes[0].after == ("the same, in another order",)


def test_words_of_a_card_that_nobody_is_shown_are_told_as_such(ours: Knowledge) -> None:
    card = ours.cards["pregnancy"].model_copy(update={"detail": "Other words"})
    (item,) = content_changes(ours, replace(ours, cards={**ours.cards, card.id: card}), Shown(), Shown())
    (change,) = item.changes
    assert (change.what, change.before) == ("words", ())
    assert "no example patient shows" in change.after[0]


def test_files_are_told_by_folder(tmp_path: Path) -> None:
    for side, files in (("old", {"rules/a.yaml": "1", "rules/b.yaml": "1", "cards/c.yaml": "1"}),
                        ("new", {"rules/a.yaml": "2", "cards/c.yaml": "1", "cards/d.yaml": "1"})):  # fmt: skip
        for name, text in files.items():
            knowledge_root.write(tmp_path / side, name, text)
    cards, rules = file_changes(tmp_path / "old", tmp_path / "new")
    assert (cards.folder, cards.added, cards.removed, cards.changed) == ("cards", ("cards/d.yaml",), (), ())
    assert (rules.folder, rules.added, rules.removed, rules.changed) == (
        "rules",
        (),
        ("rules/b.yaml",),
        ("rules/a.yaml",),
    )
