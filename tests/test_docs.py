"""What the documents point to exists: every relative link, and every name in code type in the glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import pytest

from cds_service import knowledge
from cds_service.contract import DecisionName
from cds_service.knowledge.model import Condition, RuleDefinition
from cds_service.settings import TABLE

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs/glossary.md"
DOCUMENTS = sorted(
    [
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs/decisions").glob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "rules/README.md")),
    ]
)

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\[\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z]+:")
_NAMES = r"`[^`]+`(?:(?:, | and )`[^`]+`)*"
# "value sets `a`, `b`": the word says what the names after it are.
_TYPED = re.compile(
    rf"\b(value sets?|rules?|polic(?:y|ies)|facts?|regimens?|evidence|settings?|decisions?|keys?) ({_NAMES})",
    re.IGNORECASE,
)


def links(document: Path) -> Iterator[str]:
    """Targets of the relative links of a document, without what stands in code."""
    prose = _CODE.sub("", _FENCED.sub("", document.read_text(encoding="utf-8")))
    yield from (target for target in _LINK.findall(prose) if not _ELSEWHERE.match(target))


@cache
def anchors(document: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    prose = _FENCED.sub("", document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose)}


def fault(document: Path, target: str) -> str:
    """Why a link leads nowhere; empty where it leads somewhere."""
    name, _, anchor = unquote(target).partition("#")
    place = (document.parent / name).resolve() if name else document
    if ROOT not in (place, *place.parents) or not place.exists():
        return f"{target}: no such file in the checkout"
    if anchor and anchor not in anchors(place):
        return f"{target}: no such heading"
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert [found for target in links(document) if (found := fault(document, target))] == []


def test_a_link_that_leads_nowhere_is_a_fault() -> None:
    assert fault(GLOSSARY, "no-such-file.md")
    assert fault(GLOSSARY, "../../outside.md")
    assert fault(GLOSSARY, "#no-such-heading")
    assert not fault(GLOSSARY, "README.md#the-documents")


def test_the_index_names_every_decision_with_its_title() -> None:
    index = ROOT / "docs/decisions/README.md"
    files = {path.name: path.read_text(encoding="utf-8").splitlines()[0] for path in index.parent.glob("[0-9]*.md")}
    rows = re.findall(r"^\| (\d{3}) \| \[(.+)\]\((.+)\) \|$", index.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: f"# {number}. {title}" for number, title, name in rows} == files
    assert len(rows) == len(files)
    assert all(name.startswith(f"{number}-") for number, _, name in rows)


@pytest.fixture(scope="module")
def names() -> Mapping[str, set[str]]:
    """What exists, by the first letters of the word that the glossary uses for its kind."""
    shipped = knowledge.load()
    return {
        "value set": set(shipped.value_sets),
        "rule": {rule.id for rule in shipped.rules},
        "polic": set(shipped.policies),
        "fact": set(shipped.catalogue.facts),
        "regimen": set(shipped.regimens),
        "evidence": set(shipped.evidence),
        "setting": {setting.name for setting in TABLE},
        "decision": set(get_args(DecisionName)),
        "key": {
            field.alias or name for model in (RuleDefinition, Condition) for name, field in model.model_fields.items()
        },
    }


def glossary_faults(text: str, names: Mapping[str, set[str]]) -> list[str]:
    """Names in code type that do not exist, or that no word before them says the kind of."""
    faults = []
    for kind, listed in _TYPED.findall(text):
        known = next(known for start, known in names.items() if kind.lower().startswith(start))
        faults += [f"{kind} {name}: does not exist" for name in _CODE.findall(listed) if name not in known]
    rest = _CODE.findall(_TYPED.sub("", text))
    return faults + [f"{name}: neither a file nor of a named kind" for name in rest if not (ROOT / name).exists()]


def test_every_name_in_the_glossary_exists(names: Mapping[str, set[str]]) -> None:
    text = GLOSSARY.read_text(encoding="utf-8").replace("`code type`", "code type")
    assert glossary_faults(text, names) == []


@pytest.mark.parametrize("wrong", ["rule `no-such-rule`", "value sets `crs`, `no-such`", "`crs`", "policy `crs`"])
def test_a_name_that_does_not_exist_is_a_fault(wrong: str, names: Mapping[str, set[str]]) -> None:
    assert len(glossary_faults(wrong, names)) == 1
