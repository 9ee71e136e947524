"""The ways in which a FHIR server misbehaves, by name."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.fhir_server.good import outcome
from tests.fhir_server.misbehaving import Handler

_LONG = 20.0  # seconds: longer than any time limit
_MEGABYTE = b" " * 1024 * 1024
_BOMB = gzip.compress(_MEGABYTE * 50, 1)


def bundle(*resources: Any, following: str = "", **more: Any) -> dict[str, Any]:
    """A searchset."""
    link = [{"relation": "next", "url": following}] if following else []
    return {"resourceType": "Bundle", "type": "searchset", "link": link, **more} | (
        {"entry": [{"resource": resource} for resource in resources]} if resources else {}
    )


# ---------------------------------------------------------------- the faults


def _status(code: int) -> Callable[[Handler], None]:
    return lambda handler: handler.body(outcome("exception"), code)


def _body(value: Any) -> Callable[[Handler], None]:
    return lambda handler: handler.body(value)


def _hang(handler: Handler) -> None:
    time.sleep(_LONG)


def _drip(handler: Handler, content: bytes) -> None:
    try:
        for byte in content:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.5)
    except OSError:
        return


def _drip_head(handler: Handler) -> None:
    _drip(handler, b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n" + b"X-Header: x\r\n" * 100)


def _drip_body(handler: Handler) -> None:
    handler.head(Content_Length="10000")
    _drip(handler, b'{"resourceType": "Bundle"' + b" " * 10000)


def _drip_chunks(handler: Handler) -> None:
    handler.head(Transfer_Encoding="chunked")
    _drip(handler, b"1\r\n{\r\n" * 1000)


def _hang_body(handler: Handler) -> None:
    handler.head(Content_Length="1000")
    handler.wfile.write(b'{"resourceType": ')
    handler.wfile.flush()
    time.sleep(_LONG)


def _continue_forever(handler: Handler) -> None:
    end = time.monotonic() + _LONG
    try:
        while time.monotonic() < end:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.01)
    except OSError:
        return


def _half_body(handler: Handler) -> None:
    content = json.dumps(bundle()).encode()
    handler.head(Content_Length=str(len(content) * 2))
    handler.wfile.write(content)


def _half_unannounced(handler: Handler) -> None:
    handler.head(Connection="close")
    handler.wfile.write(b'{"resourceType": "Bundle", "type": "searchset"')


def _reset(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _closed(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def _endless(handler: Handler) -> None:
    number = handler.path.count("x")
    entry = {"resourceType": handler.kind, "id": f"e{number}", "subject": {"reference": f"Patient/{handler.patient}"}}
    path = handler.path + ("x" if "&more=" in handler.path else "&more=x")
    handler.body(bundle(entry, following=f"{handler.origin}{path}"))


def _same_page(handler: Handler) -> None:
    handler.body(bundle(following=f"{handler.origin}{handler.path}"))


def _next_is(make: Callable[[Handler], str]) -> Callable[[Handler], None]:
    return lambda handler: handler.body(bundle(following=make(handler)))


def _redirect(code: int) -> Callable[[Handler], None]:
    return lambda handler: handler.head(code, Location=f"{handler.server.trap_origin}/fhir", Content_Length="0")


def _redirect_flood(handler: Handler) -> None:
    handler.head(302, Location=f"{handler.server.trap_origin}/fhir", Content_Length=str(100 * len(_MEGABYTE)))
    _flood(handler, 100)


def _flood(handler: Handler, megabytes: int) -> None:
    try:
        for _ in range(megabytes):
            handler.wfile.write(_MEGABYTE)
    except OSError:
        return


def _huge(handler: Handler) -> None:
    handler.head(Content_Length=str(100 * len(_MEGABYTE)))
    _flood(handler, 100)


def _huge_unannounced(handler: Handler) -> None:
    handler.head(Connection="close")
    _flood(handler, 100)


def _gzip_bomb(handler: Handler) -> None:
    content = _BOMB
    handler.head(Content_Encoding="gzip", Content_Length=str(len(content)))
    handler.wfile.write(content)


def _long_header(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n{}")


def _other_patient(handler: Handler) -> None:
    if handler.kind == "Patient":
        handler.body({"resourceType": "Patient", "id": "somebody-else", "birthDate": "1980-01-01"})
        return
    other = {"resourceType": handler.kind, "id": "o1", "subject": {"reference": "Patient/somebody-else"}}
    handler.body(bundle(other))


def _wrong_type(handler: Handler) -> None:
    handler.body({"resourceType": "Practitioner", "id": handler.patient})


def _wrong_entries(handler: Handler) -> None:
    handler.body(bundle({"resourceType": "Practitioner", "id": "p1"}))


def _outcome_inside(handler: Handler) -> None:
    handler.body(bundle(outcome("processing")))


def _echo(handler: Handler) -> None:
    said = f"{handler.headers.get('Authorization')} {handler.path}"
    handler.send_response(400, said)
    content = json.dumps(outcome("invalid", said)).encode()
    handler.send_header("X-Echo", said)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


FAULTS: Mapping[str, Callable[[Handler], None]] = {
    "hang": _hang,
    "hang-body": _hang_body,
    "drip-head": _drip_head,
    "drip-body": _drip_body,
    "drip-chunks": _drip_chunks,
    "100-forever": _continue_forever,
    "400-echo": _echo,
    "401": _status(401),
    "403": _status(403),
    "404": _status(404),
    "429": _status(429),
    "500": _status(500),
    "503": _status(503),
    "204": lambda handler: handler.head(204),
    "206": _status(206),
    "half-body": _half_body,
    "half-unannounced": _half_unannounced,
    "reset": _reset,
    "closed": _closed,
    "endless": _endless,
    "same-page": _same_page,
    "next-elsewhere": _next_is(lambda handler: f"{handler.server.trap_origin}/next-elsewhere/fhir/Condition?p=2"),
    "next-user": _next_is(lambda handler: handler.origin.replace("//", "//x@") + handler.path + "&p=2"),
    "next-climbs": _next_is(lambda handler: handler.server.base("next-climbs") + "/../../endless/fhir/Condition?p=2"),
    "next-encoded": _next_is(lambda handler: handler.server.base("next-encoded") + "/%2e%2e/x?p=2"),
    "next-no-text": lambda handler: handler.body(bundle() | {"link": [{"relation": "next", "url": 7}]}),
    "total-only": lambda handler: handler.body(bundle(total=7)),
    "redirect-302": _redirect(302),
    "redirect-307": _redirect(307),
    "redirect-flood": _redirect_flood,
    "huge": _huge,
    "huge-unannounced": _huge_unannounced,
    "gzip-bomb": _gzip_bomb,
    "long-header": _long_header,
    "html": _body(b"<html>Sign in</html>"),
    "empty": _body(b""),
    "null": _body(None),
    "list": _body([]),
    "nan": _body(b'{"resourceType": "Bundle", "total": NaN}'),
    "not-utf-8": _body(b'{"resourceType": "Bundle", "id": "\xff"}'),
    "deep": _body(b'{"resourceType": "Bundle", "x": ' + b"[" * 200 + b"]" * 200 + b"}"),
    "very-deep": _body(b'{"resourceType": "Bundle", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "no-type": _body({"entry": []}),
    "entry-no-list": _body({"resourceType": "Bundle", "entry": {}}),
    "entries-of-nothing": _body({"resourceType": "Bundle", "entry": [None, {}, {"resource": []}, 7]}),
    "outcome": _body(outcome("processing")),
    "outcome-inside": _outcome_inside,
    "wrong-type": _wrong_type,
    "wrong-entries": _wrong_entries,
    "other-patient": _other_patient,
}
# Faults that end only by the clock.
SLOW = frozenset({"hang", "hang-body", "drip-head", "drip-body", "drip-chunks", "100-forever"})
