"""One module per command of `anakinra-cds`, each with its click command under the name `command`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHORT: Final[Mapping[str, str]] = {
    "audit": "Look at the records of every answer.",
    "build": "Write the pages and FHIR resources that the service serves.",
    "cohort": "Say what the rules would have done for the patients of a whole export.",
    "check": "Check rules and cards: every file, every reference, every case.",
    "db": "Bring the tables of the store to what this version needs.",
    "demo": "Ask the real service about the example patients, and show its cards.",
    "diff": "Write a page on what changed between two versions of the knowledge, and whose answer changes.",
    "docs": "Write the knowledge as pages for reviewers, and the page of the repository.",
    "explain": "Say why each rule fired, stayed silent or is unknown for a request.",
    "export": "Write the knowledge as FHIR R4 resources.",
    "facts": "Show every fact of a chart with its sources and age.",
    "feedback": "Say what became of the cards that were shown.",
    "lock": "Record new and raised versions in rules/versions.yaml.",
    "mutants": "Change every criterion, one at a time: does a case notice?",
    "new-rule": "Begin a rule with its cases and its card.",
    "replay": "Put the charts of FHIR bundles to the service.",
    "schemas": "Write the JSON Schemas of the YAML formats.",
    "serve": "Run the service.",
    "site": "Say what a site's calls bring, what nothing recognises, and what would be shown.",
    "synth": "Make synthetic CAR-T patients with the truth beside each.",
}
"""What `anakinra-cds --help` says of each command: to ask the modules would load them all."""
