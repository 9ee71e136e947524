"""Our own acceptance cases, over real HTTP: what every card says and offers, and that every card is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.tools.replay.client import HttpClient
from tests.support.acceptance import Acceptance, acceptance_cases, differences
from tests.support.cards import explanation, faults
from tests.support.live import live_service
from tests.support.vignettes import AT

CASES = acceptance_cases()
LEAST = 130
Ask = Callable[[Acceptance], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A function that asks the service at a case's site and gives the cards; services start once a site."""
    clients: dict[str, tuple[HttpClient, dict[str, dict[str, Any]]]] = {}
    folder = tmp_path_factory.mktemp("sites")
    with ExitStack() as stack:

        def put(case: Acceptance) -> list[dict[str, Any]]:
            place = case.place if isinstance(case.place, str) else site_file(folder, case.place)
            if place not in clients:
                client = HttpClient(stack.enter_context(live_service(place)), trust_env=False)
                stack.callback(client.close)
                clients[place] = client, {entry["hook"]: entry for entry in client.services()}
            client, services = clients[place]
            service = services[case.hook]
            reply = client.call(service["id"], case.call(service["prefetch"]))
            assert not reply.error, reply.error
            return reply.body["cards"]

        yield put


def site_file(folder: Path, written: Mapping[str, Any]) -> str:
    """The path of a site file that says this; cases that say the same share it."""
    path = folder / f"{written['id']}.yaml"
    path.write_text(yaml.safe_dump(dict(written)), encoding="utf-8")
    return str(path)


def test_there_are_enough_and_ids_are_unique() -> None:
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids))
    assert len(ids) >= LEAST


def named(case: Acceptance) -> Any:
    """A case from which the service is known to differ is expected to fail, and strictly so."""
    marks = [pytest.mark.xfail(reason=case.differs, strict=True)] if case.differs else []
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", [named(case) for case in CASES])
def test_case(case: Acceptance, ask: Ask) -> None:
    cards = ask(case)
    assert differences(case.expected, cards) == []
    session = case.call({})["context"].get("draftOrders", {"entry": []})
    drafts = [entry["resource"] for entry in session["entry"]]
    assert [fault for card in cards for fault in faults(card, drafts)] == []
    assert all(explanation(card)["evaluatedAt"].startswith(AT.strftime("%Y-%m-%dT%H:%M")) for card in cards)
