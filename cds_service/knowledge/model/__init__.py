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
from cds_service.knowledge.model.content import Card, CardOrder, Dose, Issuer, OverrideReason, Regimen, Region, Site
from cds_service.knowledge.model.drugs import Drug, Group, Medication, Pack, RegionStatement, Route, Use
from cds_service.knowledge.model.facts import Catalogue, FactDefinition, Query, Source
from cds_service.knowledge.model.orders import DosedKind, Dosing, OrderKind, Orders, OrdersFile, assembled
from cds_service.knowledge.model.rules import OPERATORS, Case, Condition, Finding, RuleDefinition, Until
from cds_service.knowledge.model.terms import Analyte, Code, Evidence, Exclusion, Policy, Unit, UnverifiedCode, ValueSet
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
    "Computed",
    "Condition",
    "Coverage",
    "Dose",
    "DosedKind",
    "Dosing",
    "Drug",
    "Evidence",
    "Exclusion",
    "FactDefinition",
    "Finding",
    "Group",
    "Id",
    "Issuer",
    "Medication",
    "Model",
    "OptionalDate",
    "OrderKind",
    "Orders",
    "OrdersFile",
    "OverrideReason",
    "Pack",
    "Policy",
    "Query",
    "Regimen",
    "Region",
    "RegionStatement",
    "Route",
    "RuleDefinition",
    "Site",
    "Source",
    "SourceAttributes",
    "Statement",
    "Status",
    "Stratum",
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
    "assembled",
]
