"""Loading: every faulty file is named with its line and key, all of them at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge, load
from tests.support.knowledge_root import FILES, Problems, replace, write

RULE = "rules/shared/safety/toy-neutropenia.yaml"
FACTS = "rules/facts.yaml"
VALUE_SET = "rules/terms/toy-drug.yaml"


def test_minimal_root_loads(root: Path) -> None:
    knowledge = load(root)
    assert isinstance(knowledge, Knowledge)
    assert [rule.id for rule in knowledge.rules] == ["toy-neutropenia"]
    assert len(knowledge.cases["toy-neutropenia"]) == 5
    assert knowledge.operand(knowledge.rules[0].when[0]) == 0.5
    assert knowledge.operand(knowledge.rules[0].unless[0]) is True
    assert knowledge.rules[0].approval_date is None
    assert knowledge.catalogue.empty_means("active-infection") == "no"
    assert knowledge.value_sets["toy-drug"].codes[0].code == "0307"
    assert knowledge.overridden == frozenset()


def test_rules_are_sorted_by_stratum_then_id(root: Path) -> None:
    for stratum, name in (("advice", "a-rule"), ("pathway", "z-rule"), ("safety", "b-rule")):
        text = (
            FILES[RULE].replace("id: toy-neutropenia", f"id: {name}").replace("stratum: safety", f"stratum: {stratum}")
        )
        write(root, f"rules/shared/other/{name}.yaml", text)
    assert [rule.id for rule in load(root).rules] == ["b-rule", "toy-neutropenia", "z-rule", "a-rule"]


def test_digest_tells_files_apart_but_not_line_ends(root: Path) -> None:
    before = load(root).digest
    assert len(before) == 12
    path = root / RULE
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load(root).digest == before
    replace(root, RULE, "version: 1.0.0", "version: 1.0.1")
    assert load(root).digest != before


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "expected"),
    [
        (
            RULE,
            "rationale: When",
            "rationael: When",
            "rationael",
            "unknown key; did you mean rationale? there are: about, any, ",
        ),
        (
            RULE,
            "below: policy",
            "belowe: policy",
            "when[0].belowe",
            "unknown key; did you mean below? there are: above, ",
        ),
        (RULE, "withholdsOrder", "withholds_order", "finding.withholds_order", "did you mean withholdsOrder?"),
        (VALUE_SET, "display: Toy", "name: Toy", "codes[0].name", "unknown key; there are: code, display, match, "),
        ("rules/policies/toy.yaml", "siteMayOverride", "override", "neutropenia.override", "unknown key"),
        ("rules/units.yaml", "aliases", "alias", "cell-count.units[0].alias", "did you mean aliases?"),
        (RULE, "status: draft", "status: drafty", "status", "'draft', 'active' or 'retired' (found \"drafty\")"),
        (
            RULE,
            "order-select, ",
            "order-selct, ",
            "hooks[0]",
            "expected 'order-select', 'order-sign' or 'patient-view'",
        ),
        (RULE, "version: 1.0.0", 'version: "1"', "version", "expected a different text"),
        (RULE, 'lastReviewDate: ""', "lastReviewDate: soon", "lastReviewDate", "expected a valid date"),
        (
            RULE,
            "is: true}",
            "is: true, isNot: x}",
            "unless[0]",
            "exactly one comparison expected, found 2; there are: is,",
        ),
        (RULE, "{fact: neutrophil-count, ", "{", "when[0]", "name either a `fact` or a `finding`"),
        (
            RULE,
            "withholdsOrder: true",
            "withholdsOrder: 1",
            "finding.withholdsOrder",
            "expected a valid boolean (found 1)",
        ),
        (RULE, "withholdsOrder: true", "withholdsOrder: yes", "finding.withholdsOrder", 'valid boolean (found "yes")'),
        (
            FACTS,
            "sort: -date, count: 10",
            'sort: -date, count: "10"',
            "queries.neutrophils.count",
            'expected a valid integer (found "10")',
        ),
        (
            "rules/policies/toy.yaml",
            "value: 0.5",
            'value: "0.5"',
            "neutropenia.value",
            "expected a valid number or a valid",
        ),
        (VALUE_SET, 'code: "0307"', "code: 0307", "codes[0].code", 'found a bare 0307; write "0307"'),
        (VALUE_SET, "title: The toy drug", "id: other", "id", "duplicate key; it is already on line 1"),
        (VALUE_SET, "id: toy-drug", "id: toy_drug", "id", "expected a different text"),
        (VALUE_SET, "id: toy-drug", "id: other", "id", "expected toy-drug, as the file name (found other)"),
        ("cards/toy-neutropenia.yaml", "summary: N", "summary: [N]\nx: N", "summary", "expected a valid string (found"),
    ],
)
def test_faulty_key(*, root: Path, problems: Problems, file: str, old: str, new: str, key: str, expected: str) -> None:
    line = replace(root, file, old, new)
    matching = [problem for problem in problems() if problem.startswith(f"{file}:{line}: {key}: ")]
    assert len(matching) == 1, problems()
    assert expected in matching[0]


def test_missing_key_is_reported_at_what_lacks_it(root: Path, problems: Problems) -> None:
    line = replace(root, FACTS, "    title: An infection that is active\n", "", marker="active-infection")
    assert problems() == (f"{FACTS}:{line}: facts.active-infection.title: required key is missing",)


def test_case_with_a_wrong_result(root: Path, problems: Problems) -> None:
    file = "rules/shared/safety/toy-neutropenia.cases.yaml"
    line = replace(root, file, "infection: false}, result: fires", "infection: false}, result: fire")
    assert problems()[0].startswith(f"{file}:{line}: [0].result: expected 'fires', 'silent' or 'unknown'")


def test_problems_of_all_files_are_collected(root: Path) -> None:
    replace(root, RULE, "status: draft", "status: drafty")
    replace(root, VALUE_SET, 'code: "0307"', "code: 0307")
    replace(root, "cards/toy-neutropenia.yaml", "version: 1.0.0", "versoin: 1.0.0")
    with pytest.raises(KnowledgeError) as caught:
        load(root)
    assert str(caught.value) == "\n".join(caught.value.problems)
    files = {problem.split(":")[0] for problem in caught.value.problems}
    assert files == {RULE, VALUE_SET, "cards/toy-neutropenia.yaml"}


def test_missing_single_file(root: Path, problems: Problems) -> None:
    (root / "rules/units.yaml").unlink()
    assert problems() == ("rules/units.yaml:1: (whole file): expected this file, it does not exist",)


def test_empty_file(root: Path, problems: Problems) -> None:
    write(root, RULE, "")
    assert problems()[0].startswith(f"{RULE}:1: (whole file): expected ")


@pytest.mark.parametrize(
    "name",
    [
        "rules/extra.yaml",
        "rules/a/b/c.yaml",
        "rules/shared/a.yaml",
        "rules/shared/a/regimens/b.yaml",
        "cards/sub/a.yaml",
    ],
)
def test_file_in_no_known_place(root: Path, problems: Problems, name: str) -> None:
    write(root, name, "a: 1\n")
    assert problems()[0].startswith(f"{name}:1: (file name): not a place for knowledge; expected rules/facts.yaml, ")


def test_other_file_names(root: Path, problems: Problems) -> None:
    write(root, "rules/shared/safety/rule.yml", "a: 1\n")
    write(root, "rules/README.md", "For reviewers")
    write(root, "rules/.hidden", "")
    assert problems() == (
        "rules/shared/safety/rule.yml:1: (file name): expected a name that ends in .yaml (or .md for reading)",
    )


def test_rule_id_in_two_topics(root: Path, problems: Problems) -> None:
    write(root, "rules/toxicities/second/toy-neutropenia.yaml", FILES[RULE])
    assert problems() == (
        f"rules/toxicities/second/toy-neutropenia.yaml:1: id: the id toy-neutropenia is already used by {RULE}",
    )


def test_root_without_folders(root: Path, problems: Problems) -> None:
    shutil.rmtree(root / "cards")
    assert problems() == (f"{root}:1: (folder): expected the folders rules/ and cards/ in it",)
