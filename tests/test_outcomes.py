"""The page of `feedback report --html`: pictures that say what the numbers say, and nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.store.database import Database
from cds_service.store.place import Place
from cds_service.tools.outcomes import HEIGHT, WIDTH, page
from tests.store.test_store_feedback import accepted, answered, overridden, shown, told

RULE = {"rule": "crs-adult-grade-2", "version": "1.1.0", "decision": "suggest", "kind": "anakinra"}
_RECT = re.compile(r'<rect class="(\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"><title>([^<]*)<')


def counted(shown: int, accepted: int, overridden: int) -> dict[str, int]:
    return {"shown": shown, "accepted": accepted, "overridden": overridden}


def rects(html: str) -> list[list[tuple[str, str]]]:
    """(class, words) of the rectangles of each drawing."""
    return [[(kind, says) for kind, *_, says in _RECT.findall(svg)] for svg in html.split("<svg")[1:]]


def test_the_bars_are_the_numbers() -> None:
    rules = [RULE | counted(10, 6, 1), RULE | {"version": "1.2.0"} | counted(5, 0, 0)]
    html = page(rules, [], [], 2)
    first, second = html.split("<svg")[1:]
    assert [(kind, float(width)) for kind, _, _, width, _, _ in _RECT.findall(first)] == [
        ("accepted", WIDTH * 0.6),
        ("overridden", WIDTH * 0.1),
        ("unanswered", WIDTH * 0.3),
    ]
    assert [(kind, float(width)) for kind, _, _, width, _, _ in _RECT.findall(second)] == [("unanswered", WIDTH * 0.5)]
    assert "86 %" in html
    assert "none answered" in html
    assert "2 items are about cards that are not known" in html


def test_days_without_a_card_have_their_place_and_many_days_become_weeks() -> None:
    days = [{"day": day, "rule": "a", **counted(4, 1, 3)} for day in ("2026-03-01", "2026-03-04")]
    html = page([], [], days, 0)
    found = _RECT.findall(html)
    assert {float(x) for _, x, *_ in found} == {0.0, WIDTH * 0.75}
    assert sum(float(height) for *_, height, _ in found) == 2 * HEIGHT
    assert rects(html)[0][0] == ("accepted", "2026-03-01: 1 accepted")
    long = [{"day": day, "rule": "a", **counted(1, 1, 0)} for day in ("2026-01-01", "2026-06-30")]
    assert "2026-01-01 to 2026-01-07: 1 accepted" in page([], [], long, 0)


def test_what_others_wrote_is_shown_as_they_wrote_it_and_runs_nowhere() -> None:
    reason = RULE | {"reason_system": "", "reason_code": "x", "reason_display": "<script>alert(1)</script>", "times": 2}
    html = page([], [reason], [], 0)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert not re.search(r"(src|href)=\"(?!#)", html)
    assert "No card was shown in this time." in html


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_DATA", str(tmp_path))
    ids = [str(uuid4()) for _ in range(3)]
    database = Database(Place(tmp_path))
    answered(database, *(shown(each) for each in ids))
    told(database, accepted("s", card=ids[0]), overridden("a", card=ids[1]))
    database.close()
    run = CliRunner().invoke(main, ["feedback", "report", "--html", str(tmp_path / "page.html")])
    assert (run.exit_code, run.stdout) == (0, "")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<strong>3</strong> cards were shown, 2 of them answered: 1 accepted, 1 overridden." in html
    assert [[kind for kind, _ in drawing] for drawing in rects(html)] == [
        ["accepted", "overridden", "unanswered"],
        ["overridden"],
        ["accepted", "overridden", "unanswered"],
    ]
