"""Whatever a start accepts answers every example: random edits of the shipped files, as people make them.

An edit is either refused with file and line, or the service starts and answers. `RANDOM_EDITS` sets how many are tried.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from cds_service.app import create_app
from cds_service.contract import SERVICES
from cds_service.errors import KnowledgeError
from cds_service.knowledge import load, loader
from cds_service.knowledge.files import Document, parse
from cds_service.service import Service
from cds_service.settings import Settings
from tests.support.cards import explanation
from tests.support.edits import SLIPS, Edit, edits
from tests.support.examples import example_calls
from tests.support.shipped import ROOT

COUNT = int(os.environ.get("RANDOM_EDITS", "30"))
SEED = int(os.environ.get("RANDOM_EDITS_SEED", "8"))
KINDS = tuple(SLIPS)
_PLACE = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): [^:]+: .+")
_ENDPOINTS = {hook: f"/cds-services/{name}" for name, hook in SERVICES.items()}


class Bench:
    """A copy of the shipped files, and the examples to be asked of what becomes of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("rules", "cards"):
            shutil.copytree(ROOT / folder, root / folder)
        paths = sorted(path for path in root.rglob("*.yaml"))
        self.texts: Mapping[str, str] = {p.relative_to(root).as_posix(): p.read_text(encoding="utf-8") for p in paths}
        self.calls = [(name, hook, call) for name, hook, call in example_calls(self._templates())]

    def _templates(self) -> Any:
        service = Service.start(load(self.root))
        prefetch = service.discovery()[0]["prefetch"]
        return lambda hook: prefetch

    def outcome(self, edit: Edit) -> str:
        """`refused`, `answered`, or what went wrong; the files are as before afterwards."""
        path = self.root / edit.file
        try:
            if edit.text is None:
                path.unlink()
            else:
                path.write_text(edit.text, encoding="utf-8")
            return self._outcome(edit)
        finally:
            before = self.texts.get(edit.file)
            if before is None:
                path.unlink()
            else:
                path.write_text(before, encoding="utf-8")

    def _outcome(self, edit: Edit) -> str:
        try:
            service = Service.start(load(self.root))
        except KnowledgeError as error:
            return self._refusal(edit, error)
        except Exception as error:  # whatever it is, it is no refusal
            return f"did not start: {type(error).__name__}: {error}"
        client = create_app(Settings(allow_evaluation_time=True), service).test_client()
        for name, hook, call in self.calls:
            try:
                reply = client.post(_ENDPOINTS[hook], json=call)
            except Exception as error:
                return f"{name}: {type(error).__name__}: {error}"
            if reply.status_code != 200:
                return f"{name}: status {reply.status_code}"
            rules = [explanation(card)["rule"] for card in reply.get_json()["cards"]]
            if "system-unevaluated" in rules:
                return f"{name}: could not be evaluated"
        return "answered"

    def _refusal(self, edit: Edit, error: KnowledgeError) -> str:
        for problem in error.problems:
            place = _PLACE.match(problem)
            if place is None:
                return f"refused without a place: {problem}"
            file = self.root / place["file"]
            if not file.is_file() and place["file"] != edit.file:
                return f"refused at a file that is not there: {problem}"
            if file.is_file() and int(place["line"]) > file.read_text(encoding="utf-8").count("\n") + 1:
                return f"refused at a line that is not there: {problem}"
        return "refused"


def holes(outcomes: Iterable[tuple[Edit, str]]) -> list[str]:
    """The edits that were neither refused with a place nor answered."""
    return [f"{edit} -> {outcome}" for edit, outcome in outcomes if outcome not in ("refused", "answered")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Every file is parsed once, by its content: an edit changes one of hundreds."""
    remembered = lru_cache(maxsize=None)(parse)

    def read(path: Path, name: str) -> Document:
        return remembered(path.read_bytes(), name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "read", read)
        yield Bench(tmp_path_factory.mktemp("edited"))


def test_what_is_accepted_answers_and_what_is_refused_has_a_place(bench: Bench) -> None:
    outcomes = [(edit, bench.outcome(edit)) for edit in edits(bench.texts, SEED, COUNT, KINDS)]
    assert holes(outcomes) == []
    # A test that refuses everything, or nothing, would prove nothing.
    shares = {word: sum(outcome == word for _, outcome in outcomes) for word in ("refused", "answered")}
    print(f"{COUNT} edits of seed {SEED}: {shares['refused']} refused, {shares['answered']} answered")  # noqa: T201
    assert min(shares.values()) > COUNT / 10


def test_every_kind_of_slip_is_drawn(bench: Bench) -> None:
    # Two rounds: a slip that changes nothing, such as a type to the same one, is passed over in its turn.
    assert {edit.kind for edit in edits(bench.texts, SEED, 2 * len(SLIPS), SLIPS)} == set(SLIPS)
