"""Write patients to a folder, one after the other: memory is that of one patient, however many there are.

- `bundle`: `<id>.json` (a FHIR Bundle of type collection), `<id>.truth.json` beside it;
- `ndjson`: one `<Type>.ndjson` for each resource type, as Bulk Data has them, and `truth.jsonl`, one truth a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec

from cds_service.errors import CdsError
from cds_service.tools.synth.dialect import Json
from cds_service.tools.synth.patients import Patient
from cds_service.tools.synth.truth import LINES, SUFFIX

Format = Literal["bundle", "ndjson"]
_BASE: Final = "https://fhir.example.org/r4"
_STORY_SYSTEM: Final = "https://anakinra-cds.org/CodeSystem/example"


class FolderError(CdsError):
    """The folder to write to cannot be used; the message names it."""


def made_empty(folder: Path) -> Path:
    """The folder, made where it is not there. FolderError where something is in it: nothing is overwritten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderError(f"{folder}: not empty; name a folder that is new or empty")
    except OSError as error:
        raise FolderError(f"{folder}: {error.strerror or error}") from error
    return folder


def write(patients: Iterable[Patient], folder: Path, format_: Format) -> Iterator[int]:
    """Write each patient as it comes; yields the bytes of each."""
    return _bundles(patients, folder) if format_ == "bundle" else _ndjson(patients, folder)


def _bundles(patients: Iterable[Patient], folder: Path) -> Iterator[int]:
    for patient in patients:
        chart, truth = msgspec.json.encode(_bundle(patient)), msgspec.json.encode(patient.truth)
        (folder / f"{patient.id}.json").write_bytes(chart)
        (folder / f"{patient.id}{SUFFIX}").write_bytes(truth)
        yield len(chart) + len(truth)


def _bundle(patient: Patient) -> Json:
    story = f"{patient.truth['course']['plot']}, {patient.truth['dialect']}"
    return {
        "resourceType": "Bundle",
        "id": patient.id,
        "meta": {"tag": [{"system": _STORY_SYSTEM, "code": patient.id, "display": story}]},
        "type": "collection",
        "entry": [{"fullUrl": f"{_BASE}/{r['resourceType']}/{r['id']}", "resource": r} for r in patient.resources],
    }


def _ndjson(patients: Iterable[Patient], folder: Path) -> Iterator[int]:
    with ExitStack() as stack:
        files: dict[str, BinaryIO] = {}

        def line(name: str, content: Json) -> int:
            if name not in files:
                files[name] = stack.enter_context((folder / name).open("wb"))
            return files[name].write(msgspec.json.encode(content) + b"\n")

        for patient in patients:
            size = sum(line(f"{resource['resourceType']}.ndjson", resource) for resource in patient.resources)
            yield size + line(LINES, patient.truth)
