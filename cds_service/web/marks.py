"""The headers that every answer carries, whoever gives it: a route, an error of Flask, or the front before Flask."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from flask import Flask, Response, request

from cds_service.web.logs import REQUEST

Mark = Callable[["Response", "Asked"], None]
_KEY: Final = "anakinra-cds.marks"
# What proxies make. Anything else could be a name, and is not taken over.
_ID: Final = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request decides on these headers; texts are empty where a request does not say it, or not once.

    `id` is that of the request, as `request_id` settles it.
    """

    method: str
    path: str
    origin: str
    id: str


def request_id(sent: str) -> str:
    """The id of a request: that of the caller where it is a UUID, else one of our own."""
    return sent.lower() if _ID.fullmatch(sent) else str(uuid4())


def install(app: Flask, marks: Sequence[Mark]) -> None:
    """Put all `marks` on every answer of `app`."""
    app.extensions[_KEY] = marks

    def put(response: Response) -> Response:
        asked = Asked(request.method, request.path, request.headers.get("Origin", ""), REQUEST.get())
        for mark in marks:
            mark(response, asked)
        return response

    app.after_request(put)


def of(app: Flask) -> Sequence[Mark]:
    """The marks of `app`, for who answers in its place; none where it puts none on its own answers."""
    marks: Sequence[Mark] = app.extensions.get(_KEY, ())
    return marks
