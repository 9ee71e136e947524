"""Prefetch templates and FHIR searches with local codes: all are asked for, and what is sent stays valid."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, quote

import pytest
from click.testing import CliRunner

from cds_service.chart.prefetch import MAX_CHARACTERS, filled, templates
from cds_service.cli import main
from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge, load
from cds_service.tools.replay.prefetch import answer
from tests.sites.folder import write_site

ROOT = Path(__file__).parents[2]
SHIPPED = templates(load(ROOT))
# Whatever a code may hold that means something to FHIR search, to URLs, or to prefetch templates.
ODD = ["a|b", "a,b", "a$b", "a\\b", "a\\,b|c", "a&b=c", "a?b#c", "a+b", "a%2Cb", "50% O2", "{{context.userId}}", "체온"]
SYSTEMS = ["urn:oid:2.999.1", "http://hospital.example.org/codes?list=a&b=c", "http://hospital.example.org/a|1.0"]


def at(folder: Path, value_set: str, *codes: tuple[str, str]) -> Knowledge:
    """The knowledge at a site that adds these (system, code) to a value set."""
    lines = [f"  - {{system: {_quoted(s)}, code: {_quoted(c)}, display: a, source: b}}" for s, c in codes]
    text = f"valueSet: {value_set}\ncodes:\n" + "\n".join(lines) + "\n"
    return load(ROOT, str(write_site(folder, terms__a=text)))


def _quoted(text: str) -> str:
    return "'" + text + "'"


def test_shipped_sites_ask_as_ever() -> None:
    assert SHIPPED["cultures"] == (
        "Observation?patient={{context.patientId}}&code=http://loinc.org|600-7,http://loinc.org|17928-3,"
        "http://loinc.org|17934-1,http://loinc.org|601-5,http://loinc.org|11475-1&_sort=-date&_count=40"
    )
    for site in sorted(load(ROOT).sites):
        assert templates(load(ROOT, site)) == SHIPPED


def test_a_local_culture_is_asked_for(tmp_path: Path) -> None:
    found = templates(at(tmp_path, "blood-culture", ("urn:oid:2.999.1", "LB07")))
    assert found["cultures"] == SHIPPED["cultures"].replace("601-5", "601-5,urn:oid:2.999.1|LB07")
    assert {name for name in found if found[name] != SHIPPED[name]} == {"cultures"}


def test_a_code_of_two_value_sets_is_asked_for_once(tmp_path: Path) -> None:
    text = "\n".join(
        f'- {{valueSet: {name}, codes: [{{system: "urn:oid:2.999.1", code: "C", display: a, source: b}}]}}'
        for name in ("creatinine", "renal-severe")
    )
    found = templates(load(ROOT, str(write_site(tmp_path, terms__a=text + "\n"))))
    assert found["labs"].count("urn:oid:2.999.1|C") == 1


@pytest.mark.parametrize("system", SYSTEMS)
def test_odd_codes_find_their_observation_and_no_other(tmp_path: Path, system: str) -> None:
    found = templates(at(tmp_path, "temperature", *((system, code) for code in ODD)))
    assert found["vitals"].count("{{") == 1
    names = [name for name, _ in parse_qsl(found["vitals"].partition("?")[2], strict_parsing=True)]
    assert names == ["patient", "code", "_sort", "_count"]
    charts = [_observation(f"o{n}", system, code) for n, code in enumerate(ODD)]
    others = [_observation("x1", system, "b"), _observation("x2", "", "c"), _observation("x3", "1.0", "a")]
    read = answer({"vitals": found["vitals"]}, [*charts, *others], "p1")["vitals"]
    assert sorted(e["resource"]["id"] for e in read["entry"]) == sorted(f"o{n}" for n in range(len(ODD)))


def _observation(name: str, system: str, code: str) -> dict[str, object]:
    coding = {"system": system, "code": code} if system else {"code": code}
    subject = {"reference": "Patient/p1"}
    return {"resourceType": "Observation", "id": name, "subject": subject, "code": {"coding": [coding]}}


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_a_server_is_sent_is_a_plain_address(tmp_path: Path, system: str) -> None:
    knowledge = at(tmp_path, "temperature", *((system, code) for code in ODD))
    sent = filled(templates(knowledge), "p1")["vitals"]
    assert sent.isascii()
    assert not set(sent) & set(' "<>\\^`{|}#')
    (code,) = [value for name, value in parse_qsl(sent.partition("?")[2], strict_parsing=True) if name == "code"]
    for odd in ODD:
        escaped = "".join(f"\\{c}" if c in "\\$,|" else c for c in odd)
        assert f"|{escaped}," in f"{code},"


def test_shipped_searches_are_sent_as_ever() -> None:
    """The way that templates were filled before codes could hold anything: byte by byte the same."""
    for name, text in SHIPPED.items():
        before = "p%2F1".join(quote(part, safe="/?&=:,") for part in text.split("{{context.patientId}}"))
        assert filled(SHIPPED, "p/1")[name] == before


def test_a_search_that_grows_too_long_is_refused(tmp_path: Path) -> None:
    base = len(filled(SHIPPED, "")["cultures"])
    each = len(",urn:oid:2.999.1%7C0000")
    fitting = (MAX_CHARACTERS - base) // each
    codes = [("urn:oid:2.999.1", f"{number:04}") for number in range(fitting + 1)]
    found = templates(at(tmp_path / "fits", "blood-culture", *codes[:-1]))
    assert len(filled(found, "")["cultures"]) <= MAX_CHARACTERS
    knowledge = at(tmp_path / "long", "blood-culture", *codes)
    with pytest.raises(KnowledgeError) as caught:
        templates(knowledge)
    where = f"{(tmp_path / 'long').as_posix()}/site.yaml:1: terms: the search of cultures would have "
    assert str(caught.value).startswith(where)
    asked = f"expected at most {MAX_CHARACTERS}: add fewer codes to blood-culture, culture-test"
    assert str(caught.value).endswith(asked)
    checked = CliRunner().invoke(main, ["check", "--site", str(tmp_path / "long")])
    assert checked.exit_code == 1
    assert where in checked.output
