"""The catalogue as it is handed out: by `anakinra-cds docs`, and over HTTP."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from cds_service.cli import main
from cds_service.knowledge import load
from cds_service.tools.build import build
from cds_service.tools.catalogue import CONTENT_SECURITY_POLICY, FilePlaces, data, markdown, render
from tests.support import knowledge_root
from tests.support.outline import Outline
from tests.support.shipped import ROOT
from tests.web.stub import StubService, client_of, issue

BANNER = "Draft content, not reviewed by clinicians."
PATHS = (
    "", "/rules/toy-neutropenia", "/value-sets/anc", "/facts", "/policies", "/evidence", "/statements", "/regimens",
    "/cards", "/sites",
)  # fmt: skip
RULE = "rules/shared/safety/toy-neutropenia.yaml"


# ---------------------------------------------------------------- the command


def test_docs_writes_the_pages_and_removes_those_that_are_gone(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = ["docs", "--out", str(out), "--root", str(root)]
    first = CliRunner().invoke(main, run)
    assert first.exit_code == 0, first.output
    knowledge = load(root)
    written = {path.relative_to(out).as_posix(): path.read_text(encoding="utf-8") for path in out.rglob("*.html")}
    assert written == {FilePlaces()(name): html for name, html in render(knowledge, FilePlaces()).items()}
    assert (out / "knowledge.md").read_text(encoding="utf-8") == markdown(knowledge)
    assert (out / "source-attributes.json").read_text(encoding="utf-8") == data(knowledge)["source-attributes.json"]
    assert f"{len(written) + 1} pages of knowledge {knowledge.digest}: open {out / 'index.html'}" in first.output

    (out / "rules/toy-neutropenia.html").rename(out / "rules/gone.html")
    (out / "rules/not-ours.html").write_text("<p>kept</p>", encoding="utf-8")
    second = CliRunner().invoke(main, run)
    assert ", 1 removed" in second.output
    kept = {path.relative_to(out).as_posix() for path in out.rglob("*.html")}
    assert kept == {*written, "rules/not-ours.html"}


def test_the_page_of_the_repository_is_what_the_files_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, ["docs", "--check"])
    assert result.exit_code == 0, result.output
    pages = ("knowledge.md", "how-a-card-comes-to-be.md", "connecting.md", "safety-case.md")
    assert result.output.splitlines() == [f"docs/{page}: as the files say" for page in pages]


def test_a_stale_page_is_told_and_not_written(root: Path, tmp_path: Path) -> None:
    run = ["docs", "--out", str(tmp_path / "out"), "--root", str(root)]
    absent = CliRunner().invoke(main, [*run, "--check"])
    assert (absent.exit_code, (tmp_path / "out").exists()) == (1, False)
    assert "cannot be read" in absent.output
    assert CliRunner().invoke(main, run).exit_code == 0
    assert CliRunner().invoke(main, [*run, "--check"]).exit_code == 0
    knowledge_root.replace(root, RULE, "title: Few neutrophils", "title: Fewer neutrophils")
    before = (tmp_path / "out/knowledge.md").read_bytes()
    stale = CliRunner().invoke(main, [*run, "--check"])
    assert stale.exit_code == 1
    assert "knowledge.md: stale" in stale.output
    assert "run: anakinra-cds docs" in stale.output
    assert (tmp_path / "out/knowledge.md").read_bytes() == before


def test_docs_writes_where_git_does_not_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["docs"]).exit_code == 0
    assert (tmp_path / "docs/catalogue/index.html").is_file()
    assert (tmp_path / "docs/knowledge.md").is_file()
    assert "/docs/catalogue/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_docs_says_what_it_cannot_write(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "rules").write_text("in the way", encoding="utf-8")
    result = CliRunner().invoke(main, ["docs", "--out", str(tmp_path / "out"), "--root", str(root)])
    assert result.exit_code == 1
    assert "cannot be written" in result.output
    assert "--out" in result.output


def test_docs_of_wrong_files_says_what_is_wrong(root: Path, tmp_path: Path) -> None:
    knowledge_root.replace(root, RULE, "stratum: safety", "stratum: nonsense")
    result = CliRunner().invoke(main, ["docs", "--out", str(tmp_path / "out"), "--root", str(root)])
    assert result.exit_code == 1
    assert RULE in result.output
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- over HTTP


@pytest.fixture
def client(root: Path, tmp_path: Path) -> FlaskClient:
    service = StubService()
    service.knowledge = load(root)
    build(service.knowledge, tmp_path / "pages", date(2026, 3, 5))
    return client_of(service, pages=tmp_path / "pages")


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_served(client: FlaskClient, path: str) -> None:
    response = client.get(f"/knowledge{path}")
    assert (response.status_code, response.mimetype) == (200, "text/html")
    assert BANNER in response.text
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert client.head(f"/knowledge{path}").data == b""
    again = client.get(f"/knowledge{path}", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_content_security_policy_allows_nothing_but_our_own_style_and_script() -> None:
    allowed = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert allowed.pop(name) == "'none'"
    assert allowed.keys() == {"style-src", "script-src"}
    for value in allowed.values():
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", value)


@pytest.mark.parametrize("path", ["rules/zq7-canary", "zq7-canary", "a/b/zq7-canary", "index.html"])
def test_a_page_that_is_not_there(client: FlaskClient, path: str) -> None:
    response = client.get(f"/knowledge/{path}", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert (response.headers["Vary"], response.headers["Cache-Control"]) == ("Accept", "no-store")
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "zq7-canary" not in response.text
    back = "../" * (path.count("/") + 1) + "knowledge"
    assert back in Outline(response.text).links


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/fhir+json"])
@pytest.mark.parametrize("path", ["rules/zq7-canary", "zq7-canary", "a/b/zq7-canary", "../zq7-canary"])
def test_who_asks_for_no_page_is_refused_with_an_operation_outcome(
    client: FlaskClient, path: str, accept: str | None
) -> None:
    response = client.get(f"/knowledge/{path}", headers={"Accept": accept} if accept else {})
    assert response.status_code == 404
    assert issue(response)["code"] == "not-found"
    assert "zq7-canary" not in response.text


def test_the_index_has_one_address(client: FlaskClient) -> None:
    response = client.get("/knowledge/")
    assert (response.status_code, response.headers["Location"]) == (308, "/knowledge")


def test_the_source_attributes_are_served_as_data(client: FlaskClient) -> None:
    response = client.get("/knowledge/source-attributes.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert [rule["id"] for rule in response.get_json()["rules"]] == ["toy-neutropenia"]
    again = client.get("/knowledge/source-attributes.json", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_pages_are_only_read(client: FlaskClient) -> None:
    for path in ("/knowledge", "/knowledge/facts"):
        response = client.post(path)
        assert (response.status_code, issue(response)["code"]) == (405, "not-supported")
