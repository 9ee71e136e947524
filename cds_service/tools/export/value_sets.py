"""Value sets as FHIR ValueSets: codes and code exclusions as composed, words and reasons as extensions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from cds_service.knowledge.model import Code, Exclusion, ValueSet
from cds_service.tools.export.extensions import compound, extension
from cds_service.tools.export.fhir import Json, coding, definition, given

_OWNERS = "The codes belong to the owners of their code systems, whose terms of use apply."


def value_set(of: ValueSet) -> Json:
    """One value set. `description` is the purpose, and the method as its last paragraph; nothing is left out."""
    composed, apart = _exclusions(of)
    compose = given(include=list(_includes(of.codes)), exclude=list(_excludes(composed)))
    return definition(
        "ValueSet",
        of.id,
        extension=[
            *extension("matching-text", of.names),
            *extension("only-qualifies", of.qualifies or None),
            *extension("only-fills", of.fillers or None),
            *extension("international", of.international or None),
            *extension("listed", of.listed or None),
            *extension("indexed", of.indexed or None),
            *extension("ordinary", of.ordinary or None),
            *(
                compound("code-tree", family=tree.family, begins=tree.codes, without=tree.without, source=tree.source)
                for tree in of.trees
            ),
            *(_apart(exclusion) for exclusion in apart),
            *(
                compound("unverified-code", code=coding(code.system, code.code, code.display), reason=code.reason)
                for code in of.unverified
            ),
        ],
        version=of.version,
        title=of.title,
        status=of.status,
        date=of.date.isoformat(),
        description=f"{of.purpose}\n\n{of.method}",
        purpose=of.purpose,
        copyright=_OWNERS if of.codes else "",
        compose=compose,
    )


def _includes(codes: Iterable[Code]) -> Iterator[Json]:
    """An include for each run of codes of one system, so that their order stays; a prefix is a filter of its own."""
    for (system, match), run in groupby(codes, lambda code: (code.system, code.match)):
        if match == "exact":
            yield {"system": system, "concept": [_concept(code) for code in run]}
        else:
            yield from ({"system": system, "filter": [_filter(code)]} for code in run)


def _concept(code: Code) -> Json:
    return given(extension=list(extension("code-source", code.source)), code=code.code, display=code.display)


def _filter(code: Code) -> Json:
    """The code and its children. Several filters of one include would all have to hold: each stands alone."""
    said = [*extension("code-source", code.source), *extension("code-display", code.display)]
    return given(extension=said, property="concept", op="is-a", value=code.code)


def _exclusions(of: ValueSet) -> tuple[list[Exclusion], list[Exclusion]]:
    """Those that FHIR can compose, and the others: phrases, and codes where nothing is included to exclude from."""
    composed = [e for e in of.exclusions if e.code and e.system and of.codes]
    return composed, [e for e in of.exclusions if e not in composed]


def _excludes(exclusions: Iterable[Exclusion]) -> Iterator[Json]:
    for system, run in groupby(exclusions, lambda exclusion: exclusion.system):
        yield {"system": system, "concept": [_excluded(exclusion) for exclusion in run]}


def _excluded(exclusion: Exclusion) -> Json:
    said = [*extension("exclusion-reason", exclusion.reason), *extension("matching-text", exclusion.text)]
    return given(extension=said, code=exclusion.code, display=exclusion.display)


def _apart(exclusion: Exclusion) -> Json:
    code = coding(exclusion.system, exclusion.code, exclusion.display)
    spoken = {"as-spoken": not exclusion.inverted or None}
    return compound("exclusion", code=code or None, text=exclusion.text, reason=exclusion.reason, **spoken)
