"""`anakinra-cds site report`: what came, what nothing recognised, what would be shown, and nothing of a patient."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.knowledge import inspect
from cds_service.program import Program
from cds_service.tools.commands.site import table_lines
from cds_service.tools.onboarding.charts import records_of
from cds_service.tools.onboarding.mapping import skeleton
from cds_service.tools.onboarding.page import page
from cds_service.tools.onboarding.tally import Report, report
from cds_service.tools.printing import as_csv
from cds_service.tools.replay.bundles import Problem, sources
from tests.facts.house import service
from tests.facts.notation import NOW
from tests.sites.folder import write_site
from tests.support.shipped import ROOT
from tests.web.test_web_audit import CANARY, marked

LOCAL = ROOT / "examples/site-local-codes"
AT = "2026-03-05T12:00:00Z"


@pytest.fixture(scope="module")
def program() -> Program:
    return service().program


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["site", "report", *arguments])


def answer(patient: str, **changes: Any) -> dict[str, Any]:
    card = {"rule": "crs-adult-grade-2", "version": "1.1.0", "decision": "suggest", "indicator": "warning"}
    return {
        "kind": "answer",
        "at": f"2026-03-0{len(patient)}T10:00:00.000000Z",
        "service": "anakinra-order-select",
        "hook": "order-select",
        "program": "0123 ward",
        "patient": patient,
        "caller": {"role": "Practitioner"},
        "cards": [],
        "orders": [{"missing": ["crs-grade-unknown"], "unknown": {"ferritin": "stale"}}],
        "silent": {"by": "site", "cards": [{**card, "kind": "anakinra", "leads": True}]},
        "prefetch": {"sent": ["patient", "labs"], "missing": ["vitals"]},
        "fetched": ["vitals"],
        "unmapped": [
            {"source": "labs", "system": "urn:oid:1.2", "code": "0307", "why": "a code without words", "times": 3},
            {"source": "labs", "unit": "mg/100cc", "of": "creatinine", "why": "a unit that is not read", "times": 1},
            {"source": "conditions", "why": "words only: no words", "times": 2},
        ],
    } | changes


def test_records_are_counted(program: Program) -> None:
    aside = [{"kind": "retention"}, {"kind": "lost"}]
    told = report(program, [*aside, answer("p"), answer("p"), answer("qq", silent={}, orders=[], unmapped=[])])
    of = told.document()
    assert (of["calls"], of["patients"], of["wouldShow"], of["shown"], of["programs"]) == (3, 2, 2, 0, ["0123 ward"])
    assert (of["since"][:10], of["until"][:10]) == ("2026-03-01", "2026-03-02")
    assert of["services"] == [
        {"service": "anakinra-order-select", "calls": 3, "patients": 2, "ours": 3, "wouldShow": 2, "shown": 0}
        | {"per100": 66.7}
    ]
    assert of["callers"] == [{"role": "Practitioner", "client": "(no token)", "calls": 2, "patients": 1}]
    (decision,) = of["decisions"]
    assert (decision["rule"], decision["cards"], decision["first"], decision["shown"]) == ("crs-adult-grade-2", 2, 2, 0)
    keys = {row["key"]: row for row in of["prefetch"]}
    assert (keys["labs"]["sent"], keys["vitals"]["missing"], keys["vitals"]["fetched"]) == (3, 3, 3)
    (code,) = of["codes"]
    assert (code["system"], code["code"], code["times"], code["calls"], code["patients"]) == (
        "urn:oid:1.2", "0307", 6, 2, 1,
    )  # fmt: skip
    assert [(row["valueSet"], row["unit"]) for row in of["units"]] == [("creatinine", "mg/100cc")]
    assert [row["times"] for row in of["words"]] == [4]
    assert of["unknown"][0]["why"] == "the newest value is too old"
    assert of["open"] == [{"rule": "crs-grade-unknown", "calls": 2, "patients": 1}]


def test_a_card_that_was_shown_counts_as_shown(program: Program) -> None:
    card = answer("p")["silent"]["cards"][0]
    by_rules = {"by": "rules", "cards": [card, {**card, "rule": "asthma", "decision": "caution", "leads": False}]}
    told = report(program, [answer("p", cards=[card], silent=by_rules)]).section("decisions").rows
    assert [(row["rule"], row["cards"], row["shown"]) for row in told] == [
        ("crs-adult-grade-2", 1, 1),
        ("asthma", 1, 0),
    ]


def bundles(folder: Path) -> Path:
    """The patients of the example site, with a canary in whatever names somebody and in all words."""
    folder.mkdir()
    for file in (LOCAL / "patients").glob("*.json"):
        text = json.dumps(marked(json.loads(file.read_text(encoding="utf-8"))))
        (folder / file.name).write_text(text, encoding="utf-8")
    return folder


def of_bundles(folder: Path) -> Report:
    problems: list[Problem] = []
    told = report(service().program, records_of(service(), sources([folder])[0], "order-select", NOW, problems))
    assert not problems
    return told


def test_no_form_of_the_report_holds_anything_of_a_patient(tmp_path: Path) -> None:
    told = of_bundles(bundles(tmp_path / "patients"))
    html, terms = page(told), skeleton(told, service().knowledge.catalogue)
    rows = "".join(as_csv(section.rows) for section in told.sections)
    whole = "".join((*table_lines(told), json.dumps(told.document()), rows, html, terms))
    assert "CRS-2" in terms
    assert CANARY.lower() not in whole.lower()
    assert not re.search(r"[0-9a-f]{32}", whole)  # nor the hash that stands for one
    assert "<script" not in html


def test_the_forms_say_the_same() -> None:
    arguments = (str(LOCAL / "patients"), "--at", AT)
    rows = of_bundles(LOCAL / "patients").section("codes").rows
    assert {row["code"] for row in rows} >= {"CRS-2", "77001", "40012", "40031", "10301"}
    written = list(csv.DictReader(io.StringIO(run(*arguments, "--csv", "codes").output)))
    assert [row["code"] for row in written] == [row["code"] for row in rows]


def test_the_skeleton_is_refused_until_it_is_filled_in_and_then_maps(tmp_path: Path) -> None:
    terms = tmp_path / "found.yaml"
    before = run(str(LOCAL / "patients"), "--at", AT, "--terms", str(terms), "--json")
    text = terms.read_text(encoding="utf-8")
    blank = write_site(tmp_path / "blank", terms__found=text)
    refused = CliRunner().invoke(main, ["check", "--site", str(blank)])
    assert refused.exit_code == 1
    assert "terms/found.yaml" in refused.output
    # Whoever knows the hospital's lists fills it in: here the example site does.
    known: dict[tuple[str, str], list[str]] = {}
    for file in (LOCAL / "terms").glob("*.yaml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for entry in content if isinstance(content, list) else [content]:
            for code in entry["codes"]:
                known.setdefault((code["system"], code["code"]), []).append(entry["valueSet"])
    found = yaml.safe_load(text)
    filled = [
        {"valueSet": value_set, "codes": [{**code, "display": "as listed", "source": "our lists"}]}
        for entry in found
        for code in entry["codes"]
        for value_set in known.get((code["system"], code["code"]), ())
    ]
    assert len(filled) > 12
    full = write_site(tmp_path / "full", terms__found=yaml.safe_dump(filled))
    assert not inspect(site=str(full)).problems
    arguments = (str(LOCAL / "patients"), "--at", AT, "--json")
    after = json.loads(run(*arguments, "--site", str(full)).output)
    assert (json.loads(before.stdout)["wouldShow"], after["wouldShow"]) == (0, 4)
    assert not {row["code"] for row in after["codes"]} & {code for _, code in known}


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    broken = run(str(tmp_path / "broken.json"))
    assert broken.exit_code == 1
    assert "broken.json" in broken.output
    assert "nothing recorded: 0 calls, 0 patients" in broken.output


def test_a_report_of_nothing_has_a_page_and_a_skeleton(program: Program) -> None:
    empty: Report = report(program, [])
    assert "No call was recorded" in page(empty)
    assert yaml.safe_load(skeleton(empty, program.knowledge.catalogue)) == []
