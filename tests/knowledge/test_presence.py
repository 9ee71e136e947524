"""What is recorded and not there refuses the start: nothing runs without the safety rules that were reviewed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.errors import KnowledgeError
from cds_service.knowledge import load
from tests.support.knowledge_root import Problems, replace, write
from tests.support.shipped import ROOT

LOCK = "rules/versions.yaml"
RULE = "rules/shared/safety/toy-neutropenia.yaml"
GONE = f"{LOCK}:5: rules[0].id: the rule toy-neutropenia is recorded and gone; restore its file, retire it instead of"


@pytest.fixture
def locked(root: Path) -> Path:
    """The minimal root, everything recorded."""
    arguments = ["lock", "--root", str(root), "--change", "First draft", "--date", "2026-01-01"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    return root


@pytest.mark.parametrize(
    "removed", [RULE, "rules/shared/safety", "rules/shared"], ids=["a rule", "its folder", "the folder above"]
)
def test_a_recorded_rule_that_is_deleted(locked: Path, problems: Problems, removed: str) -> None:
    path = locked / removed
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert problems()[0].startswith(GONE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cards/toy-neutropenia.yaml", "the card toy-neutropenia is recorded and gone"),
        ("rules/evidence/toy-trial.yaml", "the piece of evidence toy-trial is recorded and gone"),
        ("rules/terms/infection.yaml", "the value set infection is recorded and gone"),
        ("rules/policies/toy.yaml", "the policy neutropenia is recorded and gone"),
    ],
)
def test_anything_recorded_that_is_deleted(locked: Path, problems: Problems, name: str, expected: str) -> None:
    (locked / name).unlink()
    assert [problem for problem in problems() if problem.startswith(LOCK) and expected in problem]


def test_what_was_removed_or_retired_on_record_is_not_missed(locked: Path, problems: Problems) -> None:
    entry = next(line for line in (locked / LOCK).read_text(encoding="utf-8").splitlines() if "toy-neutropenia" in line)
    shutil.rmtree(locked / "rules/shared")
    for state in ("retired", "removed"):
        replace(locked, LOCK, entry, entry.replace(", sha256", f", state: {state}, sha256"))
        assert problems() == ()
        replace(locked, LOCK, entry.replace(", sha256", f", state: {state}, sha256"), entry)
    assert len(problems()) == 1


def test_content_that_differs_from_the_lock_is_for_a_reviewer(locked: Path, problems: Problems) -> None:
    replace(locked, RULE, "title: Few", "title: Fewer")
    assert problems() == ()


def test_an_emptied_file(locked: Path, problems: Problems) -> None:
    write(locked, RULE, "")
    assert problems()[0].startswith(f"{RULE}:1: (whole file): expected")
    write(locked, RULE, "# nothing is left\n")
    assert problems()[0].startswith(f"{RULE}:1: (whole file): expected")


@pytest.mark.parametrize("name", [RULE, "rules/shared/safety", "rules/terms"])
def test_a_link_to_nothing(locked: Path, problems: Problems, name: str) -> None:
    path = locked / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to("nowhere")
    assert f"{name}:1: (whole file): expected a file or a folder; the link leads to nothing" in problems()


def test_a_link_that_leads_back(locked: Path, problems: Problems) -> None:
    (locked / "rules/shared/again").symlink_to("..")
    assert problems() == ("rules/shared/again:1: (folder): the link leads back to a folder that it lies in; remove it",)


@pytest.mark.parametrize(
    ("method", "name", "what"),
    [
        ("read_bytes", RULE, "whole file"),
        ("is_file", RULE, "whole file"),
        ("iterdir", "rules/shared/safety", "folder"),
        ("iterdir", "rules/terms", "folder"),
        ("iterdir", "cards", "folder"),
    ],
)
def test_what_cannot_be_read(
    *, locked: Path, problems: Problems, monkeypatch: pytest.MonkeyPatch, method: str, name: str, what: str
) -> None:
    """Told instead of by the file's mode, which stops nobody who runs the tests as root."""
    ordinary = getattr(Path, method)

    def sealed(path: Path) -> object:
        if path == locked / name:
            raise PermissionError(13, "Permission denied")
        return ordinary(path)

    monkeypatch.setattr(Path, method, sealed)
    assert f"{name}:1: ({what}): cannot be read: Permission denied" in problems()


def test_a_mounted_config_map(locked: Path) -> None:
    """Kubernetes mounts each key as a link into `..data`, which is itself a link to a folder of one release."""
    before = load(locked)
    for name in ("rules/shared/safety", "cards"):
        folder = locked / name
        release = folder / "..2026_11_28"
        files = list(folder.iterdir())
        release.mkdir()
        (folder / "..data").symlink_to(release.name)
        for file in files:
            file.rename(release / file.name)
            file.symlink_to(f"..data/{file.name}")
    after = load(locked)
    assert (after.digest, after.rules, after.cards) == (before.digest, before.rules, before.cards)


def test_a_folder_that_is_a_link(locked: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = load(locked).digest
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "safety"
    (locked / "rules/shared/safety").rename(elsewhere)
    (locked / "rules/shared/safety").symlink_to(elsewhere)
    assert load(locked).digest == before


def test_the_server_does_not_start_without_a_recorded_rule(tmp_path: Path) -> None:
    for name in ("rules", "cards"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "rules/shared/infection/infection-severe.yaml").unlink()
    with pytest.raises(KnowledgeError, match="infection-severe"):
        load(tmp_path)
    environ = {"CDS_KNOWLEDGE": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    served = subprocess.run(
        [sys.executable, "-m", "cds_service.cli", "serve", "--port", "0"],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    line, *_ = served.stderr.splitlines()  # the group that needs it says so too
    assert (served.returncode, served.stdout) == (1, "")
    assert line.startswith("Error: rules/versions.yaml:")
    assert "the rule infection-severe is recorded and gone; restore its file" in line
