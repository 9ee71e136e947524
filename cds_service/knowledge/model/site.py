"""Sites: where the process runs, what it trusts, and the local codes and words that a hospital adds to value sets."""

from __future__ import annotations

import re
import zoneinfo
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from cds_service.knowledge.model.base import Id, Model
from cds_service.knowledge.model.terms import Exclusion

# Scripts as the names of their letters in Unicode begin; CJK is Han.
Script = Literal[
    "Latin", "Greek", "Cyrillic", "Hebrew", "Arabic", "Thai", "Devanagari", "Hangul", "CJK", "Hiragana", "Katakana"
]  # fmt: skip
# CDS Hooks recommends ES384 and RS384; the two shorter ones are for clients that have no other. All need a public key
# only: whoever can check a token cannot make one.
Algorithm = Literal["ES384", "RS384", "ES256", "RS256"]

_STAND_IN = re.compile(
    r"\b(todo|tbd|tba|fixme|changeme|placeholder|replace[ -]?me|your[ -]code)\b|<[^>]*>|\?\?|\.\.\.|^(x{3,}|n/a|-+)$",
    re.IGNORECASE,
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_BARE_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_CODE = re.compile(r"\S+( \S+)*")


def _given(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a text that says something")
    if _STAND_IN.search(text.strip()):
        raise ValueError("expected the real text in place of this placeholder")
    return text


def _code_system(text: str) -> str:
    if _BARE_OID.fullmatch(text):
        raise ValueError(f'expected a URI; write "urn:oid:{text}"')
    bare = text.removeprefix("urn:oid:")
    if not _URI.fullmatch(text) or (bare != text and not _BARE_OID.fullmatch(bare)):
        raise ValueError("expected the URI of a code system, such as http://loinc.org or urn:oid:2.999.1")
    return text


def _code_of_system(text: str) -> str:
    if not _CODE.fullmatch(text):
        raise ValueError("expected a code, without spaces around it")
    return text


def _time_zone(name: str) -> str:
    try:
        if name:
            zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("expected an IANA time zone, such as America/Chicago") from error
    return name


Given = Annotated[str, AfterValidator(_given)]
SystemUri = Annotated[str, AfterValidator(_given), AfterValidator(_code_system)]
LocalCodeText = Annotated[str, AfterValidator(_given), AfterValidator(_code_of_system)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class LocalCode(Model):
    """One code of the hospital's own, as its terminology or build team knows it."""

    system: SystemUri
    code: LocalCodeText
    display: Given
    source: Given


class SiteTerms(Model):
    """What one site adds to one value set; nothing that ships is taken away."""

    value_set: Id
    codes: tuple[LocalCode, ...] = ()
    words: tuple[Given, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> SiteTerms:
        if not (self.codes or self.words or self.exclusions):
            raise ValueError("expected codes, words or exclusions")
        if any(bool(e.text) == bool(e.system and e.code) for e in self.exclusions):
            raise ValueError("expected of each exclusion either its text, or its system and code")
        return self


class Issuer(Model):
    """A CDS client that this site trusts: its `iss` and where its public keys are, a file or a URL.

    `algorithms` are those that its tokens may be signed with (else ES384 and RS384); `max_life` is the longest life of
    a token in seconds (else 300).
    """

    iss: Given
    jwks: Given
    algorithms: tuple[Algorithm, ...] = ()
    max_life: Annotated[int, Field(ge=1, le=900)] | None = None


class Site(Model):
    """Where the process runs: region, supply, trusted servers, overridden policies.

    `not_kept` are resource types that the site's EHR does not hold: what is never recorded there cannot be missing.
    Only types may be named whose contraindications stand elsewhere too: statements among orders and drugs given,
    reports of cultures among their results. `empty_means: unknown` says of a query that an
    empty list does not mean "none recorded" there. `rules_off` are never evaluated, each with the reason. `scripts` are
    those that the site's charts are written in: words in another one are not understood. `authorization_servers` are
    trusted with the codes of SMART launches, besides those at the origin of a FHIR server. Times on cards are those of
    `timezone` ("" is UTC). `audit_facts: digest` keeps of the facts behind an answer only what proves them. Where the
    site is `silent`, or a service or a rule of it, everything is evaluated and recorded and nothing of it is shown.
    Checked, shown, and not looked at by a call yet: `language`.
    """

    id: Id
    title: str = ""
    region: str
    supply_route: str = ""
    tocilizumab_shortage: bool = False
    high_dose_protocol: str = ""
    scripts: Annotated[tuple[Script, ...], Field(min_length=1)] = ("Latin",)
    language: Language = "en"
    timezone: TimeZone = ""
    not_kept: tuple[Literal["MedicationStatement", "Immunization", "ServiceRequest", "DiagnosticReport"], ...] = ()
    empty_means: dict[str, Literal["no", "unknown"]] = Field(default_factory=dict)
    rules_off: dict[Id, Given] = Field(default_factory=dict)
    silent: bool = False
    silent_services: tuple[str, ...] = ()
    silent_rules: tuple[Id, ...] = ()
    fhir_servers: tuple[str, ...] = ()
    authorization_servers: tuple[str, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    cors_origins: tuple[str, ...] = ()
    audit_facts: Literal["values", "digest"] = "values"
    policies: dict[str, float | int | bool] = Field(default_factory=dict)

    def silences(self, service: str) -> bool:
        """Whether nothing that a service answers is shown here."""
        return self.silent or service in self.silent_services


class Opposites(Model):
    """`rules/opposites.yaml`: value sets of one kind of which a code or a word can mean one only.

    Each group has sides: lists of value sets that may share a code within the side and never across.
    """

    groups: dict[Id, tuple[tuple[Id, ...], ...]] = Field(default_factory=dict)
