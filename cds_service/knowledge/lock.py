"""The lock of versions: nothing that was recorded changes its content without a new version that says why.

What is compared is the content as data, without comments and without the version itself. Policies and evidence have no
version number: a policy is known by its `validFrom`, evidence by its `checkedOn`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Final

from pydantic.alias_generators import to_camel

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import POLICIES, VERSIONS, Loaded
from cds_service.knowledge.model import VersionEntry, Versions

# Kind, as a field of `Versions` -> the loader's table, what one is called, the key of its version.
KINDS: Final = {
    "rules": ("rules", "rule", "version"),
    "value_sets": ("rules/terms", "value set", "version"),
    "regimens": ("regimens", "regimen", "version"),
    "cards": ("cards", "card", "version"),
    "drugs": ("drugs", "drug", "version"),
    "policies": (POLICIES, "policy", "validFrom"),
    "evidence": ("rules/evidence", "piece of evidence", "checkedOn"),
}
# These have a status or stand as a record of what was checked: they end by it, and their file stays.
_KEPT: Final = ("rules", "value_sets", "regimens", "drugs", "evidence")
_COMMAND: Final = "anakinra-cds lock --change '...'"
_HEAD: Final = """\
# Every recorded version of every rule, value set, regimen, card, drug, policy (version: its validFrom) and piece of
# evidence (its checkedOn), with a hash of its content. `anakinra-cds lock --change "why"` writes this file; nobody else
# does.
"""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One thing that has versions, as it stands in the files now; `key` is where its version stands in its document."""

    kind: str
    id: str
    version: str
    sha256: str
    is_retired: bool
    document: Document
    key: YamlPath

    @property
    def is_dated(self) -> bool:
        """Whether its version is a date."""
        return KINDS[self.kind][2] != "version"


def artefacts(loaded: Loaded, kinds: Iterable[str] = KINDS) -> Iterator[Artefact]:
    """Everything that has versions, by kind and id. Expects files that were read without problems."""
    for kind in kinds:
        table, _, key = KINDS[kind]
        for name in sorted(loaded.table(table)):
            document = loaded.document(table, name)
            if table == POLICIES:
                yield _artefact(kind, name, document, document.data[name], (name, key))
            else:
                yield _artefact(kind, name, document, document.data, (key,))


def _artefact(kind: str, name: str, document: Document, content: dict[str, Any], path: YamlPath) -> Artefact:
    key = str(path[-1])
    told = {name: value for name, value in content.items() if name != key}
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Artefact(kind, name, str(content[key]), digest, content.get("status") == "retired", document, path)


def problems(loaded: Loaded) -> list[str]:
    """Where files and lock contradict each other, one line each; nothing where there is no lock."""
    if (VERSIONS, "") not in loaded.documents:
        return []
    return [*_faults_of_the_lock(loaded), *(text for _, text in _faults(loaded)), *gone(loaded, ended=True)]


def changed_value_sets(loaded: Loaded) -> list[str]:
    """Value sets that are not what their version was recorded as; nothing where there is no lock.

    A code that is gone makes no rule wrong and some patients invisible: no case beside a rule can tell.
    """
    if (VERSIONS, "") not in loaded.documents:
        return []
    return [text for _, text in _faults(loaded, ["value_sets"])]


def gone(loaded: Loaded, *, ended: bool = False) -> list[str]:
    """What is recorded as in use and is not in the files any more: nothing starts without its safety rules.

    With `ended`, what was retired instead: it is not evaluated, and its file stays as a record.
    """
    if (VERSIONS, "") not in loaded.documents:
        return []
    latest = _latest(loaded)
    return [text for key, text in _gone(loaded) if (latest[key].state == "retired") is ended]


def refusals(loaded: Loaded, today: date) -> list[str]:
    """What keeps the lock from being written: every contradiction that recording cannot resolve."""
    if (VERSIONS, "") not in loaded.documents:
        return []
    latest = _latest(loaded)
    faults = [text for a, text in _faults(loaded) if not _may_follow(a, latest[a.kind, a.id], today)]
    kept = [text for (kind, _), text in _gone(loaded) if kind in _KEPT]
    return [*_faults_of_the_lock(loaded), *faults, *kept]


def backdated(loaded: Loaded, today: date) -> list[str]:
    """A problem where something was recorded after `today`: history is written forwards."""
    if (VERSIONS, "") not in loaded.documents:
        return []
    last = max((entry.date for kind in KINDS for entry in _entries(loaded, kind)), default=today)
    return [f"{VERSIONS}: the last entry is of {last}; expected no earlier day (found {today})"] if today < last else []


def _may_follow(artefact: Artefact, last: VersionEntry, today: date) -> bool:
    """Whether changed content may be recorded under the same date: on that day itself no later one can be given."""
    return artefact.is_dated and artefact.version == last.version == today.isoformat()


def pending(loaded: Loaded) -> list[str]:
    """One line for each new artefact or raised version that the lock does not hold yet; nothing without a lock."""
    if (VERSIONS, "") not in loaded.documents:
        return []
    found = []
    latest = _latest(loaded)
    for artefact in artefacts(loaded):
        last = latest.get((artefact.kind, artefact.id))
        if last is None or (_number(artefact.version) > _number(last.version) and last.state != "retired"):
            text = f"{artefact.version} is not recorded yet; run {_COMMAND}"
            found.append(artefact.document.problem(artefact.key, text))
    return found


def record(loaded: Loaded, change: str, today: date) -> tuple[Versions, list[VersionEntry]]:
    """The lock with everything that is new, raised or removed, and the entries added. Expects no `refusals`."""
    versions: Versions = loaded.singles[VERSIONS]
    latest = _latest(loaded)
    added: dict[str, list[VersionEntry]] = {kind: [] for kind in KINDS}
    for a in artefacts(loaded):
        last = latest.get((a.kind, a.id))
        if last is None or (last.version, last.sha256) != (a.version, a.sha256) or last.state == "removed":
            entry = VersionEntry(id=a.id, version=a.version, date=today, sha256=a.sha256, change=change)
            added[a.kind].append(entry.model_copy(update={"state": "retired"}) if a.is_retired else entry)
    for (kind, name), _ in _gone(loaded):
        ended = {"date": today, "change": change, "state": "removed"}
        added[kind].append(latest[kind, name].model_copy(update=ended))
    merged = {
        kind: tuple(sorted((*getattr(versions, kind), *new), key=lambda entry: entry.id)) for kind, new in added.items()
    }
    return Versions(**merged), [entry for new in added.values() for entry in new]


def written(versions: Versions) -> str:
    """The text of the file: one line for each entry, so that a change of one artefact is a change of one line."""
    lines = [_HEAD.rstrip()]
    for kind in KINDS:
        entries: tuple[VersionEntry, ...] = getattr(versions, kind)
        lines.append(f"{to_camel(kind)}:" if entries else f"{to_camel(kind)}: []")
        for entry in entries:
            state = f", state: {entry.state}" if entry.state else ""
            change = json.dumps(" ".join(entry.change.split()), ensure_ascii=False)
            lines.append(
                f'  - {{id: {entry.id}, version: "{entry.version}", date: {entry.date}, change: {change}{state},'
                f' sha256: "{entry.sha256}"}}'
            )
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- what contradicts


def _faults(loaded: Loaded, kinds: Iterable[str] = KINDS) -> Iterator[tuple[Artefact, str]]:
    """Artefacts that are not what their version was recorded as."""
    latest = _latest(loaded)
    for artefact in artefacts(loaded, kinds):
        last = latest.get((artefact.kind, artefact.id))
        if last is None:
            continue
        text = _fault(artefact, last)
        if text:
            yield artefact, artefact.document.problem(artefact.key, text)


def _fault(artefact: Artefact, last: VersionEntry) -> str:
    is_same = artefact.sha256 == last.sha256
    if last.state == "retired":
        what = KINDS[artefact.kind][1]
        return "" if is_same and artefact.version == last.version else f"a retired {what} must not change any more"
    if _number(artefact.version) < _number(last.version):
        return f"went back from {last.version}, which is recorded; a version only rises"
    if artefact.version == last.version and not is_same:
        key = artefact.key[-1]
        how = f"set `{key}` to a later day" if artefact.is_dated else f"raise `{key}`"
        return f"content changed since {last.version} was recorded: {how} and run {_COMMAND}"
    return ""


def _gone(loaded: Loaded) -> Iterator[tuple[tuple[str, str], str]]:
    """((kind, id), problem) of everything that is recorded and no longer in the files."""
    for kind, (table, what, _) in KINDS.items():
        present = loaded.table(table)
        places = {entry.id: index for index, entry in enumerate(_entries(loaded, kind))}
        for name, index in places.items():
            if name in present or _entries(loaded, kind)[index].state == "removed":
                continue
            how = "retire it instead of deleting it" if kind in _KEPT else f"or run {_COMMAND}"
            path = (to_camel(kind), index, "id")
            text = f"the {what} {name} is recorded and gone; restore its file, {how}"
            yield (kind, name), loaded.document(VERSIONS).problem(path, text)


def _faults_of_the_lock(loaded: Loaded) -> Iterator[str]:
    """Entries out of order, or one version with two contents: the file was not written by the command alone."""
    for kind in KINDS:
        for index, (one, other) in enumerate(pairwise(_entries(loaded, kind)), start=1):
            if one.id > other.id or (one.id == other.id and _number(one.version) > _number(other.version)):
                path = (to_camel(kind), index, "version")
                text = f"expected ids in order and rising versions; {_COMMAND} writes this file"
                yield loaded.document(VERSIONS).problem(path, text)
            elif _contradict(one, other) and KINDS[kind][2] == "version":
                text = f"{one.id} {one.version} is recorded with two contents; keep the one that was released"
                yield loaded.document(VERSIONS).problem((to_camel(kind), index, "sha256"), text)


def _contradict(one: VersionEntry, other: VersionEntry) -> bool:
    return (one.id, one.version) == (other.id, other.version) and one.sha256 != other.sha256


def _entries(loaded: Loaded, kind: str) -> tuple[VersionEntry, ...]:
    entries: tuple[VersionEntry, ...] = getattr(loaded.singles[VERSIONS], kind)
    return entries


def _latest(loaded: Loaded) -> dict[tuple[str, str], VersionEntry]:
    """(kind, id) -> what was recorded last."""
    return {(kind, entry.id): entry for kind in KINDS for entry in _entries(loaded, kind)}


def _number(version: str) -> tuple[int, ...]:
    """`1.10.0` or `2026-11-22` as numbers to compare."""
    return tuple(int(part) for part in re.split(r"[.-]", version))
