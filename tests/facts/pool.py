"""Charts and the ways to change them that the property tests draw from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.facts.house import REFRACTORY
from tests.facts.notation import Item, patient

# `make metamorphic` raises the number; the seed is kept, so that what it finds can be found again.
EXAMPLES = int(os.environ.get("METAMORPHIC_EXAMPLES", "40"))
BOUNDED = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
# No two of one kind at the same time: see the ties below.
POOL: tuple[Item, ...] = (
    *REFRACTORY,
    {"procedure": "CAR-T cell infusion", "ago": "3d23h"},
    {"given": "tisa-cel", "ago": "40d"},
    {"condition": "CRS", "icd": "D89.833", "onset": "5h"},
    {"condition": "CRS", "icd": "D89.831", "onset": "11d", "abated": "9d", "clinical": "resolved"},
    {"condition": "ICANS", "icd": "G92.03", "onset": "6h"},
    {"condition": "HLH", "icd": "D76.1", "onset": "12h"},
    {"given": "tocilizumab", "ago": "3h"},
    {"given": "Actemra", "ago": "30h", "route": "IV"},
    {"given": "tocilizumab", "ago": "10d"},
    {"stated": "tocilizumab", "ago": "25h", "status": "completed"},
    {"order": "tocilizumab", "ago": "21h"},
    {"given": "norepinephrine", "ago": "2h", "running": True},
    {"given": "vasopressin", "ago": "1h30m", "running": True},
    {"obs": "temp", "value": 37.2, "ago": "2h"},
    {"obs": "sbp", "value": 84, "ago": "3h"},
    {"obs": "o2_flow", "value": 4, "ago": "2h30m"},
    {"obs": "spo2", "value": 95, "ago": "35m"},
    {"obs": "crcl", "value": 25, "ago": "3h"},
    {"obs": "creatinine", "value": 2, "ago": "4h"},
    {"obs": "anc", "value": 0.3, "ago": "1h"},
    {"obs": "weight", "value": 70, "ago": "3d"},
    {"condition": "Sepsis", "icd": "A41.9", "onset": "45d"},
    {"condition": "Cellulitis", "icd": "L03.90", "onset": "9d", "abated": "4d", "clinical": "resolved"},
    {"culture": "Staphylococcus epidermidis", "ago": "50h"},
    {"culture": "No growth", "ago": "20h"},
    {"culture": "No growth", "ago": "30h"},
    {"allergy": "filgrastim"},
    {"allergy": "anakinra", "clinical": "resolved"},
    {"order": "anakinra", "ago": "3h"},
    {"given": "anakinra", "ago": "30h"},
    {"order": "levofloxacin", "reason": "prophylaxis"},
    {"condition": "Hepatitis B", "icd": "B18.1", "onset": "900d"},
    {"given": "anakinra", "ago": "28h"},
    {"score": "ice-score", "points": 5, "ago": "2h10m"},
    {"scores": {"ice-orientation": 4, "ice-naming": 2, "ice-commands": 1, "ice-writing": 1, "ice-attention": 1}},
    {"sign": "icans-seizure", "answer": "Brief seizure", "ago": "9h"},
    {"obs": "ferritin", "value": 12000, "ago": "4h30m"},
    {"obs": "ferritin", "value": 4000, "ago": "20h"},
    {"obs": "platelets", "value": 85, "ago": "5h"},
    {"obs": "triglycerides", "value": 280, "ago": "5h10m"},
    {"obs": "fibrinogen", "value": 140, "ago": "5h20m"},
    {"obs": "alt", "value": 400, "limit": 50, "ago": "5h30m"},
    {"condition": "Asthma", "onset": "3000d"},
    {"vaccine": "MMR", "cvx": "03", "ago": "20d"},
)
IRRELEVANT: tuple[Item, ...] = (
    {"condition": "Hypertension", "icd": "I10", "onset": "2000d", "id": "n1"},
    {"condition": "Family history of sepsis", "onset": "100d", "id": "n2"},
    {"condition": "Sepsis", "icd": "A41.9", "verification": "refuted", "id": "n3"},
    {"condition": "IgG4-related disease", "icd": "D89.84", "id": "n4"},
    {"allergy": "penicillin", "reaction": "anaphylaxis", "criticality": "high", "id": "n5"},
    {"allergy": "Escherichia coli protein", "verification": "entered-in-error", "id": "n6"},
    {"given": "ondansetron", "ago": "20m", "id": "n7"},
    {"given": "tocilizumab", "ago": "2h", "status": "not-done", "id": "n8"},
    {"given": "norepinephrine", "ago": "20h", "id": "n10"},
    {"order": "allopurinol", "id": "n11"},
    {"order": "anakinra", "status": "cancelled", "id": "n12"},
    {"stated": "vitamin D", "id": "n13"},
    {"obs": "temp", "value": 39.9, "ago": "70h", "id": "n14"},
    {"obs": "sbp", "value": 60, "ago": "70h", "id": "n15"},
    {"obs": "weight", "value": 20, "ago": "300d", "id": "n16"},
    {"obs": "crp", "value": 20, "id": "n17"},
    {"procedure": "Appendectomy", "ago": "9d", "id": "n18"},
    {"culture": "No growth", "ago": "40d", "id": "n19"},
    {"vaccine": "zoster recombinant", "cvx": "187", "id": "n20"},
    {"vaccine": "MMR", "cvx": "03", "ago": "300d", "id": "n21"},
    {"score": "ice-score", "points": 1, "ago": "30h", "id": "n22"},
    {"sign": "icans-motor", "answer": "Tremor", "id": "n23"},
    {"obs": "fibrinogen", "value": 90, "ago": "5d", "id": "n24"},
)
CONTRAINDICATIONS: Mapping[str, Item] = {
    "sepsis": {"condition": "Sepsis", "icd": "A41.9", "id": "c"},
    "suspected sepsis": {"condition": "Sepsis", "icd": "A41.9", "verification": "provisional", "id": "c"},
    "old sepsis": {"condition": "Sepsis", "icd": "A41.9", "onset": "50d", "id": "c"},
    "culture": {"culture": "Klebsiella pneumoniae", "ago": "2h", "id": "c"},
    "preliminary culture": {"culture": "Klebsiella pneumoniae", "ago": "2h", "status": "preliminary", "id": "c"},
    "cellulitis": {"condition": "Cellulitis", "icd": "L03.90", "id": "c"},
    "treatment": {"order": "meropenem", "reason": "Sepsis", "id": "c"},
    "allergy": {"allergy": "E. coli protein", "id": "c"},
    "unconfirmed allergy": {"allergy": "anakinra", "verification": "unconfirmed", "id": "c"},
    "resolved allergy": {"allergy": "anakinra", "clinical": "inactive", "id": "c"},
    "drug allergy": {"allergy": "pegfilgrastim", "id": "c"},
    "nameless allergy": {"allergy": "none", "id": "c"},
    "pregnancy": {"condition": "Pregnancy", "icd": "Z33.1", "id": "c"},
    "latent TB": {"condition": "Latent tuberculosis", "icd": "Z22.7", "id": "c"},
    "adalimumab": {"order": "adalimumab", "id": "c"},
    "active anakinra": {"order": "anakinra", "ago": "2h", "id": "c"},
    "unreadable sepsis": {"condition": "Sepsis", "icd": "A41.9", "with": {"category": {"text": "x"}}, "id": "c"},
    "asthma": {"condition": "Asthma", "id": "c"},
    "latex": {"allergy": "Latex", "id": "c"},
    "live vaccine": {"vaccine": "MMR", "cvx": "03", "ago": "3d", "id": "c"},
    "febrile neutropenia": {"condition": "Febrile neutropenia", "icd": "R50.81", "id": "c"},
    "warfarin": {"order": "warfarin", "id": "c"},
    "unresolved drug": {"order": "x", "reference": "Medication/77", "id": "c"},
}
# Not among them: a drug given that nothing resolves. It may be tocilizumab of a moment ago, so it turns what was
# proven (also a review) into what is unknown; tests/data/facts/tocilizumab.yaml says what then must hold.
# Mostly the whole base case with some of the pool, so that most answers are about more than missing data.
charts = st.builds(
    lambda kept, more: (*kept, *more),
    st.sampled_from([REFRACTORY, REFRACTORY, REFRACTORY[:4], ()]),
    st.lists(st.sampled_from(range(len(REFRACTORY), len(POOL))), max_size=8, unique=True).map(
        lambda ns: [POOL[n] for n in ns]
    ),
)
persons = st.sampled_from([patient(), patient(gender="female"), patient(born="2015-01-01")])


def panel(systolic: float, ago: str) -> list[Item]:
    """A blood pressure panel."""
    part = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "valueQuantity": {"value": systolic, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
    }
    code = {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}
    return [
        {
            "obs": "sbp",
            "value": 1,
            "ago": ago,
            "with": {"code": code, "component": [part]},
            "without": ["valueQuantity"],
        }
    ]


Split = Callable[[], tuple[list[Item], list[Item]]]
SPLITS: Mapping[str, Split] = {
    "pressure panel": lambda: (panel(84, "1h"), [{"obs": "sbp", "value": 84, "ago": "1h"}]),
    "one dose in two bags": lambda: (
        [{"given": "tocilizumab", "ago": "30h", "until": "29h"}],
        [
            {"given": "tocilizumab", "ago": "30h", "until": "29h30m"},
            {"given": "tocilizumab", "ago": "29h30m", "until": "29h"},
        ],
    ),
    "one infusion in two syringes": lambda: (
        [{"given": "norepinephrine", "ago": "9h", "running": True}],
        [
            {"given": "norepinephrine", "ago": "9h", "until": "2h"},
            {"given": "norepinephrine", "ago": "2h", "running": True},
        ],
    ),
    "one allergy as two": lambda: (
        [{"allergy": "Drug allergy", "substance": "anakinra"}],
        [{"allergy": "anakinra"}, {"allergy": "Drug allergy"}],
    ),
    "one culture, two bottles": lambda: (
        [{"culture": "Klebsiella pneumoniae", "ago": "1d"}],
        [{"culture": "Klebsiella pneumoniae", "ago": "1d"}, {"culture": "Klebsiella pneumoniae", "ago": "23h"}],
    ),
    "one infection, two diagnoses": lambda: (
        [{"condition": "Sepsis and pneumonia", "onset": "2d"}],
        [{"condition": "Sepsis", "onset": "2d"}, {"condition": "Pneumonia", "onset": "2d"}],
    ),
}
