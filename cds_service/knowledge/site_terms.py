"""Local codes and words of a site: whether they fit the shipped value sets, and the value sets with them added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Code, Opposites, SiteTerms, ValueSet


@dataclass(frozen=True, slots=True)
class Addition:
    """What one entry of `terms/*.yaml` adds, and where it stands: `path` is the entry's own."""

    terms: SiteTerms
    document: Document
    path: YamlPath


def problems(additions: Iterable[Addition], value_sets: Mapping[str, ValueSet], opposites: Opposites) -> Iterator[str]:
    """Additions to no value set, said twice, excluded there, or that already mean the opposite; one line each."""
    added: dict[str, ValueSet] = dict(value_sets)
    seen: set[tuple[str, str, str]] = set()
    for each in additions:
        name = each.terms.value_set
        if name not in value_sets:
            yield from missing(each.document, (*each.path, "valueSet"), "value set", name, value_sets)
            continue
        for index, code in enumerate(each.terms.codes):
            here = (*each.path, "codes", index, "code")
            token = f"{code.system}|{code.code}"
            if (name, code.system, code.code) in seen:
                yield each.document.problem(here, f"{token} stands here twice; remove one")
            seen.add((name, code.system, code.code))
            for reason in _against_code(name, code.system, code.code, added, opposites):
                yield each.document.problem(here, f"{token} {reason}")
        for index, word in enumerate(each.terms.words):
            for reason in _against_word(name, word, added, opposites):
                yield each.document.problem((*each.path, "words", index), f"{word!r} {reason}")
        added[name] = _with(added[name], each.terms)


def extended(value_sets: Mapping[str, ValueSet], additions: Iterable[Addition]) -> dict[str, ValueSet]:
    """The value sets as they hold at the site."""
    result = dict(value_sets)
    for each in additions:
        result[each.terms.value_set] = _with(result[each.terms.value_set], each.terms)
    return result


def local_codes(additions: Iterable[Addition]) -> dict[str, tuple[Code, ...]]:
    """Value set -> the codes that the site added to it."""
    found: dict[str, tuple[Code, ...]] = {}
    for each in additions:
        name = each.terms.value_set
        found[name] = (*found.get(name, ()), *_codes(each.terms))
    return {name: codes for name, codes in found.items() if codes}


def _with(value_set: ValueSet, terms: SiteTerms) -> ValueSet:
    held = {(c.system, c.code) for c in value_set.codes}
    new = tuple(c for c in _codes(terms) if (c.system, c.code) not in held)
    return value_set.model_copy(
        update={
            "codes": (*value_set.codes, *new),
            "text": (*value_set.text, *terms.words),
            "exclusions": (*value_set.exclusions, *terms.exclusions),
        }
    )


def _codes(terms: SiteTerms) -> Iterator[Code]:
    for code in terms.codes:
        yield Code(system=code.system, code=code.code, display=code.display, source=code.source)


def _against_code(
    name: str, system: str, code: str, value_sets: Mapping[str, ValueSet], opposites: Opposites
) -> Iterator[str]:
    for exclusion in value_sets[name].exclusions:
        if (exclusion.system, exclusion.code) == (system, code):
            yield f"must never match {name}: {exclusion.reason}"
    for group, other in _other_sides(name, opposites):
        if other in value_sets and any(_covers(held, system, code) for held in value_sets[other].codes):
            yield f"is in {other} already; one code cannot mean both (rules/opposites.yaml: {group})"


def _against_word(name: str, word: str, value_sets: Mapping[str, ValueSet], opposites: Opposites) -> Iterator[str]:
    folded = _folded(word)
    for exclusion in value_sets[name].exclusions:
        if exclusion.text and _folded(exclusion.text) == folded:
            yield f"must never match {name}: {exclusion.reason}"
    for group, other in _other_sides(name, opposites):
        if other in value_sets and any(_folded(held) == folded for held in value_sets[other].text):
            yield f"is in {other} already; one word cannot mean both (rules/opposites.yaml: {group})"


def _covers(held: Code, system: str, code: str) -> bool:
    return held.system == system and (code.startswith(held.code) if held.match == "prefix" else code == held.code)


def _folded(word: str) -> str:
    return " ".join(word.casefold().split())


def _other_sides(name: str, opposites: Opposites) -> Iterator[tuple[str, str]]:
    """(group, value set) of everything that a member of this value set cannot be at the same time."""
    for group, sides in opposites.groups.items():
        if any(name in side for side in sides):
            yield from ((group, other) for side in sides if name not in side for other in side)
