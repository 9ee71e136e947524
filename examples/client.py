"""A CDS client: discovery, prefetch, a call, its cards, feedback. `python examples/client.py http://127.0.0.1:8080`."""

import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

BASE = sys.argv[1].rstrip("/") + "/cds-services"
EXAMPLE = json.loads((Path(__file__).parent / "requests" / "refractory-grade-2.json").read_text(encoding="utf-8"))


def ask(path, body=None):
    """The answer. A real client signs a token for exactly this address, and sends it as `Authorization: Bearer`."""
    data = json.dumps(body).encode() if body else None
    with urlopen(Request(BASE + path, data, {"Content-Type": "application/json"}), timeout=5) as response:
        return json.load(response)


service = next(each for each in ask("")["services"] if each["hook"] == "order-select")
prefetch = {}
for key, template in service["prefetch"].items():
    query = template.replace("{{context.patientId}}", EXAMPLE["context"]["patientId"])
    if key in EXAMPLE["prefetch"]:  # what the FHIR server would answer to this query; what is not read is left out
        prefetch[key] = EXAMPLE["prefetch"][key]
    print(f"{key:17} {'sent' if key in prefetch else 'left out'}: {query}")

call = EXAMPLE | {"hookInstance": str(uuid.uuid4()), "prefetch": prefetch}
cards = ask(f"/{service['id']}", call)["cards"]
for card in cards:
    print(f"\n[{card['indicator']}] {card['summary']}\n{card['detail']}")
    for suggestion in card.get("suggestions", []):
        print(f"- {suggestion['label']}")

if cards and cards[0].get("suggestions"):  # as if the clinician had taken the first one
    taken, now = cards[0]["suggestions"][0], datetime.now(UTC).isoformat()
    item = {"card": cards[0]["uuid"], "outcome": "accepted", "outcomeTimestamp": now}
    ask(f"/{service['id']}/feedback", {"feedback": [item | {"acceptedSuggestions": [{"id": taken["uuid"]}]}]})
    print(f"\naccepted: {taken['label']}")
