"""Whether an OperationOutcome among results says that some of them are missing.

Servers send outcomes beside what they found: some are routine, some say in passing that records were left out. Whatever
says so makes the read incomplete, however mild its severity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

# FHIR R4 issue-severity: the two that do not fail a search.
_MILD: Final = frozenset({"warning", "information"})
# FHIR R4 issue-type: codes that mean that not everything was returned, whatever the severity.
_LOSING: Final = frozenset(
    {"incomplete", "throttled", "suppressed", "timeout", "too-costly", "forbidden", "security", "login", "expired"}
)
# Epic's message codes: a sub-resource that the client may not read; and two that stand beside complete answers.
_EPIC_LEFT_OUT: Final = frozenset({"59204"})
_EPIC_ROUTINE: Final = frozenset({"4119", "4101"})
_LEFT_OUT: Final = re.compile(
    r"withheld|not (?:been )?included|left out|omitted|redacted|truncated|suppressed|incomplete|partial result",
    re.IGNORECASE,
)


def is_loss(outcome: Mapping[str, Any]) -> bool:
    """Whether any issue of it fails the read, or says that something is missing. No issue that can be read: it does."""
    issues = outcome.get("issue")
    if not isinstance(issues, list) or not issues:
        return True
    return any(not isinstance(issue, Mapping) or _is_lossy(issue) for issue in issues)


def _is_lossy(issue: Mapping[str, Any]) -> bool:
    if issue.get("severity") not in _MILD:
        return True
    codes = set(_codes(issue))
    if codes & _EPIC_LEFT_OUT or issue.get("code") in _LOSING:
        return True
    return not codes & _EPIC_ROUTINE and any(_LEFT_OUT.search(text) for text in _texts(issue))


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
