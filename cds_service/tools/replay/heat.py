"""Which criteria of which rules were ever true, false or unknown in a run: a line a rule, a cell a criterion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition, conditions
from cds_service.tools.catalogue.sentences import sentence
from cds_service.tools.replay.ours import Tally

_NAMES = ("held", "did not hold", "unknown")
_CSS = ("t", "f", "u")
_HEIGHT, _LEAST = 18, 3.0  # pixels of a cell, and of what is seen of it


def heat(knowledge: Knowledge, tally: Tally) -> Iterator[str]:
    """The map, and what it comes to."""
    rules = {rule.id: rule for rule in knowledge.rules}
    counted = {name: counts for name, counts in tally.items() if name in rules}
    cells = [_three(counts, place) for counts in counted.values() for place in range(1, len(counts) // 3)]
    fired = sum(1 for counts in counted.values() if counts[0])
    never = sum(1 for cell in cells if not cell[0])
    always = sum(1 for cell in cells if cell[0] and not cell[1])
    yield (
        '<h2 id="coverage">Which criteria were met</h2>\n'
        f"<p>{fired:,} of {len(counted):,} rules that were asked fired at least once. Of their {len(cells):,} criteria"
        f" {never:,} never held, and {always:,} held and never failed: of these the run shows one side only.</p>\n"
        '<p class="key"><span class="k t"></span> held <span class="k f"></span> did not hold <span class="k u"></span>'
        " unknown; an outlined cell never held.</p>\n"
        '<table class="heat"><thead><tr><th scope="col">Rule</th><th scope="col" class="n">fired</th>'
        '<th scope="col" class="n">unknown</th><th scope="col">Criteria, in the order of the file</th></tr></thead>'
        "<tbody>\n"
    )
    for name in sorted(counted, key=list(rules).index):
        yield _row(knowledge, rules[name], counted[name])
    yield "</tbody></table>\n"


def _three(counts: Sequence[int], place: int) -> Sequence[int]:
    return counts[3 * place : 3 * place + 3]


def _row(knowledge: Knowledge, rule: RuleDefinition, counts: Sequence[int]) -> str:
    fired, _, unknown = _three(counts, 0)
    cells = "".join(
        _cell(_words(knowledge, path, condition), _three(counts, place))
        for place, (path, condition) in enumerate(conditions(rule), 1)
    )
    css = "" if fired else ' class="silent"'
    return (
        f'<tr{css}><th scope="row">{escape(rule.id)}</th><td class="n">{fired:,}</td><td class="n">{unknown:,}</td>'
        f"<td>{cells}</td></tr>\n"
    )


def _words(knowledge: Knowledge, path: Sequence[str | int], condition: object) -> str:
    said = sentence(knowledge, condition).plain  # type: ignore[arg-type]
    return f"not ({said})" if path[0] == "unless" else f"or: {said}" if path[0] == "any" else said


def _cell(words: str, three: Sequence[int]) -> str:
    """How often a criterion held, did not, or was unknown, as one bar from below."""
    told = f"{words}: {', '.join(f'{name} {count:,}' for name, count in zip(_NAMES, three, strict=True))}"
    bars, top = "", float(_HEIGHT)
    for css, height in zip(_CSS, _heights(three), strict=True):
        top -= height
        if height:
            bars += f'<rect class="{css}" y="{top:g}" width="14" height="{height:g}"/>'
    never = "" if three[0] else ' class="never"'
    return f'<svg{never} width="14" height="18" role="img"><title>{escape(told)}</title>{bars}</svg>'


def _heights(three: Sequence[int]) -> list[float]:
    """Pixels of each part; what happened at all is seen, and the greatest part gives way for it."""
    whole = sum(three) or 1
    found = [max(round(_HEIGHT * count / whole, 1), _LEAST) if count else 0.0 for count in three]
    greatest = found.index(max(found))
    found[greatest] = round(found[greatest] - (sum(found) - _HEIGHT), 1) if any(three) else 0.0
    return found
