"""Tokens of CDS clients: which are believed, and how often their keys are read."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from cds_service.web.trust import keys
from cds_service.web.trust.keys import ClientKeys
from cds_service.web.trust.tokens import Client, NotTrusted, Token, bearer, decoded, judged
from tests.support.tokens import AUD, ISS, NOW, claims, encoded, jwk, key, key_set, signed

JKU = "https://ehr.example.org/jwks"
NAMES = ("ES384", "RS384")


def judge(token: str, client: Client | None = None, now: float = NOW, content: bytes | None = None) -> Token:
    """What is thought of a token of the issuer."""
    found = ClientKeys(ISS, lambda: key_set(*NAMES) if content is None else content)
    client = client or Client(ISS, "")

    def verify(whole: str, iss: str, key_id: str, algorithm: str) -> bool:
        assert iss == ISS
        return found.holds(whole, key_id, algorithm)

    return judged(token, {ISS: client}, AUD, now, verify)


GOOD: dict[str, Callable[[], str]] = {
    "ES384": lambda: signed(claims()),
    "RS384": lambda: signed(claims(), "RS384"),
    "aud among others": lambda: signed(claims(aud=["https://other.example.org", AUD])),
    "iat half a second ahead": lambda: signed(claims(iat=NOW + 0.5)),
    "iat within the leeway": lambda: signed(claims(iat=NOW + 29, exp=NOW + 300)),
    "just expired, within the leeway": lambda: signed(claims(iat=NOW - 310, exp=NOW - 10)),
    "nbf before iat": lambda: signed(claims(nbf=NOW - 300)),
    "typ in lower case": lambda: signed(claims(), typ="jwt"),
    "claims of other profiles": lambda: signed(claims(sub="app", tenant="west", scope="x")),
    "jku, where a file holds the keys": lambda: signed(claims(), jku="https://elsewhere.example.org/jwks"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_token_of_a_trusted_client_is_believed(name: str) -> None:
    assert judge(GOOD[name]()).iss == ISS


def test_the_tenant_is_kept_for_the_record() -> None:
    assert judge(signed(claims(tenant="west"))).tenant == "west"
    assert judge(signed(claims(tenant=7))).tenant == ""


def changed(token: str, part: int, by: Callable[[str], str]) -> str:
    parts = token.split(".")
    parts[part] = by(parts[part])
    return ".".join(parts)


def members(part: str, **changes: Any) -> str:
    """A header or claims with other members, under the old signature."""
    found = json.loads(decoded(part))
    return encoded(json.dumps({**found, **changes}).encode())


def hmac_with_public_key(algorithm: str) -> str:
    """The classic confusion: the public key as the secret of an HMAC."""
    secret = key("RS384").as_pem(private=False)
    head = encoded(json.dumps({"alg": algorithm, "typ": "JWT", "kid": key("RS384").kid}).encode())
    message = f"{head}.{encoded(json.dumps(claims()).encode())}"
    digest = hmac.new(secret, message.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    return f"{message}.{encoded(digest)}"


BAD: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "a word": lambda: "abc",
    "two parts": lambda: "a.b",
    "five parts, as of an encrypted one": lambda: "a.b.c.d.e",
    "no signature": lambda: changed(signed(claims()), 2, lambda _: ""),
    "a dot too many": lambda: signed(claims()) + ".",
    "padding": lambda: changed(signed(claims()), 1, lambda part: part + "="),
    "other letters of base64": lambda: changed(signed(claims()), 2, lambda part: "+/" + part[2:]),
    "a header that is no object": lambda: changed(signed(claims()), 0, lambda _: encoded(b"[]")),
    "a header that is no JSON": lambda: changed(signed(claims()), 0, lambda _: encoded(b"{alg:1}")),
    "a header with a key twice": lambda: changed(
        signed(claims()), 0, lambda _: encoded(b'{"alg":"ES384","alg":"none","typ":"JWT","kid":"key-es384"}')
    ),
    "alg none": lambda: signed(claims(), alg="none"),
    "alg None": lambda: signed(claims(), alg="None"),
    "alg none without signature": lambda: changed(signed(claims(), alg="none"), 2, lambda _: "AA"),
    "no alg": lambda: signed(claims(), alg=...),
    "alg that is no text": lambda: signed(claims(), alg=["ES384"]),
    "alg in lower case": lambda: signed(claims(), alg="es384"),
    "HS256 with the public key": lambda: hmac_with_public_key("HS256"),
    "HS384 with the public key": lambda: hmac_with_public_key("HS384"),
    "HS512 with the public key": lambda: hmac_with_public_key("HS512"),
    "ES256, which the site does not name": lambda: signed(claims(), "ES256"),
    "alg of another kind of key": lambda: signed(claims(), alg="RS384"),
    "no typ": lambda: signed(claims(), typ=...),
    "typ of an access token": lambda: signed(claims(), typ="at+jwt"),
    "typ that is no text": lambda: signed(claims(), typ=1),
    "no kid": lambda: signed(claims(), kid=...),
    "an unknown kid": lambda: signed(claims(), kid="another"),
    "the kid of another key": lambda: signed(claims(), kid="key-rs384"),
    "an empty kid": lambda: signed(claims(), kid=""),
    "a kid that is no text": lambda: signed(claims(), kid=1),
    "a kid without end": lambda: signed(claims(), kid="k" * 600),
    "crit": lambda: signed(claims(), crit=["exp"], exp=1),
    "an empty crit": lambda: signed(claims(), crit=[]),
    "b64": lambda: signed(claims(), b64=False),
    "another's key under our kid": lambda: signed(claims(), "ES384-2", kid="key-es384"),
    "another's key, sent along": lambda: signed(claims(), "ES384-2", kid="key-es384", jwk=jwk("ES384-2")),
    "claims changed": lambda: changed(signed(claims()), 1, lambda part: members(part, sub="admin")),
    "header changed": lambda: changed(signed(claims()), 0, lambda part: members(part, cty="x")),
    "signature cut": lambda: signed(claims())[:-8],
    "signature of zeros": lambda: changed(signed(claims()), 2, lambda _: encoded(bytes(96))),
    "signature in DER": lambda: changed(signed(claims()), 2, lambda _: encoded(b"\x30\x44" + bytes(68))),
    "claims that are no object": lambda: signed(b'["iss"]'),
    "claims that are no JSON": lambda: signed(b"iss"),
    "claims that are no UTF-8": lambda: signed(b'{"iss": "\xff"}'),
    "claims with a key twice": lambda: signed(json.dumps(claims())[:-1].encode() + b', "iss": "x"}'),
    "claims with NaN": lambda: signed(json.dumps(claims())[:-1].encode() + b', "exp2": NaN}'),
    "no iss": lambda: signed(claims(iss=...)),
    "an iss that nobody names": lambda: signed(claims(iss="https://ehr.example.com")),
    "an iss with a slash more": lambda: signed(claims(iss=ISS + "/")),
    "an iss in capitals": lambda: signed(claims(iss=ISS.upper())),
    "iss in a list": lambda: signed(claims(iss=[ISS])),
    "no aud": lambda: signed(claims(aud=...)),
    "aud of another service": lambda: signed(claims(aud=AUD.replace("select", "sign"))),
    "aud of another host": lambda: signed(claims(aud=AUD.replace("cds.", "cds2."))),
    "aud of the base": lambda: signed(claims(aud="https://cds.example.org")),
    "aud with a slash more": lambda: signed(claims(aud=AUD + "/")),
    "aud over http": lambda: signed(claims(aud=AUD.replace("https", "http"))),
    "aud in capitals": lambda: signed(claims(aud=AUD.upper())),
    "aud with a query": lambda: signed(claims(aud=AUD + "?x")),
    "aud in a list in a list": lambda: signed(claims(aud=[[AUD]])),
    "aud as a member": lambda: signed(claims(aud={AUD: True})),
    "no exp": lambda: signed(claims(exp=...)),
    "exp past": lambda: signed(claims(iat=NOW - 400, exp=NOW - 100)),
    "exp past by the leeway": lambda: signed(claims(iat=NOW - 330, exp=NOW - 30)),
    "exp as text": lambda: signed(claims(exp=str(NOW + 300))),
    "exp true": lambda: signed(claims(exp=True)),
    "exp null": lambda: signed(claims(exp=None)),
    "exp beyond every number": lambda: signed(json.dumps(claims(exp=...))[:-1].encode() + b', "exp": 1e999}'),
    "exp in milliseconds": lambda: signed(claims(exp=(NOW + 300) * 1000)),
    "exp before iat": lambda: signed(claims(iat=NOW + 5, exp=NOW + 4)),
    "no iat": lambda: signed(claims(iat=...)),
    "iat ahead": lambda: signed(claims(iat=NOW + 60, exp=NOW + 300)),
    "iat as text": lambda: signed(claims(iat="now")),
    "nbf ahead": lambda: signed(claims(nbf=NOW + 60)),
    "nbf as text": lambda: signed(claims(nbf="now")),
    "a life of 301 seconds": lambda: signed(claims(exp=NOW + 301)),
    "a life of a day": lambda: signed(claims(exp=NOW + 86_400)),
    "a long life, nearly over": lambda: signed(claims(iat=NOW - 3000, exp=NOW + 100)),
    "no jti": lambda: signed(claims(jti=...)),
    "an empty jti": lambda: signed(claims(jti="")),
    "a jti that is no text": lambda: signed(claims(jti=7)),
    "a jti without end": lambda: signed(claims(jti="j" * 600)),
}


@pytest.mark.parametrize("name", BAD)
def test_any_other_token_is_not(name: str) -> None:
    with pytest.raises(NotTrusted):
        judge(BAD[name]())


def test_a_site_may_allow_a_client_shorter_algorithms_and_a_longer_life() -> None:
    client = Client(ISS, "", ("ES256", "RS256"), 900)
    for name in ("ES256", "RS256"):
        token = signed(claims(exp=NOW + 900), name)
        assert judge(token, client, content=key_set(name)).iss == ISS
    with pytest.raises(NotTrusted):
        judge(signed(claims()), client)


def test_a_token_that_names_an_address_of_keys_names_that_of_its_issuer() -> None:
    client = Client(ISS, JKU)
    assert judge(signed(claims(), jku=JKU), client).iss == ISS
    assert judge(signed(claims()), client).iss == ISS
    for other in ("https://evil.example.org/jwks", JKU + "/", JKU.upper(), "", None, [JKU]):
        with pytest.raises(NotTrusted):
            judge(signed(claims(), jku=other), client)


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"alg": "ES256"},
        {"key_ops": ["sign"]},
        {"key_ops": None},
        {"kty": "RSA"},
        {"crv": "P-256"},
        {"x": "AA"},
        {"x": ...},
    ],
    ids=str,
)
def test_a_key_that_is_not_for_this_is_not_used(changes: dict[str, Any]) -> None:
    with pytest.raises(NotTrusted):
        judge(signed(claims()), content=json.dumps({"keys": [jwk("ES384", **changes)]}).encode())


def test_a_short_key_is_not_used() -> None:
    with pytest.warns(SecurityWarning):
        short = RSAKey.generate_key(1024, {"kid": "key-rs384"})
    with pytest.raises(NotTrusted):
        judge(signed(claims(), "RS384"), content=json.dumps({"keys": [short.as_dict(private=False)]}).encode())


def test_a_name_that_two_keys_have_names_neither() -> None:
    twice = json.dumps({"keys": [jwk("ES384"), jwk("ES384-2", kid="key-es384")]}).encode()
    for name in ("ES384", "ES384-2"):
        with pytest.raises(NotTrusted):
            judge(signed(claims(), name, kid="key-es384"), content=twice)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [1, {}]}', b"<html>"], ids=str)
def test_a_key_set_that_cannot_be_read_has_no_keys(content: bytes) -> None:
    with pytest.raises(NotTrusted):
        judge(signed(claims()), content=content)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "abc", "Bearer " + "a" * 9000]
)
def test_a_header_without_one_token_is_refused(header: str | None) -> None:
    with pytest.raises(NotTrusted):
        bearer(header)


class Source:
    """A key set that changes, that fails, and that counts how often it is read."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.reads = 0
        self.fails = False
        self.now = 1000.0

    def __call__(self) -> bytes:
        self.reads += 1
        if self.fails:
            raise OSError("down")
        return key_set(*self.names)

    def keys(self) -> ClientKeys:
        return ClientKeys(ISS, self, lambda: self.now)


def holds(found: ClientKeys, name: str) -> bool:
    return found.holds(signed(claims(), name, kid=key(name).kid), str(key(name).kid), "ES384")


def test_a_new_key_costs_one_read_more() -> None:
    source = Source("ES384")
    found = source.keys()
    assert holds(found, "ES384")
    source.names = ("ES384", "ES384-2")
    source.now += keys.BETWEEN_SECONDS
    assert holds(found, "ES384-2")
    assert holds(found, "ES384-2")
    assert source.reads == 2


def test_invented_names_of_keys_make_no_traffic() -> None:
    source = Source("ES384")
    found = source.keys()
    for number in range(1000):
        source.now += 0.1
        assert not found.holds(signed(claims()), f"invented-{number}", "ES384")
    assert source.reads <= 1 + 100 / keys.BETWEEN_SECONDS


def test_a_key_that_was_withdrawn_is_refused_soon() -> None:
    source = Source("ES384", "ES384-2")
    found = source.keys()
    assert holds(found, "ES384-2")
    source.names = ("ES384",)
    source.now += keys.FRESH_SECONDS
    assert not holds(found, "ES384-2")
    assert holds(found, "ES384")


def test_keys_that_cannot_be_read_again_are_used_a_little_longer_only() -> None:
    source = Source("ES384")
    found = source.keys()
    assert holds(found, "ES384")
    source.fails = True
    source.now += keys.FRESH_SECONDS
    assert holds(found, "ES384")
    source.now += keys.BETWEEN_SECONDS
    assert not holds(found, "ES384")
    source.fails = False
    source.now += keys.BETWEEN_SECONDS
    assert holds(found, "ES384")
