"""The extensions of this export, declared once: what they mean, where they may stand, and which values they take.

FHIR has no element for them; without them something that a reviewer wrote would be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from cds_service.tools.export.fhir import Json, canonical

KIND: Final = "StructureDefinition"


@dataclass(frozen=True, slots=True)
class Part:
    """One named value of an extension; `types` are FHIR data types, more than one for `value[x]`."""

    name: str
    types: tuple[str, ...]
    short: str
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension of `contexts` (element paths or data types) with one value, or with `parts` instead."""

    name: str
    short: str
    contexts: tuple[str, ...]
    types: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    repeats: bool = False


def _simple(name: str, kind: str, short: str, *contexts: str, repeats: bool = False) -> Extension:
    return Extension(name, short, contexts, types=(kind,), repeats=repeats)


_ACTION: Final = "PlanDefinition.action"
_CODE: Final = ("code",)
_TEXT: Final = ("string",)

DECLARED: Final = (
    # ---- value sets
    _simple(
        "matching-text", "string", "A word or phrase that matches beside the codes, or that excludes beside the code",
        "ValueSet", "ValueSet.compose.exclude.concept", repeats=True,
    ),
    _simple("only-qualifies", "boolean", "Whether its codes and words say nothing alone", "ValueSet"),
    _simple("international", "boolean", "Whether its words are found in every language", "ValueSet"),
    _simple("listed", "boolean", "Whether a denial goes on over the commas of a list of its words", "ValueSet"),
    _simple("indexed", "boolean", "Whether its names are found in the order of an index too", "ValueSet"),
    _simple("ordinary", "boolean", "Whether its words count in scripts alone that the site reads", "ValueSet"),
    _simple("only-fills", "boolean", "Whether its words name nothing and are only taken away", "ValueSet"),
    _simple(
        "code-source", "string", "Where the code was seen under this meaning",
        "ValueSet.compose.include.concept", "ValueSet.compose.include.filter",
    ),
    _simple("code-display", "string", "What the code of the filter stands for", "ValueSet.compose.include.filter"),
    _simple("exclusion-reason", "string", "Why the code must never match", "ValueSet.compose.exclude.concept"),
    Extension(
        "exclusion", "A phrase that must never match, or a code where no codes are included", ("ValueSet",),
        repeats=True,
        parts=(
            Part("code", ("Coding",), "The code"),
            Part("text", _TEXT, "The phrase"),
            Part("as-spoken", ("boolean",), "Whether it is not meant in the order of an index"),
            Part("reason", _TEXT, "Why it must never match"),
        ),
    ),
    Extension(
        "unverified-code", "A code that was met but could not be verified: never use it for matching", ("ValueSet",),
        repeats=True,
        parts=(Part("code", ("Coding",), "The code"), Part("reason", _TEXT, "Why it is not used")),
    ),
    Extension(
        "code-tree", "Parts of code systems with a tree, by the beginnings of their codes, without dots", ("ValueSet",),
        repeats=True,
        parts=(
            Part("family", _CODE, "A code system under all its URIs, or a group of national editions such as icd-10"),
            Part("begins", _CODE, "A code with all codes below it, or the first and last of a range", repeats=True),
            Part("without", _CODE, "What does not belong here although a shorter beginning does", repeats=True),
            Part("source", _TEXT, "Where the list comes from"),
        ),
    ),
    # ---- libraries
    Extension(
        "policy", "The value of a policy at the site of this export, and whose it is", ("ParameterDefinition",),
        parts=(
            Part("value", ("Quantity", "boolean"), "The value that conditions compare with"),
            Part("unit", _CODE, "Unit, where the value is no quantity"),
            Part("least", ("Quantity",), "The lowest value that anybody may set"),
            Part("most", ("Quantity",), "The highest value that anybody may set"),
            Part("analyte", _CODE, "The table of units of the measurement that it is compared with"),
            Part("owner", _TEXT, "Who answers for the value; `unassigned` where nobody does"),
            Part("validFrom", ("date",), "From when the value holds"),
            Part("reference", _TEXT, "Where the value comes from"),
            Part("siteMayOverride", ("boolean",), "Whether a site may set another value"),
            Part("setBySite", ("boolean",), "Whether the site of this export has set another value"),
        ),
    ),
    Extension(
        "fact", "Where a fact comes from, and when it is known", ("ParameterDefinition",),
        parts=(
            Part("source", _CODE, "How it is found in the chart"),
            Part("valueSet", ("canonical",), "A value set that its source names", repeats=True),
            Part("target", _CODE, "The computation of the service that it comes from"),
            Part("reads", _CODE, "A query that it looks at", repeats=True),
            Part("emptyMeans", _CODE, "Whether a successful read without a match means no, or unknown"),
            Part("maxAge", _CODE, "The policy beyond which it is no longer known"),
            Part("unit", _CODE, "Unit of its value"),
            Part("allowedValue", _CODE, "A value that it may have", repeats=True),
            Part("analyte", _CODE, "The table of units in which it is read"),
        ),
    ),
    Extension(
        "query", "The search of the chart that this data requirement belongs to", ("DataRequirement",),
        parts=(
            Part("name", _CODE, "Name of the query; requirements of one name are one search"),
            Part("title", _TEXT, "What it reads"),
            Part("by", _CODE, "Whether it reads by id or searches by patient"),
            Part("sort", _TEXT, "Its _sort"),
            Part("count", ("positiveInt",), "Its _count"),
            Part("window", _CODE, "The policy beyond which older resources do not matter"),
        ),
    ),
    # ---- rules
    _simple("named-policy", "code", "A policy that the rule names for its reader", "PlanDefinition", repeats=True),
    Extension(
        "evidence", "How sound a citation is, and what may be said of it", ("RelatedArtifact",),
        parts=(
            Part("status", _CODE, "verified, or partly verified"),
            Part("statement", _TEXT, "What may be said of it"),
            Part("why", _TEXT, "Why it has this status"),
            Part("checkedOn", ("date",), "When that was checked"),
            Part("population", _TEXT, "Who was studied"),
            Part("n", ("integer",), "How many"),
            Part("design", _TEXT, "How"),
        ),
    ),
    _simple("stratum", "code", "When the rule is evaluated: safety, pathway, regimen, advice", _ACTION),
    _simple("order-kind", "code", "A kind of order for which the rule is evaluated", _ACTION, repeats=True),
    _simple("if-unknown", "code", "What an unknown result of the conditions becomes", _ACTION),
    _simple("decision", "code", "What the service decides where the conditions hold", _ACTION),
    _simple("indicator", "code", "Indicator of the card", _ACTION),
    _simple("pathway", "code", "The pathway that answers where the conditions hold", _ACTION),
    _simple("withholds-order", "boolean", "Whether no order may be offered where the conditions hold", _ACTION),
    Extension(
        "until", "When time alone changes the answer", (_ACTION,),
        parts=(
            Part("fact", _CODE, "The fact, in hours, that grows with time"),
            Part("policy", _CODE, "The policy that it reaches"),
        ),
    ),
    Extension(
        "card", "The wording of the card, as Jinja2 templates", (_ACTION,),
        parts=(
            Part("id", _CODE, "Id of the card"),
            Part("version", _TEXT, "Version of the card"),
            Part("summary", _TEXT, "Template of the summary"),
            Part("detail", ("markdown",), "Template of the detail"),
            Part("overrideReason", ("Coding",), "A reason to go another way", repeats=True),
        ),
    ),
    _simple("recommended", "boolean", "Whether this one of the alternatives comes first", _ACTION),
    # ---- regimens
    _simple(
        "permitted-dosage", "Dosage", "A dosage at which a finished order needs no change", "ActivityDefinition",
        repeats=True,
    ),
    _simple("permitted-up-to", "boolean", "Whether less than these is permitted too", "ActivityDefinition"),
    _simple(
        "permitted-by-protocol", "integer", "An interval in hours at which a site's high-dose protocol permits more",
        "ActivityDefinition", repeats=True,
    ),
    _simple(
        "daily-maximum-by-weight", "Ratio", "Highest daily dose for each kilogram, beside the fixed one",
        "ActivityDefinition",
    ),
    Extension(
        "pack", "The single-use unit that a pharmacy dispenses", ("ActivityDefinition",),
        parts=(
            Part("content", ("Quantity",), "Amount of the drug in one unit"),
            Part("unit", _TEXT, "What the unit is called"),
            Part("display", _TEXT, "The unit in full"),
            Part("source", _TEXT, "Where that was seen"),
        ),
    ),
)  # fmt: skip

_BY_NAME: Final = {declared.name: declared for declared in DECLARED}


def extension(name: str, value: object) -> Iterator[Json]:
    """The extension with this value; one for each where the value is a tuple, none where it is None or empty."""
    for each in _values(_BY_NAME[name].types, value):
        yield {"url": canonical(KIND, name), **each}


def compound(name: str, /, **values: object) -> Json:
    """The extension with these parts, in the order declared; parts that are None or empty are left out."""
    parts = _BY_NAME[name].parts
    unknown = values.keys() - {part.name for part in parts}
    if unknown:
        raise KeyError(f"{name} has no part {', '.join(sorted(unknown))}")
    nested = [{"url": part.name, **each} for part in parts for each in _values(part.types, values.get(part.name))]
    return {"url": canonical(KIND, name), "extension": nested}


def _values(types: tuple[str, ...], value: object) -> Iterator[Json]:
    """`value[x]`, with the one type or with the one of several that fits; for each where the value is a tuple."""
    for each in value if isinstance(value, tuple) else (value,):
        if each is None or each == "":
            continue
        kind = "boolean" if isinstance(each, bool) else next(name for name in types if name != "boolean")
        yield {f"value{kind[0].upper()}{kind[1:]}": each.isoformat() if isinstance(each, date) else each}
