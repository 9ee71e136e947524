"""Reading YAML: only its plain part, with the line of every key."""

from __future__ import annotations

from pathlib import Path

import pytest

import cds_service
from cds_service.errors import KnowledgeError
from cds_service.knowledge.files import Document, find_root, parse, read


def refusal(text: str) -> str:
    document = parse(text.encode(), "a.yaml")
    assert len(document.problems) == 1, document.problems
    return document.problems[0]


def test_plain_data_and_lines() -> None:
    text = 'a: 1\nb:\n  - {c: "03", d: no}\n  - 2.5\ne: 2026-01-01\nf: true\ng:\nh: -1e3\n'
    document = parse(text.encode(), "a.yaml")
    assert document.problems == ()
    assert document.data == {
        "a": 1,
        "b": [{"c": "03", "d": "no"}, 2.5],
        "e": "2026-01-01",
        "f": True,
        "g": None,
        "h": "-1e3",
    }
    assert document.line(("b", 0, "d")) == 3
    assert document.line(("b", 1)) == 4
    assert document.line(("b", 1, "absent")) == 4
    assert document.line(("absent",)) == 1


@pytest.mark.parametrize("key", ["code", "version", "system"])
@pytest.mark.parametrize("value", ["03", "612865", "1.0", "2026-01-01", "true", "0x1F", "1:30"])
def test_bare_code_is_refused(key: str, value: str) -> None:
    assert refusal(f"codes:\n  - {{{key}: {value}}}\n") == (
        f'a.yaml:2: codes[0].{key}: expected a quoted text, found a bare {value}; write "{value}"'
    )


def test_quoted_code_is_text() -> None:
    assert parse(b'code: "03"\nversion: 1.0.0\n', "a.yaml").data == {"code": "03", "version": "1.0.0"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3: a: duplicate key; it is already on line 1"),
        ("x:\n  a: 1\n  a: 1\n", "a.yaml:3: x.a: duplicate key; it is already on line 2"),
        ("a: 1\nb: \t2\n", "a.yaml:2: (tab): expected spaces, found a tab"),
        ("a: &x 1\n", "a.yaml:1: x: anchors (&)"),
        ("a:\n  <<: {b: 1}\n", "a.yaml:2: a.<<: merge keys"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2: ---: expected one document"),
        ("1: a\n", 'a.yaml:1: 1: expected a word as key; quote it: "1"'),
        ("? [a]\n: b\n", "a.yaml:1: (not a word): expected a word as key"),
        ("a: 017\n", 'a.yaml:1: a: expected a plain number or text; quote it if text: "017"'),
        ("a: 8:30\n", "a.yaml:1: a: expected a plain number or text"),
        ("a: .nan\n", "a.yaml:1: a: expected a plain number or text"),
        ("a: 1_000\n", "a.yaml:1: a: expected a plain number or text"),
        ("a: !!set {b}\n", "a.yaml:1: a: the tag"),
        ("a: !own b\n", "a.yaml:1: a: the tag"),
        ("a: [1\nb: 2\n", "a.yaml:2: (syntax): expected YAML, "),
        ("a: b: c\n", "a.yaml:1: (syntax): expected YAML, "),
        ("a: \x07\n", "a.yaml:1: (syntax): expected YAML, "),
    ],
)
def test_refused(text: str, expected: str) -> None:
    assert refusal(text).startswith(expected)


def test_alias_is_refused_at_its_line() -> None:
    document = parse(b"a: &x 1\nb: *x\n", "a.yaml")
    assert [problem.split(": anchors")[0] for problem in document.problems] == ["a.yaml:1: x", "a.yaml:2: x"]


def test_marks_inside_texts_are_no_anchors() -> None:
    assert parse(b"a: rest & fluids\nb: 10*9/L\n", "a.yaml").data == {"a": "rest & fluids", "b": "10*9/L"}


def test_bytes_that_are_not_utf8() -> None:
    problems = parse(b"a: 1\nb: \xff\n", "a.yaml").problems
    assert problems == ("a.yaml:2: (whole file): expected UTF-8 text",)


def test_missing_file(tmp_path: Path) -> None:
    document = read(tmp_path / "absent.yaml", "absent.yaml")
    assert document.problems[0].startswith("absent.yaml:1: (whole file): cannot be read: ")


def test_empty_file() -> None:
    assert parse(b"# nothing\n", "a.yaml") == Document("a.yaml", b"# nothing\n")


def test_root_without_folders(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="expected the folders rules/ and cards/"):
        find_root(tmp_path)


def test_root_of_a_checkout_before_that_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "cds_service"
    monkeypatch.setattr(cds_service, "__file__", str(package / "__init__.py"))
    with pytest.raises(KnowledgeError, match=f"{package}:1"):
        find_root()
    for folder in (package / "rules", package / "cards"):
        folder.mkdir(parents=True)
    assert find_root() == package
    for folder in (tmp_path / "rules", tmp_path / "cards"):
        folder.mkdir()
    assert find_root() == tmp_path


def test_root_given(root: Path) -> None:
    assert find_root(root) == root
