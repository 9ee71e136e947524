"""Checks of what traces the knowledge: statements and what uses them, and source attributes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import COVERAGE, SOURCE_ATTRIBUTES, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Coverage, Evidence, SourceAttributes, Statement

_TEST: Final = re.compile(r"(?P<file>[\w./-]+\.yaml)#(?P<case>.+)|[\w./-]+\.py::\w+")
_KINDS: Final = {
    "rules": "rule",
    "policies": "policy",
    "regimens": "regimen",
    "evidence": "piece of evidence",
    "cards": "card",
    "facts": "fact",
}
# Evidence names the statements of the table of actionable statements; the other kinds name the evidence.
_NAMED_BY_EVIDENCE: Final = "A"


def check(loaded: Loaded) -> list[str]:
    """Everything in these files that names what is not there, or says too little, one line each."""
    return [*_coverage(loaded), *_attributes(loaded)]


def known_names(loaded: Loaded) -> Mapping[str, Mapping[str, Any]]:
    """What a statement may name, by kind: name -> model."""
    return {
        "rules": loaded.table("rules"),
        "policies": loaded.policies,
        "regimens": loaded.table("regimens"),
        "evidence": loaded.table("rules/evidence"),
        "cards": loaded.table("cards"),
        "facts": loaded.catalogue.facts,
    }


def _coverage(loaded: Loaded) -> Iterator[str]:
    document = loaded.documents.get((COVERAGE, ""))
    if document is None:
        return
    coverage: Coverage = loaded.singles[COVERAGE]
    seen: set[str] = set()
    for index, statement in enumerate(coverage.statements):
        here: YamlPath = ("statements", index)
        if statement.id in seen:
            yield document.problem((*here, "id"), f"expected another id, {statement.id} is already used")
        seen.add(statement.id)
        for place, source in enumerate(statement.sources):
            yield from missing(document, (*here, "sources", place), "source", source, coverage.sources)
        yield from _said(loaded, document, here, statement)
        yield from _used(loaded, document, here, statement)
        for place, test in enumerate(statement.tests):
            yield from _test(loaded, document, (*here, "tests", place), test)
    yield from _evidence(loaded, coverage)


def _said(loaded: Loaded, document: Document, here: YamlPath, statement: Statement) -> Iterator[str]:
    """What is refuted or unverified is named by its subject, never repeated."""
    evidence: Mapping[str, Evidence] = loaded.table("rules/evidence")
    for key, said in (("statement", statement.statement), ("notUsed", statement.not_used)):
        for item in evidence.values():
            for phrase in item.forbidden:
                if phrase in said:
                    text = f"{phrase!r} must not be repeated ({item.id} is {item.status})"
                    yield document.problem((*here, key), text)


def _used(loaded: Loaded, document: Document, here: YamlPath, statement: Statement) -> Iterator[str]:
    if not statement.used_by and not statement.not_used:
        yield document.problem(here, "expected `usedBy` with what uses it, or `notUsed` with the reason")
    if statement.used_by and not statement.tests:
        yield document.problem(here, "expected `tests` with at least one test that proves its use")
    known = known_names(loaded)
    for kind, what in _KINDS.items():
        for place, name in enumerate(getattr(statement.used_by, kind)):
            yield from missing(document, (*here, "usedBy", kind, place), what, name, known[kind])


def _test(loaded: Loaded, document: Document, path: YamlPath, written: str) -> Iterable[str]:
    """A reference to a test; those to the cases of a rule are looked up, all others are known to pytest only."""
    match = _TEST.fullmatch(written)
    if match is None:
        return [document.problem(path, "expected <file>.yaml#<name of a case> or <file>.py::<test function>")]
    file, case = match["file"], match["case"]
    if file is None or not file.startswith("rules/"):
        return []
    for key, cases in loaded.table("cases").items():
        if loaded.document("cases", key).name == file:
            return missing(document, path, "case", case, [one.name for one in cases])
    return [document.problem(path, f"no such file {file}; expected that of a rule's cases")]


def _evidence(loaded: Loaded, coverage: Coverage) -> Iterator[str]:
    """`seeds` of evidence and `usedBy.evidence` of statements tell the same, from both sides."""
    evidence: Mapping[str, Evidence] = loaded.table("rules/evidence")
    statements = {statement.id: statement for statement in coverage.statements}
    for name, item in evidence.items():
        for place, seed in enumerate(item.seeds):
            there = loaded.document("rules/evidence", name)
            yield from missing(there, ("seeds", place), "statement in rules/coverage.yaml", seed, statements)
            if seed in statements and name not in statements[seed].used_by.evidence:
                yield there.problem(("seeds", place), f"{seed} in {COVERAGE} does not name {name}; add it there")
    for index, statement in enumerate(coverage.statements):
        for place, name in enumerate(statement.used_by.evidence):
            is_told = name not in evidence or statement.id in evidence[name].seeds
            if statement.id.startswith(_NAMED_BY_EVIDENCE) and not is_told:
                path = ("statements", index, "usedBy", "evidence", place)
                text = f"the evidence {name} does not name {statement.id}; add it to its `seeds`"
                yield loaded.document(COVERAGE, "").problem(path, text)


def _attributes(loaded: Loaded) -> Iterator[str]:
    document = loaded.documents.get((SOURCE_ATTRIBUTES, ""))
    if document is None:
        return
    attributes: SourceAttributes = loaded.singles[SOURCE_ATTRIBUTES]
    known = known_names(loaded)
    for name in attributes.facts:
        yield from missing(document, ("facts", name), "fact", name, known["facts"])
    for name in attributes.overrides:
        yield from missing(document, ("overrides", name), "rule", name, known["rules"])
