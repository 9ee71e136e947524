"""Which OperationOutcomes among results make a read incomplete: a table, by severity, code and words."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.outcomes import is_loss

EPIC = "urn:oid:1.2.840.114350.1.13.999.2.7.2.657369"


def issue(severity: str, code: str, text: str = "", epic: str = "") -> dict[str, Any]:
    coding = {"coding": [{"system": EPIC, "code": epic}]} if epic else {}
    return {"severity": severity, "code": code, "details": {**coding, "text": text}}


@pytest.mark.parametrize(
    ("issues", "loss"),
    [
        ([issue("error", "exception")], True),
        ([issue("fatal", "exception")], True),
        ([issue("warning", "incomplete")], True),
        ([issue("information", "throttled")], True),
        ([issue("warning", "timeout")], True),
        ([issue("information", "too-costly")], True),
        ([issue("warning", "forbidden")], True),
        ([issue("information", "security")], True),
        ([issue("warning", "suppressed")], True),
        ([issue("warning", "processing", epic="59204")], True),
        ([issue("information", "informational", "Some records were withheld from this response.")], True),
        ([issue("warning", "processing", "Results of this type have not been included")], True),
        ([issue("information", "informational", "The list was TRUNCATED")], True),
        ([issue("warning", "processing", "It may not contain the entire record", epic="4119")], False),
        ([issue("warning", "processing", "incomplete?", epic="4101")], False),
        ([issue("warning", "not-supported", "Parameter _sort is not supported and was ignored")], False),
        ([issue("information", "informational", "2 results")], False),
        ([issue("information", "informational", "ok"), issue("warning", "incomplete")], True),
        ([], True),
        (["no issue"], True),
        ([{}], True),
        (None, True),
    ],
)
def test_loss(issues: Any, loss: bool) -> None:
    assert is_loss({"resourceType": "OperationOutcome", "issue": issues}) is loss
