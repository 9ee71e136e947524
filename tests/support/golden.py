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
from collections.abc import Callable, Iterable, Iterator, Mapping
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from tests.support.cards import explanation
from tests.support.places import Cards, Places, answer, every_chart

FOLDER = Path(__file__).parents[1] / "golden"
Answered = tuple[str, str, Cards]
"""The kind of a chart, the name of its case, and the cards."""
_OWN = {"uuid", "links"}  # new with every call, or where this process happens to listen


def answers_of_run(folder: Path) -> list[Answered]:
    """The answers, asked once by all processes of one test run: who comes first asks, the others wait and read.

    `folder`: one that these processes share, and no other run.
    """
    kept = folder / "golden-answers.json"
    with (folder / "golden-answers.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(list(answers())), encoding="utf-8")
    return [(kind, name, cards) for kind, name, cards in json.loads(kept.read_text(encoding="utf-8"))]


def answers() -> Iterator[Answered]:
    """Of everything that is frozen, in order."""
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder))
        for chart in every_chart(places):
            status, cards = answer(places.service(chart.place), chart.call)
            assert status == 200, chart.name
            yield chart.kind, chart.name, cards


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


def texts(told: Iterable[tuple[str, str, Cards]]) -> dict[str, str]:
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
