"""Synthetic CAR-T patients: courses from reviewable figures, as FHIR R4 in several dialects, and their truth."""
