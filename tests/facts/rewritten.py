"""Records that nobody understands, and records that say the same in other words or in a hospital's own codes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from cds_service.chart.vocabulary import concept
from tests.facts.house import service
from tests.facts.notation import PATIENT, Item, Resource, resources, when
from tests.facts.pool import CONTRAINDICATIONS, IRRELEVANT, POOL
from tests.support.examples import example_calls
from tests.support.vignettes import vignettes

# ---- not understood (clinical policy 6.1 R1)

_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_ABSENT_EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"


def _code(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


# Codes that nobody knows: none of a terminology is meant.
FORMS: Final[Mapping[str, Resource]] = {
    "a local code": _code("urn:oid:2.999.77", "7700123"),
    "a code without a system": {"coding": [{"code": "7700123"}]},
    "a SNOMED code without words": _code("http://snomed.info/sct", "99999999999"),
    "an RxNorm code without words": _code("http://www.nlm.nih.gov/research/umls/rxnorm", "99999999"),
    "an ATC code without words": _code("http://www.whocc.no/atc", "Z99ZZ99"),
    "absent data": _code(_ABSENT, "unknown"),
    "masked data": _code(_ABSENT, "masked"),
    "an extension in place of data": {"extension": [{"url": _ABSENT_EXTENSION, "valueCode": "masked"}]},
    "a NullFlavor": _code(_NULL_FLAVOR, "UNK"),
    "a masked NullFlavor": _code(_NULL_FLAVOR, "MSK"),
    "words that say nothing": {"text": "unknown"},
    "other, without more": {"text": "Other"},
    "not on file": {"text": "Not on file"},
    "unable to assess": {"text": "Unable to assess"},
    "a script that is not read": {"text": "\u10e3\u10ea\u10dc\u10dd\u10d1\u10d8 \u10ec\u10d0\u10db\u10d0\u10da\u10d8"},
    "an unlisted abbreviation": {"text": "QXZPT"},
    "empty": {},
}


def _about(kind: str, ago: str, **more: Any) -> Resource:
    owner = "patient" if kind in ("AllergyIntolerance", "Immunization") else "subject"
    made = {"resourceType": kind, "id": "puzzle", owner: {"reference": f"Patient/{PATIENT}"}} | more
    return {name: value for name, value in made.items() if value is not None}


def _active(axis: str) -> Resource:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{axis}", "code": "active"}]}


def _observed(query: str, ago: str, code: Resource, **value: Any) -> dict[str, Resource]:
    return {query: _about("Observation", ago, status="final", code=code, effectiveDateTime=when(ago), **value)}


def _known(item: Item) -> Resource:
    return dict(resources([item])[0]["code"])


DEVICE: Final[Resource] = {"coding": [{"system": "http://loinc.org", "code": "3151-8", "display": "Oxygen flow"}]}
SIGN: Final = _known({"sign": "icans-seizure", "answer": "none"})
GRADE: Final[Resource] = {
    "coding": [{"system": "https://anakinra-cds.org/CodeSystem/observation", "code": "crs-grade"}], "text": "CRS grade"
}  # fmt: skip


def puzzles(form: Resource, ago: str) -> dict[str, dict[str, Resource]]:
    """By name a record that is not understood, under the query that reads it: of every type that a query reads."""
    given = {"medicationCodeableConcept": form}
    number = {"valueQuantity": {"value": 3, "unit": "1"}}
    made = {
        "problem": {
            "conditions": _about(
                "Condition", ago, code=form, clinicalStatus=_active("condition-clinical"), onsetDateTime=when(ago)
            )
        },
        "undated problem": {"conditions": _about("Condition", ago, code=form)},
        "allergy": {
            "allergies": _about(
                "AllergyIntolerance", ago, code=form, clinicalStatus=_active("allergyintolerance-clinical")
            )
        },
        "procedure": {
            "procedures": _about("Procedure", ago, status="completed", code=form, performedDateTime=when(ago))
        },
        "drug given": {
            "administrations": _about(
                "MedicationAdministration", ago, status="completed", effectiveDateTime=when(ago), **given
            )
        },
        "drug running": {
            "administrations": _about(
                "MedicationAdministration", ago, status="in-progress", effectivePeriod={"start": when(ago)}, **given
            )
        },
        "drug stated": {
            "statements": _about("MedicationStatement", ago, status="active", effectiveDateTime=when(ago), **given)
        },
        "drug ordered": {
            "requests": _about(
                "MedicationRequest", ago, status="active", intent="order", authoredOn=when(ago), **given
            )
        },
        "vaccine": {
            "immunizations": _about(
                "Immunization", ago, status="completed", vaccineCode=form, occurrenceDateTime=when(ago)
            )
        },
        "test ordered": {
            "service-requests": _about(
                "ServiceRequest", ago, status="active", intent="order", code=form, authoredOn=when(ago)
            )
        },
        "report": {
            "reports": _about("DiagnosticReport", ago, status="final", code=form, effectiveDateTime=when(ago))
        },
        "device": _observed("vitals", ago, DEVICE, valueCodeableConcept=form),
        "recorded grade": _observed("vitals", ago, GRADE, valueCodeableConcept=form),
        "result of a culture": _observed(
            "cultures", ago, _known({"culture": "none"}), valueCodeableConcept=form
        ),
        "answer on pregnancy": _observed(
            "pregnancy-status", ago, _known({"pregnancy": "none"}), valueCodeableConcept=form
        ),
        "neurological sign": _observed("vitals", ago, SIGN, valueCodeableConcept=form),
    }  # fmt: skip
    for query in ("vitals", "weights", "labs", "cultures", "pregnancy-status"):
        made[f"measurement among {query}"] = _observed(query, ago, form, **number)
    return made


PUZZLES: Final = tuple(puzzles({}, "1h"))

# ---- the same in a hospital's own codes

_LOCAL: Final = "urn:oid:2.999.88"
_CONCEPTS: Final = ("code", "medicationCodeableConcept", "vaccineCode", "valueCodeableConcept")
Sets = frozenset[str]


def sets_of(written: Resource) -> Sets | None:
    """The value sets that a concept is in; None where it is in none, or says of one that it is not so, past or
    doubtful: no code of a hospital's own says that."""
    known = _recognised(written)
    plain = known.meanings and all(m.sense == "said" and not m.year for m in known.meanings.values())
    return frozenset(known.meanings) if plain else None


def _recognised(written: Resource) -> Any:
    any_set = next(iter(service().program.terms.values()))
    return any_set.recognised(concept(written))


def _concepts(value: Any) -> Iterator[Resource]:
    """Every concept of a resource that may be coded, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from _concepts(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in _CONCEPTS and isinstance(each, dict):
                yield each
            yield from _concepts(each)


@functools.cache
def local_codes() -> dict[Sets, str]:
    """One code of the hospital for each combination of value sets that a concept of the pool is in."""
    items = resources([*POOL, *IRRELEVANT, *CONTRAINDICATIONS.values()])
    whole = [call["prefetch"] for _, _, call in example_calls(lambda hook: service().program.templates)]
    whole += [vignette.call(service().program.templates)["prefetch"] for vignette in vignettes()]
    found = (sets_of(each) for item in (*items, *whole) for each in _concepts(item))
    distinct = dict.fromkeys(sets for sets in found if sets)
    return {sets: f"L{number:03d}" for number, sets in enumerate(distinct)}


@functools.cache
def local_site(folder: Path) -> str:
    """A site whose terms map those codes, as the path of its folder."""
    by_set: dict[str, list[dict[str, str]]] = {}
    for sets, code in local_codes().items():
        for name in sets:
            by_set.setdefault(name, []).append(
                {"system": _LOCAL, "code": code, "display": code, "source": "list of the hospital"}
            )
    terms = [{"valueSet": name, "codes": codes} for name, codes in sorted(by_set.items())]
    (folder / "terms").mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text("extend: us\nid: coded\n", encoding="utf-8")
    (folder / "terms" / "all.yaml").write_text(yaml.safe_dump(terms), encoding="utf-8")
    return str(folder)


def recoded(resource: Any) -> Any:
    """The same resource with the hospital's code in place of each concept that it can say, and no words beside it."""
    if isinstance(resource, list):
        return [recoded(each) for each in resource]
    if not isinstance(resource, dict):
        return resource
    return {name: _coded(each) if name in _CONCEPTS else recoded(each) for name, each in resource.items()}


def _coded(written: Any) -> Any:
    code = local_codes().get(sets_of(written) or frozenset()) if isinstance(written, dict) else None
    return written if code is None else {"coding": [{"system": _LOCAL, "code": code}]}


# ---- the same in other words

_WORDS: Final = Path(__file__).parents[1] / "data" / "words.yaml"


@functools.cache
def other_words() -> dict[Sets, tuple[str, ...]]:
    """What else says exactly the same value sets: their listed words and abbreviations, and the sentences of the tests
    of words, in all languages."""
    sentences = yaml.safe_load(_WORDS.read_text(encoding="utf-8"))["texts"].values()
    listed = (text for value_set in service().knowledge.value_sets.values() for text in value_set.text)
    found: dict[Sets, list[str]] = {}
    for text in (*listed, *(text for senses in sentences for text in senses.get("said", ()))):
        words = text.removeprefix("*")
        sets = sets_of({"text": words})
        if sets in local_codes():
            found.setdefault(sets, []).append(words)
    return {sets: tuple(dict.fromkeys(texts)) for sets, texts in found.items()}


def reworded(resource: Any, pick: Any, keep_code: bool) -> Any:
    """The same resource with other words for each concept that has some; `pick` chooses among them."""
    if isinstance(resource, list):
        return [reworded(each, pick, keep_code) for each in resource]
    if not isinstance(resource, dict):
        return resource
    return {
        name: _said(each, pick, keep_code) if name in _CONCEPTS else reworded(each, pick, keep_code)
        for name, each in resource.items()
    }


def _said(written: Any, pick: Any, keep_code: bool) -> Any:
    texts = other_words().get(sets_of(written) or frozenset()) if isinstance(written, dict) else None
    if not texts:
        return written
    text = pick(texts)
    codings = [coding | {"display": text} for coding in written.get("coding", ())] if keep_code else []
    return ({"coding": codings} if codings else {}) | {"text": text}
