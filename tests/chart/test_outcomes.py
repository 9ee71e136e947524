"""Which OperationOutcomes among results make a read incomplete: a table, by severity, code and words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.chart.outcomes import FAILED, MISSING, loss
from cds_service.chart.read import parse_read

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
        ([issue("warning", "exception")], MISSING),
        ([issue("warning", "transient")], MISSING),
        ([issue("warning", "lock-error")], MISSING),
        ([issue("information", "transient")], ""),
        ([], FAILED),
        (["no issue"], FAILED),
        ([{}], FAILED),
        (None, FAILED),
    ],
)
def test_loss(issues: Any, said: str) -> None:
    assert loss({"resourceType": "OperationOutcome", "issue": issues}) == said


LEFT_OUT = (
    "Some results have been excluded because the user lacks permission",
    "Results were filtered due to privacy settings",
    "Search returned too many results; only the first 50 are shown",
    "Restricted records are hidden",
    "Break-the-glass: sensitive entries are not shown",
    "Partial results: one source system did not respond",
    "No results were found; some were withheld",
    "No allergies found, restricted records are hidden",
    "User is not authorized to view some records",
    "Not all records could be loaded",
    "Some entries aren't shown",
    "50 of 120 results returned",
    "3 resources of this patient could not be retrieved",
    "Einige Ergebnisse wurden nicht übermittelt",
    "Vertrauliche Einträge sind ausgeblendet",
    "Nur die ersten 50 Treffer werden angezeigt",
    "Keine Berechtigung für einzelne Befunde",
    "Es wurden nicht alle Einträge geladen",
    "Certains résultats ne sont pas affichés",
    "Résultats masqués pour des raisons de confidentialité",
    "Seuls les 50 premiers résultats sont renvoyés",
    "Algunos registros no se muestran",
    "Registros confidenciales ocultos",
    "Resultados filtrados por privacidad",
    "Alcuni risultati non sono stati trasmessi",
    "Risultati nascosti per motivi di privacy",
    "一部の結果は表示されていません",
    "権限がないため結果が除外されました",
    "일부 결과가 제외되었습니다",
    "권한이 없어 표시되지 않습니다",
)
WHOLE = (
    "All results are shown",
    "No records were filtered",
    "No results were excluded",
    "Nothing was withheld",
    "The list was not truncated",
    "Results filtered by status and sorted by date",
    "120 of 120 results returned",
    "Search completed in 12 ms",
    "Parameter _sort was excluded from processing",
    "The search parameter has not been included in this version",
    "Resource request returns no results.",
    "This server will be upgraded on 1 July",
    "Response served from the cache",
    "Cached data, exclusive lock released",
    "Page 1 of 3",
    "Es wurden keine Einträge ausgeblendet",
    "Alle Ergebnisse wurden übermittelt",
    "Aucun résultat n'a été filtré",
    "Ningún registro fue omitido",
    "Nessun risultato è stato escluso",
    "除外された結果はありません",
    "제외된 결과 없음",
    "すべての結果を表示しています",
)


@pytest.mark.parametrize("text", LEFT_OUT)
def test_a_message_says_that_something_is_missing(text: str) -> None:
    assert loss({"issue": [issue("warning", "processing", text)]}) == MISSING
    assert loss({"issue": [issue("information", "informational", text)]}) == MISSING


@pytest.mark.parametrize("text", WHOLE)
def test_a_message_says_nothing_of_the_kind(text: str) -> None:
    assert loss({"issue": [issue("warning", "processing", text)]}) == ""


@pytest.mark.parametrize(
    ("meta", "whole"),
    [
        ({"tag": [{"code": "SUBSETTED"}]}, False),
        ({"security": [{"code": "REDACTED"}]}, False),
        ({"tag": [{"code": "lms"}], "security": [{"code": "N"}]}, True),
        ({"tag": "SUBSETTED"}, True),
        ("SUBSETTED", True),
    ],
)
def test_a_list_says_itself_that_it_is_a_part(meta: Any, whole: bool) -> None:
    read = parse_read(json.dumps({"resourceType": "Bundle", "type": "searchset", "meta": meta}).encode())
    assert (not read.gaps) is whole
