"""Every command looks at the knowledge and the site of the environment, unless its options say otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.knowledge import load
from tests.sites.folder import write_site
from tests.support.knowledge_root import write_root

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/site-local-codes"
PATIENTS = str(EXAMPLE / "patients")
EXPECTED = ["--expect", str(EXAMPLE / "expected.yaml")]
TERM = 'valueSet: anakinra\ncodes: [{system: "urn:oid:2.999.1", code: "A", display: a, source: b}]\n'


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    """The example request, its draft in a local code."""
    call = json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
    for entry in call["context"]["draftOrders"]["entry"]:
        entry["resource"]["medicationCodeableConcept"] = {"coding": [{"system": "urn:oid:2.999.1", "code": "A"}]}
    path = tmp_path / "request.json"
    path.write_text(json.dumps(call), encoding="utf-8")
    return str(path)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"} | environment).invoke(main, list(arguments))


def site(tmp_path: Path) -> str:
    return str(write_site(tmp_path / "ward", terms__drugs=TERM))


def test_check_and_export_and_docs(tmp_path: Path) -> None:
    where = site(tmp_path)
    digest = load(site=where).digest
    for command in (["check"], ["export", "--bundle", str(tmp_path / "b.json")]):
        for result in (
            run(*command, CDS_SITE=where),
            run(*command, "--site", where),
            run(*command, "--site", where, CDS_SITE="eu"),
        ):
            assert digest in result.output, result.output
        assert digest not in run(*command).output
    docs = run("docs", "--out", str(tmp_path / "d"), "--site", where, CDS_SITE="eu")
    assert digest in docs.output, docs.output


def test_check_tries_what_start_needs(tmp_path: Path) -> None:
    folder = write_site(tmp_path, site='extend: us\nid: ward\nfhirServers: ["ftp://fhir.hospital.example"]\n')
    result = run("check", "--site", str(folder))
    assert result.exit_code == 1
    assert "fhirServers: ftp://fhir.hospital.example: expected http(s)://" in result.output


def test_explain(tmp_path: Path, request_file: str) -> None:
    where = site(tmp_path)
    assert "whose drug is not understood" in run("explain", request_file).output
    assert "crs-adult-grade-2" in run("explain", request_file, CDS_SITE=where).output
    assert "crs-adult-grade-2" in run("explain", request_file, "--site", where).output


def test_facts() -> None:
    one = str(EXAMPLE / "patients/local-bacteraemia.json")
    at = ("--at", "2026-03-05T10:00:00Z")
    local = run("facts", one, *at, CDS_SITE=str(EXAMPLE))
    assert "LB07" in local.output, local.output
    assert run("facts", one, *at, "--site", str(EXAMPLE)).output == local.output
    assert "LB07" not in run("facts", one, *at).output


def test_replay() -> None:
    assert run("replay", PATIENTS, *EXPECTED, CDS_SITE=str(EXAMPLE)).exit_code == 0
    assert run("replay", PATIENTS, *EXPECTED, "--site", str(EXAMPLE), CDS_SITE="eu").exit_code == 0
    assert run("replay", PATIENTS, *EXPECTED).exit_code == 1
    refused = run("replay", PATIENTS, "--url", "http://127.0.0.1:9", "--site", "eu")
    assert refused.exit_code == 2
    assert "--root and --site are for a service in this process" in refused.output


def test_another_root(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    digest = load(root).digest
    assert digest in run("check", CDS_KNOWLEDGE=str(root)).output
    assert digest in run("check", "--root", str(root)).output
    assert f"{root}/rules/versions.yaml: recorded" in run("lock", "--change", "why", CDS_KNOWLEDGE=str(root)).output


COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "check": lambda _: ["check"],
    "docs": lambda _: ["docs", "--check"],
    "explain": lambda request: ["explain", request],
    "export": lambda _: ["export", "--bundle", "never-written.json"],
    "facts": lambda _: ["facts", PATIENTS],
    "lock": lambda _: ["lock", "--change", "why"],
    "replay": lambda _: ["replay", PATIENTS],
    "serve": lambda _: ["serve", "--port", "0"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("by_option", [True, False], ids=["option", "environment"])
def test_a_bad_site_is_one_line(name: str, by_option: bool, request_file: str) -> None:
    arguments = COMMANDS[name](request_file)
    result = run(*arguments, "--site", "uss") if by_option else run(*arguments, CDS_SITE="uss")
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if "uss" in line]
    assert len(lines) == 1, result.output
    assert "rules/sites/uss.yaml:1: id: no such site; did you mean us? there are: " in lines[0]
    assert "Traceback" not in result.output
