"""`anakinra-cds explain` and `facts`: what a reviewer reads on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from cds_service.cli import main

EXAMPLES = Path(__file__).parents[1] / "examples"
REQUEST = EXAMPLES / "requests" / "refractory-grade-2.json"
AT = "2026-03-05T12:00:00Z"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, " ".join(result.output.split())


def test_explain_says_why_each_rule_fired_or_not() -> None:
    code, text = run("explain", str(REQUEST))
    assert code == 0
    assert "fires crs-refractory 1.0.0 pathway" in text
    assert "Tocilizumab doses in this CRS episode = 2 (asked: >= 2 [policy.tocilizumab-failure-doses])" in text
    assert "silent infection-severe" in text
    assert "kept silent by: Severe active infection = no (asked: = yes)" in text
    assert "agree" in text


def test_explain_says_what_is_missing(tmp_path: Path) -> None:
    request = json.loads(REQUEST.read_text(encoding="utf-8"))
    del request["prefetch"]["allergies"]
    lacking = tmp_path / "request.json"
    lacking.write_text(json.dumps(request), encoding="utf-8")
    code, text = run("explain", str(lacking), "--fired")
    assert code == 0
    assert "unknown hypersensitivity-active" in text
    assert "is unknown: allergies: not sent by the EHR" in text
    assert "kept silent by" not in text


def test_explain_of_another_hook_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "request.json"
    other.write_text('{"hook": "appointment-book"}', encoding="utf-8")
    code, text = run("explain", str(other))
    assert code == 1
    assert "hook: expected one of order-select, order-sign" in text


def test_facts_prints_every_fact_and_the_course() -> None:
    code, text = run("facts", str(EXAMPLES / "patients" / "refractory-grade-3.json"), "--at", AT)
    assert code == 0
    assert "CRS grade over the episode" in text
    assert "tocilizumab dose 2" in text
    assert "grade 3 documented; grade 2 ended" in text
    assert "norepinephrine" in text


def test_facts_prints_only_what_is_not_known() -> None:
    code, text = run("facts", str(EXAMPLES / "patients" / "refractory-grade-2.json"), "--at", AT, "--unknown")
    assert code == 0
    assert "no dose and no frequency given" in text
    assert "Severe active infection" not in text


def test_facts_of_an_unusable_source(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    code, text = run("facts", str(broken))
    assert code == 1
    assert "broken.json" in text
