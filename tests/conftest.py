"""Fixtures of all tests: the shipped knowledge with what is made of it, a small root, and FHIR servers."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge, load
from cds_service.shipped import find_examples
from cds_service.tools.build import build
from cds_service.tools.catalogue.shown import Shown, shown
from cds_service.tools.safety_case import HAZARDS, hazard_log
from tests.support import golden
from tests.support.conformance import chapters, requirements
from tests.support.exported import Resources, exported
from tests.support.knowledge_root import Problems, write_root
from tests.support.ran import Proofs
from tests.support.shipped import ROOT

# Whatever a test starts keeps its records here, and not among those of the user.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="anakinra-cds-tests-")

# Every test makes much that lasts. With the thresholds of Python, a third of a run would go into walking it again; with
# those of a served worker, what whole services leave behind would fill the memory.
gc.set_threshold(50_000, 10, 10)

pytest_plugins = ["pytester", "tests.support.fhir_servers"]

# What runs the same lines thousands of times: tracing them again would make them twice as slow, and shows nothing new.
UNTRACED = (
    "tests/mutants/",
    "tests/export/test_export_fhirpath.py",
    "tests/facts/test_facts_metamorphic.py",
    "tests/facts/test_facts_relations.py",
    "tests/knowledge/test_random_edits.py",
    "tests/replay/test_public_charts.py",
    "tests/test_acceptance.py",
    "tests/test_card_form.py",
    "tests/test_golden.py",
    "tests/test_hostile_charts.py",
    "tests/test_hours.py",
    "tests/test_incomplete_reads.py",
    "tests/test_prefetch_bearable.py",
    "tests/test_relations.py",
    "tests/web/test_web_absurd.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that hears of all tests, where several run them."""
    if not hasattr(config, "workerinput"):
        controls = {control.test for hazard in hazard_log(ROOT / HAZARDS).hazards for control in hazard.controls}
        shown = {test for each in requirements(chapters()) for test in each["tests"]}
        config.pluginmanager.register(Proofs(controls | shown))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Where coverage is measured, such a test is run, and its fixtures are made, without."""
    measuring = getattr(item.config.pluginmanager.get_plugin("_cov"), "cov_controller", None)
    if measuring is None or not item.nodeid.startswith(UNTRACED):
        return (yield)
    measuring.pause()
    try:
        return (yield)
    finally:
        measuring.resume()


@pytest.fixture(scope="session")
def ours() -> Knowledge:
    """The shipped knowledge at the site `us`."""
    return load(ROOT)


@pytest.fixture(scope="session")
def on_patients(ours: Knowledge) -> Shown:
    """The shipped cards as the example patients get them."""
    return shown(ours, find_examples())


@pytest.fixture(scope="session")
def resources(ours: Knowledge) -> Resources:
    """The shipped knowledge as FHIR."""
    return exported(ours)


@pytest.fixture(scope="session")
def pages(ours: Knowledge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a service serves at /knowledge and /fhir, built from the shipped knowledge."""
    folder = tmp_path_factory.mktemp("pages")
    build(ours, folder, date(2026, 3, 5))
    return folder


@pytest.fixture(scope="session")
def golden_answers(tmp_path_factory: pytest.TempPathFactory) -> list[golden.Answered]:
    """What the service says now to every example, vignette and acceptance case."""
    own = tmp_path_factory.getbasetemp()
    return golden.answers_of_run(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A minimal valid root of knowledge files, the test's own to change."""
    return write_root(tmp_path / "root")


@pytest.fixture
def problems(root: Path) -> Problems:
    """A function that loads the root and returns the problems."""

    def loaded(site: str = "us") -> tuple[str, ...]:
        try:
            load(root, site)
        except KnowledgeError as error:
            return error.problems
        return ()

    return loaded
