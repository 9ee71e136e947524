"""The shape of everything under `rules/` and `cards/`: what a reviewer may write, and nothing else.

Every model is frozen and refuses unknown keys. Keys are spelled in YAML as FHIR spells its elements (camelCase);
in Python they are snake_case. Thresholds, codes, doses and wording live in those files, never in Python.
"""

from cds_service.knowledge.model.base import (
    STRATA,
    Id,
    Model,
    OptionalDate,
    Status,
    Stratum,
    Version,
)
from cds_service.knowledge.model.content import Card, CardOrder, Dose, OverrideReason, Regimen, Region
from cds_service.knowledge.model.facts import Catalogue, FactDefinition, Query, Source
from cds_service.knowledge.model.language import CodeFamily, CodeSystems, Cues, Language, Languages
from cds_service.knowledge.model.orders import Dosing, Medication, OrderKind, Orders, Pack, Route, Use
from cds_service.knowledge.model.rules import OPERATORS, Case, Condition, Finding, RuleDefinition, Until
from cds_service.knowledge.model.site import Issuer, LocalCode, Opposites, Site, SiteTerms
from cds_service.knowledge.model.terms import (
    Analyte,
    Code,
    Evidence,
    Exclusion,
    Policy,
    Tree,
    Unit,
    UnverifiedCode,
    ValueSet,
)
from cds_service.knowledge.model.trace import (
    ATTRIBUTES,
    Attribute,
    AttributeName,
    Computed,
    Coverage,
    SourceAttributes,
    Statement,
    UsedBy,
    Uses,
    VersionEntry,
    Versions,
)

__all__ = [
    "ATTRIBUTES",
    "OPERATORS",
    "STRATA",
    "Analyte",
    "Attribute",
    "AttributeName",
    "Card",
    "CardOrder",
    "Case",
    "Catalogue",
    "Code",
    "CodeFamily",
    "CodeSystems",
    "Computed",
    "Condition",
    "Coverage",
    "Cues",
    "Dose",
    "Dosing",
    "Evidence",
    "Exclusion",
    "FactDefinition",
    "Finding",
    "Id",
    "Issuer",
    "Language",
    "Languages",
    "LocalCode",
    "Medication",
    "Model",
    "Opposites",
    "OptionalDate",
    "OrderKind",
    "Orders",
    "OverrideReason",
    "Pack",
    "Policy",
    "Query",
    "Regimen",
    "Region",
    "Route",
    "RuleDefinition",
    "Site",
    "SiteTerms",
    "Source",
    "SourceAttributes",
    "Statement",
    "Status",
    "Stratum",
    "Tree",
    "Unit",
    "Until",
    "UnverifiedCode",
    "Use",
    "UsedBy",
    "Uses",
    "ValueSet",
    "Version",
    "VersionEntry",
    "Versions",
]
