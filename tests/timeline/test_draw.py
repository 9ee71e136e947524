"""The picture of a timeline: well-formed, alone, harmless, and of a bounded size."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from cds_service.timeline.draw import STYLE, draw
from cds_service.timeline.model import Decided, Line, Point, Series, Timeline, Track

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=5)
EVIL = '</title><script>alert(1)</script>" onload="x\' & <'


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def many(count: int) -> tuple[Point, ...]:
    return tuple(Point(at(i * 120 / count), 36 + i % 5, "Cel", sources=("Observation/1",)) for i in range(count))


def course(*tracks: Track, decisions: tuple[Decided, ...] = (), zone: str = "") -> Timeline:
    return Timeline("p-1", START, END, tracks, decisions, zone)


def everything(text: str = "x") -> Timeline:
    steps = (Point(at(0), None, "{grade}", at(24), text), Point(at(24), 2.0, "{grade}", at(120), text))
    spans = (Point(at(0), False, "", at(10)), Point(at(10), None, "", at(20), text), Point(at(20), True, "", END, text))
    marks = (Point(at(5), 600, "mg", text=text), Point(at(60), None, text=text, until=at(90), is_hollow=True))
    return Timeline(
        text,
        START,
        END,
        (
            Track(
                text, (Series(text, "steps", "{grade}", steps), Series(text, "steps", "{grade}", ())), least=0, most=4
            ),
            Track(text, (Series(text, "values", "Cel", many(30)),), (Line(text, 38, "Cel"),)),
            Track(text, (Series(text, "values", "ng/mL", (Point(at(9), 99.0, "ng/mL", bound=">"),)),), is_log=True),
            Track(text, (Series(text, "spans", "", spans), Series(text, "marks", "mg", marks))),
            Track(text, (Series(text, "marks", "", ()),), gaps=(text,)),
        ),
        (Decided(at(0), text, text, text, text), Decided(at(50), "", ""), Decided(at(90), "block", "critical", "no")),
    )


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


@pytest.mark.parametrize("text", ["x", EVIL])
@pytest.mark.parametrize("brief", [True, False])
def test_it_is_one_harmless_svg(text: str, brief: bool) -> None:
    root = parsed(draw(everything(text), now=at(30), brief=brief))
    assert root.tag.endswith("svg")
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "title", "desc", "style", "g", "line", "text", "tspan", "rect", "circle", "path"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or name in ("style", "href", "src")}
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_it_is_told_to_whoever_cannot_see_it() -> None:
    root = parsed(draw(everything()))
    names = root.attrib["aria-labelledby"].split()
    told = {element.attrib["id"]: element.text or "" for element in root.iter() if "id" in element.attrib}
    assert root.attrib["role"] == "img"
    assert all(told[name] for name in names)
    assert "Last answer: block" in told[names[1]]


def test_a_strict_page_serves_the_styles_itself() -> None:
    assert "<style" not in draw(everything(), styled=False)
    assert "<style" in draw(everything())


def test_what_is_not_known_is_drawn_as_such() -> None:
    svg = draw(everything())
    assert len(re.findall('class="unknown"', svg)) == 1
    assert len(re.findall('class="bar"', svg)) == 1
    # The grade has no line before it is known.
    (path,) = re.findall(r'<path class="one step" d="M([\d.]+) ', svg)
    assert float(path) > 20


def test_the_moment_that_is_looked_at_is_marked() -> None:
    (line,) = re.findall(r'<line class="now" x1="([\d.]+)%"', draw(everything(), now=at(60)))
    assert float(line) == pytest.approx(50, abs=0.1)
    assert 'class="now"' not in draw(everything())


def test_nothing_lies_outside() -> None:
    outside = Series("s", "marks", "", (Point(at(-50), 1, until=at(500)),))
    for share in re.findall(r'(?:x|x1|x2|cx)="([\d.]+)%"', draw(course(Track("t", (outside,))))):
        assert 0 <= float(share) <= 100


def test_a_track_without_records_is_named_and_says_whether_it_was_read() -> None:
    empty = (Series("s", "marks", "", ()),)
    svg = draw(course(Track("Given", empty), Track("Lost", empty, gaps=("not sent",))))
    assert "Nothing found: Given" in svg
    assert "Not all read, nothing found: Lost" in svg


def test_of_many_pictures_each_is_small() -> None:
    """Two weeks of hourly values of five vital signs."""
    long = course(*(Track(f"t{i}", (Series("s", "values", "Cel", many(336)),)) for i in range(5)))
    whole, brief = draw(long), draw(long, styled=False, brief=True)
    assert len(brief) < 10_000 < len(whole)
    # What is thinned keeps its extremes.
    drawn = [{float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", svg)} for svg in (brief, whole)]
    assert [min(heights) for heights in drawn] == [3.9, 3.9]
    assert [max(heights) for heights in drawn] == [52.1, 52.1]


def test_the_clock_is_that_of_the_ward() -> None:
    svg = draw(course(Track("t", (Series("s", "values", "Cel", (Point(at(1), 38.0, "Cel"),)),)), zone="Europe/Berlin"))
    assert "2026-03-01 02:00" in svg
    assert "Europe/Berlin" in svg


def test_one_moment_alone_can_be_drawn() -> None:
    moment = Timeline("p", START, START, (Track("t", (Series("s", "values", "Cel", (Point(START, 38.0, "Cel"),)),)),))
    assert parsed(draw(moment)).tag.endswith("svg")
