"""Pages and resources are served as they were built: what is there, what is not there yet, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.errors import KnowledgeError, SettingsError
from cds_service.knowledge import Knowledge, load
from cds_service.settings import Settings
from cds_service.tools import build as build_module
from cds_service.tools.build import build
from cds_service.web.built import MANIFEST, BuiltFolder, manifest_of
from tests.support.knowledge_root import EXTENDING_SITE, replace, write
from tests.support.live import never_left
from tests.web.stub import StubService, issue

TODAY = date(2026, 3, 5)
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PATHS = ("/knowledge", "/knowledge/rules/toy-neutropenia", "/knowledge/gone", "/fhir/metadata", "/fhir/ValueSet/anc")


def stub(knowledge: Knowledge) -> StubService:
    service = StubService()
    service.knowledge = knowledge
    return service


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_there_yet_is_told_until_it_is(root: Path, tmp_path: Path, path: str) -> None:
    out = tmp_path / "out"
    knowledge = load(root)
    client = create_app(Settings(), stub(knowledge), awaited=out).test_client()
    before = client.get(path)
    assert (before.status_code, before.headers["Retry-After"]) == (503, "2")
    assert "not there yet" in before.get_json()["issue"][0]["diagnostics"]
    assert before.mimetype == ("application/json" if path.startswith("/knowledge") else "application/fhir+json")
    page = client.get(path, headers=BROWSER)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
    assert "not there yet" in page.text
    assert page.mimetype == ("text/html" if path.startswith("/knowledge") else "application/fhir+json")
    build(knowledge, out, TODAY)
    assert client.get(path).status_code == (404 if path.endswith("gone") else 200)


def test_a_service_for_which_nobody_builds_says_so() -> None:
    response = create_app(Settings(), StubService()).test_client().get("/fhir/ValueSet")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert "CDS_PAGES" in response.text


def test_files_are_read_once(root: Path, tmp_path: Path) -> None:
    knowledge = load(root)
    build(knowledge, tmp_path / "out", TODAY)
    client = create_app(Settings(pages=tmp_path / "out"), stub(knowledge)).test_client()
    first = client.get("/knowledge").data
    for path in sorted((tmp_path / "out").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert client.get("/knowledge").data == first
    assert client.get("/fhir/ValueSet/anc").status_code == 200


def test_a_folder_of_other_knowledge_is_refused_at_start(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    knowledge = load(root)
    build(knowledge, out, TODAY)
    BuiltFolder(out, knowledge.digest, "us").require()
    write(root, "rules/sites/toy-hospital.yaml", EXTENDING_SITE)
    for site in ("us", "toy-hospital"):  # a file more is other knowledge
        with pytest.raises(SettingsError, match=f"CDS_PAGES: {out}: built by version .* at site us; expected .*{site}"):
            create_app(Settings(pages=out), stub(load(root, site)))


def test_a_folder_of_another_site_is_refused_at_start(root: Path, tmp_path: Path) -> None:
    write(root, "rules/sites/toy-hospital.yaml", EXTENDING_SITE)
    build(load(root), tmp_path, TODAY)
    with pytest.raises(SettingsError, match=r"at site us; expected .* and toy-hospital; run: anakinra-cds build"):
        create_app(Settings(pages=tmp_path), stub(load(root, "toy-hospital")))


@pytest.mark.parametrize("content", [None, "{", '{"version": 1}'])
def test_a_folder_that_was_not_built_is_refused_at_start(root: Path, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        write(tmp_path, MANIFEST, content)
    with pytest.raises(SettingsError, match=f"{MANIFEST} is missing or unreadable; run: anakinra-cds build"):
        create_app(Settings(pages=tmp_path), stub(load(root)))


def test_knowledge_that_makes_no_valid_fhir_is_not_built(root: Path, tmp_path: Path) -> None:
    knowledge = load(root)
    (rule,) = knowledge.rules
    wrong = type(knowledge)(**{**vars(knowledge), "rules": (rule.model_copy(update={"id": "no spaces"}),)})
    with pytest.raises(KnowledgeError, match="PlanDefinition/no spaces: id: expected"):
        build(wrong, tmp_path / "out", TODAY)
    assert not (tmp_path / "out").exists()


def test_build_removes_what_is_gone_and_nothing_else(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = ["build", "--out", str(out), "--root", str(root)]
    assert CliRunner().invoke(main, run).exit_code == 0
    write(out, "knowledge/rules/ours.html", "not built")
    for name in ("rules/shared/safety/toy-neutropenia.yaml", "rules/shared/safety/toy-neutropenia.cases.yaml"):
        path = root / name
        moved = path.with_name(path.name.replace("toy-neutropenia", "toy-renamed"))
        path.rename(moved)
    replace(root, "rules/shared/safety/toy-renamed.yaml", "id: toy-neutropenia", "id: toy-renamed")
    again = CliRunner().invoke(main, run)
    assert again.exit_code == 0, again.output
    assert sorted(path.name for path in (out / "knowledge/rules").iterdir()) == ["ours.html", "toy-renamed.html"]
    told = manifest_of(out)
    assert told is not None
    assert all((out / name).is_file() for name in told.files)
    assert f"{len(told.files)} files of knowledge {told.knowledge} at site us" in again.output


def test_a_build_that_breaks_off_is_not_served(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    knowledge = load(root)
    build(knowledge, tmp_path, TODAY)

    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(build_module.Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        build(knowledge, tmp_path, TODAY)
    assert manifest_of(tmp_path) is None


def test_build_says_what_it_cannot_write(root: Path, tmp_path: Path) -> None:
    (tmp_path / "fhir").write_text("in the way", encoding="utf-8")
    result = CliRunner().invoke(main, ["build", "--out", str(tmp_path), "--root", str(root)])
    assert result.exit_code == 1
    assert "cannot be written" in result.output


# ---------------------------------------------------------------- the first page


def test_a_browser_is_led_to_the_catalogue(root: Path) -> None:
    client = create_app(Settings(), stub(load(root))).test_client()
    response = client.get("/", headers=BROWSER)
    assert (response.status_code, response.headers["Location"]) == (303, "/knowledge")
    assert response.headers["Vary"] == "Accept"
    public = create_app(Settings(public_url="https://cds.example.org/a"), stub(load(root))).test_client()
    assert public.get("/", headers=BROWSER).headers["Location"] == "https://cds.example.org/a/knowledge"


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/plain"])
def test_anything_else_is_told_the_endpoints(root: Path, accept: str | None) -> None:
    client = create_app(Settings(), stub(load(root)), awaited=root / "never").test_client()
    response = client.get("/", headers={"Accept": accept} if accept else {})
    assert (response.status_code, response.mimetype) == (200, "application/json")
    for path in response.get_json()["endpoints"].values():
        assert client.get(path).status_code in (200, 503)
    assert issue(client.post("/"))["code"] == "not-supported"


# ---------------------------------------------------------------- the process


def test_serve_builds_beside_its_work_and_tidies_up(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environment |= {"TMPDIR": str(tmp_path), "CDS_LOG_LEVEL": "WARNING"}
    words = [sys.executable, "-m", "cds_service.cli", "serve", "--port", "0", "--workers", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with never_left(subprocess.Popen(words, **pipes, text=True, env=environment)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        deadline, status = time.monotonic() + 60, 503
        while status == 503 and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{url}/knowledge", timeout=10) as answer:
                    status = answer.status
            except urllib.error.HTTPError as error:
                status = error.code
                time.sleep(0.05)
        with urllib.request.urlopen(f"{url}/fhir/ValueSet?_count=1", timeout=10) as answer:
            assert json.loads(answer.read())["total"] > 1
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=20)
    assert (status, process.returncode, out, log) == (200, 0, "", "")
    assert list(tmp_path.glob("anakinra-cds-pages-*")) == []


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", str(port)])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: port {port} of 127.0.0.1 is taken; stop what listens there, or choose another one with --port\n"
    )
