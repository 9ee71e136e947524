"""Which URLs are a trusted server's: by origin and base path, exactly, whatever is tried."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.server import NOT_TRUSTED, Server, TrustedServers, base_of
from cds_service.errors import KnowledgeError
from tests.fhir_server.asking import CANARY

SITE = ("https://ehr.example.org/fhir", "http://127.0.0.1:8090/fhir", "http://[::1]:8090", "https://open.example.org")
AUTHORIZATION = {"access_token": CANARY, "token_type": "Bearer", "expires_in": 300}


def offered(url: str | None, **changes: Any) -> Server | str | None:
    return TrustedServers("test", SITE).server(url, AUTHORIZATION | changes)


@pytest.mark.parametrize(
    "url",
    [
        "https://ehr.example.org/fhir",
        "https://ehr.example.org/fhir/",
        "https://ehr.example.org:443/fhir",
        "https://EHR.example.org/fhir/r4",
        "http://127.0.0.1:8090/fhir",
        "http://[::1]:8090/any/path",
        "https://open.example.org",
    ],
)
def test_trusted(url: str) -> None:
    server = offered(url)
    assert isinstance(server, Server)
    assert server.token == CANARY
    assert CANARY not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.example.org/fhir",  # scheme
        "https://ehr.example.org:8443/fhir",  # port
        "https://ehr.example.org",  # above the base path
        "https://ehr.example.org/fhir2",
        "https://ehr.example.org/Fhir",
        "https://ehr.example.org/fhir/../admin",
        "https://ehr.example.org/fhir/%2e%2e/admin",
        "https://ehr.example.org/fhir/%252e%252e/admin",
        "https://ehr.example.org/fhir/..\\admin",
        "https://ehr.example.org/fhir?x=1",
        "https://ehr.example.org/fhir?",
        "https://ehr.example.org/fhir#x",
        "https://user@ehr.example.org/fhir",
        "https://user:secret@ehr.example.org/fhir",
        "https://ehr.example.org@evil.example.org/fhir",
        "https://ehr.example.org\\@evil.example.org/fhir",
        "https://ehr.example.org.evil.example.org/fhir",
        "https://evil.example.org/ehr.example.org/fhir",
        "https://ehr.example.org./fhir",
        "https://ehr.example.org\t/fhir",
        "https://ehr.example.org /fhir",
        "https://ehr.example.org\n/fhir",
        "https://ehr\u3002example.org/fhir",
        "https://ehr.example.org:99999/fhir",
        "https://ehr.example.org:0/fhir",
        "https://ehr.example.org:x/fhir",
        "http://127.1:8090/fhir",
        "http://2130706433:8090/fhir",
        "http://0x7f000001:8090/fhir",
        "http://0.0.0.0:8090/fhir",
        "http://localhost:8090/fhir",
        "http://[::ffff:127.0.0.1]:8090/fhir",
        "http://[::1/fhir",
        "http://169.254.169.254/fhir",
        "file:///etc/passwd",
        "ftp://ehr.example.org/fhir",
        "gopher://ehr.example.org/fhir",
        "//ehr.example.org/fhir",
        "ehr.example.org/fhir",
        "https:///fhir",
        "https://",
        "https://ehr.example.org/fhir" + "x" * 9000,
    ],
)
def test_not_trusted(url: str) -> None:
    assert offered(url) == NOT_TRUSTED


def test_nothing_offered_is_no_failure() -> None:
    assert offered(None) is None
    assert TrustedServers("test", SITE).server("https://ehr.example.org/fhir", None) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"token_type": "Basic"},
        {"token_type": None},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": ["x"]},
        {"expires_in": 0},
        {"expires_in": -1},
    ],
)
def test_a_token_that_is_none(changes: dict[str, Any]) -> None:
    found = offered("https://ehr.example.org/fhir", **changes)
    assert isinstance(found, str)
    assert found.startswith("FHIR server: ")
    assert CANARY not in found


def test_a_token_type_in_any_case_and_no_lifetime() -> None:
    assert isinstance(offered("https://ehr.example.org/fhir", token_type="bearer", expires_in=None), Server)


@pytest.mark.parametrize(
    "url", ["ehr.example.org", "https://ehr.example.org?x", "https://a@b", "ftp://a", "", "http://é"]
)
def test_a_site_with_such_a_server_does_not_start(url: str) -> None:
    with pytest.raises(KnowledgeError, match="site test: fhirServers"):
        TrustedServers("test", [url])


HERE = "/fhir/Condition?patient=p1"


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("https://ehr.example.org/fhir?_getpages=7&_page=2", "/fhir?_getpages=7&_page=2"),
        ("https://ehr.example.org:443/fhir/Condition?page=2", "/fhir/Condition?page=2"),
        ("HTTPS://EHR.EXAMPLE.ORG/fhir/Condition?q=a|b", "/fhir/Condition?q=a|b"),
        ("/fhir/Condition?page=2#fragment", "/fhir/Condition?page=2"),
        ("Condition?page=2", "/fhir/Condition?page=2"),
        ("?page=2", "/fhir/Condition?page=2"),
    ],
)
def test_next_page(link: str, target: str) -> None:
    server = offered("https://ehr.example.org/fhir")
    assert isinstance(server, Server)
    assert server.page(link, HERE) == target


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.org/fhir/Condition?page=2",
        "http://ehr.example.org/fhir/Condition?page=2",
        "https://ehr.example.org:444/fhir/Condition?page=2",
        "https://x@ehr.example.org/fhir/Condition?page=2",
        "https://ehr.example.org/fhirx/Condition?page=2",
        "https://ehr.example.org/Condition?page=2",
        "//evil.example.org/fhir",
        "\\\\evil.example.org\\fhir",
        "https://ehr.example.org/fhir/%2e%2e/x",
        "https://ehr.example.org/fhir/..;/x\r\nHost: evil",
        "javascript:alert(1)",
        "https://[ehr/fhir",
        " https://ehr.example.org/fhir",
        "",
    ],
)
def test_next_page_elsewhere(link: str) -> None:
    server = offered("https://ehr.example.org/fhir")
    assert isinstance(server, Server)
    assert server.page(link, HERE) is None


def test_host_header() -> None:
    found = [base_of(url) for url in ("https://a:443/x", "http://a:443", "http://[::1]:80", "http://[::1]:81/y/")]
    assert [base.netloc for base in found if base] == ["a", "a:443", "[::1]", "[::1]:81"]
