"""The extensions as StructureDefinitions, so that whoever takes the knowledge over can look up what each means."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service import __version__
from cds_service.tools.export.extensions import DECLARED, KIND, Extension, Part
from cds_service.tools.export.fhir import Json, canonical, definition

_ROOT = "Extension"


def structure_definitions() -> Iterator[Json]:
    """One resource for each extension."""
    for extension in DECLARED:
        yield definition(
            KIND,
            extension.name,
            version=__version__,
            title=extension.short,
            status="draft",
            description=f"{extension.short}.",
            fhirVersion="4.0.1",
            kind="complex-type",
            abstract=False,
            context=[{"type": "element", "expression": context} for context in extension.contexts],
            type=_ROOT,
            baseDefinition=f"http://hl7.org/fhir/StructureDefinition/{_ROOT}",
            derivation="constraint",
            differential={"element": list(_elements(extension))},
        )


def _elements(extension: Extension) -> Iterator[Json]:
    yield {**_element(_ROOT, extension.repeats), "short": extension.short, "definition": f"{extension.short}."}
    if extension.parts:
        slicing = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}
        yield {"id": f"{_ROOT}.extension", "path": f"{_ROOT}.extension", "slicing": slicing}
        for part in extension.parts:
            yield from _part(part)
    else:
        yield _none(f"{_ROOT}.extension")
    yield {"id": f"{_ROOT}.url", "path": f"{_ROOT}.url", "fixedUri": canonical(KIND, extension.name)}
    yield _typed(f"{_ROOT}.value[x]", extension.types) if extension.types else _none(f"{_ROOT}.value[x]")


def _part(part: Part) -> Iterator[Json]:
    here = f"{_ROOT}.extension:{part.name}"
    yield {**_element(here, part.repeats), "sliceName": part.name, "short": part.short}
    yield _none(f"{here}.extension")
    yield {"id": f"{here}.url", "path": _path(f"{here}.url"), "fixedUri": part.name}
    yield _typed(f"{here}.value[x]", part.types)


def _element(name: str, repeats: bool) -> Json:
    return {"id": name, "path": _path(name), "min": 0, "max": "*" if repeats else "1"}


def _typed(name: str, types: tuple[str, ...]) -> Json:
    return {"id": name, "path": _path(name), "min": 1, "type": [{"code": code} for code in types]}


def _none(name: str) -> Json:
    return {"id": name, "path": _path(name), "max": "0"}


def _path(name: str) -> str:
    """An element's path: its id without the names of slices."""
    return ".".join(step.partition(":")[0] for step in name.split("."))
