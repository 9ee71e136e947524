"""Sites: extending, overriding policies, and the hospital's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.knowledge import load
from tests.support.knowledge_root import EXTENDING_SITE, FILES, Problems, replace, write

SITE = "rules/sites/toy-hospital.yaml"


def test_extending_site_changes_a_policy(root: Path) -> None:
    write(root, SITE, EXTENDING_SITE)
    knowledge = load(root, "toy-hospital")
    assert knowledge.site.title == "Toy hospital"
    assert knowledge.site.region == "US"
    assert knowledge.policies["neutropenia"].value == 1.0
    assert knowledge.policies["neutropenia"].unit == "10*9/L"
    assert knowledge.operand(knowledge.rules[0].when[0]) == 1.0
    assert knowledge.overridden == {"neutropenia"}
    assert load(root).overridden == frozenset()


def test_the_same_value_is_no_change(root: Path) -> None:
    write(root, SITE, EXTENDING_SITE.replace("1.0", "0.5"))
    assert load(root, "toy-hospital").overridden == frozenset()


def test_policies_are_merged_along_the_chain(root: Path) -> None:
    replace(root, "rules/policies/toy.yaml", "value: 48\n", "value: 48\n  siteMayOverride: true\n")
    write(root, SITE, EXTENDING_SITE)
    text = "extend: toy-hospital\nid: ward\npolicies: {laboratory-max-age: 24}\n"
    write(root, "rules/sites/ward.yaml", text)
    knowledge = load(root, "ward")
    assert knowledge.site.policies == {"neutropenia": 1.0, "laboratory-max-age": 24}
    assert knowledge.site.title == "Toy hospital"


def test_site_file_elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(tmp_path_factory.mktemp("hospital"), "toy-hospital.yaml", EXTENDING_SITE)
    before = load(root).digest
    knowledge = load(root, str(path))
    assert knowledge.site.id == "toy-hospital"
    assert knowledge.overridden == {"neutropenia"}
    assert knowledge.digest != before


def test_absent_site_file(root: Path, problems: Problems) -> None:
    path = (root / "absent.yaml").as_posix()
    assert problems(path)[0].startswith(f"{path}:1: (whole file): cannot be read: ")


def test_site_file_of_another_kind(root: Path, problems: Problems) -> None:
    path = (root / "site.yml").as_posix()
    assert problems(path) == (f"{path}:1: (file name): expected a name that ends in .yaml",)


def test_no_such_site(problems: Problems) -> None:
    assert problems("uss") == ("rules/sites/uss.yaml:1: id: no such site; did you mean us? there are: us",)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "expected"),
    [
        (
            "extend: us",
            "extend: uss",
            1,
            "extend",
            "no shipped site 'uss'; did you mean us? there are: toy-hospital, us",
        ),
        ("extend: us", "extend: [us]", 1, "extend", "no shipped site ['us']"),
        ("extend: us", "extend: toy-hospital", 1, "extend", "toy-hospital extends this site in turn"),
        ("extend: us", "extent: us", 1, "extent", "unknown key"),
        ("id: toy-hospital", "id: other", 2, "id", "expected toy-hospital, as the file name (found other)"),
        ("neutropenia: 1.0", "neutropenai: 1.0", 4, "policies.neutropenai", "did you mean neutropenia?"),
        (
            "neutropenia: 1.0",
            "neutropenia: true",
            4,
            "policies.neutropenia",
            "expected a number of 10*9/L (found true)",
        ),
        ("neutropenia: 1.0", "neutropenia: a", 4, "policies.neutropenia", "expected a valid number or"),
        ("neutropenia: 1.0", "laboratory-max-age: 1", 4, "policies.laboratory-max-age", "a site may not override"),
        ("title: Toy", "region: XX\ntitle: Toy", 3, "region", "no such region XX; there are: US"),
        ("title: Toy", "extend: us\ntitle: Toy", 3, "extend", "duplicate key; it is already on line 1"),
    ],
)
def test_faulty_site(*, root: Path, problems: Problems, old: str, new: str, line: int, key: str, expected: str) -> None:
    write(root, SITE, EXTENDING_SITE)
    replace(root, SITE, old, new)
    # A broken site is reported whichever site is started.
    found = [problem for problem in problems("us") if problem.startswith(f"{SITE}:{line}: {key}: ")]
    assert len(found) == 1, problems("us")
    assert expected in found[0]


def test_site_that_is_no_mapping(root: Path, problems: Problems) -> None:
    write(root, SITE, "- us\n")
    assert problems() == (f"{SITE}:1: (whole file): expected the keys of a site",)


def test_a_missing_key_of_a_site(root: Path, problems: Problems) -> None:
    write(root, SITE, FILES["rules/sites/us.yaml"].replace("id: us", "id: toy-hospital").replace("region: US\n", ""))
    assert problems() == (f"{SITE}:1: region: required key is missing",)
