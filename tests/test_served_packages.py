"""The served process needs few packages: what the extra `tools` adds is never imported by what serves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires

import pytest

from tests.support.shipped import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUEST = ROOT / "examples/requests/refractory-grade-2.json"
# Starts as serve does, answers a call, and prints the names of all that was imported.
PROGRAM = f"""
import json, os, sys
os.environ["CDS_ALLOW_EVALUATION_TIME"] = "on"

def tools():
    return {{name for name in sys.modules if name.startswith("cds_service.tools")}}

import cds_service.tools.commands.serve
command = tools()
from cds_service.app import create_app, prepare
prepare()
client = create_app().test_client()
body = open({str(REQUEST)!r}, "rb").read()
answer = client.post("/cds-services/anakinra-order-select", data=body, content_type="application/json")
assert answer.get_json()["cards"], answer.text
item = {{"card": answer.get_json()["cards"][0]["uuid"], "outcome": "overridden"}}
kept = {{"feedback": [item | {{"outcomeTimestamp": "2026-03-05T12:00:00Z"}}]}}
assert client.post("/cds-services/anakinra-order-select/feedback", json=kept).get_json() == {{}}
assert client.get("/knowledge").status_code == client.get("/fhir/ValueSet").status_code == 503
assert "urllib3" not in sys.modules, "what reads from FHIR servers costs a start that never reads from one"
import cds_service.chart.line
print(json.dumps([sorted(sys.modules), sorted(tools() - command)]))
"""


def named(requirements: Iterable[str]) -> set[str]:
    """The distributions that requirements name, without markers of extras."""
    return {normal(re.split(r"[\s\[<>=!~;(]", each)[0]) for each in requirements if "extra ==" not in each}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements: Iterable[str]) -> set[str]:
    """Those distributions with all that they need in turn."""
    found: set[str] = set()
    left = named(requirements)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left |= {each for each in named(requires(name) or ()) if is_here(each)} - found
    return found


def is_here(name: str) -> bool:
    """A requirement whose marker does not hold here is not installed."""
    return name in INSTALLED


INSTALLED = {normal(each) for names in packages_distributions().values() for each in names}
SERVED = closure(PROJECT["dependencies"])
EXTRA = (
    closure(each for name in ("tools", "postgres", "otel") for each in PROJECT["optional-dependencies"][name]) - SERVED
)
# Mako, which Alembic needs, tries whether it may colour what it shows; setuptools starts itself in every process of an
# environment that holds it, by a .pth file.
BY_THEMSELVES = {"pygments", "setuptools"}
# Checks tokens, and is loaded only where they are required (tests/web/test_web_trust.py).
WHERE_ASKED = {"joserfc"}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """(distributions whose modules a served call has imported, our tools that it has)."""
    environment = os.environ | {"CDS_DATA": str(tmp_path_factory.mktemp("data"))}  # its tables are made first
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    modules, tools = json.loads(done.stdout)
    owners = packages_distributions()
    return {normal(owner) for name in modules for owner in owners.get(name.partition(".")[0], ())}, set(tools)


def test_a_served_call_imports_nothing_of_the_extra(imported: tuple[set[str], set[str]]) -> None:
    assert {"requests", "rich", "psycopg", "opentelemetry-api", "protobuf"} <= EXTRA
    assert imported[0] & EXTRA - BY_THEMSELVES == set()


def test_a_served_call_imports_no_tool(imported: tuple[set[str], set[str]]) -> None:
    assert imported[1] == set()


def test_every_package_that_is_required_is_used(imported: tuple[set[str], set[str]]) -> None:
    assert named(PROJECT["dependencies"]) - imported[0] == WHERE_ASKED


def test_nothing_is_imported_that_is_not_required(imported: tuple[set[str], set[str]]) -> None:
    assert imported[0] - SERVED - {"anakinra-cds"} - BY_THEMSELVES == set()
