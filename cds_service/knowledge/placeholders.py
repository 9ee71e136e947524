"""What a card's wording asks for: `fact('name')`, `policy('name')` and `regimen_dose('name')` in its templates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from jinja2 import Environment, TemplateSyntaxError, nodes

from cds_service.knowledge.model import Card

# Parses only, and reads blocks as cards do: what it makes is what they are compiled from.
_ENVIRONMENT = Environment(autoescape=False, trim_blocks=True, lstrip_blocks=True)
_BY_WEIGHT = frozenset({"maximum", "regimen_dose"})


@lru_cache(maxsize=1024)
def parsed(text: str) -> nodes.Template:
    """A template's syntax tree. Raises TemplateSyntaxError."""
    return _ENVIRONMENT.parse(text)


def facts_of(card: Card) -> frozenset[str]:
    """Names of the facts that a card prints or asks about."""
    return names_in(card.summary, "fact") | names_in(card.detail, "fact")


def names_in(text: str, function: str) -> frozenset[str]:
    """The names with which a template calls `fact`, `policy` or another function."""
    return frozenset(name for called, name in _calls(text) if called == function)


def prints_dose_by_weight(card: Card) -> bool:
    """Whether it prints a dose or a maximum that goes by the patient's age and weight."""
    return any(
        name.name in _BY_WEIGHT for tree in _trees(card.summary, card.detail) for name in tree.find_all(nodes.Name)
    )


def named(call: nodes.Call) -> str | None:
    """The one name between quotes that such a call has; None where it is written in another way."""
    argument = call.args[0] if len(call.args) == 1 and not (call.kwargs or call.dyn_args or call.dyn_kwargs) else None
    return argument.value if isinstance(argument, nodes.Const) and isinstance(argument.value, str) else None


@lru_cache(maxsize=1024)
def _calls(text: str) -> tuple[tuple[str, str], ...]:
    """Every call with one name between quotes that a template makes: the function, and the name."""
    return tuple(
        (call.node.name, name)
        for tree in _trees(text)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and (name := named(call)) is not None
    )


def _trees(*texts: str) -> Iterator[nodes.Template]:
    """The templates that can be parsed: the others are refused elsewhere."""
    for text in texts:
        try:
            yield parsed(text)
        except TemplateSyntaxError:
            continue
