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


FAILED: Final = "the search reported an error among its results"
MISSING: Final = "the search says that results are missing"


def loss(outcome: Mapping[str, Any]) -> str:
    """What it says of the read: `FAILED`, `MISSING`, or "" where nothing is missing. What cannot be read has failed."""
    written = outcome.get("issue")
    issues = written if isinstance(written, list) else []
    if not issues or any(not isinstance(i, Mapping) or i.get("severity") not in _MILD for i in issues):
        return FAILED
    return MISSING if any(_is_lossy(issue) for issue in issues) else ""


def _is_lossy(issue: Mapping[str, Any]) -> bool:
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
