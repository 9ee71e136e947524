"""`anakinra-cds lock` and what `check` makes of it: no content changes under a version that was recorded."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.knowledge import inspect
from cds_service.knowledge.loader import read_all
from cds_service.knowledge.lock import artefacts
from tests.support.knowledge_root import complete, replace, write, write_dosing
from tests.support.shipped import ROOT, inspection

LOCK = "rules/versions.yaml"
RULE = "rules/shared/safety/toy-neutropenia.yaml"
CASES = "rules/shared/safety/toy-neutropenia.cases.yaml"
CARD = "cards/toy-neutropenia.yaml"
POLICIES = "rules/policies/toy.yaml"
TRIAL = "rules/evidence/toy-trial.yaml"
ANC = "rules/terms/anc.yaml"
RUN = "run anakinra-cds lock --change '...'"
REGIMEN = """\
id: toy-regimen
title: The toy regimen
version: 1.0.0
status: draft
orderKind: toy-drug
route: subcutaneous
dose: {mg: 1, intervalHours: 24}
permitted: [{mg: 1, intervalHours: 24}]
durationDays: 1
review: daily
stop: at once
taper: none
reference: Invented for tests
"""


def lock(root: Path, change: str = "First draft", day: str = "2026-11-22") -> Result:
    return CliRunner().invoke(main, ["lock", "--root", str(root), "--change", change, "--date", day])


def problems(root: Path) -> tuple[str, ...]:
    return inspect(root).problems


def entries(root: Path, kind: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = yaml.safe_load((root / LOCK).read_text(encoding="utf-8"))[kind]
    return found


@pytest.fixture
def locked(root: Path) -> Path:
    """The minimal root with a regimen, everything recorded."""
    write_dosing(root)
    write(root, "rules/drugs/toy/regimens/toy-regimen.yaml", REGIMEN)
    assert lock(root, day="2026-01-01").exit_code == 0
    return root


def test_without_a_lock_nothing_is_locked(root: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--root", str(complete(root))])
    assert result.exit_code == 0
    assert "none is recorded: nothing is locked" in " ".join(result.stdout.split()).replace(" │ ", " ")


def test_the_first_run_records_everything(locked: Path) -> None:
    kinds = {"rules": 1, "valueSets": 4, "regimens": 1, "cards": 1, "policies": 4, "evidence": 1}
    assert {kind: len(entries(locked, kind)) for kind in kinds} == kinds
    (entry,) = entries(locked, "rules")
    assert entry["version"] == "1.0.0"
    assert entry["date"] == date(2026, 1, 1)
    assert entry["change"] == "First draft"
    assert [e["version"] for e in entries(locked, "policies")] == ["2026-01-01"] * 4
    found = inspect(locked)
    assert (found.problems, [w for w in found.warnings if "recorded" in w]) == ((), [])


def test_a_second_run_records_nothing_and_a_new_lock_is_the_same(locked: Path) -> None:
    before = (locked / LOCK).read_bytes()
    again = lock(locked, "Another reason", "2027-01-01")
    assert "nothing to record" in again.output
    assert (locked / LOCK).read_bytes() == before
    (locked / LOCK).unlink()
    assert "recorded 13 versions" in lock(locked, day="2026-01-01").output
    assert (locked / LOCK).read_bytes() == before


def test_each_entry_is_one_line_in_order(locked: Path) -> None:
    lines = [line for line in (locked / LOCK).read_text(encoding="utf-8").splitlines() if line.startswith("  - ")]
    assert len(lines) == 13
    ids = [entry["id"] for entry in entries(locked, "valueSets")]
    assert ids == sorted(ids)  # type: ignore[type-var]


def test_comments_the_order_of_keys_and_cases_are_no_content(locked: Path) -> None:
    replace(locked, RULE, "title: Few", "# a comment\ntitle: Few")
    text = (locked / CARD).read_text(encoding="utf-8")
    first, second, *others = text.splitlines(keepends=True)
    write(locked, CARD, "".join([second, first, *others]))
    replace(locked, CASES, "{name: low,", "{name: lower,")
    assert problems(locked) == ()


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "how"),
    [
        (RULE, "title: Few", "title: Fewer", "version", "raise `version`"),
        (RULE, 'approvalDate: ""', "approvalDate: 2027-01-01", "version", "raise `version`"),
        (CARD, "summary: N", "summary: The n", "version", "raise `version`"),
        (ANC, 'code: "751-8"', 'code: "26499-4"', "version", "raise `version`"),
        (
            "rules/drugs/toy/regimens/toy-regimen.yaml",
            "review: daily",
            "review: weekly",
            "version",
            "r",
        ),
        (POLICIES, "value: 0.5", "value: 0.6", "neutropenia.validFrom", "set `validFrom` to a later day"),
        (TRIAL, "status: unverified", "status: refuted", "checkedOn", "set `checkedOn` to a later day"),
    ],
)
def test_changed_content_needs_a_new_version(locked: Path, file: str, old: str, new: str, key: str, how: str) -> None:
    replace(locked, file, old, new)
    if file == TRIAL:
        replace(locked, RULE, "evidence: [toy-trial]", "evidence: []")
    (found,) = [problem for problem in problems(locked) if problem.startswith(file)]
    text = (locked / file).read_text(encoding="utf-8").splitlines()
    line = next(number for number, said in enumerate(text, start=1) if said.strip().startswith(key.rpartition(".")[2]))
    assert found.startswith(f"{file}:{line}: {key}: content changed since ")
    assert how in found
    assert found.endswith(RUN)
    before = (locked / LOCK).read_bytes()
    refused = lock(locked, "Changed", "2027-03-01")
    assert refused.exit_code == 1
    assert found in refused.output
    assert (locked / LOCK).read_bytes() == before


def test_every_refusal_is_listed(locked: Path) -> None:
    replace(locked, RULE, "title: Few", "title: Fewer")
    replace(locked, CARD, "summary: N", "summary: The n")
    refused = lock(locked, "Changed")
    assert "nothing is recorded; mend these first" in refused.output
    assert refused.output.count("content changed since") == 2


def test_a_raised_version_is_asked_for_and_recorded(locked: Path) -> None:
    replace(locked, RULE, "title: Few", "title: Fewer")
    line = replace(locked, RULE, "version: 1.0.0", "version: 1.0.1")
    found = inspect(locked)
    assert found.problems == ()
    assert f"{RULE}:{line}: version: 1.0.1 is not recorded yet; {RUN}" in found.warnings
    assert "recorded 1 version" in lock(locked, 'Wording: "fewer"', "2026-12-01").output
    first, second = entries(locked, "rules")
    assert (first["version"], first["change"]) == ("1.0.0", "First draft")
    assert (second["version"], second["change"], second["date"]) == ("1.0.1", 'Wording: "fewer"', date(2026, 12, 1))
    assert inspect(locked).problems == ()


def test_1_10_comes_after_1_9(locked: Path) -> None:
    for old, new in (("1.0.0", "1.9.0"), ("1.9.0", "1.10.0")):
        replace(locked, RULE, f"version: {old}", f"version: {new}")
        assert lock(locked, "Raised").exit_code == 0
    assert problems(locked) == ()


def test_a_version_never_goes_back(locked: Path) -> None:
    replace(locked, RULE, "version: 1.0.0", "version: 1.1.0")
    assert lock(locked, "Raised").exit_code == 0
    line = replace(locked, RULE, "version: 1.1.0", "version: 1.0.9")
    expected = f"{RULE}:{line}: version: went back from 1.1.0, which is recorded; a version only rises"
    assert problems(locked) == (expected,)
    assert expected in lock(locked, "Back").output


@pytest.mark.parametrize(("day", "accepted"), [("2026-01-01", True), ("2026-01-02", False), ("2000-01-01", False)])
def test_until_its_day_is_over_a_dated_change_is_recorded_beside_the_first(
    locked: Path, day: str, accepted: bool
) -> None:
    replace(locked, POLICIES, "value: 0.5", "value: 0.6")
    assert (lock(locked, "Corrected on the same day", day).exit_code == 0) is accepted
    assert (problems(locked) == ()) is accepted
    assert [e["id"] for e in entries(locked, "policies")].count("neutropenia") == 1 + accepted


def test_what_is_retired_stays_as_it_is(locked: Path) -> None:
    replace(locked, RULE, "status: draft", "status: retired")
    replace(locked, RULE, "version: 1.0.0", "version: 1.0.1")
    assert "(1 retired)" in lock(locked, "No longer needed").output
    assert entries(locked, "rules")[-1]["state"] == "retired"
    assert problems(locked) == ()
    replace(locked, RULE, "title: Few", "title: Fewer")
    line = replace(locked, RULE, "version: 1.0.1", "version: 1.0.2")
    expected = f"{RULE}:{line}: version: a retired rule must not change any more"
    assert problems(locked) == (expected,)
    assert expected in lock(locked, "Again").output


def test_a_rule_is_retired_and_never_deleted(locked: Path) -> None:
    for file in (RULE, CASES):
        (locked / file).unlink()
    (found,) = [problem for problem in problems(locked) if problem.startswith(LOCK)]
    assert found.startswith(f"{LOCK}:5: rules[0].id: the rule toy-neutropenia is recorded and gone; ")
    assert "retire it instead of deleting it" in found
    assert found in lock(locked, "Deleted").output


def test_a_card_may_go_and_come_back_and_both_are_recorded(locked: Path) -> None:
    text = (locked / CARD).read_text(encoding="utf-8")
    write(locked, "cards/toy-other.yaml", text.replace("id: toy-neutropenia", "id: toy-other"))
    replace(locked, RULE, "card: toy-neutropenia", "card: toy-other")
    replace(locked, RULE, "version: 1.0.0", "version: 1.0.1")
    (locked / CARD).unlink()
    (found,) = problems(locked)
    assert "the card toy-neutropenia is recorded and gone; restore its file, or run" in found
    assert "(1 removed)" in lock(locked, "Another card").output
    assert problems(locked) == ()
    write(locked, CARD, text)
    assert lock(locked, "Needed after all").exit_code == 0
    assert [e.get("state") for e in entries(locked, "cards") if e["id"] == "toy-neutropenia"] == [None, "removed", None]
    assert problems(locked) == ()


def test_a_lock_that_somebody_else_wrote_is_told(locked: Path) -> None:
    lines = (locked / LOCK).read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if "id: anc," in line)
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    write(locked, LOCK, "".join(lines))
    assert any("expected ids in order and rising versions" in problem for problem in problems(locked))
    assert lock(locked).exit_code == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('version: "1.0.0", date', "version: 1.0.0.0, date", "expected a different text"),
        ("rules:\n  - {id: toy", "rules:\n  - {id: Toy", "expected a different text"),
        ('sha256: "', 'sha256: "x', "expected a different text"),
    ],
)
def test_a_faulty_lock_is_a_problem_of_the_file(root: Path, old: str, new: str, expected: str) -> None:
    assert lock(root).exit_code == 0
    text = (root / LOCK).read_text(encoding="utf-8")
    write(root, LOCK, text.replace(old, new, 1))
    found = problems(root)
    assert found[0].startswith(LOCK)
    assert expected in found[0]


def test_files_with_problems_are_not_recorded(root: Path) -> None:
    replace(root, RULE, "card: toy-neutropenia", "card: toy-nowhere")
    refused = lock(root)
    assert refused.exit_code == 1
    assert "no such card toy-nowhere" in refused.output
    assert not (root / LOCK).exists()


def test_a_lock_that_cannot_be_written_is_told(root: Path) -> None:
    (root / LOCK).mkdir()
    refused = lock(root)
    assert refused.exit_code == 1
    assert "versions.yaml: cannot be written: " in refused.output


@pytest.mark.parametrize("change", ["", "  "])
def test_a_change_needs_a_reason(root: Path, change: str) -> None:
    refused = lock(root, change)
    assert refused.exit_code == 2
    assert "--change" in refused.output


def test_every_shipped_version_is_recorded() -> None:
    loaded = read_all(ROOT, "us")
    assert loaded.problems == []
    recorded = loaded.singles[LOCK]
    for artefact in artefacts(loaded):
        last = recorded.of(artefact.kind, artefact.id)[-1]
        assert (last.version, last.sha256) == (artefact.version, artefact.sha256), f"{artefact.kind}: {artefact.id}"
    assert [warning for warning in inspection().warnings if "not recorded" in warning] == []
