"""A walked run as one HTML page that stands alone: no script, nothing from elsewhere, written piece by piece.

Every patient is on it: those first that differ, are wrong or failed. Of many patients each has less room, and what does
not fit is left out in this order: cards, answers, the picture. Nothing in it says when it was made: the same run gives
the same page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from cds_service.timeline.draw import STYLE as TIMELINE
from cds_service.tools.catalogue.card_html import card_html
from cds_service.tools.replay.heat import heat
from cds_service.tools.replay.outputs import clock, difference, span
from cds_service.tools.replay.totals import Totals, is_marked, is_touched, runs

Line = dict[str, Any]
MOST_BYTES: Final = 4_800_000
_OPEN: Final = 12  # patients that are shown unfolded
_STYLE: Final = (Path(__file__).parent / "report.css").read_text(encoding="utf-8") + TIMELINE


def page(
    lines: Callable[[], Iterable[Line]],
    problems: Iterable[tuple[str, str]],
    found: Totals,
    names: Mapping[str, str],
    knowledge: Any = None,
) -> Iterator[str]:
    """The page in pieces. `lines` reads the patients, once for each pass; `names` says what was asked, and how;
    `knowledge` words the criteria that were counted (None: nothing was counted)."""
    told = [*_head(found, names), *_problems(problems)]
    tail = [*(heat(knowledge, found.tally) if knowledge is not None and found.tally else ()), _FOOT]
    room = MOST_BYTES - sum(len(part.encode()) for part in (*told, *tail))
    yield from told
    shown = 0
    for title, wanted in (("Patients to look at", True), ("Patients", False)):
        chosen = (line for line in lines() if is_touched(line) is wanted)
        for index, line in enumerate(chosen):
            if not index:
                yield f'<h2 id="{"touched" if wanted else "patients"}">{title}</h2>\n'
            # What is looked at first may take twice its share.
            share = room / max(found.patients - shown, 1) * (2 if wanted else 1)
            part = _fitting(line, share, unfolded=shown < _OPEN)
            room -= len(part.encode())
            shown += 1
            yield part
    yield from tail


_FOOT: Final = "</main></body></html>\n"


def _head(found: Totals, names: Mapping[str, str]) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>Replay: {found.patients:,} patients</title><style>{_STYLE}</style></head><body>\n"
        '<p class="banner">Draft content, not reviewed by clinicians. It may hold patients’ data: keep it as you keep a'
        " chart.</p><main>\n<h1>Replay</h1>\n"
    )
    yield f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in names.items() if v)}</dl>\n"
    yield f'<ul class="tiles">{"".join(_tiles(found))}</ul>\n'
    yield '<div class="side">'
    yield _counts("Answers", "decision", found.decisions.most_common())
    if found.compared:
        yield _counts("What made answers differ", "rule", found.causes.most_common(20))
    moves = ((f"{before} → {after}", count) for (before, after), count in found.moves.most_common(12))
    yield _counts("How decisions moved", "from one step to the next", list(moves))
    yield "</div>\n"


def _tiles(found: Totals) -> Iterator[str]:
    yield _tile(found.patients, "patients")
    yield _tile(found.steps, "questions")
    if found.compared:
        yield _tile(found.differing, "answers differ", alarms=True)
    if found.expected:
        yield _tile(found.expected - found.wrong, f"of {found.expected:,} as expected")
        yield _tile(found.wrong, "not as expected", alarms=True)
    yield _tile(found.failed + found.problems, "failed", alarms=True)


def _tile(count: int, what: str, *, alarms: bool = False) -> str:
    css = ' class="alarm"' if alarms and count else ""
    return f"<li{css}><strong>{count:,}</strong> {escape(what)}</li>"


def _counts(title: str, what: str, counted: list[tuple[str, int]]) -> str:
    if not counted:
        return ""
    most = max(count for _, count in counted)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="n">{count:,}</td><td class="bar">'
        f'<svg width="100%" height="10" aria-hidden="true"><rect width="{100 * count / most:.1f}%" height="10"/></svg>'
        "</td></tr>"
        for name, count in counted
    )
    head = f'<tr><th scope="col">{what}</th><th scope="col" class="n">answers</th><td></td></tr>'
    return f"<table><caption>{title}</caption><thead>{head}</thead><tbody>{rows}</tbody></table>\n"


def _problems(problems: Iterable[tuple[str, str]]) -> Iterator[str]:
    told = [f"<li>{escape(where)}: {escape(what)}</li>" for where, what in problems]
    if told:
        more = f"<li>and {len(told) - 50:,} more</li>" if len(told) > 50 else ""
        yield f"<h2>What could not be used</h2><ul>{''.join(told[:50])}{more}</ul>\n"


# ---------------------------------------------------------------- one patient


# How many cards and answers are shown, and whether the picture is, from the fullest on.
_FULLNESS: Final = (
    (99, 999, True),
    (4, 60, True),
    (1, 25, True),
    (0, 12, True),
    (0, 5, True),
    (0, 1, True),
    (0, 12, False),
    (0, 0, False),
)


def _fitting(line: Line, share: float, *, unfolded: bool) -> str:
    """The fullest of a patient that takes no more bytes than that; at the least its head."""
    found = list(runs(line))
    rows, cards = list(map(_row, found)), list(_cards(found))
    # The marked answers first, then the newest.
    order = sorted(range(len(found)), key=lambda place: (not is_marked(found[place][0]), -place))
    # The picture is ours; everything in it was escaped when it was drawn.
    drawn = f"<figure>{line['svg']}</figure>" if line.get("svg") else ""
    part = ""
    for most_cards, most_rows, picture in _FULLNESS:
        shown = [rows[place] for place in sorted(order[:most_rows])]
        inside = [drawn if picture else "", _answers(shown, len(rows)), *(cards[-most_cards:] if most_cards else ())]
        part = _patient(line, "".join(inside), unfolded)
        if len(part.encode()) <= share:
            break
    return part


def _patient(line: Line, inside: str, unfolded: bool) -> str:
    marked = sum(is_marked(step) for step in line["steps"])
    badge = f' <span class="badge">{marked:,} of {len(line["steps"]):,}</span>' if marked else ""
    story = f' <span class="soft">{escape(line["story"])}</span>' if line["story"] else ""
    head = f"<summary><strong>{escape(line['patient'])}</strong>{story}{badge}</summary>"
    opened = " open" if unfolded else ""
    return f'<details class="patient"{opened}>{head}{inside}</details>\n'


def _answers(rows: list[str], all_: int) -> str:
    """What was answered when, and how much of it is not shown."""
    left = all_ - len(rows)
    more = f'<p class="note">{left:,} more changes of the answer are in the JSON.</p>' if left else ""
    if not rows:
        return more
    names = "".join(f'<th scope="col">{name}</th>' for name in ("Time", "Answer", "Says"))
    return f'<table class="runs"><thead><tr>{names}</tr></thead><tbody>{"".join(rows)}</tbody></table>{more}'


def _row(run: list[Line]) -> str:
    first = run[0]
    level = first.get("indicator") if first.get("indicator") in ("info", "warning", "critical") else "none"
    told = "<br>".join(
        escape(text)
        for text in (
            first.get("error") or first.get("summary") or "",
            f"ordered: {first['order']}" if first["order"] else "",
            f"expected: {' or '.join(first['expected'])}" if first.get("wrong") else "",
            difference(first) if "differs" in first else "",
        )
        if text
    )
    rule = f'<br><span class="soft">{escape(first["rule"])}</span>' if first.get("rule") else ""
    css = ' class="marked"' if is_marked(first) else ""
    answer = f'<td><span class="badge {level}">{escape(first["decision"])}</span>{rule}</td>'
    return f"<tr{css}><td>{escape(span(run))}</td>{answer}<td>{told}</td></tr>"


def _cards(found: Iterable[list[Line]]) -> Iterator[str]:
    """Each first card that says something new, folded."""
    seen: set[tuple[str, str]] = set()
    for run in found:
        card = run[0].get("card") or {}
        key = (run[0]["decision"], run[0].get("rule", ""))
        if not card or key in seen:
            continue
        seen.add(key)
        level = card.get("indicator") if card.get("indicator") in ("info", "warning", "critical") else "none"
        head = f'{escape(str(card.get("summary", "")))} <span class="soft">{escape(clock(run[0]["at"]))}</span>'
        yield (
            f'<details class="card {level}"><summary>{head}</summary>{card_html(str(card.get("detail", "")))}</details>'
        )
