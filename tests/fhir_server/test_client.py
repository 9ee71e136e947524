"""The client alone: second attempts, addresses, names, and its own bounds."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from cds_service.chart.client import Client
from cds_service.chart.server import Server, base_of
from cds_service.chart.visit import Get, Limits, NotAnswered
from tests.fhir_server.asking import CANARY
from tests.fhir_server.good import running
from tests.fhir_server.misbehaving import Trap
from tests.fhir_server.scripted import FAST, OK, Scripted, read, server_at


@pytest.mark.parametrize("first", [429, 502, 503, 504, None])
def test_one_more_attempt_where_it_may_pass(first: int | None) -> None:
    server = Scripted(first)
    with running(server) as origin:
        assert read(Client(), f"{origin}/fhir") == ({"0": ""}, [OK])
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [503, None])
def test_not_a_third(status: int | None) -> None:
    server = Scripted(status, status)
    with running(server) as origin:
        outcomes, bodies = read(Client(), f"{origin}/fhir")
    why = "503" if status else "connection broken off"
    assert (outcomes, bodies) == ({"0": f"FHIR server: {why}"}, [])
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [201, 304, 400, 401, 403, 404, 410, 500])
def test_no_second_attempt_where_it_will_not(status: int) -> None:
    server = Scripted(status)
    with running(server) as origin:
        assert read(Client(), f"{origin}/fhir") == ({"0": f"FHIR server: {status}"}, [])
    assert len(server.requests) == 1


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch, the_trap: Trap) -> None:
    """The token and what FHIR asks for, nothing from the environment; connections are used again, six at most."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, the_trap.origin)
    server = Scripted()
    with running(server) as origin:
        outcomes, bodies = read(Client(), f"{origin}/fhir", 40)
    assert set(outcomes.values()) == {""}
    assert len(bodies) == 40
    assert {frozenset(request.items()) for request in server.requests} == {
        frozenset(
            {
                "Host": origin.removeprefix("http://"),
                "Authorization": f"Bearer {CANARY}",
                "Accept": "application/fhir+json",
                "Accept-Encoding": "identity",
                "User-Agent": "anakinra-cds",
                "target": "/fhir/Condition?patient=p1",
            }.items()
        )
    }
    assert server.connections <= Limits().lines
    assert the_trap.hits == 0


def test_nobody_there() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    assert read(Client(), f"http://127.0.0.1:{port}/fhir")[0] == {"0": "FHIR server: not reachable"}


def test_nobody_accepts() -> None:
    """A full backlog: the connection is never made."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, _filled(full) as waiting:
        port = full.getsockname()[1]
        start = time.monotonic()
        outcomes, _ = read(Client(FAST), f"http://127.0.0.1:{port}/fhir")
        assert time.monotonic() - start < 1.2
        assert outcomes["0"].startswith(("FHIR server: no connection within 0.3 s", "FHIR server too slow"))
        assert waiting


@contextmanager
def _filled(full: socket.socket) -> Iterator[list[socket.socket]]:
    """Connections that fill the backlog."""
    made = []
    for _ in range(4):
        each = socket.socket()
        each.setblocking(False)
        each.connect_ex(full.getsockname())
        made.append(each)
    try:
        yield made
    finally:
        for each in made:
            each.close()


# ---------------------------------------------------------------- names


def test_a_name_is_resolved_once_and_kept_to() -> None:
    """A second answer of the name server, which leads elsewhere, is never asked for."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    server = Scripted(503, None)
    with running(server) as origin:
        outcomes, _ = read(Client(resolve=resolve), origin.replace("127.0.0.1", "localhost") + "/fhir", 12)
    assert set(outcomes.values()) == {""}
    assert asked == ["localhost"]
    assert {request["Host"] for request in server.requests} == {origin.replace("http://127.0.0.1", "localhost")}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fe80::1", "224.0.0.1"])
def test_a_name_that_leads_inside(address: str, the_trap: Trap) -> None:
    port = the_trap.origin.rsplit(":", 1)[1]
    outcomes, _ = read(Client(resolve=lambda host, _: [address]), f"http://ehr.example.org:{port}/fhir")
    assert outcomes == {"0": "FHIR server: its name leads to an address that is not allowed"}
    assert the_trap.hits == 0


def test_of_several_addresses_ipv4_comes_first() -> None:
    server = Scripted()
    with running(server) as origin:
        client = Client(resolve=lambda host, port: ["::1", "127.0.0.1", "127.0.0.2"])
        assert read(client, origin.replace("127.0.0.1", "localhost") + "/fhir") == ({"0": ""}, [OK])


@pytest.mark.parametrize("found", [OSError("no such name"), [], ["not an address"]])
def test_a_name_that_is_none(found: Any) -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        if isinstance(found, Exception):
            raise found
        return list(found)

    outcomes, _ = read(Client(resolve=resolve), "http://ehr.example.org/fhir")
    assert outcomes == {"0": "FHIR server: name not resolved"}


def test_a_name_server_that_hangs() -> None:
    """Nothing can interrupt the system's resolver: its thread is left behind, the answer is not."""
    go_on = threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        go_on.wait(10)
        return ["192.0.2.1"]

    start = time.monotonic()
    outcomes, _ = read(Client(FAST, resolve=resolve), "http://ehr.example.org/fhir", 3)
    assert time.monotonic() - start < 1.2
    go_on.set()
    assert set(outcomes.values()) == {"FHIR server too slow (0.8 s in all)"}


# ---------------------------------------------------------------- bounds


def test_threads_are_bounded_and_a_call_without_one_says_so() -> None:
    client = Client(replace(FAST, threads=2))
    go_on = threading.Event()
    taken = threading.Barrier(3)

    def block(get: Get) -> None:
        taken.wait(5)
        go_on.wait(10)

    server = server_at("http://127.0.0.1:1/fhir")
    first = threading.Thread(target=client.visit, args=(client.trip(server), {"a": block, "b": block}))
    first.start()
    taken.wait(5)
    assert client.visit(client.trip(server), {"c": block}) == {"c": "FHIR server: no connection free within 0.8 s"}
    go_on.set()
    first.join(10)
    assert not first.is_alive()


def test_a_silent_server_is_given_a_rest() -> None:
    """Nothing is asked of it meanwhile; then it is tried again, and any answer ends the matter."""
    server = Scripted(*[None] * 6, 500)
    client = Client(Limits(rest_s=0.4))
    with running(server) as origin:
        url = f"{origin}/fhir"
        assert set(read(client, url, 3)[0].values()) == {"FHIR server: connection broken off"}
        asked = len(server.requests)
        resting = "FHIR server: did not answer just now, not asked again for 0.4 s"
        assert read(client, url)[0] == {"0": resting}
        assert read(client, f"{origin}/other")[0] == {"0": resting}  # the path is the caller's choice
        assert len(server.requests) == asked
        time.sleep(0.5)
        assert read(client, url)[0] == {"0": "FHIR server: 500"}
        assert read(client, url) == ({"0": ""}, [OK])
        assert read(client, url) == ({"0": ""}, [OK])


def test_reads_leave_time_for_the_rest_of_an_answer() -> None:
    client = Client()
    server = server_at("http://127.0.0.1:1/fhir")
    now = time.monotonic()
    assert client.trip(server, answer_by=now + 2.0).until == now + 1.25
    assert client.trip(server, answer_by=now + 60.0).until < now + 4.0


def test_a_call_is_away_while_it_reads_and_only_then() -> None:
    told: list[str] = []

    @contextmanager
    def away() -> Iterator[None]:
        told.append("goes")
        yield
        told.append("is back")

    server = Scripted(None, None, None)
    with running(server) as origin:
        client = Client(Limits(calls=0), away=away)
        read(client, f"{origin}/fhir")  # not let in: nothing to wait for
        assert told == []
        read(Client(away=away), f"{origin}/fhir")
    assert told == ["goes", "is back"]


def test_bytes_of_all_reads_together_are_bounded() -> None:
    server = Scripted()
    with running(server) as origin:
        outcomes, bodies = read(Client(Limits(total_bytes=3 * len(OK))), f"{origin}/fhir", 10)
    assert len(bodies) == 3
    assert sorted(why[:23] for why in outcomes.values()) == [""] * 3 + ["FHIR server: more than "[:23]] * 7


def test_a_read_that_fails_in_an_unknown_way_is_a_read_not_done() -> None:
    def broken(get: Get) -> None:
        raise ZeroDivisionError(CANARY)

    client = Client()
    outcomes = client.visit(client.trip(server_at("http://127.0.0.1:1/fhir")), {"a": broken})
    assert outcomes == {"a": "FHIR server: read failed (ZeroDivisionError)"}


def test_a_token_that_no_header_can_carry_is_not_told() -> None:
    """The door refuses such tokens; here the error of the library would repeat it."""
    server = Scripted()
    with running(server) as origin:
        base = base_of(f"{origin}/fhir")
        assert base is not None
        failures: list[NotAnswered] = []

        def job(get: Get) -> None:
            try:
                get("/fhir/x")
            except NotAnswered as failure:
                failures.append(failure)
                raise

        client = Client()
        outcomes = client.visit(client.trip(Server(base, f"{CANARY}\r\nX: é")), {"a": job})
    assert outcomes["a"].startswith("FHIR server: ")
    assert CANARY not in outcomes["a"]
    assert failures[-1].__suppress_context__
    assert server.requests == []
