"""Golden answers: what the service says today to every example, vignette and acceptance case, a line for each card.

A line holds the decision, what it rests on and what it offers, and the digests of its text and of its explanation: a
change that nobody meant shows as a line of a file. `python -m tests.support.golden freeze` writes the files anew, and
`python -m tests.support.golden dump FILE` the whole answers as JSON, to look at what a digest stands for.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.support.acceptance import acceptance_cases
from tests.support.cards import explanation
from tests.support.examples import example_calls
from tests.support.vignettes import vignettes

FOLDER = Path(__file__).parents[1] / "golden"
Cards = list[dict[str, Any]]
_OWN = {"uuid", "links"}  # new with every call, or where this process happens to listen


def answers() -> Iterator[tuple[str, str, Cards]]:
    """(file, name of the case, its cards) of everything that is frozen, in order."""
    with tempfile.TemporaryDirectory() as folder:
        ask = _Asker(Path(folder))
        for name, hook, call in example_calls(lambda hook: ask.templates("us", hook)):
            yield "examples", name, ask("us", hook, call)
        for vignette in vignettes():
            place = ask.place(str(vignette.given.get("site", "us")), vignette.given)
            yield (
                "vignettes",
                vignette.id,
                ask(place, vignette.hook, vignette.call(ask.templates(place, vignette.hook))),
            )
        for case in acceptance_cases():
            place = ask.place(case.place, case.given)
            yield "acceptance", case.id, ask(place, case.hook, case.call(ask.templates(place, case.hook)))


class _Asker:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clients: dict[str, tuple[Any, Mapping[str, Any]]] = {}

    def place(self, site: str | Mapping[str, Any], given: Mapping[str, Any]) -> str:
        """The id of a shipped site, or the path of a file that says this."""
        from tests.support.charts import site as shipped

        if isinstance(site, str):
            return shipped(given)
        path = self._folder / f"{site['id']}.yaml"
        path.write_text(yaml.safe_dump(dict(site)), encoding="utf-8")
        return str(path)

    def _client(self, place: str) -> tuple[Any, Mapping[str, Any]]:
        if place not in self._clients:
            client = create_app(Settings(site=place, allow_evaluation_time=True)).test_client()
            services = client.get("/cds-services").get_json()["services"]
            self._clients[place] = client, {entry["hook"]: entry for entry in services}
        return self._clients[place]

    def templates(self, place: str, hook: str) -> Mapping[str, str]:
        """The prefetch templates that a site's service publishes for a hook."""
        templates: Mapping[str, str] = self._client(place)[1][hook]["prefetch"]
        return templates

    def __call__(self, place: str, hook: str, call: Mapping[str, Any]) -> Cards:
        client, services = self._client(place)
        reply = client.post(f"/cds-services/{services[hook]['id']}", json=call)
        body = reply.get_json()
        assert reply.status_code == 200, body
        cards: Cards = body["cards"]
        return cards


def line(card: Mapping[str, Any]) -> str:
    """One card in one line."""
    told = explanation(card)
    offers = [s["label"] for s in card.get("suggestions", ())]
    flags = ",".join(told.get("flags", ()))
    unknown = ",".join(each["name"] for each in told.get("unknown", ()))
    return " | ".join(
        part
        for part in (
            f"{told['decision']} {card['indicator']} {told['rule']}",
            card["summary"],
            f"offers: {'; '.join(offers)}" if offers else "",
            f"unknown: {unknown}" if unknown else "",
            f"text {digest(card['detail'])} explained {digest(told)} all {digest(whole(card))}",
            f"flags {digest(flags)}",
        )
        if part
    )


def whole(value: Any) -> Any:
    """An answer without what differs from call to call."""
    if isinstance(value, dict):
        return {k: whole(v) for k, v in value.items() if k not in _OWN and not (k == "url" and "://" in str(v))}
    return [whole(item) for item in value] if isinstance(value, list) else value


def digest(value: Any) -> str:
    """Eight hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def texts(told: Iterator[tuple[str, str, Cards]]) -> dict[str, str]:
    """File -> its whole text."""
    lines: dict[str, list[str]] = {}
    for file, name, cards in told:
        lines.setdefault(file, []).extend([name, *(f"  {line(card)}" for card in cards or ())])
    return {file: "\n".join(found) + "\n" for file, found in lines.items()}


def freeze() -> None:
    """Write every file anew."""
    FOLDER.mkdir(exist_ok=True)
    for file, text in texts(answers()).items():
        (FOLDER / f"{file}.txt").write_text(text, encoding="utf-8")


def dump(path: Path) -> None:
    """Write the whole answers."""
    found = {f"{file} {name}": whole(cards) for file, name, cards in answers()}
    path.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    commands: dict[str, Callable[[], None]] = {"freeze": freeze, "dump": lambda: dump(Path(sys.argv[2]))}
    commands[sys.argv[1]]()
