"""A site as a folder: what it may hold, where a fault is reported, and that the digest covers all of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge import inspect, load, lock
from cds_service.knowledge.loader import read_all
from tests.sites.folder import SITE, TEMPERATURE, write_site

ROOT = Path(__file__).parents[2]
CARD = (ROOT / "cards/asthma.yaml").read_text(encoding="utf-8")


def problems(folder: Path) -> tuple[str, ...]:
    """What loading the site complains of, with `ward/` for the folder."""
    try:
        load(ROOT, str(folder))
    except KnowledgeError as error:
        return tuple(p.replace(folder.as_posix(), "ward") for p in error.problems)
    return ()


def test_everything_of_a_folder_holds_at_the_site(tmp_path: Path) -> None:
    wording = re.sub(r"(?m)^summary: .*$", "summary: Asthma, as this hospital says it", CARD)
    folder = write_site(
        tmp_path,
        site=SITE + "emptyMeans: {allergies: unknown}\nrulesOff: {asthma: not here}\ntimezone: Europe/Berlin\n",
        terms__flowsheets=TEMPERATURE,
        terms__several="""
- {valueSet: anakinra, words: [ankr]}
- {valueSet: crs-grade-2, exclusions: [{text: crs-2, reason: a bed}]}
""",
        cards__asthma=wording,
    )
    knowledge = load(ROOT, str(folder))
    assert (knowledge.site.id, knowledge.site.region, knowledge.site.timezone) == ("ward", "US", "Europe/Berlin")
    assert ("urn:oid:2.999.1", "T") in {(c.system, c.code) for c in knowledge.value_sets["temperature"].codes}
    assert knowledge.value_sets["anakinra"].text[-1] == "ankr"
    assert knowledge.value_sets["crs-grade-2"].exclusions[-1].reason == "a bed"
    assert knowledge.cards["asthma"].summary == "Asthma, as this hospital says it"
    assert knowledge.site_cards == {"asthma"}
    assert {name: len(codes) for name, codes in knowledge.local_codes.items()} == {"temperature": 1}
    assert "ankr" not in load(ROOT).value_sets["anakinra"].text


def test_a_folder_without_an_id_is_called_as_it_lies(tmp_path: Path) -> None:
    assert load(ROOT, str(write_site(tmp_path / "north-wing", site="extend: us\n"))).site.id == "north-wing"


def test_a_folder_by_its_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_site(tmp_path / "ward")
    write_site(tmp_path / "us", site="extend: us\nid: other\n")
    monkeypatch.chdir(tmp_path)
    assert load(ROOT, "ward").site.id == "ward"
    # The id of a shipped site is that site, whatever lies in the folder of the process.
    assert load(ROOT, "us").site.id == "us"


def test_a_mounted_config_map(tmp_path: Path) -> None:
    """Kubernetes mounts files as links into `..data`, itself a link, and renews them by changing that one."""
    real = write_site(tmp_path / "..2026_11_28_00_00_00.1", terms__flowsheets=TEMPERATURE)
    (tmp_path / "..data").symlink_to(real.name)
    for name in ("site.yaml", "terms"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    assert "temperature" in load(ROOT, str(tmp_path)).local_codes
    (real / "terms/flowsheets.yaml").unlink()
    (real / "terms/flowsheets.yaml").symlink_to("nowhere.yaml")
    assert [p.split(": ", 2)[1] for p in problems(tmp_path)] == ["(whole file)"]
    (tmp_path / "terms").unlink()
    (tmp_path / "terms").symlink_to("..data/gone")
    assert problems(tmp_path) == ("ward/terms:1: (folder): cannot be read: expected a folder",)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: write_site(f, site=SITE + "title: Ward\n", terms__a=TEMPERATURE, cards__asthma=CARD),
        lambda f: write_site(f, terms__a=TEMPERATURE.replace('"T"', '"U"')),
        lambda f: write_site(f, cards__asthma=CARD + "\n# a remark\n"),
    ],
    ids=["site", "terms", "cards"],
)
def test_the_digest_covers_the_folder_and_not_its_place(tmp_path: Path, change: Callable[[Path], object]) -> None:
    first = write_site(tmp_path / "a" / "ward", terms__a=TEMPERATURE, cards__asthma=CARD)
    digest = load(ROOT, str(first)).digest
    second = write_site(tmp_path / "b" / "ward", terms__a=TEMPERATURE, cards__asthma=CARD)
    assert load(ROOT, str(second)).digest == digest
    change(second)
    assert load(ROOT, str(second)).digest != digest


def test_the_lock_holds_what_is_shipped_whatever_the_site_says(tmp_path: Path) -> None:
    wording = re.sub(r"(?m)^summary: .*$", "summary: Asthma here", CARD)
    loaded = read_all(ROOT, str(write_site(tmp_path, terms__a=TEMPERATURE, cards__asthma=wording)))
    assert loaded.problems == []
    assert lock.problems(loaded) == []


def test_key_files_are_found_from_the_folder(tmp_path: Path) -> None:
    issuers = 'issuers: [{iss: "https://ehr.example.org", jwks: keys.json, algorithms: [ES384], maxLife: 300}]\n'
    folder = write_site(tmp_path / "ward", site=SITE + issuers)
    (folder / "keys.json").write_text('{"keys": []}', encoding="utf-8")
    (issuer,) = load(ROOT, str(folder)).site.issuers
    assert (issuer.jwks, issuer.algorithms, issuer.max_life) == (str(folder / "keys.json"), ("ES384",), 300)


def test_a_rule_switched_off_is_named_by_check(tmp_path: Path) -> None:
    folder = write_site(tmp_path, site=SITE + "rulesOff:\n  infection-severe: until our laboratory is connected\n")
    found = inspect(ROOT, str(folder))
    assert found.problems == ()
    (told,) = [w for w in found.warnings if "switched off" in w]
    where = f"{folder.as_posix()}/site.yaml:4: rulesOff.infection-severe: "
    assert told == f"{where}the safety rule infection-severe is switched off: until our laboratory is connected"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # The folder itself
        ({"term__a": TEMPERATURE}, "ward/term:1: (folder): not a folder of a site; expected terms, cards or patients"),
        ({"policies": "a: 1\n"}, "ward/policies.yaml:1: (file name): not a file of a site; expected site.yaml, "),
        ({"site": "extend: uss\n"}, "ward/site.yaml:1: extend: no shipped site 'uss'; did you mean us? "),
        # site.yaml
        ({"site": SITE + "emptyMean: {}\n"}, "ward/site.yaml:3: emptyMean: unknown key; did you mean emptyMeans?"),
        ({"site": SITE + "emptyMeans: {allergy: no}\n"}, "ward/site.yaml:3: emptyMeans.allergy: no such query that"),
        ({"site": SITE + "emptyMeans: {patient: no}\n"}, "ward/site.yaml:3: emptyMeans.patient: no such query that"),
        (
            {"site": SITE + "emptyMeans: {allergies: maybe}\n"},
            "ward/site.yaml:3: emptyMeans.allergies: expected 'no'",
        ),
        (
            {"site": SITE + "notKept: [Immunization]\nemptyMeans:\n  immunizations: unknown\n"},
            "ward/site.yaml:5: emptyMeans.immunizations: Immunization is in notKept",
        ),
        (
            {"site": SITE + "rulesOff: {asthmaa: why}\n"},
            "ward/site.yaml:3: rulesOff.asthmaa: no such rule asthmaa",
        ),
        ({"site": SITE + 'rulesOff: {asthma: " "}\n'}, "ward/site.yaml:3: rulesOff.asthma: expected a text that says"),
        ({"site": SITE + "rulesOff: {asthma: TODO}\n"}, "ward/site.yaml:3: rulesOff.asthma: expected the real text"),
        ({"site": SITE + "silentRules: [asthmaa]\n"}, "ward/site.yaml:3: silentRules[0]: no such rule asthmaa"),
        (
            {"site": SITE + "silentServices: [anakinra-order]\n"},
            "ward/site.yaml:3: silentServices[0]: no such service anakinra-order; did you mean anakinra-order-",
        ),
        (
            {"site": SITE + "rulesOff: {asthma: why}\nsilentRules: [asthma]\n"},
            "ward/site.yaml:4: silentRules[0]: asthma is in rulesOff: what is not evaluated cannot be silent",
        ),
        ({"site": SITE + "scripts: [Klingon]\n"}, "ward/site.yaml:3: scripts[0]: expected 'Latin', "),
        ({"site": SITE + "scripts: []\n"}, "ward/site.yaml:3: scripts: "),
        ({"site": SITE + "language: English\n"}, "ward/site.yaml:3: language: expected a different text"),
        ({"site": SITE + "timezone: Berlin\n"}, "ward/site.yaml:3: timezone: expected an IANA time zone, such as"),
        ({"site": SITE + "timezone: ../etc/passwd\n"}, "ward/site.yaml:3: timezone: expected an IANA time zone"),
        (
            {"site": SITE + "issuers: [{iss: a, jwks: keys.json}]\n"},
            "ward/site.yaml:3: issuers[0].jwks: cannot be read: there is no file ward/keys.json",
        ),
        (
            {"site": SITE + 'issuers: [{iss: a, jwks: "http://ehr.example.org/keys"}]\n'},
            "ward/site.yaml:3: issuers[0].jwks: expected an https URL (http on loopback only) or a file",
        ),
        (
            {"site": SITE + 'issuers: [{iss: a, jwks: "https://a.example/", algorithms: [HS256]}]\n'},
            "ward/site.yaml:3: issuers[0].algorithms[0]: expected 'ES384', ",
        ),
        # cards/
        (
            {"cards__asthmaa": CARD.replace("id: asthma", "id: asthmaa")},
            "ward/cards/asthmaa.yaml:1: id: no such shipped",
        ),
        (
            {"cards__asthma": CARD.replace("id: asthma", "id: other")},
            "ward/cards/asthma.yaml:1: id: expected asthma, as",
        ),
        ({"cards__asthma": CARD + "color: red\n"}, "ward/cards/asthma.yaml:6: color: unknown key"),
        (
            {"cards__asthma": CARD.rstrip() + " {{ fact('asthmaa').text }}\n"},
            "ward/cards/asthma.yaml:4: detail: no such fact asthmaa; did you mean asthma?",
        ),
        (
            {"cards__asthma": re.sub(r"(?m)^summary: .*$", f"summary: {'x' * 140}", CARD)},
            "ward/cards/asthma.yaml:3: summary: expected at most 139 characters (found 140)",
        ),
    ],
)
def test_refused(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    found = problems(write_site(tmp_path, **files))
    assert [p for p in found if p.startswith(expected)], found


def test_a_rule_that_others_wait_for_stays_on(tmp_path: Path) -> None:
    rules = load(ROOT).rules
    waited, by = next((c.finding, r.id) for r in rules for c in (*r.when, *r.unless) if c.finding)
    found = problems(write_site(tmp_path, site=SITE + f"rulesOff: {{{waited}: why}}\n"))
    assert len(found) == 1
    assert found[0].startswith(f"ward/site.yaml:3: rulesOff.{waited}: ")
    assert by in found[0]
    assert "would wait for its finding for ever" in found[0]


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("nowhere/ward", "nowhere/ward:1: (file name): expected a folder, or a file *.yaml"),
        ("nowhere/ward.yml", "nowhere/ward.yml:1: (file name): expected a name that ends in .yaml"),
        ("nowhere/ward.yaml", "nowhere/ward.yaml:1: (whole file): cannot be read: No such file or directory"),
        ("uss", "rules/sites/uss.yaml:1: id: no such site; did you mean us? there are: "),
    ],
)
def test_no_such_site(site: str, expected: str) -> None:
    with pytest.raises(KnowledgeError) as caught:
        load(ROOT, site)
    (found,) = caught.value.problems
    assert found.startswith(expected)
