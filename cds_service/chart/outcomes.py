"""Whether an OperationOutcome among results says that some of them are missing.

Servers send outcomes beside what they found: some are routine, some say in passing that records were left out. Whatever
says so makes the read incomplete, however mild its severity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cds_service.chart.outcome_words import leaves_out

# FHIR R4 issue-severity: the two that do not fail a search.
_MILD: Final = frozenset({"warning", "information"})
# FHIR R4 issue-type: codes that mean that not everything was returned, whatever the severity.
_LOSING: Final = frozenset(
    {"incomplete", "throttled", "suppressed", "timeout", "too-costly", "forbidden", "security", "login", "expired"}
)
# FHIR R4 issue-type: the branch of processing that went wrong on the way, and users that the server does not know. As
# a warning they leave open what was found; as information they tell of what is over.
_TROUBLED: Final = frozenset({"exception", "transient", "lock-error", "no-store", "unknown"})
# HL7 v3 ObservationValue: labels of what is only a part of what there is.
_PART_ONLY: Final = frozenset({"SUBSETTED", "REDACTED", "MASKED"})
# Epic's message codes: a sub-resource that the client may not read; and two that stand beside complete answers.
_EPIC_LEFT_OUT: Final = frozenset({"59204"})
_EPIC_ROUTINE: Final = frozenset({"4119", "4101"})


FAILED: Final = "the search reported an error among its results"
MISSING: Final = "the search says that results are missing"


def loss(outcome: Mapping[str, Any]) -> str:
    """What it says of the read: `FAILED`, `MISSING`, or "" where nothing is missing. What cannot be read has failed."""
    written = outcome.get("issue")
    issues = written if isinstance(written, list) else []
    if not issues or any(not isinstance(i, Mapping) or i.get("severity") not in _MILD for i in issues):
        return FAILED
    return MISSING if any(_is_lossy(issue) for issue in issues) else ""


def is_subset(bundle: Mapping[str, Any]) -> bool:
    """Whether the tags or security labels of a Bundle say that it holds less than there is."""
    meta = bundle.get("meta")
    if not isinstance(meta, Mapping):
        return False
    marks = [mark for name in ("tag", "security") if isinstance(meta.get(name), list) for mark in meta[name]]
    return any(isinstance(mark, Mapping) and mark.get("code") in _PART_ONLY for mark in marks)


def _is_lossy(issue: Mapping[str, Any]) -> bool:
    codes = set(_codes(issue))
    if codes & _EPIC_LEFT_OUT or issue.get("code") in _LOSING:
        return True
    if issue.get("code") in _TROUBLED and issue.get("severity") == "warning":
        return True
    return not codes & _EPIC_ROUTINE and leaves_out(_texts(issue))


def _codes(issue: Mapping[str, Any]) -> Iterator[str]:
    details = issue.get("details")
    codings = details.get("coding") if isinstance(details, Mapping) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, Mapping) and isinstance(coding.get("code"), str):
            yield coding["code"]


def _texts(issue: Mapping[str, Any]) -> Iterator[str]:
    details = issue.get("details")
    for text in (issue.get("diagnostics"), details.get("text") if isinstance(details, Mapping) else None):
        if isinstance(text, str):
            yield text[:2000]
