"""Where a fact comes from, in words: one line for each selection, and what a computation goes by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Computed, Exists, Meant, Named, Selection, Source, named_in
from cds_service.tools.catalogue import sentences

_CAPITAL: Final = re.compile(r"[A-Z]")
KIND_WORDS: Final[Mapping[str, str]] = {
    "newest": "the newest measured value",
    "increase": "the newest measured value less the lowest one in the window before it",
    "rise": "the newest measured value against the lowest one in the window before it",
    "fall": "by how many per cent the newest measured value lies below the highest one in the window before it",
    "times_upper_limit": "the newest measured value as a multiple of its own upper limit",
    "sum": "the sum of the amounts given",
    "happened": "whether the newest record is recent enough",
    "days_since": "whole days since the newest record",
    "documented": "the documented grade that holds now",
    "drafted": "whether a drug of the value set is among the unsigned orders",
    "drafts_of": "whether there is an unsigned order of this kind",
    "draft_count": "how many unsigned orders of this kind there are",
    "drafts": "whether an unsigned order is of this sort",
    "deceased": "whether the patient is recorded as deceased",
    "gender": "the administrative gender of the patient",
    "unread": "whether a query was not read whole, or the fact beside it is true",
    "draft_daily_dose": "the daily dose of the unsigned orders",
    "draft_dose_computable": "whether every unsigned order says a certain daily dose",
    "draft_dose_readable": "whether no unsigned order writes an amount that cannot be read",
    "draft_days": "until when the unsigned orders run, where each states an end",
    "draft_judged": "whether an unsigned order is one whose dose is judged",
    "draft_route_permitted": "whether no unsigned order names a route that is not permitted",
    "draft_exceeds_maximum": "whether the unsigned orders exceed the daily maximum",
    "active_daily_dose": "the daily dose of the active orders",
    "age": "the age of the patient",
    "younger_than": "whether the patient is younger than the limit",
    "smaller_than": "whether a child is younger or lighter than the label allows",
    "in_scope": "another fact, false where the order is for a use that no pathway answers",
    "policy": "what the site decided",
    "site": "what the site declares about itself",
}
_MEMBERS: Final[Mapping[str, str]] = {
    "in_each": "each of them also named:",
    "not_in": "none of",
    "not_beside": "outside a clause that says",
    "not_coded_as": "by more than words where a code says",
    "beside": "in one clause with",
    "notes_under": "with its notes, where it is",
    "specimen": "taken from",
    "reason": "ordered for",
    "reason_doubted_by": "in doubt where the reason also says",
    "within": "no older than",
    "beyond": "undated, or older than",
    "ended_within": "ended no longer ago than",
    "unsure": "left open by",
    "severe": "severe, or with",
    "told_before": "written down before the time of",
    "except_": "not among",
}
_MODELS: Final[Mapping[str, str]] = {
    "puzzled": "left open by one that is not understood",
    "after": "begun after another record",
    "itself": "that are it themselves, and not what is done around it",
    "reactions": "whose reactions are only of one kind",
    "tolerated": "unless its words only say that it was borne",
    "names_result": "whose result names what grew",
    "where": "where another fact says so",
}
_WORDS: Final[Mapping[str, str]] = {
    "unreasoned": "that state no reason",
    "not_understood": "that nobody understood",
    "past": "also where its words say that it is past",
    "dated": "with a time that has passed",
    "tell": "said with its result and time",
}

_DRAFTS: Final[Mapping[str, str]] = {
    "left-out": "without the orders of this session and what carries them out",
    "only": "only of what carries out the orders of this session",
}


def in_words(knowledge: Knowledge, source: Source) -> Iterator[str]:
    """One line for each selection of a yes-or-no fact; for any other what it is and all that it goes by."""
    if isinstance(source, Exists):
        for selection in source.exists:
            yield "there is a record of " + selected(knowledge, selection)
        if source.certain_beside:
            yield f"known to be no beside a certain record of {_plain(source.certain_beside)}"
    elif isinstance(source, Computed):
        given = knowledge.catalogue.computed[source.computed]
        yield f"computed: {_plain(source.give)} of {_plain(source.computed)}"
        yield from _goes_by(knowledge, given)
    else:
        yield KIND_WORDS[source.kind]
        yield from _goes_by(knowledge, source)


def selected(knowledge: Knowledge, selection: Selection) -> str:
    """A selection as one phrase."""
    parts = [_from(knowledge, selection)]
    if selection.status:
        parts.append(_either(_status(knowledge, name) for name in selection.status))
    if selection.unless:
        parts.append(f"unless {_either(_status(knowledge, name) for name in selection.unless)}")
    for member, words in _MEMBERS.items():
        written = getattr(selection, member)
        if written:
            names = (written,) if isinstance(written, str) else written
            parts.append(f"{words} {_either(_named(knowledge, selection, member, name) for name in names)}")
    if selection.undated:
        parts.append("an undated one counts" if selection.undated == "counts" else "left open by an undated one")
    if selection.meant is not None:
        parts.append("; ".join((_meant(selection.meant), *_goes_by(knowledge, selection.meant))))
    parts += _models(knowledge, selection)
    if selection.reason_sense:
        parts.append("for certain" if selection.reason_sense == "said" else "only in doubt")
    if selection.this_encounter:
        parts.append("one of this encounter counts as current")
    if selection.standing:
        parts.append(f"that stands as {selection.standing}")
    if selection.newest_answer:
        told = "not understood since the newest answer" if selection.unanswered else "whose newest answer is yes"
        parts.append(f"{told} ({knowledge.catalogue.results[selection.newest_answer].title})")
    if selection.set_aside:
        parts.append(f"but not {_aside(knowledge, selection)}")
    parts += [words for member, words in _WORDS.items() if getattr(selection, member)]
    parts += [_DRAFTS[selection.drafts]] if selection.drafts else []
    return "; ".join(parts)


def _models(knowledge: Knowledge, selection: Selection) -> Iterator[str]:
    """What members with members of their own say."""
    for member, words in _MODELS.items():
        if (part := getattr(selection, member)) is not None:
            yield "; ".join((words, *_goes_by(knowledge, part)))


def _meant(meant: Meant) -> str:
    told = {"said": "said for certain", "doubted": "only in doubt", None: "said or in doubt"}[meant.sense]
    told += " (words that a code contradicts are a doubt)" if meant.contradicted else ""
    return f"{told} (so is a code whose own words doubt or deny it)" if meant.hedged_by else told


def records_in_words(knowledge: Knowledge) -> Iterator[tuple[str, list[str]]]:
    """Each named set of records, a phrase for each of its selections."""
    for name, parts in knowledge.catalogue.records.items():
        yield name, [selected(knowledge, part) for part in parts]


def _from(knowledge: Knowledge, selection: Selection) -> str:
    queries = knowledge.catalogue.queries
    source = queries[selection.from_].title if selection.from_ in queries else _plain(selection.from_)
    if not selection.in_:
        return source
    return f"{source} in {_either(knowledge.value_sets[name].title for name in selection.in_)}"


def _aside(knowledge: Knowledge, selection: Selection) -> str:
    aside = selection.set_aside
    assert aside is not None
    what = _either(knowledge.value_sets[name].title for name in aside.in_)
    title = knowledge.orders.kinds[aside.orders].title
    return f"{what} alone, where the order in hand is of {title} for {_plain(aside.is_)}"


def _named(knowledge: Knowledge, selection: Selection, member: str, name: str) -> str:
    found = next(f for f in named_in(selection) if f.name == name and f.path[0] == _key(selection, member))
    return _told(knowledge, found)


def _key(model: BaseModel, member: str) -> str:
    return type(model).model_fields[member].alias or member


def _goes_by(knowledge: Knowledge, model: BaseModel) -> Iterator[str]:
    """What a model names, one line for each of its members."""
    lines: dict[str, list[str]] = {}
    for found in named_in(model):
        key = " ".join(_spaced(part) for part in found.path if isinstance(part, str))
        lines.setdefault(key, []).append(_told(knowledge, found))
    yield from (f"{key}: {', '.join(names)}" for key, names in lines.items())


def _told(knowledge: Knowledge, found: Named) -> str:
    if found.what == "value set":
        return knowledge.value_sets[found.name].title
    if found.what == "status":
        return _status(knowledge, found.name)
    if found.what in ("window", "threshold", "switch"):
        policy = sentences.threshold(knowledge, found.name)
        return f"{policy.value} {sentences.unit(policy.unit)} [policy {found.name}]".replace("  ", " ")
    if found.what == "fact":
        return knowledge.catalogue.facts[found.name].title
    return _plain(found.name)


def _status(knowledge: Knowledge, name: str) -> str:
    title = knowledge.catalogue.statuses[name].title
    return title[0].lower() + title[1:]


def _spaced(key: str) -> str:
    """`adultWithin` as `adult within`."""
    return _CAPITAL.sub(lambda capital: f" {capital[0].lower()}", key)


def _plain(name: str) -> str:
    return name.replace("-", " ")


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)
