"""What texts say of a value set, in seven languages: the sentences of `words.yaml`, by the shipped vocabulary."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.chart.recognition import Recogniser, Written
from cds_service.knowledge.loader import read_all

ROOT = Path(__file__).parents[2]
DATA: dict[str, Any] = yaml.safe_load((ROOT / "tests/data/words.yaml").read_text(encoding="utf-8"))
TEXTS = [
    pytest.param(text, set_id, sense, id=f"{set_id}: {sense}: {text}")
    for set_id, senses in DATA["texts"].items()
    for sense, texts in senses.items()
    for text in texts
]
TEMPLATES = [
    pytest.param(template, set_id, id=f"{set_id}: {template}")
    for set_id in DATA["phrases"]
    for template in DATA["templates"]
]
KILOBYTES = 32


@functools.cache
def recogniser() -> Recogniser:
    loaded = read_all(ROOT, "us")
    table = loaded.table("rules/terms")
    languages = loaded.singles["rules/languages.yaml"]
    return Recogniser(table, loaded.singles["rules/code-systems.yaml"], languages, ["Latin"])


def sense(text: str, set_id: str) -> str:
    meaning = recogniser().recognise(Written((), text)).meanings.get(set_id)
    return "denied" if meaning is None else meaning.sense


@pytest.mark.parametrize(("text", "set_id", "expected"), TEXTS)
def test_a_sentence_says_what_a_reader_would_say(text: str, set_id: str, expected: str) -> None:
    assert sense(text, set_id) == expected


@pytest.mark.parametrize(("template", "set_id"), TEMPLATES)
def test_cues_cover_what_was_written_out_phrase_by_phrase(template: str, set_id: str) -> None:
    phrases = DATA["phrases"][set_id]
    assert {phrase for phrase in phrases if sense(phrase, set_id) == "said"} == set(phrases)
    said = [phrase for phrase in phrases if sense(template.format(phrase), set_id) in ("said", "doubted")]
    assert said == []


@pytest.mark.parametrize("text", DATA["placeholders"]["nothing"])
def test_a_placeholder_is_not_understood(text: str) -> None:
    assert recogniser().recognise(Written((), text)).puzzle


@pytest.mark.parametrize("text", DATA["placeholders"]["understood"])
def test_ordinary_words_are_understood(text: str) -> None:
    assert not recogniser().recognise(Written((), text)).puzzle


@pytest.mark.parametrize(
    "text",
    [
        "negative for pneumonia, sepsis, ",
        "gram - rods, no gram (",
        "sepsis no ",
        "no pneumonia, ",
        "history of ",
        "肺炎なし",
        "gram negative ",
        "a; ",
        "no E. coli at 24 h. 1: ",
    ],
)
def test_a_long_text_takes_no_more_steps_than_its_length(text: str) -> None:
    """Twice the text, twice the steps, whatever else the machine does."""
    recogniser()
    short, long = (
        steps(Written((), text * (size * 1024 // len(text.encode())))) for size in (KILOBYTES, 2 * KILOBYTES)
    )
    assert short > 100
    assert long < 2.1 * short


def steps(written: Written) -> int:
    """Calls of functions, those of Python itself among them, while a text is recognised."""
    counted = [0]

    def count(frame: object, event: str, argument: object) -> None:
        counted[0] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        recogniser().recognise(written)
    finally:
        sys.setprofile(before)
    return counted[0]
