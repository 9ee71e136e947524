"""Write the example bundles: `python examples/make_examples.py` (from the checkout, with the dev requirements)."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
# Cases of other sites than the default one are all shown at this one, beside cards/expected.yaml.
OTHER_SITE = "other-site.yaml"
STORY_SYSTEM = "https://anakinra-cds.org/CodeSystem/example"


def main() -> None:
    """Write every bundle anew, and remove those of patients who are no longer in a list."""
    for folder, made in ((HERE / "patients", bundles()), (HERE / "cards", card_bundles())):
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.json"):
            if old.stem not in made:
                old.unlink()
        for patient_id, bundle in made.items():
            (folder / f"{patient_id}.json").write_text(serialise(bundle), encoding="utf-8")
    (HERE / "cards" / "expected.yaml").write_text(card_expectations(), encoding="utf-8")


def bundles() -> dict[str, dict[str, Any]]:
    """Patient id -> FHIR bundle (type collection), from patients.yaml and the times in expected.yaml."""
    sys.path.insert(0, str(HERE.parent))
    from cds_service.tools.replay.expected import load_expected
    from tests.support.course import patient_chart

    content = yaml.safe_load((HERE / "patients.yaml").read_text(encoding="utf-8"))
    expected = load_expected(HERE / "expected.yaml")
    infusion = datetime.fromisoformat(content["infusion"])
    made = {}
    for patient_id, patient in content["patients"].items():
        at = expected[patient_id].at
        if at is None:
            raise ValueError(f"expected.yaml: {patient_id}: `at` is missing")
        days = (at - infusion).total_seconds() / 86400
        given = {"days_post_cart": days} | content["base"] | patient["given"]
        made[patient_id] = _bundle(patient_id, patient["story"], patient_chart(given, at, patient_id))
    return made


def card_bundles() -> dict[str, dict[str, Any]]:
    """Case id -> FHIR bundle, for the cases of cards.yaml and rules.yaml."""
    return {case.id: _bundle(case.id, _sentence(case.title), case.resources()) for case in _card_cases()}


def card_expectations() -> str:
    """How each case of cards.yaml and rules.yaml is asked and answered, in the words of expected.yaml."""
    from tests.support.vignettes import AT

    head = "# Written by examples/make_examples.py from cards.yaml, rules.yaml and their cases; change those.\n\n"
    asked = {}
    for case in _card_cases():
        told = {name: case.expected[name] for name in ("decision", "indicator") if name in case.expected}
        withheld = {"withhold": list(case.given["withhold"])} if case.given.get("withhold") else {}
        elsewhere = {} if case.place == "us" else {"site": OTHER_SITE}
        asked[case.id] = {"at": AT.isoformat(), "hook": case.hook, **withheld, **elsewhere, **told}
    return head + yaml.safe_dump(asked, sort_keys=False, default_flow_style=None, width=120)


def _card_cases() -> list[Any]:
    """The cases of cards.yaml and rules.yaml, each once, in the order of the cases' files."""
    sys.path.insert(0, str(HERE.parent))
    from tests.support.acceptance import acceptance_cases

    lists = (yaml.safe_load((HERE / name).read_text(encoding="utf-8")) for name in ("cards.yaml", "rules.yaml"))
    wanted = {case for each in lists for case in each.values()}
    found = [case for case in acceptance_cases() if case.id in wanted]
    if missing := wanted - {case.id for case in found}:
        raise ValueError(f"cards.yaml, rules.yaml: no such case: {', '.join(sorted(missing))}")
    return found


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def serialise(bundle: dict[str, Any]) -> str:
    """One resource a line: small, and readable in a diff."""
    head = {key: value for key, value in bundle.items() if key != "entry"}
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in bundle["entry"])
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "entry": [\n{lines}\n]}}\n'


def _bundle(patient_id: str, story: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "id": patient_id,
        "meta": {"tag": [{"system": STORY_SYSTEM, "code": patient_id, "display": story}]},
        "type": "collection",
        "entry": [
            {"fullUrl": f"https://fhir.example.org/r4/{r['resourceType']}/{r['id']}", "resource": r} for r in resources
        ],
    }


if __name__ == "__main__":
    main()
