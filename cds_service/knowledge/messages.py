"""Turns what pydantic says about a file into `file:line: key: what was expected (found ...)`."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json

from cds_service.knowledge.files import Document, YamlPath

_MAX_SHOWN = 60


def validated(document: Document, shape: Any, data: Any) -> tuple[Any, list[str]]:
    """`data` as `shape` (a model, or a dict or tuple of models), or None and one problem per faulty key.

    Validated as JSON and strictly: lists may fill tuples and texts dates, but `1` never passes as true nor "8" as 8.
    """
    try:
        return _adapter(shape).validate_json(to_json(data), strict=True, by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, _problems(document, shape, data, error)


@functools.cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...? there are: ...` for a name that does not exist."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    return f"{hint} there are: {shown}" if names else f"{hint} there are none"


def missing(document: Document, path: YamlPath, what: str, name: str, known: Iterable[str]) -> list[str]:
    """One problem where `name` is not among the known names, else nothing."""
    known = tuple(known)
    return [] if name in known else [document.problem(path, f"no such {what} {name}{suggestion(name, known)}")]


def _problems(document: Document, shape: Any, data: Any, error: ValidationError) -> list[str]:
    """One problem per key: the alternatives of a union come as several errors at one place."""
    grouped: dict[YamlPath, list[str]] = {}
    for detail in error.errors(include_url=False, include_context=True):
        path = _yaml_path(detail, data)
        texts = grouped.setdefault(path, [])
        text = _unknown_key(detail, shape, path) or _text(detail)
        if text not in texts:
            texts.append(text)
    return [document.problem(path, _joined(texts, _at(data, path))) for path, texts in grouped.items()]


def _yaml_path(detail: ErrorDetails, data: Any) -> YamlPath:
    """pydantic's location without the names of union members and of dict keys' checks, which no file contains."""
    path: list[str | int] = []
    here = data
    for part in detail["loc"]:
        is_item = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if is_item or (isinstance(here, dict) and part in here):
            here = here[part]
        elif detail["type"] == "missing" and part == detail["loc"][-1]:
            here = None
        else:
            continue
        path.append(part)
    return tuple(path)


def _at(data: Any, path: YamlPath) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _text(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "required key is missing"
    message = detail["msg"].removeprefix("Value error, ")
    if message.startswith("Input should be "):
        return "expected " + message.removeprefix("Input should be ")
    return "expected a different text: " + message if message.startswith("String ") else message


def _joined(texts: list[str], found: Any) -> str:
    expected = [text.removeprefix("expected ") for text in texts if text.startswith("expected ")]
    others = [text for text in texts if not text.startswith("expected ")]
    if expected:
        shown = "nothing" if found is None else json.dumps(found, ensure_ascii=False)
        shown = shown if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + "..."
        others.append(f"expected {' or '.join(expected)} (found {shown})")
    return "; ".join(others)


def _unknown_key(detail: ErrorDetails, shape: Any, path: YamlPath) -> str:
    if detail["type"] != "extra_forbidden":
        return ""
    for part in path[:-1]:
        shape = _inside(shape, part)
    known = [info.alias or name for name, info in shape.model_fields.items()] if _is_model(shape) else []
    return f"unknown key{suggestion(str(path[-1]), known)}"


def _inside(shape: Any, part: str | int) -> Any:
    """The shape of what lies under this key or index; None where the path leads out of the models."""
    if _is_model(shape):
        fields = shape.model_fields.items()
        return next((_bare(info.annotation) for name, info in fields if part == (info.alias or name)), None)
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is dict:
        return _bare(arguments[1])
    return _bare(arguments[0]) if origin is tuple else None


def _bare(shape: Any) -> Any:
    """The shape without `Annotated` and without `| None`."""
    origin = get_origin(shape)
    if origin is Annotated:
        return _bare(get_args(shape)[0])
    if origin in (Union, UnionType):
        return next((_bare(option) for option in get_args(shape) if option is not type(None)), None)
    return shape


def _is_model(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, BaseModel)
