"""`anakinra-cds export`: what it writes, what it leaves alone, and what it says where it cannot write."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.knowledge import load
from cds_service.tools.export import bundle, checked, text
from cds_service.tools.export.validation import problems
from tests.support import knowledge_root
from tests.support.knowledge_root import EXTENDING_SITE, write

RULE = "rules/shared/safety/toy-neutropenia.yaml"
PLAN = "PlanDefinition/toy-neutropenia.json"


def export(root: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["export", "--root", str(root), *map(str, arguments)])


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.json")}


def test_one_file_for_each_resource(root: Path, tmp_path: Path) -> None:
    result = export(root, "--out", tmp_path / "a" / "b")
    assert result.exit_code == 0, result.output
    knowledge = load(root)
    expected = {f"{each['resourceType']}/{each['id']}.json": text(each).encode() for each in checked(knowledge)}
    assert files(tmp_path / "a" / "b") == expected
    assert expected[PLAN].startswith(b'{\n  "resourceType": "PlanDefinition",\n')
    lines = result.output.splitlines()
    assert [line.split() for line in lines[:-1]] == [
        ["2", "Library"],
        ["1", "PlanDefinition"],
        [str(sum(name.startswith("Structure") for name in expected)), "StructureDefinition"],
        ["4", "ValueSet"],
    ]
    total = f"{len(expected)} valid FHIR R4 resources of knowledge {knowledge.digest} at site us"
    assert lines[-1].strip() == total


def test_one_bundle(root: Path, tmp_path: Path) -> None:
    result = export(root, "--bundle", tmp_path / "new" / "knowledge.json")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "new" / "knowledge.json").read_text(encoding="utf-8"))
    knowledge = load(root)
    assert written == json.loads(text(bundle(knowledge, checked(knowledge))))
    assert (written["type"], written["identifier"]["value"]) == ("collection", f"{knowledge.digest}-us")
    assert list(problems([{"id": "x", **written}])) == []
    assert list(files(tmp_path)) == ["new/knowledge.json"]


def test_a_site_of_ones_own(root: Path, tmp_path: Path) -> None:
    site = write(tmp_path, "toy-hospital.yaml", EXTENDING_SITE)
    result = export(root, "--out", tmp_path / "out", "--site", site)
    assert result.exit_code == 0, result.output
    assert "at site toy-hospital" in result.output
    assert b"at the site toy-hospital" in files(tmp_path / "out")["Library/policies.json"]


def test_resources_that_are_gone_are_removed_and_others_left(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(root, "--out", out)
    gone = json.loads((out / PLAN).read_text(encoding="utf-8"))
    gone |= {"id": "gone", "url": gone["url"].replace("toy-neutropenia", "gone")}
    kept = {
        "PlanDefinition/copy.json": (out / PLAN).read_text(encoding="utf-8"),  # under another name than its own
        "PlanDefinition/broken.json": "{",
        "PlanDefinition/list.json": "[]",
        "PlanDefinition/theirs.json": '{"url": "https://example.org/fhir/PlanDefinition/theirs"}',
        "Other/gone.json": json.dumps(gone),
        "gone.json": json.dumps(gone),
    }
    for name, content in kept.items():
        write(out, name, content)
    (out / "ValueSet" / "old.json").write_bytes(b"\xff")
    before = files(out)
    write(out, "PlanDefinition/gone.json", json.dumps(gone))
    result = export(root, "--out", out)
    assert ", 1 removed" in result.output
    assert files(out) == before


def test_it_says_where_to_write_is_missing(root: Path) -> None:
    result = export(root)
    assert result.exit_code == 2
    assert "--out DIR, --bundle FILE" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "in-the-way"], "in-the-way' is a file"),
        (["--bundle", "folder"], "folder' is a directory"),
        (["--out", "in-the-way/below"], "in-the-way/below/Library: cannot be written"),
        (["--bundle", "in-the-way/knowledge.json"], "cannot be written"),
        (["--out", "taken"], "taken/ValueSet: cannot be written"),
    ],
)
def test_it_says_what_it_cannot_write(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "in-the-way", "a file")
    write(tmp_path, "taken/ValueSet", "a file")
    (tmp_path / "folder").mkdir()
    result = export(root, *arguments)
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert "--out" in result.output or "--bundle" in result.output
    assert "Traceback" not in result.output


def test_wrong_files_are_named_and_nothing_is_written(root: Path, tmp_path: Path) -> None:
    knowledge_root.replace(root, RULE, "stratum: safety", "stratum: nonsense")
    result = export(root, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert RULE in result.output
    assert not (tmp_path / "out").exists()


def test_what_is_not_valid_is_not_written(root: Path, tmp_path: Path) -> None:
    """An id may have 64 characters; that of a regimen's alternative is longer than it."""
    name = "a" * 60
    knowledge_root.write_dosing(root)
    write(
        root,
        f"rules/drugs/toy/regimens/{name}.yaml",
        f"id: {name}\ntitle: Toy\nversion: 1.0.0\nstatus: draft\norderKind: toy-drug\nroute: subcutaneous\n"
        "dose: {mg: 1, intervalHours: 24}\nalternatives: [{mg: 2, intervalHours: 24}]\n"
        "permitted: [{mg: 1, intervalHours: 24}, {mg: 2, intervalHours: 24}]\ndurationDays: 1\nreview: daily\n"
        "stop: then\ntaper: none\nreference: Invented for tests\n",
    )
    result = export(root, "--out", tmp_path / "out", "--bundle", tmp_path / "bundle.json")
    assert result.exit_code == 1
    assert f"ActivityDefinition/{name}-alternative-1: id: expected 1 to 64 letters" in result.output
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "bundle.json").exists()


def test_the_same_bytes_in_every_process(root: Path, tmp_path: Path) -> None:
    digests = set()
    for seed in ("1", "2"):
        target = tmp_path / f"{seed}.json"
        command = [sys.executable, "-m", "cds_service.cli", "export", "--root", str(root), "--bundle", str(target)]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        digests.add(hashlib.sha256(target.read_bytes()).hexdigest())
    assert len(digests) == 1
