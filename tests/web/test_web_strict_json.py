"""The strict reading agrees with the standard library on all that it must accept, and refuses all that it must."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.errors import CallError
from cds_service.web import strict_json

# Text that is hard to read: brackets, quotes, backslashes, digits, characters of several bytes.
TEXT = st.text(st.one_of(st.sampled_from('{}[]"\\:,0123456789.eE \n/u'), st.characters(exclude_categories=["Cs"])))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18) + 1, 10**18 - 1),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    TEXT,
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXT, inner, max_size=5))
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=6)
LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def refused(body: bytes) -> str:
    with pytest.raises(CallError) as found:
        strict_json.read(body)
    assert (found.value.status, found.value.code) == (400, "structure")
    return found.value.diagnostics


def plain(member: Any) -> Any:
    """A member as Python values, by way of its slices."""
    if isinstance(member, dict):
        return {name: strict_json.parse(raw, "x") for name, raw in strict_json.named(member, "x").items()}
    if isinstance(member, list):
        return [strict_json.parse(raw, "x") for raw in member]
    return member


@given(OBJECTS, LAYOUTS)
def test_valid_json_is_read_as_the_standard_library_reads_it(value: dict[str, Any], layout: dict[str, Any]) -> None:
    body = json.dumps(value, **layout).encode()
    assert {name: plain(member) for name, member in strict_json.read(body).items()} == json.loads(body)


@given(OBJECTS, st.binary(min_size=1, max_size=2), st.integers(0, 10**6))
def test_what_is_accepted_is_valid_json_and_what_is_refused_is_not(value: Any, noise: bytes, at: int) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    at %= len(body) + 1
    body = body[:at] + noise + body[at + len(noise) :]
    try:
        strict_json.read(body)
    except CallError:
        return
    json.loads(body.decode(), parse_constant=lambda _: pytest.fail("NaN was accepted"))


@given(OBJECTS, TEXT, VALUES)
def test_a_key_that_occurs_twice_is_found(value: dict[str, Any], key: str, other: Any) -> None:
    value[key] = other
    twice = json.dumps(value)[:-1] + f", {json.dumps(key)}: 1}}"
    assert "twice" in refused(twice.encode())
    member = strict_json.read(b'{"a":' + twice.encode() + b"}")["a"]
    assert isinstance(member, dict)
    with pytest.raises(CallError, match="prefetch: a key occurs twice"):
        strict_json.named(member, "prefetch")
    for nested in (twice, f"[{twice}]", f'{{"b": [{{"c": {twice}}}]}}'):
        with pytest.raises(CallError, match="context: a key occurs twice"):
            strict_json.parse(msgspec.Raw(nested.encode()), "context")


def test_two_spellings_of_one_key_are_one_key() -> None:
    assert "twice" in refused(b'{"hook": 1, "h\\u006fok": 2}')
    assert "twice" in refused('{"é": 1, "\\u00e9": 2}'.encode())


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(VALUES, LAYOUTS)
def test_depth_is_exact(value: Any, layout: dict[str, Any]) -> None:
    body = json.dumps(value, **layout).encode()
    depth = depth_of(value)
    assert not strict_json.too_deep(body, depth)
    assert depth == 0 or strict_json.too_deep(body, depth - 1)


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('["]}",', ',"{["]'), ('["\\"]\\\\",', "]")]
)
def test_64_levels_are_read_and_65_are_not(opening: str, closing: str) -> None:
    def body(levels: int) -> bytes:
        return ('{"a":' + opening * (levels - 1) + "1" + closing * (levels - 1) + "}").encode()

    strict_json.read(body(64))
    assert "nested too deeply" in refused(body(65))
    assert "nested too deeply" in refused(body(100_000))


@given(
    st.lists(TEXT, max_size=6), st.integers(0, 10**18 - 1), st.sampled_from(["", "-"]), st.sampled_from(["", "e3", " "])
)
def test_18_digits_are_read_and_19_are_not(around: list[str], number: int, sign: str, after: str) -> None:
    def body(digits: str) -> bytes:
        before = json.dumps(around)
        return f'{{"a": {before}, "b": [{sign}{digits}{after}, {before}], "c": {before}}}'.encode()

    digits = str(number).replace("0", "1").rjust(18, "2")
    strict_json.read(body(digits))
    strict_json.read(body(f"{digits[:7]}.{digits[7:]}"))
    for long in (digits + "5", f"{digits[:9]}.{digits[9:]}5", f"0.{digits}5", "9" * 5000):
        assert "too many digits" in refused(body(long))


def test_digits_in_strings_and_leading_zeros_do_not_count() -> None:
    texts = ["urn:oid:2.16.840.1.113883.6.238", "1" * 40, ": 1234567890123456789012, ", '"1234567890123456789,"', "\\"]
    strict_json.read(json.dumps({"a": texts, "b": 0.00012345678901234567, "c": texts}).encode())
    strict_json.read(b'{"b": 0.000012345678901234567, "c": 1234567890123}')
    assert "too many digits" in refused(json.dumps({"a": texts, "b": 10**18}).encode())
    assert "too many digits" in refused(b'{"a": 0.' + b"0" * 60 + b"1}")


NO_OBJECT = (
    r"""
null|[]|1|"a"|{|{"a":1,}|{"a":NaN}|{"a":[Infinity]}|{"a":{"b":-Infinity}}|{} x|{"a":01}|{"a":[1.]}|{"a":[.5]}
{"a":1e999}|{"a":["\x"]}|{'a':1}|{"a" 1}|/**/{}|{"a":[{"b":[01]}]}|{"a":{"b":{"c":NaN}}}|{"a":["\ud800"]}
{a:1}|{}{}|{"a":[1 2]}
""".strip()
    .replace("\n", "|")
    .split("|")
)


@pytest.mark.parametrize(
    "text", [*NO_OBJECT, "", " ", "\ufeff", "\ufeff\ufeff{}", " \ufeff{}", '{"a":["\n"]}', '{"a":"\0"}']
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    refused(text.encode())


@pytest.mark.parametrize("junk", [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"])
@pytest.mark.parametrize("body", [b'{"a":"%s"}', b'{"a":{"b":["%s"]}}', b'{"%s":1}', b'{"a":[{"%s":1}]}'])
def test_what_is_not_utf8_is_refused_wherever_it_stands(body: bytes, junk: bytes) -> None:
    refused(body % junk)


def test_numbers_beyond_a_double_are_refused_where_they_are_parsed() -> None:
    for raw in (b"1e999", b"[-1e999]", b"NaN"):
        with pytest.raises(CallError, match="out of range"):
            strict_json.parse(msgspec.Raw(raw), "context.x")
    with pytest.raises(CallError, match=r"context\.x: expected valid JSON"):
        strict_json.parse(msgspec.Raw(b"{"), "context.x")


def test_a_text_full_of_escapes_is_read_alike() -> None:
    many = '\\"' * 40_000 + "]]{"
    body = json.dumps({"a": [many, 1], "b": {"c": [many]}}).encode()
    assert not strict_json.too_deep(body, 3)
    assert strict_json.too_deep(body, 2)
    strict_json.read(body)


@given(OBJECTS, LAYOUTS)
def test_a_byte_order_mark_changes_nothing(value: dict[str, Any], layout: dict[str, Any]) -> None:
    body = json.dumps(value, **layout).encode("utf-8-sig")
    assert {name: plain(member) for name, member in strict_json.read(body).items()} == value
