"""Finds and reads the YAML files under `rules/` and `cards/`, keeping the line of every key.

Only the plain part of YAML is accepted, because each of its conveniences has hidden a clinical error somewhere: of
duplicate keys the last would win silently, `code: 0307` would become the number 199, and an alias would move a
threshold to a line that no reviewer reads. As in YAML 1.2, only `true` and `false` are booleans; `no` is a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import cds_service
from cds_service.errors import KnowledgeError

YamlPath = tuple[str | int, ...]
# Of a mapping: key -> (line, lines of its value); of a list the same in order; of anything else None.
Lines = Any
FOLDERS = ("rules", "cards")
TEXT_KEYS = frozenset({"code", "version", "system"})

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_TEXT = f"{_TAG}str"
_KINDS = ("str", "null", "bool", "int", "float", "timestamp", "map", "seq")
_TAGS = frozenset(_TAG + kind for kind in _KINDS)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file as plain data, with the line of every key and list item.

    `name` is how messages call the file: its path below the root, or as it was given. `lines` has the shape of `data`:
    in the place of each value its line, counted from 1, and the lines of what is in it. `problems` are lines
    `file:line: key: what was expected`; where there are any, `data` may be incomplete.
    """

    name: str
    content: bytes
    data: Any = None
    lines: Lines = None
    problems: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The file name without folder, `.yaml` and `.cases`: the id that the file must carry."""
        return self.name.rsplit("/", 1)[-1].removesuffix(".yaml").removesuffix(".cases")

    def line(self, path: YamlPath) -> int:
        """The line of this path, or of the nearest thing around it that the file has."""
        line, inside = 1, self.lines
        for part in path:
            try:
                line, inside = inside[part]
            except (LookupError, TypeError):  # not in the file, or nothing is inside
                break
        return line

    def problem(self, path: YamlPath, text: str) -> str:
        """One line `file:line: key: text`."""
        return f"{self.name}:{self.line(path)}: {spelled(path)}: {text}"


def spelled(path: YamlPath) -> str:
    """`("when", 0, "atLeast")` as `when[0].atLeast`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "(whole file)"


def find_root(root: Path | None = None) -> Path:
    """The folder that holds `rules/` and `cards/`: the given one, else the checkout's, else the installed package's.

    Raises KnowledgeError naming the folders that were tried.
    """
    package = Path(cds_service.__file__).parent
    tried = [root] if root is not None else [package.parent, package]
    for folder in tried:
        if all((folder / name).is_dir() for name in FOLDERS):
            return folder
    where = " nor ".join(str(folder) for folder in tried)
    raise KnowledgeError(f"{where}:1: (folder): expected the folders rules/ and cards/ in it")


def read(path: Path, name: str) -> Document:
    """Read one YAML file. An unreadable or refused file comes back with `problems`; nothing is raised."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Document(name, b"", problems=(f"{name}:1: (whole file): cannot be read: {error.strerror}",))
    return parse(content, name)


def parse(content: bytes, name: str) -> Document:
    """YAML bytes to a Document; see `read`."""
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Document(name, content, problems=(f"{name}:{line}: (whole file): expected UTF-8 text",))
    problems = [f"{name}:{line}: {what}" for line, what in _refused_syntax(text)]
    if problems:
        return Document(name, content, problems=tuple(problems))
    try:
        node = yaml.compose(text, _LOADER)
    except yaml.YAMLError as error:
        return Document(name, content, problems=(f"{name}:{_line_of(error)}: {_reason(error)}",))
    builder = _Builder(name)
    data, lines = (None, None) if node is None else builder.value(node, ())
    return Document(name, content, data, lines, tuple(builder.problems))


def _refused_syntax(text: str) -> Iterable[tuple[int, str]]:
    """Tabs, anchors, aliases and further documents: (line, what is wrong)."""
    if "\t" in text:
        for number, line in enumerate(text.split("\n"), start=1):
            if "\t" in line:
                yield number, "(tab): expected spaces, found a tab"
    # Walking the events costs as much as composing; only these three marks can begin what it looks for.
    if "&" not in text and "*" not in text and "\n---" not in text:
        return
    documents = 0
    try:
        for event in yaml.parse(text, _LOADER):
            number = 1 if event.start_mark is None else event.start_mark.line + 1
            anchor = getattr(event, "anchor", None)
            if anchor:
                yield number, f"{anchor}: anchors (&) and aliases (*) are not allowed; write the value out"
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                yield number, "---: expected one document in the file; remove this line"
                return
    except yaml.YAMLError:
        return  # composing the file reports it


def _line_of(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return int(mark.line) + 1 if mark is not None else 1


def _reason(error: yaml.YAMLError) -> str:
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    return f"(syntax): expected YAML, {said}; check the indentation and quote texts that contain ': ' or ' #'"


def _is_word(node: yaml.Node) -> bool:
    """`yes`, `no`, `on`, `off`: booleans to YAML 1.1, which PyYAML speaks, and words to everyone else."""
    return bool(node.tag == f"{_TAG}bool" and node.value.lower() not in ("true", "false"))


class _Builder:
    """Turns YAML nodes into plain data, noting lines and collecting what is refused."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[str] = []

    def value(self, node: yaml.Node, path: YamlPath) -> tuple[Any, Lines]:
        """What a node holds, and where."""
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):  # most are
            return node.value, None
        if node.tag not in _TAGS:
            self._refuse(node.start_mark.line + 1, path, f"the tag {node.tag} is not allowed; remove it")
            return None, None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, path)
        return self._scalar(node, path), None

    def _list(self, node: yaml.SequenceNode, path: YamlPath) -> tuple[list[Any], Lines]:
        result, lines = [], []
        for index, child in enumerate(node.value):
            value, inside = self.value(child, (*path, index))
            result.append(value)
            lines.append((child.start_mark.line + 1, inside))
        return result, lines

    def _mapping(self, node: yaml.MappingNode, path: YamlPath) -> tuple[dict[str, Any], Lines]:
        result: dict[str, Any] = {}
        lines: dict[str, tuple[int, Lines]] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._key(key_node, path, line)
            if key is None:
                continue
            here = (*path, key)
            if key in result:
                self._refuse(line, here, f"duplicate key; it is already on line {lines[key][0]}")
                continue
            result[key], inside = self.value(value_node, here)
            lines[key] = (line, inside)
        return result, lines

    def _key(self, node: yaml.Node, path: YamlPath, line: int) -> str | None:
        if isinstance(node, yaml.ScalarNode) and (node.tag == _TEXT or _is_word(node)):
            return str(node.value)
        shown = str(node.value) if isinstance(node, yaml.ScalarNode) else "(not a word)"
        if node.tag == f"{_TAG}merge":
            self._refuse(line, (*path, shown), "merge keys are not allowed; write the keys out")
        else:
            self._refuse(line, (*path, shown), f'expected a word as key; quote it: "{shown}"')
        return None

    def _scalar(self, node: yaml.Node, path: YamlPath) -> Any:
        kind, text, line = node.tag.removeprefix(_TAG), str(node.value), node.start_mark.line + 1
        if kind == "str" or _is_word(node):
            return text
        if kind == "null":
            return None
        if path and path[-1] in TEXT_KEYS:
            self._refuse(line, path, f'expected a quoted text, found a bare {text}; write "{text}"')
            return text
        if kind == "timestamp":
            return text  # the model decides whether a date is wanted here
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _FLOAT.fullmatch(text):
            return float(text)
        self._refuse(line, path, f'expected a plain number or text; quote it if text: "{text}"')
        return text

    def _refuse(self, line: int, path: YamlPath, text: str) -> None:
        self.problems.append(f"{self.name}:{line}: {spelled(path)}: {text}")
