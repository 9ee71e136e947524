"""TLS of the client: the connection goes to an address, the certificate must be the name's."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cds_service.chart.client import Client
from tests.fhir_server.good import running
from tests.fhir_server.scripted import FAST, OK, Scripted, read


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, other-ca.pem, and for each of `right` and `wrong` a certificate with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificates to test with")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=30)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    # Python 3.13 checks strictly (RFC 5280): an authority says that it signs, and its certificates say whose they are.
    authority = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name in ("ca", "other-ca"):
        made = ("-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl("req", "-x509", *key, *authority, *made)
    for name, names in (("right", "DNS:localhost,IP:127.0.0.1"), ("wrong", "DNS:elsewhere.example.org")):
        (folder / f"{name}.ext").write_text(
            f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n", encoding="ascii"
        )
        openssl("req", *key, "-subj", "/CN=localhost", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder


@contextmanager
def tls_server(certificates: Path, name: str) -> Iterator[tuple[Scripted, int, list[str]]]:
    """A server with one of the certificates, its port, and the names that clients asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    asked: list[str] = []
    context.sni_callback = lambda sock, host, _: asked.append(host)
    server = Scripted()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server, int(server.server_address[1]), asked


def trusting(certificates: Path, ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates / f"{ca}.pem"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_certificate(host: str, certificates: Path) -> None:
    """The connection goes to the address, the certificate is checked for the name."""
    with tls_server(certificates, "right") as (_, port, asked):
        client = Client(tls=trusting(certificates, "ca"), resolve=lambda *_: ["127.0.0.1"])
        assert read(client, f"https://{host}:{port}/fhir", 3) == (dict.fromkeys("012", ""), [OK] * 3)
    if host == "localhost":
        assert set(asked) == {"localhost"}


@pytest.mark.parametrize(
    ("name", "trusted"),
    [("wrong", lambda path: trusting(path, "ca")), ("right", lambda path: trusting(path, "other-ca")), ("right", None)],
    ids=["of another name", "of another authority", "not in the system's store"],
)
def test_certificate_refused(name: str, trusted: Callable[[Path], ssl.SSLContext] | None, certificates: Path) -> None:
    """The token is not sent, and nothing is tried twice."""
    with tls_server(certificates, name) as (server, port, _):
        tls = trusted(certificates) if trusted else None
        outcomes, _ = read(Client(tls=tls, resolve=lambda *_: ["127.0.0.1"]), f"https://localhost:{port}/fhir")
    assert outcomes == {"0": "FHIR server: TLS certificate or protocol not accepted"}
    assert server.requests == []


def test_tls_that_never_begins() -> None:
    """A server that accepts and says nothing, while the handshake waits."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        outcomes, _ = read(Client(FAST), f"https://127.0.0.1:{silent.getsockname()[1]}/fhir", 2)
    assert time.monotonic() - start < 1.2
    assert all(why.startswith("FHIR server too slow") for why in outcomes.values())
