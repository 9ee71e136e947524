"""Every exported resource: valid FHIR, whole, self-contained, silent on what must not be said, the same each time."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge, load
from cds_service.tools.export import bundle, checked, text
from cds_service.tools.export.extensions import DECLARED, compound
from cds_service.tools.export.validation import problems
from tests.export.walk import walk
from tests.support import knowledge_root
from tests.support.exported import Resources, exported
from tests.support.shipped import ROOT

BASE = "https://anakinra-cds.org/fhir/"
TRIAL = "rules/evidence/toy-trial.yaml"
SITES = sorted(path.stem for path in ROOT.glob("rules/sites/*.yaml"))


def strings(resources: Resources) -> Iterator[tuple[str, str]]:
    for name, resource in resources.items():
        for _, value in walk(resource, name):
            if isinstance(value, str):
                yield name, value


# ---------------------------------------------------------------- valid


@pytest.mark.parametrize("site", SITES)
def test_every_resource_is_valid_at_every_site(site: str) -> None:
    assert checked(load(ROOT, site))


def test_the_bundle_is_valid(ours: Knowledge) -> None:
    whole = bundle(ours, checked(ours))
    assert list(problems([{"id": "x", **whole}])) == []
    urls = [entry["fullUrl"] for entry in whole["entry"]]
    assert len(set(urls)) == len(urls) == len(checked(ours))


WRONG = {
    "PlanDefinition/crs-refractory": (lambda r: r["action"][0].update(surprise=1), "surprise"),
    "ActivityDefinition/crs-adult-severe": (lambda r: r["dosage"][0].update(timing="q6h"), "timing"),
    "ValueSet/anakinra": (lambda r: r["compose"].update(include=[]), "compose.include: expected"),
    "ValueSet/anc": (lambda r: r.pop("status"), "status"),
    "Library/facts": (lambda r: r["parameter"][0].pop("use"), "use"),
    "Library/policies": (lambda r: r.update(date="yesterday"), "date"),
    "ValueSet/crs": (lambda r: r.update(id="no spaces"), "id: expected"),
    "ValueSet/infection-review": (lambda r: r.update(copyright=" "), "copyright: expected"),
    "PlanDefinition/crs-wait": (lambda r: r["action"][0].update(title=None), "action[0].title: expected"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_valid_is_named(resources: Resources, name: str) -> None:
    change, element = WRONG[name]
    resource = copy.deepcopy(resources[name])
    assert list(problems([resource])) == []
    change(resource)
    found = list(problems([resource]))
    assert found
    assert all(line.startswith(f"{resource['resourceType']}/{resource['id']}: ") for line in found)
    assert any(element in line for line in found)


def test_two_files_for_one_resource_are_refused(ours: Knowledge) -> None:
    twin = ours.regimens["crs-adult-severe"].model_copy(update={"id": "crs-adult-grade-2-alternative-1"})
    with pytest.raises(KnowledgeError, match=r"^ActivityDefinition/crs-adult-grade-2-alternative-1: id: expected once"):
        checked(replace(ours, regimens={**ours.regimens, "twin": twin}))


def test_an_id_too_long_for_fhir_is_refused(ours: Knowledge) -> None:
    long = ours.regimens["crs-adult-grade-2"].model_copy(update={"id": "a" * 64})
    with pytest.raises(KnowledgeError, match=rf"ActivityDefinition/{'a' * 64}-alternative-1: id: "):
        checked(replace(ours, regimens={**ours.regimens, "long": long}))


def test_the_smallest_knowledge_is_exported(root: Path) -> None:
    found = exported(load(root))
    assert {"PlanDefinition/toy-neutropenia", "ValueSet/infection", "Library/facts"} <= found.keys()
    assert not [name for name in found if name.startswith("ActivityDefinition/")]
    assert "compose" not in found["ValueSet/infection"]


# ---------------------------------------------------------------- whole


def test_there_is_a_resource_for_everything(ours: Knowledge, resources: Resources) -> None:
    counts = Counter(name.partition("/")[0] for name in resources)
    doses = sum(1 + len(regimen.alternatives) for regimen in ours.regimens.values())
    orders = sum(len(card.orders) for card in ours.cards.values())
    assert counts == {
        "ValueSet": len(ours.value_sets),
        "PlanDefinition": len(ours.rules),
        "ActivityDefinition": doses + orders,
        "Library": 2,
        "StructureDefinition": len(DECLARED),
    }
    assert min(doses, orders, len(ours.rules), len(ours.value_sets)) > 0


def test_what_every_definition_says(resources: Resources) -> None:
    for name, resource in resources.items():
        assert resource["url"] == BASE + name
        assert resource["experimental"] is True
        assert re.fullmatch("[A-Z][A-Za-z0-9]{0,254}", resource["name"])
        assert resource["version"]
        assert not {"publisher", "contact", "author", "editor", "reviewer", "endorser"} & resource.keys()


def test_everything_is_a_draft_as_long_as_its_files_are(ours: Knowledge, resources: Resources) -> None:
    """Of what has no status in a file: libraries are of all rules, monitoring orders of the rules with their card."""
    said = {name: resources[name]["status"] for name in ("Library/facts", "ActivityDefinition/monitoring-order-1")}
    assert set(said.values()) == {"draft"}
    active = tuple(rule.model_copy(update={"status": "active"}) for rule in ours.rules)
    found = exported(replace(ours, rules=active))
    assert {found[name]["status"] for name in said} == {"active"}


def test_an_approval_is_exported_only_where_one_was_given(root: Path) -> None:
    knowledge = load(root)
    before = exported(knowledge)["PlanDefinition/toy-neutropenia"]
    assert not {"approvalDate", "lastReviewDate"} & before.keys()
    assert "no clinician has reviewed" in before["usage"]
    dates = {"approval_date": date(2026, 2, 3), "last_review_date": date(2026, 2, 4)}
    approved = replace(knowledge, rules=tuple(rule.model_copy(update=dates) for rule in knowledge.rules))
    after = exported(approved)["PlanDefinition/toy-neutropenia"]
    assert (after["approvalDate"], after["lastReviewDate"]) == ("2026-02-03", "2026-02-04")
    assert "no clinician has reviewed" not in after["usage"]


# ---------------------------------------------------------------- self-contained


def test_every_canonical_leads_somewhere(resources: Resources) -> None:
    versions = {resource["url"]: resource["version"] for resource in resources.values()}
    named = Counter(value for _, value in strings(resources) if value.startswith(BASE))
    assert len(named) > len(resources)
    for canonical in named:
        url, _, version = canonical.partition("|")
        assert url in versions, canonical
        assert version in ("", versions[url]), canonical


def test_every_variable_is_a_parameter_or_a_rule(ours: Knowledge, resources: Resources) -> None:
    libraries = ("Library/facts", "Library/policies")
    promised = {parameter["name"] for name in libraries for parameter in resources[name]["parameter"]}
    promised |= {f"finding.{rule.id}" for rule in ours.rules}
    used: set[str] = set()
    for rule in ours.rules:
        plan = resources[f"PlanDefinition/{rule.id}"]
        assert plan["library"] == [BASE + name for name in libraries]
        here = {
            name
            for path, value in walk(plan, "PlanDefinition")
            if path == "PlanDefinition.action.condition.expression.expression"
            for name in re.findall("%`([^`]+)`", value)
        }
        needed = [a["resource"] for a in plan.get("relatedArtifact", []) if a["type"] == "depends-on"]
        findings = {name.removeprefix("finding.") for name in here if name.startswith("finding.")}
        assert {url.partition("|")[0] for url in needed} == {f"{BASE}PlanDefinition/{name}" for name in findings}
        used |= here
    assert used <= promised
    assert {name.partition(".")[0] for name in used} > {"policy", "finding"}


_DATA_TYPES = {"parameter": "ParameterDefinition", "dataRequirement": "DataRequirement"}


def context(path: str) -> str:
    """Where an extension stands, as StructureDefinition.context says it."""
    element = path.removesuffix(".extension")
    last = element.rpartition(".")[2]
    if last == "relatedArtifact":
        return "RelatedArtifact"
    return _DATA_TYPES.get(last, re.sub(r"(\.action)+", ".action", element))


def test_every_extension_is_declared_and_used_as_declared(resources: Resources) -> None:
    declared = {BASE + f"StructureDefinition/{each.name}": each for each in DECLARED}
    used: set[str] = set()
    for name, resource in resources.items():
        for path, element in walk(resource, name.partition("/")[0]):
            if not path.endswith(".extension") or not isinstance(element, dict) or ".extension.extension" in path:
                continue
            each = declared[element["url"]]
            assert context(path) in each.contexts, f"{name}: {path}"
            assert ("extension" in element) is bool(each.parts)
            used.add(element["url"])
            told = {part.name: part for part in each.parts}
            for inner in element.get("extension", [element]):
                types = told[inner["url"]].types if each.parts else each.types
                (value,) = inner.keys() - {"url"}
                assert value.removeprefix("value").lower() in {kind.lower() for kind in types}
            counts = Counter(inner["url"] for inner in element.get("extension", []))
            assert not [name for name, count in counts.items() if count > 1 and not told[name].repeats]
    assert used == declared.keys()


def test_a_part_that_is_not_declared_is_an_error() -> None:
    with pytest.raises(KeyError, match="until has no part when"):
        compound("until", fact="a", when="b")


def test_the_definitions_of_extensions_say_the_same(resources: Resources) -> None:
    for each in DECLARED:
        definition = resources[f"StructureDefinition/{each.name}"]
        elements = {element["id"]: element for element in definition["differential"]["element"]}
        assert [c["expression"] for c in definition["context"]] == list(each.contexts)
        assert elements["Extension"]["max"] == ("*" if each.repeats else "1")
        assert elements["Extension.url"]["fixedUri"] == definition["url"]
        for part in each.parts:
            here = f"Extension.extension:{part.name}"
            assert elements[here]["max"] == ("*" if part.repeats else "1")
            assert [t["code"] for t in elements[f"{here}.value[x]"]["type"]] == list(part.types)
        assert elements["Extension.value[x]"].get("max") == ("0" if each.parts else None)
        assert elements["Extension.extension"].get("max") == (None if each.parts else "0")


# ---------------------------------------------------------------- silent


def test_what_must_not_be_said_is_nowhere(ours: Knowledge, resources: Resources) -> None:
    phrases = {phrase for item in ours.evidence.values() for phrase in item.forbidden}
    assert phrases
    # As words of their own: the name of an author may stand inside a word.
    forbidden = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, phrases))})(?!\w)", re.IGNORECASE)
    for name, value in strings(resources):
        assert forbidden.findall(value) == [], name


def test_only_sound_evidence_is_exported(ours: Knowledge, resources: Resources) -> None:
    shown = [item for item in ours.evidence.values() if item.status in ("verified", "partly")]
    hidden = [item for item in ours.evidence.values() if item not in shown]
    told = {value for item in shown for value in (item.title, item.citation, item.url, item.statement, item.why)}
    kept_back = {value for item in hidden for value in (item.id, item.title, item.citation, item.url, item.statement)}
    assert hidden
    assert kept_back - told > {item.id for item in hidden}
    for name, value in strings(resources):
        assert [text for text in kept_back - told if text and text in value] == [], name


def test_a_citation_with_its_status_stands_at_every_rule_that_leans_on_it(
    ours: Knowledge, resources: Resources
) -> None:
    for rule in ours.rules:
        artifacts = resources[f"PlanDefinition/{rule.id}"].get("relatedArtifact", [])
        told = [(a["label"], a["display"], a["citation"]) for a in artifacts if a["type"] == "citation"]
        sound = [ours.evidence[name] for name in rule.evidence if ours.evidence[name].status in ("verified", "partly")]
        assert told == [(item.id, item.title, item.citation) for item in sound if item.citation]


@pytest.mark.parametrize(
    ("status", "citation", "url", "cited"),
    [
        ("unverified", "Toy et al. 2026", "https://example.org/toy-trial", False),
        ("verified", '""', "https://example.org/toy-trial", False),
        ("verified", "Toy et al. 2026", "https://example.org/toy-trial", True),
        ("partly", "Toy et al. 2026", "'javascript:alert(1)'", True),
    ],
)
def test_which_evidence_is_cited(root: Path, status: str, citation: str, url: str, cited: bool) -> None:
    knowledge_root.replace(root, TRIAL, "status: unverified", f"status: {status}")
    knowledge_root.replace(root, TRIAL, "citation: Toy et al. 2026", f"citation: {citation}")
    knowledge_root.replace(root, TRIAL, "url: https://example.org/toy-trial", f"url: {url}")
    found = exported(load(root))
    said = text(found["PlanDefinition/toy-neutropenia"])
    assert ("toy-trial" in said) is cited
    assert ("lowered neutrophils" in said) is cited
    assert "javascript" not in said


# ---------------------------------------------------------------- the same each time


def test_the_same_version_is_never_two_things() -> None:
    """Sites share the files but not the policies: what differs between them has another version."""
    met: dict[tuple[str, str], str] = {}
    for site in SITES:
        for each in checked(load(ROOT, site)):
            written = text(each)
            assert met.setdefault((each["url"], each["version"]), written) == written
    assert len({version for url, version in met if url.endswith("Library/policies")}) == len(SITES)


def test_the_same_knowledge_gives_the_same_text(ours: Knowledge, resources: Resources) -> None:
    again = load(ROOT)
    assert [text(each) for each in checked(again)] == [text(each) for each in resources.values()]
    assert list(resources) == sorted(resources, key=lambda name: name.split("/"))
