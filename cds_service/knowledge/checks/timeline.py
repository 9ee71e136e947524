"""The picture of a course: it shows what the facts read, by names that exist."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.knowledge.checks.facts import known_names, name_problems, selection_problems
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import TIMELINE, Loaded
from cds_service.knowledge.model import Catalogue, CrsGrade, Newest, named_in
from cds_service.knowledge.model.timeline import Picture, Series, Track


def picture(loaded: Loaded) -> Iterator[str]:
    """Every name exists and fits its place; a scale has an upper end above its lower one."""
    shown: Picture = loaded.singles[TIMELINE]
    if not shown.tracks:
        return
    document, known = loaded.document(TIMELINE), known_names(loaded, loaded.catalogue)
    for index, track in enumerate(shown.tracks):
        here: YamlPath = ("tracks", index)
        for found in named_in(track):
            yield from name_problems(document, (*here, *found.path), found, known)
        yield from _scale(document, here, track)
        for place, series in enumerate(track.series):
            yield from _series(document, (*here, "series", place), series, loaded.catalogue)


def _scale(document: Document, here: YamlPath, track: Track) -> Iterator[str]:
    if track.least is not None and track.most is not None and track.least >= track.most:
        yield document.problem((*here, "most"), f"expected more than {track.least:g}, the least of the scale")
    if track.scale == "log" and track.least is not None and track.least <= 0:
        yield document.problem((*here, "least"), "expected more than 0 on a log scale")


def _series(document: Document, here: YamlPath, series: Series, whole: Catalogue) -> Iterator[str]:
    if series.fact in whole.facts and whole.facts[series.fact].type == "code":
        told = f"expected a fact that is a number or yes and no ({series.fact} is a code)"
        yield document.problem((*here, "fact"), told)
    if series.values in whole.facts and not isinstance(whole.facts[series.values].source, Newest):
        told = f"expected a fact that takes the newest of some values ({series.values} does not)"
        yield document.problem((*here, "values"), told)
    if series.vital and not any(isinstance(given, CrsGrade) for given in whole.computed.values()):
        yield document.problem((*here, "vital"), "expected a computation by crs-grade in rules/facts.yaml")
    for index, selection in enumerate(series.records):
        yield from selection_problems(document, (*here, "records", index), selection, whole)
