"""`make conformance`: what CDS Hooks asks of a service, requirement by requirement, and the tests that show it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
TABLE: Final = ROOT / "tests" / "data" / "conformance.yaml"
LEVELS: Final = ("SHALL", "SHALL NOT", "SHOULD", "SHOULD NOT")
Json = dict[str, Any]


def chapters() -> list[Json]:
    """The table as it is written."""
    found: list[Json] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return found


def requirements(table: list[Json]) -> list[Json]:
    """All of them, in order."""
    return [each for chapter in table for each in chapter["requirements"]]


def problems(table: list[Json], root: Path = ROOT) -> Iterator[str]:
    """What the table lacks: a test, or one that is there; each id once, of a level that is one."""
    every = requirements(table)
    for name, times in Counter(each["id"] for each in every).items():
        if times > 1:
            yield f"{name}: there {times} times"
    for each in every:
        if each["level"] not in LEVELS:
            yield f"{each['id']}: no level: {each['level']}"
        if not each["tests"]:
            yield f"{each['id']}: no test shows it"
        for test in shown_by(each):
            file, _, function = test.partition("::")
            if function not in _functions(root / file):
                yield f"{each['id']}: no such test: {test}"


def shown_by(requirement: Json) -> list[str]:
    """The tests that show it, those in a browser last."""
    return [*requirement["tests"], *requirement.get("browser", ())]


def _functions(file: Path) -> set[str]:
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def lines(table: list[Json]) -> Iterator[str]:
    """The table to read: each requirement, and below it its tests."""
    for chapter in table:
        yield f"\n{chapter['chapter']}"
        for each in chapter["requirements"]:
            yield f"{each['id']:>5}  {each['level']:<9}  {each['text']}"
            yield from (f"{'':>16}  {test}" for test in shown_by(each))


def main() -> None:
    """Prints the table; exit code 1 where something is missing."""
    table = chapters()
    print("\n".join(lines(table)))  # noqa: T201
    every, missing = requirements(table), list(problems(table))
    tests = {test for each in every for test in shown_by(each)}
    print(f"\n{len(every)} requirements, {len(tests)} tests, {len(missing)} problems", *missing, sep="\n")  # noqa: T201
    raise SystemExit(bool(missing))


if __name__ == "__main__":
    main()
