"""Tokens as CDS clients sign them, and as they must not be: keys are made for each run."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

ISS = "https://ehr.example.org"
AUD = "https://cds.example.org/cds-services/anakinra-order-select"
NOW = 1_790_000_000
Key = ECKey | RSAKey | OctKey


@cache
def key(name: str = "ES384") -> Key:
    """One key a name: the algorithm, and a number where there are several."""
    algorithm, _, _ = name.partition("-")
    parameters = {"kid": f"key-{name.lower()}"}
    if algorithm.startswith("ES"):
        return ECKey.generate_key({"ES384": "P-384", "ES256": "P-256"}[algorithm], parameters)
    return RSAKey.generate_key(2048, parameters)


def jwk(name: str = "ES384", **changes: Any) -> dict[str, Any]:
    """The public key as a member of a key set; a change to `...` leaves a member out."""
    made = {**key(name).as_dict(private=False), "use": "sig", **changes}
    return {member: value for member, value in made.items() if value is not ...}


def key_set(*names: str) -> bytes:
    """The public keys of these names."""
    return json.dumps({"keys": [jwk(name) for name in names]}).encode()


def claims(now: float = NOW, **changes: Any) -> dict[str, Any]:
    """What a token says; a change to `...` leaves a claim out."""
    made = {"iss": ISS, "aud": AUD, "iat": int(now), "exp": int(now) + 300, "jti": str(uuid.uuid4()), **changes}
    return {name: value for name, value in made.items() if value is not ...}


def signed(said: Mapping[str, Any] | bytes, name: str = "ES384", **header: Any) -> str:
    """A token in compact form, signed with a key; its header as a client's unless it is changed."""
    made = {"alg": name.partition("-")[0], "typ": "JWT", "kid": key(name).kid, **header}
    made = {member: value for member, value in made.items() if value is not ...}
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    # Put together by hand: what a library would refuse to sign is sent all the same.
    message = f"{encoded(json.dumps(made).encode())}.{encoded(payload)}"
    return f"{message}.{signature(message.encode(), name)}"


def signature(message: bytes, name: str) -> str:
    """The signature of a message by a key, as its algorithm writes it."""
    model = jws.JWSRegistry.algorithms[name.partition("-")[0]]
    return encoded(model.sign(message, key(name)))


def encoded(content: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
