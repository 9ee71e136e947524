"""Which OperationOutcomes among results make a read incomplete: a table, by severity, code and words."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.outcomes import FAILED, MISSING, loss

EPIC = "urn:oid:1.2.840.114350.1.13.999.2.7.2.657369"


def issue(severity: str, code: str, text: str = "", epic: str = "") -> dict[str, Any]:
    coding = {"coding": [{"system": EPIC, "code": epic}]} if epic else {}
    return {"severity": severity, "code": code, "details": {**coding, "text": text}}


@pytest.mark.parametrize(
    ("issues", "said"),
    [
        ([issue("error", "exception")], FAILED),
        ([issue("fatal", "exception")], FAILED),
        ([issue("warning", "incomplete")], MISSING),
        ([issue("information", "throttled")], MISSING),
        ([issue("warning", "timeout")], MISSING),
        ([issue("information", "too-costly")], MISSING),
        ([issue("warning", "forbidden")], MISSING),
        ([issue("information", "security")], MISSING),
        ([issue("warning", "suppressed")], MISSING),
        ([issue("warning", "processing", epic="59204")], MISSING),
        ([issue("information", "informational", "Some records were withheld from this response.")], MISSING),
        ([issue("warning", "processing", "Results of this type have not been included")], MISSING),
        ([issue("information", "informational", "The list was TRUNCATED")], MISSING),
        ([issue("warning", "processing", "It may not contain the entire record", epic="4119")], ""),
        ([issue("warning", "processing", "incomplete?", epic="4101")], ""),
        ([issue("warning", "not-supported", "Parameter _sort is not supported and was ignored")], ""),
        ([issue("information", "informational", "2 results")], ""),
        ([issue("information", "informational", "ok"), issue("warning", "incomplete")], MISSING),
        ([], FAILED),
        (["no issue"], FAILED),
        ([{}], FAILED),
        (None, FAILED),
    ],
)
def test_loss(issues: Any, said: str) -> None:
    assert loss({"resourceType": "OperationOutcome", "issue": issues}) == said
