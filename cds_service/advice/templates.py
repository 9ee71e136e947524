"""The wording under `cards/`, compiled once at start. A placeholder that is not there is an error, never a blank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError

from cds_service.advice.words import MOST_WORDS, brief, escape, plain
from cds_service.contract import SUMMARY_LIMIT
from cds_service.errors import KnowledgeError
from cds_service.knowledge.model import Card
from cds_service.knowledge.placeholders import parsed

# One line `file:line: key: what was expected` about a card.
Problem = Callable[[str, str, str], str]


@dataclass(frozen=True, slots=True)
class CardTemplate:
    """One card's wording, ready to fill; `parts` are the details that follow its own."""

    card: Card
    summary: Template
    detail: Template
    parts: tuple[Template, ...] = ()

    def fill(self, context: Mapping[str, Any]) -> tuple[str, str]:
        """(summary as plain text of at most 139 characters, detail as Markdown)."""
        known = {**self.summary.globals, **context}
        summary = " ".join(_filled(self.summary, known).split())
        if len(summary) > SUMMARY_LIMIT:
            summary = summary[: SUMMARY_LIMIT - 1].rstrip() + "…"
        details = [_filled(template, known).strip() for template in (self.detail, *self.parts)]
        return summary, "\n\n".join([detail for detail in details if detail])


def _filled(template: Template, known: dict[str, Any]) -> str:
    """`template.render`, without the copy of all that is known that it makes each time."""
    text = "".join(template.root_render_func(template.new_context(known, shared=True)))
    return text.replace(" ....", " ...")  # a reason that was cut, at the end of a sentence


def _brief(said: object, most: int = MOST_WORDS) -> str:
    return brief(str(said), most)


def compile_cards(cards: Mapping[str, Card], problem: Problem) -> dict[str, CardTemplate]:
    """Every card's templates. Summaries are plain text; details are Markdown, so chart text in them is escaped.

    KnowledgeError names each text that is no template; `problem` spells one: (card id, key, what was expected).
    """
    # Markdown, not HTML: `escape` is applied to every value instead of autoescape.
    markdown = Environment(undefined=StrictUndefined, finalize=escape, trim_blocks=True, lstrip_blocks=True)
    text = Environment(undefined=StrictUndefined, finalize=plain, trim_blocks=True, lstrip_blocks=True)
    for environment in (markdown, text):
        environment.filters["brief"] = _brief
    problems: list[str] = []
    made = {}
    for name, card in cards.items():
        compiled = []
        for key, environment, written in (("summary", text, card.summary), ("detail", markdown, card.detail)):
            try:
                compiled.append(environment.from_string(parsed(written)))
            except TemplateError as error:
                line = getattr(error, "lineno", 1)
                problems.append(problem(name, key, f"expected a Jinja2 template, line {line} of it: {error.message}"))
        if len(compiled) == 2:
            made[name] = CardTemplate(card, compiled[0], compiled[1])
    if problems:
        raise KnowledgeError(problems)
    return {name: replace(one, parts=tuple(made[part].detail for part in one.card.parts)) for name, one in made.items()}
