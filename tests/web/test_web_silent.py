"""A silent site over HTTP: no card, the whole answer in the record, and whoever looks is told that it is silent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.settings import Settings
from tests.sites.folder import SITE, write_site
from tests.support.shipped import ROOT
from tests.web.stub import SELECT
from tests.web.test_web_audit import CANARY, exported, marked


def test_a_silent_site_answers_nothing_and_records_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_DATA", str(tmp_path / "data"))
    site = write_site(tmp_path / "ward", site=f"{SITE}silent: true\n")
    settings = Settings(site=str(site), allow_evaluation_time=True, data=tmp_path / "data")
    client = create_app(settings).test_client()
    request = json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
    response = client.post(SELECT, json=request)
    assert (response.status_code, response.get_json()) == (200, {"cards": []})
    # A chart in codes of the hospital's own, with a canary in all its words, ids and references.
    local = marked(json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8")))
    local["context"]["selections"] = [f"{each}-{CANARY}" for each in local["context"]["selections"]]
    subject = {"reference": f"Patient/{local['context']['patientId']}"}
    code = {"coding": [{"system": "urn:oid:2.999.1.4", "code": "CRS-2", "display": CANARY}], "text": CANARY}
    condition = {"resourceType": "Condition", "id": CANARY, "subject": subject, "code": code}
    local["prefetch"]["conditions"]["entry"].append({"resource": condition})
    assert client.post(SELECT, json=local).get_json() == {"cards": []}
    record, other = exported(2)
    assert {"source": "conditions", "system": "urn:oid:2.999.1.4", "code": "CRS-2", "times": 1} in other["unmapped"]
    assert CANARY.encode() not in b"".join(
        file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file()
    )
    told = CliRunner().invoke(main, ["site", "report", "--json"])
    assert CANARY not in told.output
    assert [row["code"] for row in json.loads(told.output)["codes"]] == ["CRS-2"]
    assert json.loads(told.output)["wouldShow"] == 2
    first = record["silent"]["cards"][0]
    assert (record["cards"], record["silent"]["by"]) == ([], "site")
    assert (first["decision"], first["rule"], first["leads"]) == ("suggest", "crs-adult-grade-2", True)
    assert record["answers"][0]["rule"] == first["rule"]
    assert client.get("/ready").get_json()["silent"] == {"site": True}
    assert "Silent at this site" in client.get("/cds-services").get_json()["services"][0]["description"]
    metrics = client.get("/metrics").text
    assert 'silent_cards_total{decision="suggest"} 2.0' in metrics
    assert 'cds_cards_total{decision="suggest"}' not in metrics
    assert "# TYPE anakinra_cds_firing_rate_change gauge" in metrics
