"""The JSON Schemas for editors: as fresh as the models, and true of every shipped file."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.knowledge.files import parse
from cds_service.tools import schemas
from tests.support.shipped import ROOT

FOLDER = ROOT / schemas.FOLDER
# A table's rows are rules only when they are laid out.
SHIPPED = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("rules", "cards")
    for path in (ROOT / folder).rglob("*.yaml")
    if not path.name.endswith(".table.yaml")
)
_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
    "number": (int, float),
}  # fmt: skip


def faults(value: Any, schema: Any, whole: Any, path: str = "") -> list[str]:
    """Where a value does not fit a schema: the words that our schemas use, and no others."""
    if "$ref" in schema:
        return faults(value, whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, path)
    if "anyOf" in schema:
        found = [faults(value, option, whole, path) for option in schema["anyOf"]]
        return [] if [] in found else min(found, key=len)
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {value!r} is none of {schema['enum']}"]
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind in ("integer", "number"))):
        return [f"{path}: {value!r} is no {kind}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{path}: {value!r} is not {schema['pattern']}"]
    if isinstance(value, list):
        items = schema.get("prefixItems") or [schema["items"]] * len(value)
        return [
            f for n, (v, s) in enumerate(zip(value, items, strict=True)) for f in faults(v, s, whole, f"{path}[{n}]")
        ]
    return _faults_of_keys(value, schema, whole, path) if isinstance(value, dict) else []


def _faults_of_keys(value: dict[str, Any], schema: Any, whole: Any, path: str) -> list[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{path}: {key} is missing" for key in schema.get("required", ()) if key not in value]
    for key, member in value.items():
        inside = properties.get(key, others)
        if inside is False:
            found.append(f"{path}: {key} is unknown")
        elif inside is not True:
            found += faults(member, inside, whole, f"{path}.{key}")
    return found


def schema_of(file: str) -> Any:
    """The one schema that the editor's settings give a file."""
    settings = json.loads((FOLDER / schemas.SETTINGS).read_text(encoding="utf-8"))["yaml.schemas"]
    found = []
    for schema, globs in settings.items():
        refused = any(fnmatchcase(file, glob[1:]) for glob in globs if glob.startswith("!"))
        # A `*` of an editor stays within a folder.
        held = (g for g in globs if g.count("/") == file.count("/"))
        if not refused and any(fnmatchcase(file, glob) for glob in held):
            found.append(schema)
    assert len(found) == 1, f"{file}: {found}"
    return json.loads((ROOT / found[0]).read_text(encoding="utf-8"))


def test_they_are_fresh() -> None:
    told = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*")}
    assert told == schemas.files(), "run anakinra-cds schemas"


def test_every_shipped_file_has_one_schema_and_fits_it() -> None:
    found = {}
    for file in SHIPPED:
        document, schema = parse((ROOT / file).read_bytes(), file), schema_of(file)
        assert document.problems == ()
        found[file] = faults(document.data, schema, schema)
    assert {file: faulty for file, faulty in found.items() if faulty} == {}


@pytest.mark.parametrize(
    ("file", "key", "value", "expected"),
    [
        ("rules/toxicities/crs/too-few-doses.yaml", "whem", [], ": whem is unknown"),
        ("rules/toxicities/crs/too-few-doses.yaml", "status", "drafty", ".status: 'drafty' is none of "),
        ("cards/monitoring.yaml", "summary", 1, ".summary: 1 is no string"),
        ("rules/sites/kr.yaml", "extend", True, ".extend: True is no string"),
        ("rules/terms/crs.yaml", "version", "1", ".version: '1' is not "),
    ],
)
def test_what_does_not_fit_is_underlined(file: str, key: str, value: Any, expected: str) -> None:
    document, schema = parse((ROOT / file).read_bytes(), file), schema_of(file)
    (fault,) = faults({**document.data, key: value}, schema, schema)
    assert fault.startswith(expected)


def test_the_command_writes_mends_and_tells(tmp_path: Path) -> None:
    out = tmp_path / "schemas"
    run = CliRunner().invoke
    assert "stale: card.json, " in run(main, ["schemas", "--check", "--out", str(out)]).output
    assert run(main, ["schemas", "--out", str(out)]).output.endswith(f"{len(schemas.files())} of them changed\n")
    assert run(main, ["schemas", "--check", "--out", str(out)]).exit_code == 0
    (out / "card.json").write_text("{}", encoding="utf-8")
    (out / "gone.json").write_text("{}", encoding="utf-8")
    stale = run(main, ["schemas", "--check", "--out", str(out)])
    assert (stale.exit_code, "stale: card.json, gone.json; run" in stale.output) == (1, True)
    assert run(main, ["schemas", "--out", str(out)]).output.endswith("2 of them changed\n")
    assert {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()} == schemas.files()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    result = CliRunner().invoke(main, ["schemas", "--out", str(tmp_path / "taken/inside")])
    assert result.exit_code == 1
    assert "cannot be written" in result.output
