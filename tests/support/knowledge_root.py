"""Writes the smallest set of knowledge files that is complete: a toy drug with one rule, for tests that change it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cds_service.contract import ALSO, FOOTER, HEADER, OWN_CARD, REPEATED, UNEVALUATED

Problems = Callable[..., tuple[str, ...]]
"""Loads a root at a site (default `us`) and returns the problems."""

FILES = {
    "rules/facts.yaml": """\
searchedSystems: ["http://loinc.org"]
queries:
  neutrophils: {title: Neutrophil counts, resource: Observation, codes: [anc], sort: -date, count: 10}
  conditions: {title: Conditions, resource: Condition, sort: -recorded-date, count: 10}
entryBytes:
  Observation: {measured: 20, median: 800, p95: 4000}
  Condition: {measured: 0, like: Observation}

scales:
  toy:
    title: Toy grade
    grades: [{grade: 1, in: infection}]
    ungraded: infection
    disproven: ended
    unconfirmed: ended
    ended: ended
    active: active
computed:
  toy-use: {by: order-use, conditions: conditions, toxicities: [infection], active: active, unconfirmed: ended}

facts:
  neutrophil-count:
    title: Newest absolute neutrophil count
    type: number
    unit: 10*9/L
    from: {newest: {from: neutrophils, in: anc, status: final, within: policy.laboratory-max-age, analyte: cell-count}}
  active-infection:
    title: An infection that is active
    type: boolean
    from: {exists: [{from: conditions, in: infection, status: active}]}
""",
    "rules/statuses.yaml": """\
final: {title: A final result, of: [Observation], element: status, codes: [final]}
ended: {title: Over, of: [Condition], element: clinicalStatus, codes: [resolved], orAbated: true}
active: {title: Not over, of: [Condition], noneOf: [ended]}
""",
    "rules/orders.yaml": """\
kinds:
  toy-drug:
    title: The toy drug
    valueSets: [toy-drug]
pathways: [neutropenia]
routes:
  subcutaneous: {system: "http://snomed.info/sct", code: "34206005", display: Subcutaneous route, short: SC}
""",
    "rules/policies/toy.yaml": """\
neutropenia:
  title: Neutrophils below which the toy drug is withheld
  value: 0.5
  unit: 10*9/L
  least: 0.1
  most: 2
  owner: Toy owner
  validFrom: 2026-01-01
  reference: Invented for tests
  siteMayOverride: true
laboratory-max-age:
  title: Oldest laboratory result that counts
  value: 48
  unit: h
  least: 1
  most: 168
  owner: Toy owner
  validFrom: 2026-01-01
  reference: Invented for tests
""",
    "rules/code-systems.yaml": """\
families:
  loinc: {title: LOINC, match: exact, systems: ["http://loinc.org"]}
none: []
noInformation: []
""",
    "rules/languages.yaml": """\
reach: {before: 8, just-before: 1, after: 3, just-after: 0, both: 8, last: 0}
languages:
  en:
    title: English
    denied: {before: ["no"]}
    doubted: {before: [possible]}
    past: {before: [history of]}
    people: {both: [mother]}
    active: []
    turns: [but]
    joins: [with]
placeholders: {whole: [unknown], anywhere: [not on file], nothing: [other], things: [allergy]}
spellings: {}
stains: {names: [gram], of: [rods], says: [{word: negative, signs: ["-"], words: [neg]}]}
counts: {word: no growth, none: ["0"], of: [of], among: [among], numbers: [two], things: [bottles], found: [positive]}
abbreviations: [RA]
""",
    "rules/regions.yaml": """\
US: {title: United States}
""",
    "rules/override-reasons.yaml": """\
data-wrong: {system: "https://example.org", code: data-wrong, display: The data are wrong}
""",
    "rules/groups.yaml": """\
toys: {title: Toys, rules: []}
""",
    "rules/units.yaml": """\
cell-count:
  title: Cells per volume of blood
  unit: 10*9/L
  units: [{code: 10*9/L, aliases: [x10e9/l]}]
  plausible: [0, 500]
""",
    "rules/terms/anc.yaml": """\
id: anc
title: Absolute neutrophil count
status: draft
version: 1.0.0
date: 2026-01-01
purpose: Neutrophils per volume of blood.
method: Invented for tests.
codes:
  - {system: "http://loinc.org", code: "751-8", display: Neutrophils, source: loinc.org}
text: []
exclusions: []
unverified: []
""",
    "rules/terms/infection.yaml": """\
id: infection
title: Infections
status: draft
version: 1.0.0
date: 2026-01-01
purpose: Infections, by words only.
method: Invented for tests.
codes: []
text: [infection]
exclusions: []
unverified: []
""",
    "rules/terms/route-subcutaneous.yaml": """\
id: route-subcutaneous
title: Under the skin
status: draft
version: 1.0.0
date: 2026-01-01
purpose: The route under the skin, by words only.
method: Invented for tests.
codes: []
text: [subcutaneous]
exclusions: []
unverified: []
""",
    "rules/terms/toy-drug.yaml": """\
id: toy-drug
title: The toy drug
status: draft
version: 1.0.0
date: 2026-01-01
purpose: Orders of the toy drug.
method: Invented for tests.
codes:
  - {system: "http://example.org/toy", code: "0307", display: Toy drug, source: Invented for tests}
text: []
exclusions: []
unverified: []
""",
    "rules/evidence/toy-trial.yaml": """\
id: toy-trial
title: A toy trial
citation: Toy et al. 2026
url: https://example.org/toy-trial
population: Toys
n: 12
design: Series
statement: The toy drug lowered neutrophils.
status: unverified
why: Invented for tests.
checkedOn: 2026-01-01
seeds: []
forbidden: []
""",
    "rules/shared/safety/toy-neutropenia.yaml": """\
id: toy-neutropenia
title: Few neutrophils under the toy drug
version: 1.0.0
status: draft
approvalDate: ""
lastReviewDate: ""
stratum: safety
hooks: [order-select, order-sign]
orders: [toy-drug]
rationale: When the newest neutrophil count is low and no infection is active, then withhold the toy drug.
when:
  - {fact: neutrophil-count, below: policy.neutropenia}
unless:
  - {fact: active-infection, is: true}
finding: {decision: block, indicator: critical, withholdsOrder: true}
card: toy-neutropenia
policies: [neutropenia]
evidence: [toy-trial]
limits: []
""",
    "rules/shared/safety/toy-neutropenia.cases.yaml": """\
- {name: low, facts: {neutrophil-count: 0.4, active-infection: false}, result: fires}
- {name: at the threshold, facts: {neutrophil-count: 0.5, active-infection: false}, result: silent}
- {name: infection, facts: {neutrophil-count: 0.4, active-infection: true}, result: silent}
- {name: no count, facts: {active-infection: false}, result: unknown}
- {name: infection not known, facts: {neutrophil-count: 0.4}, result: unknown}
""",
    "rules/sites/us.yaml": """\
id: us
title: Toy site
region: US
supplyRoute: Pharmacy
tocilizumabShortage: false
highDoseProtocol: ""
fhirServers: []
issuers: []
corsOrigins: []
policies: {}
""",
    "cards/toy-neutropenia.yaml": """\
id: toy-neutropenia
version: 1.0.0
summary: Neutrophils are low; withhold the toy drug
detail: |
  The newest count is below {{ policy('neutropenia') }}.
""",
}
_CARDS = (HEADER, FOOTER, ALSO, REPEATED, UNEVALUATED, *sorted(OWN_CARD))
_WINDOWS = ("clock-tolerance", "monitoring-order-recent", "quiet-repeat-window")
# What any service needs beside its own content: appended to a file that is there, else a file of its own.
SERVICE_FILES = {
    **{f"cards/{name}.yaml": f"id: {name}\nversion: 1.0.0\nsummary: Words\ndetail: Words\n" for name in _CARDS},
    "rules/policies/service.yaml": "".join(
        f"{name}: {{title: A time, value: 1, unit: h, least: 1, most: 2, owner: o, validFrom: 2026-01-01,"
        " reference: Invented}\n"
        for name in _WINDOWS
    ),
    "rules/units.yaml": "drug-amount: {title: Amounts, unit: mg, units: [{code: mg}], plausible: [0, 10000]}\n",
    "rules/facts.yaml": """\
  age:
    title: Age
    type: number
    unit: a
    from: {timesUpperLimit: {from: neutrophils, in: anc, status: final, within: policy.laboratory-max-age}}
  child: {title: Child, type: boolean, from: {exists: [{from: conditions, in: infection, status: active}]}}
  weight:
    title: Weight
    type: number
    unit: kg
    from: {timesUpperLimit: {from: neutrophils, in: anc, status: final, within: policy.laboratory-max-age}}
""",
}
EXTENDING_SITE = """\
extend: us
id: toy-hospital
title: Toy hospital
policies: {neutropenia: 1.0}
"""

DRUG = "rules/drugs/toy-drug/drug.yaml"
_DRUG = """\
id: toy-drug
title: The toy drug
version: 1.0.0
status: draft
valueSets: [toy-drug]
medication: {system: "http://example.org", code: "toy", display: toy}
products: [{mg: 100, unit: "{vial}", display: vial, source: Invented}]
routes: [subcutaneous]
maximum:
  daily: {adult: toy-maximum, childPerKg: toy-child-maximum}
active: {within: laboratory-max-age, courseGap: laboratory-max-age}
allergies: {title: the toy drug}
groups: [toys]
regions:
  US: {statement: Not for toys, short: not for toys, asOf: "2026", source: Invented, needsSupplyRoute: false}
"""
_DOSED_FACTS = """\
  toy-drug-active: {title: The toy drug is active, type: boolean, from: {draftsOf: toy-drug}}
  toy-drug-active-daily-dose:
    title: Its daily dose
    type: number
    unit: mg/d
    from: {draftDailyDose: {orders: toy-drug, weight: neutrophil-count}}
"""
_MAXIMA = """\
toy-maximum:
  {title: A day, value: 400, unit: mg/d, least: 100, most: 400, owner: o, validFrom: 2026-01-01, reference: r}
toy-child-maximum:
  {title: By weight, value: 8, unit: mg/kg/d, least: 1, most: 8, owner: o, validFrom: 2026-01-01, reference: r}
"""


def write_root(folder: Path) -> Path:
    """Write the files below `folder` and return it: a root for `knowledge.load`."""
    for name, text in FILES.items():
        write(folder, name, text)
    return folder


def write_dosing(folder: Path) -> None:
    """Let the service order the toy drug itself: what a regimen needs."""
    kind = "kinds:\n  toy-drug:\n    title: The toy drug\n    valueSets: [toy-drug]\n"
    replace(folder, "rules/orders.yaml", kind, "kinds:\n  toy-order: {title: Another order, valueSets: [toy-drug]}\n")
    write(folder, DRUG, _DRUG)
    replace(folder, "rules/facts.yaml", "  active-infection:\n", _DOSED_FACTS + "  active-infection:\n")
    write(folder, "rules/policies/toy-doses.yaml", _MAXIMA)


def complete(folder: Path) -> Path:
    """Add what any service needs beside its own content, once: a root that can be started."""
    for name, text in SERVICE_FILES.items():
        before = (folder / name).read_text(encoding="utf-8") if (folder / name).is_file() else ""
        if text not in before:
            write(folder, name, before + text)
    return folder


def write(folder: Path, name: str, text: str) -> Path:
    """Write one file below `folder`, making its folders."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def retype_cases(root: Path, no: str, yes: str) -> None:
    """Write the cases of the rule anew, for an infection that is not told by yes and no."""
    path = root / "rules/shared/safety/toy-neutropenia.cases.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in (("false", no), ("true", yes)):
        text = text.replace(f"infection: {old}", f"infection: {new}")
    path.write_text(text, encoding="utf-8")


def replace(folder: Path, name: str, old: str, new: str, marker: str = "") -> int:
    """Replace the one occurrence of `old` in a file below `folder`.

    Returns the line, from 1, of the one occurrence of `marker` in the new text; without a marker, that of the change.
    """
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
    changed = text.replace(old, new)
    path.write_text(changed, encoding="utf-8")
    if not marker:
        return text[: text.index(old)].count("\n") + 1
    assert changed.count(marker) == 1, f"{marker!r} occurs {changed.count(marker)} times in the changed {name}"
    return changed[: changed.index(marker)].count("\n") + 1


def refused(problems: tuple[str, ...], file: str, line: int, key: str, expected: str) -> None:
    """Exactly one problem, with this file, line, key and words."""
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{file}:{line}: {key}: "), problems
    assert expected in problems[0]
