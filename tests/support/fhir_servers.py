"""Fixtures: FHIR servers that behave and that do not, each started once, and services that ask them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fhir_server.asking import CANARY, Asker, service
from tests.fhir_server.faults import FAULTS
from tests.fhir_server.good import GoodServer, running
from tests.fhir_server.misbehaving import FaultServer, Trap, trap
from tests.support.vignettes import Vignette, vignettes


@pytest.fixture(scope="session")
def the_trap() -> Iterator[Trap]:
    """Nobody may come here."""
    with trap() as found:
        yield found


@pytest.fixture(scope="session")
def faulty(the_trap: Trap) -> Iterator[FaultServer]:
    """The server of all faults."""
    server = FaultServer(FAULTS, the_trap.origin)
    with running(server):
        yield server


@pytest.fixture(scope="session")
def good() -> Iterator[GoodServer]:
    """A good server with the charts of all vignettes."""
    server = GoodServer(CANARY)
    for case in vignettes():
        chart = case.chart()
        server.charts[chart.patient_id] = [r for r in chart.resources if r.get("status") != "draft"]
    with running(server):
        yield server


@pytest.fixture(scope="session")
def at_site(
    good: GoodServer, faulty: FaultServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Asker]]:
    """Running services by the shipped site that they extend; each trusts the good and the faulty server."""
    folder = tmp_path_factory.mktemp("sites")
    with ExitStack() as stack:

        class Sites(dict[str, Asker]):
            def __missing__(self, extend: str) -> Asker:
                made = stack.enter_context(service(folder, good.base, *faulty.origins, extend=extend))
                self[extend] = made
                return made

        yield Sites()


@pytest.fixture(scope="session")
def asker(at_site: dict[str, Asker]) -> Asker:
    """The service at `us`."""
    return at_site["us"]


@pytest.fixture(scope="session")
def refractory() -> Vignette:
    """A chart for which an order is offered, so that whatever is lost shows."""
    return next(case for case in vignettes() if case.id == "V01")
