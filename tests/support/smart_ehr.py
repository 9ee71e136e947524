"""An EHR with SMART App Launch on loopback: a FHIR server, and beside it an authorization server that proves PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.fhir_server.good import GoodServer, Handler

CLIENT: Final = "anakinra-cds-test"
TOKEN: Final = "canary-smart-token-77f1"
ENCOUNTER: Final = "e1"
CONFIGURATION: Final = "/fhir/.well-known/smart-configuration"


class SmartEhr(GoodServer):
    """`launches`: what the EHR knows by the name of a launch; `codes`: what a code was given for, until it is used.

    `told` is laid over what it says of itself, `given` over what it answers to a code; `secret` is what it asks of its
    client, "" for a public one; `refusing` makes it send browsers back without a code.
    """

    def __init__(self) -> None:
        super().__init__(TOKEN)
        self.RequestHandlerClass = _SmartHandler
        self.page = 200
        self.launches: dict[str, dict[str, str]] = {}
        self.codes: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self.told: dict[str, Any] = {}
        self.given: dict[str, Any] = {}
        self.secret = ""
        self.refusing = False
        self.made = self.exchanged = 0

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def configuration(self) -> dict[str, Any]:
        """The SMART configuration."""
        return {
            "issuer": self.base,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "capabilities": ["launch-ehr", "client-public", "permission-v2", "context-ehr-patient"],
            "code_challenge_methods_supported": ["S256"],
        } | self.told

    def authorized(self, asked: Mapping[str, str]) -> str:
        """Where the browser is sent once its user has signed in."""
        context = self.launches[asked["launch"]]
        assert (asked["response_type"], asked["client_id"], asked["aud"]) == ("code", CLIENT, self.base)
        assert asked["code_challenge_method"] == "S256"
        if self.refusing:
            return f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        self.made += 1
        code = f"code {self.made}+/="
        self.codes[code] = (dict(asked), context)
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token_for(self, form: Mapping[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer to a code: it is good once, for who made its challenge."""
        self.exchanged += 1
        asked, context = self.codes.pop(form.get("code", ""), ({}, {}))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        basic = base64.b64encode(f"{CLIENT}:{self.secret}".encode()).decode()
        proven = (
            asked
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == asked["redirect_uri"]
            and form.get("client_id") == CLIENT
            and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
            and authorization == (f"Basic {basic}" if self.secret else "")
        )
        if not proven:
            return 400, {"error": "invalid_grant"}
        token = {"access_token": self.token, "token_type": "Bearer", "expires_in": 300, "scope": asked["scope"]}
        return 200, token | context | self.given


class _SmartHandler(Handler):
    server: SmartEhr

    def do_GET(self) -> None:
        """Configuration and signing in; all else is FHIR."""
        parts = urlsplit(self.path)
        if parts.path == CONFIGURATION:
            self.server.seen.append((self.path, self.headers.get("Authorization", "")))
            self._say(200, self.server.configuration())
        elif parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.send_response(302)
            self.send_header("Location", self.server.authorized(asked))
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """A token for a code."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._say(*self.server.token_for(form, self.headers.get("Authorization", "")))

    def _say(self, status: int, body: Mapping[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
