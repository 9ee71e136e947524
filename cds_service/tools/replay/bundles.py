"""Read patients' charts from FHIR bundles and Bulk Data (NDJSON) files.

A source that cannot be used is a `Problem`, never an exception: the run goes on with the other sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cds_service.errors import CdsError

Resource = dict[str, Any]

# Where a resource names its patient; the first of these that refers to a Patient counts.
_OWNER_ELEMENTS = ("subject", "patient", "beneficiary", "for")

# Beside a synthetic patient's bundle: what may be answered about it, and no chart.
_TRUTH = ".truth.json"


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient: the resources include the Patient itself; references are `Type/id`."""

    patient_id: str
    story: str
    resources: tuple[Resource, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a source that could not be used."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Source:
    """One bundle, or all NDJSON files of one directory (Bulk Data keeps one file a resource type)."""

    name: str
    bundle: Path | None
    ndjson: tuple[Path, ...] = ()


def sources(paths: Iterable[Path]) -> tuple[list[Source], list[Problem]]:
    """The sources under `paths` (files, or directories read recursively), in the order given."""
    found: list[Source] = []
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            inside = _sources_of_directory(path)
            found += inside
            if not inside:
                problems.append(Problem(str(path), "holds no *.json and no *.ndjson file"))
        elif path.suffix == ".ndjson" and path.is_file():
            found.append(Source(str(path), None, (path,)))
        elif path.is_file():
            found.append(Source(str(path), path))
        else:
            problems.append(Problem(str(path), "no such file or directory"))
    return found, problems


def _sources_of_directory(directory: Path) -> list[Source]:
    bundles = (path for path in directory.rglob("*.json") if path.is_file() and not path.name.endswith(_TRUTH))
    found = [Source(str(path), path) for path in sorted(bundles)]
    exports: dict[Path, list[Path]] = {}
    for path in sorted(directory.rglob("*.ndjson")):
        exports.setdefault(path.parent, []).append(path)
    return found + [Source(str(folder), None, tuple(files)) for folder, files in exports.items()]


def read(source: Source) -> Iterator[Chart | Problem]:
    """Every patient of one source, and every problem met on the way."""
    if source.bundle is not None:
        yield from _read_bundle(source.bundle)
    else:
        yield from _read_ndjson(source)


# ---------------------------------------------------------------- bundles


class FileError(CdsError):
    """A file that cannot be used; the message names it, with line and column where they are known."""


def parsed(path: Path) -> Any:
    """The JSON of a file. FileError says what is wrong with it: `file:line:column: not JSON: ...`."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(str(_problem(str(path), error))) from error


def _read_bundle(path: Path) -> Iterator[Chart | Problem]:
    try:
        bundle = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        yield _problem(str(path), error)
        return
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        yield Problem(str(path), f"expected a FHIR Bundle, found {_kind(bundle)}")
        return
    entries = list(_entries(bundle))
    if not entries:
        yield Problem(str(path), "the Bundle has no entry with a resource")
        return
    links = {url: f"{r['resourceType']}/{r['id']}" for url, r in entries if url and r.get("id")}
    resources = [resolve(resource, links) for _, resource in entries]
    yield from _by_patient(resources, str(path), _story(bundle) or path.stem)


def _entries(bundle: Mapping[str, Any]) -> Iterator[tuple[str, Resource]]:
    """`(fullUrl, resource)` of every entry; those of a Bundle inside (a batch response) in its place."""
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            continue
        if resource["resourceType"] == "Bundle":
            yield from _entries(resource)
            continue
        url = entry.get("fullUrl")
        url = url if isinstance(url, str) else ""
        if "id" not in resource and url.startswith("urn:uuid:"):
            # A transaction may create a resource that has no id yet; its fullUrl identifies it meanwhile.
            resource = {**resource, "id": url.removeprefix("urn:uuid:")}
        yield url, resource


def resolve(resource: Resource, links: Mapping[str, str]) -> Resource:
    """A copy in which every `reference` that is a fullUrl of `links` reads `Type/id`."""
    copy: Resource = _resolved(resource, links)
    return copy


def _resolved(value: Any, links: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: links.get(item, item) if key == "reference" and isinstance(item, str) else _resolved(item, links)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_resolved(item, links) for item in value]
    return value


def _story(bundle: Mapping[str, Any]) -> str:
    """The display of the Bundle's first tag that has one: our examples tell their story there."""
    meta = bundle.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, dict) and isinstance(tag.get("display"), str):
            return str(tag["display"])
    return ""


# ---------------------------------------------------------------- Bulk Data


def _read_ndjson(source: Source) -> Iterator[Chart | Problem]:
    resources: list[Resource] = []
    for path in source.ndjson:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            yield _problem(str(path), error)
            continue
        # Not splitlines(): U+2028 and its like may stand inside a JSON string.
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                resource = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield _problem(str(path), error, number - 1)
                continue
            if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
                resources.append(resource)
            else:
                yield Problem(f"{path}:{number}", f"expected a FHIR resource, found {_kind(resource)}")
    yield from _by_patient(resources, source.name, "")


# ---------------------------------------------------------------- patients


def patient_of(resource: Mapping[str, Any]) -> str | None:
    """The id of the patient whom `resource` is about; None where it names none."""
    if resource.get("resourceType") == "Patient":
        return str(resource["id"]) if "id" in resource else None
    for element in _OWNER_ELEMENTS:
        reference = resource.get(element)
        target = reference.get("reference") if isinstance(reference, dict) else None
        if (identity := id_in(target, "Patient")) is not None:
            return identity
    return None


def id_in(reference: object, kind: str) -> str | None:
    """The id that a reference to a resource of a type names, absolute and versioned ones too
    (`[base/]<type>/<id>[/_history/<n>]`); None where it is no such reference."""
    if not isinstance(reference, str):
        return None
    parts = reference.split("/_history/")[0].split("/")
    return parts[-1] if len(parts) >= 2 and parts[-2] == kind else None


def _by_patient(resources: list[Resource], where: str, story: str) -> Iterator[Chart | Problem]:
    """One chart a Patient; resources that name no patient (drugs, practitioners) go with each of them."""
    patients = [str(r["id"]) for r in resources if r["resourceType"] == "Patient" and "id" in r]
    if not patients:
        yield Problem(where, "holds no Patient with an id")
        return
    owned: dict[str | None, list[Resource]] = {}
    for resource in resources:
        owned.setdefault(patient_of(resource), []).append(resource)
    shared = owned.pop(None, [])
    for patient_id in dict.fromkeys(patients):
        yield Chart(patient_id, story, (*owned.pop(patient_id), *shared), where)
    if owned:
        count = sum(len(orphans) for orphans in owned.values())
        yield Problem(where, f"{count} resources are about patients who are not in it; they were left out")


def _problem(where: str, error: Exception, above: int = 0) -> Problem:
    """What is wrong with a file, or with a line of it that has `above` lines above it."""
    if isinstance(error, json.JSONDecodeError):
        return Problem(f"{where}:{above + error.lineno}:{error.colno}", f"not JSON: {error.msg}")
    if isinstance(error, RecursionError):
        return Problem(where, "not usable: nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return Problem(where, f"not UTF-8 text: byte {error.start}")
    return Problem(where, f"cannot be read: {getattr(error, 'strerror', None) or error}")


def _kind(value: object) -> str:
    if isinstance(value, dict):
        kind = value.get("resourceType")
        return f"a resource of type {kind}" if isinstance(kind, str) else "a JSON object without resourceType"
    return f"a JSON {type(value).__name__}"
