"""Charts read through a FHIR server that we did not write: `sekmet-fhir`, installed by this test in a venv of its own.

Every chart is loaded into it, and must give the same facts and the same cards as the same chart sent in prefetch.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from cds_service import knowledge
from cds_service.chart.prefetch import templates
from cds_service.contract import SERVICES
from cds_service.errors import CallError
from cds_service.facts.model import Fact
from cds_service.service import Service
from cds_service.tools.options import parse_time
from cds_service.tools.replay.bundles import Chart, read, sources
from cds_service.tools.replay.calls import build_call
from cds_service.web.door import read_call
from tests.fhir_server.asking import CANARY, offering, plain
from tests.fhir_server.references import referring
from tests.support.public_data import SYNTHEA, needs

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PACKAGE = "sekmet-fhir==0.1.1"
PATIENCE_S = 60
PAGE = 4
AT = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
# What templates read; the rest of a Synthea bundle would only make loading slower.
KINDS = frozenset(template.split("/")[0].split("?")[0] for template in templates(knowledge.load()).values())


@dataclass(frozen=True, slots=True)
class Real:
    """The running server: its base URL, and a session that may write."""

    base: str
    session: requests.Session

    def load(self, chart: Chart) -> int:
        """Put all that is read of a chart, but its drafts, which live in the client; gives their number."""
        wanted = [r for r in chart.resources if r["resourceType"] in KINDS and r.get("status") != "draft"]
        self.put(wanted)
        return len(wanted)

    def put(self, resources: Iterable[Mapping[str, Any]]) -> None:
        """Write resources under their own ids."""
        wanted = list(resources)
        for start in range(0, len(wanted), 200):
            entries = [
                {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
                for r in wanted[start : start + 200]
            ]
            bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
            answer = self.session.post(self.base, json=bundle, timeout=PATIENCE_S)
            assert answer.status_code == 200, answer.text[:500]
            refused = [e["response"] for e in answer.json()["entry"] if e["response"]["status"][0] != "2"]
            assert refused == [], refused[:3]


@pytest.fixture(scope="module")
def sekmet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, in a venv that is kept in pytest's cache."""
    cache = getattr(request.config, "cache", None)
    folder = cache.mkdir("sekmet-fhir-0.1.1") if cache else tmp_path_factory.mktemp("sekmet")
    program = folder / "venv" / "bin" / "sekmet"
    if not (folder / "complete").exists():
        shutil.rmtree(folder / "venv", ignore_errors=True)
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input", PACKAGE]
        try:
            for words in ([sys.executable, "-m", "venv", str(folder / "venv")], pip):
                subprocess.run(words, check=True, capture_output=True, timeout=PATIENCE_S, env=environment)
        except (OSError, subprocess.SubprocessError) as error:
            why = getattr(error, "stderr", None) or b""
            pytest.skip(f"{PACKAGE} cannot be installed here: {type(error).__name__} {why[-200:]!r}")
        (folder / "complete").touch()
    return Path(program)


@pytest.fixture(scope="module")
def real(sekmet: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """The server with an empty SQLite database, open to one bearer token."""
    folder = tmp_path_factory.mktemp("sekmet-data")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}/fhir"
    settings = {
        "base_url": base,
        "host": "127.0.0.1",
        "port": port,
        "data_dir": str(folder),
        "db_path": str(folder / "fhir.sqlite"),
        "server_auth": {"types": ["bearer"], "tokens": [CANARY]},
        "validation": {"inbound": "off"},
        "simulator": {"enabled": False},
        "log_inbound": False,
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [str(sekmet), "serve", "--config", str(folder / "settings.yaml")], cwd=folder, stdout=log, stderr=log
    )
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {CANARY}"
    try:
        if not _up(process, session, f"{base}/metadata"):
            pytest.skip(f"{PACKAGE} did not start: {(folder / 'log').read_text(errors='replace')[-300:]}")
        yield Real(base, session)
    finally:
        session.close()
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _up(process: subprocess.Popen[bytes], session: requests.Session, url: str) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if session.get(url, timeout=5).status_code == 200:
                return True
        except requests.RequestException:
            time.sleep(0.2)
    return False


@pytest.fixture(scope="module")
def service(real: Real, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """The service in this process, at a site that trusts the server."""
    path = tmp_path_factory.mktemp("site") / "real.yaml"
    path.write_text(yaml.safe_dump({"extend": "us", "fhirServers": [real.base]}), encoding="utf-8")
    return Service.start(knowledge.load(None, str(path)))


@pytest.fixture(scope="module")
def paged(service: Service) -> Service:
    """The same service, asking for a few resources a page."""
    catalogue = service.knowledge.catalogue
    queries = {
        name: query.model_copy(update={"count": PAGE}) if query.count else query
        for name, query in catalogue.queries.items()
    }
    return Service.start(replace(service.knowledge, catalogue=catalogue.model_copy(update={"queries": queries})))


@dataclass(frozen=True, slots=True)
class Case:
    """A chart, and how it is asked."""

    chart: Chart
    hook: str
    at: datetime

    def call(self, service: Service) -> dict[str, Any]:
        return build_call(self.chart, hook=self.hook, templates=templates(service.knowledge), at=self.at)


def examples() -> dict[str, Case]:
    expected = yaml.safe_load((EXAMPLES / "expected.yaml").read_text(encoding="utf-8"))
    found = {}
    for path in sorted((EXAMPLES / "patients").glob("*.json")):
        given = expected.get(path.stem, {})
        at = parse_time(given["at"]) if "at" in given else AT
        found[path.stem] = Case(_only_chart(path), given.get("hook", "order-select"), at)
    return found


def _only_chart(path: Path) -> Chart:
    (source,), _ = sources([path])
    return next(item for item in read(source) if isinstance(item, Chart))


def synthea(name: str) -> Case:
    (path,) = SYNTHEA.glob(f"{name}*.json")
    return Case(_only_chart(path), "order-select", AT)


def asked(service: Service, body: Mapping[str, Any]) -> tuple[Any, Any]:
    """(facts, cards) for a call."""
    service_id = next(name for name, hook in SERVICES.items() if hook == body["hook"])
    call = read_call(service_id, body["hook"], json.dumps(body).encode(), allow_evaluation_time=True)
    assert call.evaluation_time is not None
    seen = service.assess(call, call.evaluation_time)
    assert seen is not None
    return _comparable(seen.orders[0].facts), plain(service.cards(seen))


def served(call: Mapping[str, Any], base: str, token: str = CANARY) -> dict[str, Any]:
    """The call with the server instead of prefetch."""
    return offering({key: value for key, value in call.items() if key != "prefetch"}, base, token)


def _comparable(facts: Mapping[str, Fact]) -> dict[str, tuple[Any, ...]]:
    return {
        name: (fact.value, fact.unit, fact.as_of, sorted(fact.sources), fact.why, sorted(fact.unusable))
        for name, fact in facts.items()
    }


def _known(facts: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Pages beyond a window are not read: a value that is too old to count may be told or not."""
    return {name: fact if fact[0] is not None else None for name, fact in facts.items()}


@pytest.mark.parametrize("name", sorted(path.stem for path in (EXAMPLES / "patients").glob("*.json")))
def test_examples(name: str, real: Real, service: Service) -> None:
    case = examples()[name]
    assert real.load(case.chart)
    call = case.call(service)
    found, sent = asked(service, served(call, real.base)), asked(service, call)
    assert found[0] == sent[0]
    assert found[1] == sent[1]


@needs(SYNTHEA)
@pytest.mark.parametrize("name", sorted(path.stem[:8] for path in SYNTHEA.glob("*.json")))
def test_synthea(name: str, real: Real, service: Service, paged: Service) -> None:
    """Charts of a whole life; also page by page of the server's own, whose links lead on."""
    case = synthea(name)
    assert real.load(case.chart) > 50
    call = case.call(service)
    sent = asked(service, call)
    assert asked(service, served(call, real.base)) == sent
    facts, cards = asked(paged, served(call, real.base))
    assert (_known(facts), cards) == (_known(sent[0]), sent[1])
    assert max(len(value.get("entry", ())) for value in call["prefetch"].values()) > PAGE


def test_drugs_by_reference(real: Real, service: Service) -> None:
    """Every drug in a Medication of its own, which the records only refer to, with the server's base or without."""
    case = next(each for name, each in sorted(examples().items()) if name.startswith("refractory"))
    sent = asked(service, case.call(service))
    assert sent[1]
    for number, reference in enumerate(("Medication/{}", real.base + "/Medication/{}")):
        patient = f"by-reference-{number}"
        own = _renamed(case.chart, patient)
        resources, made = referring(own.resources, f"{reference}-{number}".format)
        drafts = [r for r in own.resources if r.get("status") == "draft"]
        chart = replace(own, resources=(*(r for r in resources if r.get("status") != "draft"), *drafts))
        real.load(chart)
        real.put(drug | {"id": f"{id_}-{number}"} for id_, drug in made.items())
        found = asked(service, served(replace(case, chart=chart).call(service), real.base))
        assert json.dumps(found, default=str).replace(patient, case.chart.patient_id) == json.dumps(sent, default=str)


def _renamed(chart: Chart, patient: str) -> Chart:
    """The same chart of another patient, with ids of its own."""
    text = json.dumps(chart.resources).replace(chart.patient_id, patient)
    return replace(chart, patient_id=patient, resources=tuple(json.loads(text)))


def test_without_the_token(real: Real, service: Service) -> None:
    """It does ask for one: what it refuses is a patient that cannot be had."""
    case = next(iter(examples().values()))
    real.load(case.chart)
    with pytest.raises(CallError, match="412"):
        asked(service, served(case.call(service), real.base, token="another"))
