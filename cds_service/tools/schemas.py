"""JSON Schemas of the YAML formats under `rules/` and `cards/`, for editors: made from the models that read them.

There is one of the explanation of a card too, for whoever reads answers.

They know keys, types and words; what one file must know of another is said by `anakinra-cds check` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from cds_service.knowledge import loader
from cds_service.knowledge.model import Case, Drug, Regimen, RuleDefinition
from cds_service.knowledge.sites import EXTEND
from cds_service.web.openapi import explanation

Json = dict[str, Any]

FOLDER: Final = "schemas"
SETTINGS: Final = "settings.json"
EXPLANATION: Final = "explanation.json"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_RULES: Final = tuple(f"rules/{group}/*/*.yaml" for group in loader.RULE_GROUPS)
_CASES: Final = tuple(f"rules/{group}/*/*.cases.yaml" for group in loader.RULE_GROUPS)
# A table has no model of its own: its rows become rules, and are checked as these.
_TABLES: Final = tuple(f"rules/{group}/*/*.table.yaml" for group in loader.RULE_GROUPS)
_DRUGS: Final = "rules/drugs/*/drug.yaml"
_FOLDER_NAMES: Final = {
    "rules/terms": "value-set",
    "rules/sites": "site",
    "rules/policies": "policies",
    "cards": "card",
}
_FILE_NAMES: Final = {loader.COVERAGE: "statements"}


def formats() -> Mapping[str, tuple[Any, tuple[str, ...]]]:
    """Name of a format -> (its model, the files of it as globs; those after `!` are none)."""
    found: dict[str, tuple[Any, tuple[str, ...]]] = {
        "rule": (RuleDefinition, (*_RULES, *(f"!{glob}" for glob in (*_CASES, *_TABLES, _DRUGS)))),
        "drug": (Drug, (_DRUGS,)),
        "cases": (tuple[Case, ...], _CASES),
        "regimen": (Regimen, ("rules/drugs/*/regimens/*.yaml",)),
    }
    for folder, shape in loader.FOLDERS.items():
        found[_FOLDER_NAMES.get(folder) or folder.rpartition("/")[2]] = shape, (f"{folder}/*.yaml",)
    for file, shape in (*loader.SINGLE.items(), *loader.OPTIONAL.items()):
        stem = file.rpartition("/")[2].removesuffix(".yaml")
        found[_FILE_NAMES.get(file, stem)] = shape, (file,)
    return found


def files() -> dict[str, str]:
    """File name -> text: a schema for each format, and the settings that tell an editor which file has which."""
    told = {f"{name}.json": _text(_schema(name, shape)) for name, (shape, _) in formats().items()}
    told[EXPLANATION] = _text(explanation())
    globs = {f"./{FOLDER}/{name}.json": list(where) for name, (_, where) in formats().items()}
    return {**told, SETTINGS: _text({"yaml.schemas": globs})}


def _schema(name: str, shape: Any) -> Json:
    schema = TypeAdapter(shape).json_schema(by_alias=True)
    if name == "site":
        # A file that extends another site leaves out what that one says.
        title = "The site whose keys hold where this file has none"
        schema["properties"] = {EXTEND: {"title": title, "type": "string"}, **schema["properties"]}
        del schema["required"]
    if name == "facts":
        # Written out for every drug before the file is read as a whole.
        schema["properties"]["drugs"] = {"title": "Facts of the drug in hand, with <placeholders>", "type": "object"}
    return {"$schema": _DIALECT, **schema, "title": f"Anakinra CDS: {name}"}


def _text(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
