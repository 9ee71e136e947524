"""The limit: the least that a Flask service under the same server can do with the same request.

`python -m benchmarks.limit --bytes 16000` serves one view that parses the body and answers a fixed card.
"""

from __future__ import annotations

import os
from typing import Any

import click
import orjson
from flask import Flask, Response, request

from cds_service import settings as settings_module
from cds_service.tools.commands.serve import Server


def fixed_card(size: int) -> bytes:
    """An answer with one card, padded to `size` bytes (or its least size, where that is more)."""
    card = {"summary": "A fixed card", "indicator": "info", "source": {"label": "Limit"}, "detail": ""}
    card["detail"] = "x" * max(0, size - len(orjson.dumps({"cards": [card]})))
    return orjson.dumps({"cards": [card]})


def create_app(size: int) -> Flask:
    """One view: parse the body, return the same bytes."""
    app = Flask("limit", static_folder=None)
    answer = fixed_card(size)

    def call(service_id: str) -> Response:
        orjson.loads(request.get_data(cache=False))
        return Response(answer, mimetype="application/json")

    app.add_url_rule("/cds-services/<service_id>", view_func=call, methods=["POST"])
    return app


class LimitServer(Server):
    """The service's own server (worker class, threads, limits), with the bare view inside."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(settings_module.from_environ(os.environ), "127.0.0.1", 0)

    def load(self) -> Any:
        """The application of one worker."""
        return create_app(self.size)


@click.command()
@click.option("--bytes", "size", default=16_000, show_default=True, help="Size of the fixed answer.")
def main(size: int) -> None:
    """Serve the bare view on a free port of this machine; the settings are those of the service."""
    LimitServer(size).run()


if __name__ == "__main__":
    main()
