"""Local codes and words: what a site may add to a value set, and what of it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge import load
from cds_service.knowledge.loader import OPPOSITES, read_all
from tests.sites.folder import write_site

ROOT = Path(__file__).parents[2]
TERM = """\
valueSet: crs-grade-2
codes:
  - system: "urn:oid:2.999.1"
    code: "CRS2"
    display: CTOX 2
    source: diagnosis list
words:
  - crs g2
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    """What loading a site with these terms complains of, without the folder."""
    folder = write_site(tmp_path, terms__a=text)
    try:
        load(ROOT, str(folder))
    except KnowledgeError as error:
        return [p.removeprefix(f"{folder.as_posix()}/") for p in error.problems]
    return []


@pytest.mark.parametrize(
    "system",
    ["urn:oid:2.999.1.2", "http://hospital.example.org/codes", "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e"],
)
def test_any_code_system(tmp_path: Path, system: str) -> None:
    assert problems(tmp_path, TERM.replace("urn:oid:2.999.1", system)) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "valueSet: crs-grade-2",
            "valueSet: crs-grade-9",
            "terms/a.yaml:1: valueSet: no such value set crs-grade-9",
        ),
        ('"CRS2"', "12", 'terms/a.yaml:4: codes[0].code: expected a quoted text, found a bare 12; write "12"'),
        ('"CRS2"', '""', "terms/a.yaml:4: codes[0].code: expected a text that says something"),
        ('"CRS2"', '" CRS2"', "terms/a.yaml:4: codes[0].code: expected a code, without spaces around it"),
        ('"CRS2"', '"<code>"', "terms/a.yaml:4: codes[0].code: expected the real text in place of this placeholder"),
        ('"CRS2"', '"XXXX"', "terms/a.yaml:4: codes[0].code: expected the real text"),
        ("CTOX 2", "TODO", "terms/a.yaml:5: codes[0].display: expected the real text"),
        ("diagnosis list", "tbd", "terms/a.yaml:6: codes[0].source: expected the real text"),
        ("    source: diagnosis list\n", "", "terms/a.yaml:3: codes[0].source: required key is missing"),
        ("urn:oid:2.999.1", "2.999.1", 'terms/a.yaml:3: codes[0].system: expected a URI; write "urn:oid:2.999.1"'),
        ("urn:oid:2.999.1", "urn:oid:2.999.x", "terms/a.yaml:3: codes[0].system: expected the URI of a code system"),
        ("urn:oid:2.999.1", "our codes", "terms/a.yaml:3: codes[0].system: expected the URI of a code system"),
        ("words:\n", "word:\n", "terms/a.yaml:7: word: unknown key; did you mean words?"),
        ("  - crs g2", '  - ""', "terms/a.yaml:8: words[0]: expected a text that says something"),
        ("  - crs g2", "  - ...", "terms/a.yaml:8: words[0]: expected the real text"),
        (
            "  - crs g2",
            "  - CRS grade 3",
            "terms/a.yaml:8: words[0]: 'CRS grade 3' is in crs-grade-3 already",
        ),
        (TERM, "valueSet: asthma\n", "terms/a.yaml:1: (whole file): expected codes, words or exclusions"),
        (TERM, "- {valueSet: asthma}\n", "terms/a.yaml:1: [0]: expected codes, words or exclusions"),
        (
            TERM,
            "valueSet: asthma\nexclusions: [{reason: why}]\n",
            "terms/a.yaml:1: (whole file): expected of each exclusion either its text, or its system and code",
        ),
        (
            TERM,
            f"- {TERM.replace(chr(10), chr(10) + '  ').rstrip()}\n- {TERM.replace(chr(10), chr(10) + '  ').rstrip()}\n",
            "terms/a.yaml:12: [1].codes[0].code: urn:oid:2.999.1|CRS2 stands here twice; remove one",
        ),
        (
            TERM,
            f"- {TERM.replace(chr(10), chr(10) + '  ').rstrip()}\n"
            '- {valueSet: crs-grade-3, codes: [{system: "urn:oid:2.999.1", code: "CRS2", display: a, source: b}]}\n',
            "terms/a.yaml:9: [1].codes[0].code: urn:oid:2.999.1|CRS2 is in crs-grade-2 already; one code",
        ),
        (
            'system: "urn:oid:2.999.1"\n    code: "CRS2"',
            'system: "http://hl7.org/fhir/sid/icd-10-cm"\n    code: "D89.833"',
            "terms/a.yaml:4: codes[0].code: http://hl7.org/fhir/sid/icd-10-cm|D89.833 is in crs-grade-3",
        ),
        (
            TERM,
            'valueSet: tuberculosis\ncodes: [{system: "http://hl7.org/fhir/sid/icd-10-cm", code: "Z22.7", display: a, '
            "source: b}]\n",
            "terms/a.yaml:2: codes[0].code: http://hl7.org/fhir/sid/icd-10-cm|Z22.7 must never match",
        ),
        (
            TERM,
            "valueSet: tuberculosis\nwords: [Latent tuberculosis]\n",
            "terms/a.yaml:2: words[0]: 'Latent tuberculosis' must never match tuberculosis: ",
        ),
    ],
)
def test_refused(*, tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TERM
    found = problems(tmp_path, TERM.replace(old, new))
    assert [p for p in found if p.startswith(expected)], found


def test_what_ships_already_may_be_said_again(tmp_path: Path) -> None:
    """An update that brings a code which the site had added must not keep the service from starting."""
    text = 'valueSet: temperature\ncodes: [{system: "http://loinc.org", code: "8310-5", display: a, source: b}]\n'
    folder = write_site(tmp_path, terms__a=text)
    codes = load(ROOT, str(folder)).value_sets["temperature"].codes
    assert len([c for c in codes if c.code == "8310-5"]) == 1


def test_no_shipped_value_sets_contradict_each_other() -> None:
    loaded = read_all(ROOT, "us")
    sets = loaded.table("rules/terms")
    for group, sides in loaded.singles[OPPOSITES].groups.items():
        seen: dict[tuple[str, str], int] = {}
        for number, side in enumerate(sides):
            for name in side:
                for code in sets[name].codes:
                    assert seen.setdefault((code.system, code.code), number) == number, (group, name, code)


def test_opposites_name_value_sets(tmp_path: Path) -> None:
    for name in ("rules", "cards"):
        shutil.copytree(ROOT / name, tmp_path / name)
    path = tmp_path / "rules/opposites.yaml"
    path.write_text(path.read_text("utf-8").replace("[crs-grade-1]", "[crs-grade-0]"), encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"rules/opposites.yaml:4: groups.crs-grade\[0\]\[0\]: no such value set"):
        load(tmp_path)
