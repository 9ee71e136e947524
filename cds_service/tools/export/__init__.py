"""The knowledge files as FHIR R4 resources, for systems that take them over: written to a folder, or served."""

from cds_service.tools.export.capability import capability_statement
from cds_service.tools.export.collection import TYPES, bundle, checked, text
from cds_service.tools.export.fhir import canonical

__all__ = ["TYPES", "bundle", "canonical", "capability_statement", "checked", "text"]
