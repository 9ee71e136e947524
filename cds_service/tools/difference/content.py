"""What changed in the files and in what they say: rules by their criteria in words, cards as patients read them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from cds_service.knowledge import Knowledge
from cds_service.knowledge.files import FOLDERS
from cds_service.knowledge.model import Policy, RuleDefinition
from cds_service.tools.catalogue.pathways import DASH, criteria
from cds_service.tools.catalogue.sentences import shown as spelled
from cds_service.tools.catalogue.sentences import unit
from cds_service.tools.catalogue.shown import Shown, ShownCard

State = Literal["added", "removed", "changed"]
# What a rule compares is told in sentences, and what a card says as a patient's card: never as it is written.
_IN_WORDS: Final = {"Rules": ("when", "any", "unless"), "Cards": ("summary", "detail")}
_NOT_SHOWN: Final = "written otherwise; no example patient shows what differs"
_REORDERED: Final = "the same, in another order"
_WORDS: Final = "words"
_RULE_WORDS: Final = "its card"
_AS_WRITTEN: Final = "no example patient shows it; as it is written:"


@dataclass(frozen=True, slots=True)
class FileChange:
    """The files of one folder that differ, by what became of them."""

    folder: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One member: what of it is only before, and what only after."""

    what: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def of_card(self) -> bool:
        """Whether these are paragraphs of a card, in its Markdown."""
        return self.what in (_WORDS, _RULE_WORDS)


@dataclass(frozen=True, slots=True)
class Item:
    """A rule, policy, card, ... that differs; what was added or removed with all of its members."""

    kind: str
    id: str
    title: str
    state: State
    changes: tuple[Change, ...]


def file_changes(old: Path, new: Path) -> tuple[FileChange, ...]:
    """By folder; two files that hold the same bytes do not differ."""
    before, after = _hashes(old), _hashes(new)
    different = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return tuple(
        FileChange(
            folder,
            tuple(name for name in names if name not in before),
            tuple(name for name in names if name not in after),
            tuple(name for name in names if name in before and name in after),
        )
        for folder, names in _by_folder(different).items()
    )


def _hashes(root: Path) -> dict[str, str]:
    files = (path for name in FOLDERS for path in (root / name).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _by_folder(names: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition("/")[0], []).append(name)
    return found


# ---------------------------------------------------------------- what the files say


def content_changes(old: Knowledge, new: Knowledge, old_shown: Shown, new_shown: Shown) -> tuple[Item, ...]:
    """Everything that reads differently at the site, kind by kind."""
    before, after = _kinds(old), _kinds(new)
    for name in after["Cards"]:
        if name in before["Cards"] and (words := _other_words(old, new, old_shown, new_shown, name)):
            before["Cards"][name][1][_WORDS], after["Cards"][name][1][_WORDS] = words
    for kinds, others, knowledge, shown in ((before, after, old, old_shown), (after, before, new, new_shown)):
        for name in kinds["Cards"].keys() - others["Cards"].keys():
            kinds["Cards"][name][1][_WORDS] = _read(knowledge, shown.cards.get(name), name)
        for rule in knowledge.rules:
            if rule.id not in others["Rules"]:
                kinds["Rules"][rule.id][1][_RULE_WORDS] = _read(knowledge, shown.rules.get(rule.id), rule.card)
    return tuple(item for kind in after for item in _items(kind, before[kind], after[kind]))


def _other_words(
    old: Knowledge, new: Knowledge, old_shown: Shown, new_shown: Shown, name: str
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """A card's paragraphs before and after, on the patient who shows it in both versions; None where it reads alike."""
    written = [(of.cards[name].summary, of.cards[name].detail) for of in (old, new)]
    if written[0] == written[1]:
        return None
    shown = [of.cards.get(name) for of in (old_shown, new_shown)]
    if shown[0] and shown[1] and shown[0].patient == shown[1].patient and shown[0].card != shown[1].card:
        return _words(shown[0]), _words(shown[1])
    return (), (_NOT_SHOWN,)


def _read(knowledge: Knowledge, shown: ShownCard | None, name: str | None) -> tuple[str, ...]:
    """All paragraphs of a card, on the patient who shows it, else as it is written; empty where there is none."""
    if shown:
        return _words(shown)
    card = knowledge.cards.get(name or "")
    return (_AS_WRITTEN, card.summary, *card.detail.split("\n\n")) if card else ()


Leaves = dict[str, tuple[str, ...]]
Titled = Mapping[str, tuple[str, Leaves]]


def _kinds(knowledge: Knowledge) -> dict[str, Titled]:
    """Kind -> id -> (title, members as texts)."""
    models: dict[str, Mapping[str, Any]] = {
        "Policies": knowledge.policies,
        "Rules": {rule.id: rule for rule in knowledge.rules},
        "Regimens": knowledge.regimens,
        "Cards": knowledge.cards,
        "Facts": knowledge.catalogue.facts,
        "Queries": knowledge.catalogue.queries,
        "Value sets": knowledge.value_sets,
        "Units": knowledge.analytes,
        "Evidence": knowledge.evidence,
        "Drugs": knowledge.drugs,
        "Regions": knowledge.regions,
        "Reasons for another way": knowledge.override_reasons,
    }
    return {
        kind: {name: (_title(name, model), _members(knowledge, kind, model)) for name, model in of.items()}
        for kind, of in models.items()
    }


def _title(name: str, model: Any) -> str:
    return str(getattr(model, "title", "") or getattr(model, "display", "") or name.replace("-", " ").capitalize())


def _members(knowledge: Knowledge, kind: str, model: Any) -> Leaves:
    content = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    leaves: Leaves = {}
    if isinstance(model, RuleDefinition):
        asked = criteria(knowledge, model, whole=False)
        leaves["criteria"] = tuple(_criterion(text.words) for criterion in asked for text in criterion.texts)
    leaves |= _leaves({key: value for key, value in content.items() if key not in _IN_WORDS.get(kind, ())})
    if isinstance(model, Policy):
        leaves["value"] = (f"{spelled(model.value)} {unit(model.unit)}".strip(),)
    return leaves


def _criterion(words: str) -> str:
    """A line of a rule's criteria; one of several keeps its mark in words."""
    return f"or: {words.removeprefix(DASH)}" if words.startswith(DASH) else words


def _words(card: ShownCard) -> tuple[str, ...]:
    """The paragraphs of a card on its example patient."""
    return tuple(part for part in (str(card.card.get("summary", "")), *str(card.card["detail"]).split("\n\n")) if part)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        yield path, tuple(_text(item) for item in value)
    elif value is not None:
        yield path, (_text(value),)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    return "; ".join(map(_text, value)) if isinstance(value, list) else spelled(value)


def _items(kind: str, before: Titled, after: Titled) -> Iterator[Item]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Item(kind, name, after[name][0], "added", tuple(_changes({}, _whole(after[name][1]))))
        elif name not in after:
            yield Item(kind, name, before[name][0], "removed", tuple(_changes(_whole(before[name][1]), {})))
        elif changes := tuple(_changes(before[name][1], after[name][1])):
            yield Item(kind, name, after[name][0], "changed", changes)


def _whole(leaves: Leaves) -> Leaves:
    """What stands below the heading, which has the id and the title."""
    return {what: texts for what, texts in leaves.items() if what not in ("id", "title")}


def _changes(before: Leaves, after: Leaves) -> Iterator[Change]:
    for what in dict.fromkeys((*before, *after)):
        left, right = before.get(what, ()), after.get(what, ())
        if left == right:
            continue
        gone, new = ([text for text in of if text not in other] for of, other in ((left, right), (right, left)))
        yield Change(what, tuple(gone), tuple(new)) if gone or new else Change(what, (), (_REORDERED,))
