"""Write what the service serves beside its answers: the catalogue, the knowledge as FHIR, and a manifest of both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec

from cds_service import __version__
from cds_service.knowledge import Knowledge
from cds_service.tools.catalogue import CONTENT_SECURITY_POLICY, FilePlaces, UrlPlaces, data, not_found, render
from cds_service.tools.catalogue.shown import Shown, shown
from cds_service.tools.export import TYPES, capability_statement, checked
from cds_service.web.built import CAPABILITY, FHIR, MANIFEST, NDJSON, NOT_FOUND, PAGES, Manifest, manifest_of

_ENCODER = msgspec.json.Encoder()


def build(knowledge: Knowledge, out: Path, today: date, examples: Path | None = None) -> Manifest:
    """Write the folder, with the cards as the patients of `examples` get them.

    Files of an earlier build that are no part of this one are removed, others are left alone. Nothing is
    written, and KnowledgeError raised, where the knowledge makes no valid FHIR. The manifest is written last: a folder
    without one is not served.
    """
    files = dict(_files(knowledge, today, shown(knowledge, examples)))
    before = manifest_of(out)
    (out / MANIFEST).unlink(missing_ok=True)
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for gone in set(before.files if before else ()) - files.keys():
        (out / gone).unlink(missing_ok=True)
    manifest = Manifest(
        version=__version__,
        knowledge=knowledge.digest,
        site=knowledge.site.id,
        content_security_policy=CONTENT_SECURITY_POLICY,
        files=tuple(sorted(files)),
    )
    beside = out / f"{MANIFEST}.new"
    beside.write_bytes(_ENCODER.encode(manifest))
    beside.replace(out / MANIFEST)
    return manifest


def _files(knowledge: Knowledge, today: date, on_patients: Shown) -> Iterator[tuple[str, bytes]]:
    """(path below the folder, content) of all files but the manifest."""
    resources = checked(knowledge)
    for kind in TYPES:
        lines = [_ENCODER.encode(each) + b"\n" for each in resources if each["resourceType"] == kind]
        yield f"{FHIR}/{kind}{NDJSON}", b"".join(lines)
    yield CAPABILITY, _ENCODER.encode(capability_statement(knowledge.digest, knowledge.site.id, today))
    served, file = UrlPlaces(PAGES), FilePlaces()
    for name, text in {**render(knowledge, served, on_patients), **data(knowledge)}.items():
        yield f"{PAGES}/{file(name)}", text.encode()
    yield NOT_FOUND, not_found(knowledge, served, "not-found").encode()
