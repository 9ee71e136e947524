"""Facts of the drug in hand: what `rules/facts.yaml` says under `drugs` once is written out for every drug.

`<drug>` stands for a drug's id, `<Drug>` for its title, `<name>` for its title within a sentence; the other
placeholders of `words_of` for what its drug.yaml says. A rule that is meant for whichever drug is in hand names the
fact by its alias: the key with `drug` in place of `<drug>`, or, where the key has no `<drug>`, the key itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.messages import suggestion
from cds_service.knowledge.model import Drug

TEMPLATES = "drugs"
ALIASES = "ofDrug"
FACTS = "facts"
_PLACEHOLDER = re.compile(r"<([A-Za-z][A-Za-z-]*)>")
_ANY = {"Drug": "The drug in hand", "name": "the drug in hand", "allergies": "what the drug in hand must not meet"}


def words_of(drug: Drug) -> Mapping[str, Any]:
    """What each placeholder stands for: words, or, where a value is nothing but the placeholder, a list."""
    return {
        "drug": drug.id,
        "Drug": drug.title,
        "name": drug.title.lower(),
        "value-set": drug.value_sets[0],
        "within": drug.active.within if drug.active else None,
        "course-gap": drug.active.course_gap if drug.active else None,
        "allergies": drug.allergies.title if drug.allergies else None,
        "allergy-records": (drug.allergies.records or f"{drug.id}-allergies") if drug.allergies else None,
        "maximum": "daily maximum" if drug.maximum.daily else "maximum at once",
        "dose-kind": "daily dose" if drug.maximum.daily else "dose",
        "course": f"{drug.id}-course" if drug.active else None,
        "spacing": f"{drug.id}-spacing" if drug.spacing else None,
        "interval": drug.spacing.interval if drug.spacing else None,
        "per-day": drug.spacing.per_day if drug.spacing else None,
        "in-all": drug.spacing.in_all if drug.spacing else None,
    }


def expanded(document: Document, drugs: Iterable[Drug]) -> Document:
    """The document of facts with every template under `drugs` written out, each at the line of its template.

    Beside the facts it gets `ofDrug`: alias -> drug -> name of the fact.
    """
    known, data = list(drugs), document.data
    if not isinstance(data, dict) or not isinstance(data.get(TEMPLATES), dict):
        return document
    sections: dict[str, Any] = {name: value for name, value in data.items() if name != TEMPLATES}
    aliases: dict[str, dict[str, str]] = {}
    lines, problems = dict(document.lines), list(document.problems)
    for section, templates in data[TEMPLATES].items():
        written = sections[section] = dict(sections.get(section) or {})
        line, inside = lines.get(section, document.lines[TEMPLATES][1][section])
        lines[section] = (line, places := dict(inside or {}))
        for key, template in templates.items() if isinstance(templates, dict) else ():
            at: YamlPath = (TEMPLATES, section, key)
            problems += _unknown(document, at, (key, template), known)
            for name, value, of in _written(key, template, known) if not problems else ():
                if not of and section != FACTS:
                    continue  # only facts are named by rules
                if name in written:
                    problems.append(document.problem(at, f"{name} is already written out; expected another name"))
                written[name] = value
                places[name] = document.lines[TEMPLATES][1][section][1][key]
                if section == FACTS and of:
                    aliases.setdefault(alias_of(key), {})[of] = name
    return replace(document, data=sections | {ALIASES: aliases}, lines=lines, problems=tuple(problems))


def alias_of(key: str) -> str:
    """The name by which a rule means the fact of whichever drug is in hand."""
    return key.replace("<drug>", "drug")


def _written(key: str, template: Any, drugs: list[Drug]) -> Iterator[tuple[str, Any, str]]:
    """(name, value, drug) for each drug, and what the alias stands for in general ("" as the drug).

    A drug that says nothing of what a template needs has no such fact.
    """
    needed = set(_placeholders((key, template)))
    drugs = [drug for drug in drugs if all(words_of(drug).get(name) is not None for name in needed)]
    for drug in drugs:
        words = words_of(drug)
        name = _filled(key, words) if "<drug>" in key else f"{drug.id}-{key}"
        yield name, _filled(template, words), drug.id
    if drugs:
        yield alias_of(key), _filled(template, {**words_of(drugs[0]), **_ANY}), ""


def _filled(value: Any, words: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {_filled(k, words): _filled(v, words) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(item, words) for item in value]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    if whole:
        return words.get(whole[1], value)
    return _PLACEHOLDER.sub(lambda match: str(words.get(match[1], match[0])), value)


def _unknown(document: Document, at: YamlPath, value: Any, drugs: list[Drug]) -> Iterator[str]:
    known = words_of(drugs[0]) if drugs else {}
    for name in dict.fromkeys(_placeholders(value)):
        if known and name not in known:
            yield document.problem(at, f"no such placeholder <{name}>{suggestion(name, known)}")


def _placeholders(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            yield from _placeholders(item)
    elif isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
