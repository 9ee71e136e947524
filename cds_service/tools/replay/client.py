"""CDS clients for replay: one calls a running service over HTTP, one the application in this process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cds_service.errors import CdsError

_TIMEOUT_SECONDS = 30.0
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class ClientError(CdsError):
    """The service could not be reached, or its discovery is not usable."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of one call. `status` 0 means that no HTTP answer came; `error` says why."""

    status: int
    body: Any
    ms: float
    error: str = ""


class Client(Protocol):
    """Whatever can carry a CDS Hooks call."""

    def services(self) -> list[dict[str, Any]]:
        """The entries of the service's discovery; raises ClientError."""
        ...

    def call(self, service_id: str, request: Mapping[str, Any]) -> Reply:
        """Send one request; never raises for what the service answers."""
        ...


class HttpClient:
    """Calls a service at a base URL such as `http://127.0.0.1:8080`.

    `trust_env` False ignores proxy settings of the environment: right for a service on this machine.
    """

    def __init__(self, base_url: str, *, trust_env: bool = True) -> None:
        import requests  # of the extra `tools`: a replay in this process needs no HTTP

        self._errors = requests.RequestException
        self._base = base_url.rstrip("/").removesuffix("/cds-services")
        self._session = requests.Session()
        self._session.trust_env = trust_env

    def services(self) -> list[dict[str, Any]]:
        """The entries of `GET {base}/cds-services`."""
        where = f"{self._base}/cds-services"
        try:
            answer = self._session.get(where, timeout=_TIMEOUT_SECONDS)
            return _discovered(answer.status_code, answer.content, where)
        except self._errors as error:
            raise ClientError(f"{where}: no answer ({type(error).__name__}); is the service running?") from error

    def call(self, service_id: str, request: Mapping[str, Any]) -> Reply:
        """`POST {base}/cds-services/{id}`; the time is wall clock until the whole answer is here."""
        body = json.dumps(request).encode()
        start = time.perf_counter()
        try:
            answer = self._session.post(
                f"{self._base}/cds-services/{service_id}", data=body, headers=_JSON, timeout=_TIMEOUT_SECONDS
            )
        except self._errors as error:
            return Reply(0, None, _since(start), f"no answer ({type(error).__name__})")
        return _reply(answer.status_code, answer.content, _since(start))

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


class LocalClient:
    """Calls the application in this process, at a site, with the evaluation time of calls obeyed.

    Without a site, or without a folder with rules/ and cards/, those of the environment.
    """

    def __init__(self, site: str | None = None, root: Path | None = None) -> None:
        from cds_service.app import create_app
        from cds_service.settings import from_environ

        settings = from_environ(os.environ)
        where = {"site": site or settings.site, "knowledge": root or settings.knowledge}
        apart = {"allow_evaluation_time": True, "pages": None, "store": False}
        chosen = settings.model_copy(update=where | apart)
        self._client = create_app(chosen).test_client()

    def services(self) -> list[dict[str, Any]]:
        """The entries of the application's discovery."""
        answer = self._client.get("/cds-services")
        return _discovered(answer.status_code, answer.data, "/cds-services")

    def call(self, service_id: str, request: Mapping[str, Any]) -> Reply:
        """One request through the whole application, without a network."""
        body = json.dumps(request).encode()
        start = time.perf_counter()
        answer = self._client.post(f"/cds-services/{service_id}", data=body, headers=_JSON)
        return _reply(answer.status_code, answer.data, _since(start))


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _reply(status: int, content: bytes, ms: float) -> Reply:
    try:
        body = json.loads(content)
    except ValueError:
        return Reply(status, None, ms, f"HTTP {status} with a body that is not JSON")
    if status == 200 and isinstance(body, dict) and isinstance(body.get("cards"), list):
        return Reply(status, body, ms)
    return Reply(status, body, ms, f"HTTP {status}{_diagnostics(body)}")


def _diagnostics(body: Any) -> str:
    """What an OperationOutcome says, else that the answer has no cards."""
    issues = body.get("issue") if isinstance(body, dict) else None
    first = issues[0] if isinstance(issues, list) and issues and isinstance(issues[0], dict) else {}
    said = first.get("diagnostics")
    return f": {said}" if isinstance(said, str) else ", no `cards` in the answer"


def _discovered(status: int, content: bytes, where: str) -> list[dict[str, Any]]:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    services = body.get("services") if status == 200 and isinstance(body, dict) else None
    if not isinstance(services, list):
        raise ClientError(f"{where}: expected discovery (200 with `services`), found HTTP {status}")
    return [service for service in services if isinstance(service, dict)]
