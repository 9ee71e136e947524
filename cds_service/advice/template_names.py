"""Checks every branch of a template, also those that no patient takes: each name and member that it uses exists.

Names are looked up in a sample of what cards may print, so that there is no second list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import nodes

from cds_service.knowledge.messages import suggestion
from cds_service.knowledge.placeholders import named, parsed

# What cannot be told without evaluating: nothing is said about it.
_OPEN: Any = object()
Known = Mapping[str, tuple[str, Mapping[str, Any]]]


def problems(text: str, sample: Mapping[str, Any], known: Known) -> list[str]:
    """What is wrong with the names in a template, each once.

    `sample` holds every variable with a value of its shape; lists have one item at least. `known`: function -> (what it
    takes, every name that it may be given with a sample of its result).
    """
    walk = _Walk(known)
    walk.statements(parsed(text).body, dict(sample))
    return list(dict.fromkeys(walk.found))


class _Walk:
    """One pass over a template. Expressions give a sample of their value."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.found: list[str] = []

    def statements(self, body: Sequence[nodes.Node], scope: dict[str, Any]) -> None:
        for node in body:
            if isinstance(node, nodes.For):
                items = self.value(node.iter, scope)
                item = items[0] if isinstance(items, list | tuple) and items else _OPEN
                self.statements(node.body, {**scope, **_bound(node.target, item), "loop": _OPEN})
                self.statements(node.else_, scope)
            elif isinstance(node, nodes.If):
                self.value(node.test, scope)
                for part in (node.body, node.elif_, node.else_):
                    self.statements(part, scope)
            elif isinstance(node, nodes.Assign):
                scope |= _bound(node.target, self.value(node.node, scope))
            else:
                for child in node.iter_child_nodes():
                    self.value(child, scope)

    def value(self, node: nodes.Node, scope: Mapping[str, Any]) -> Any:
        if isinstance(node, nodes.Name):
            if node.name not in scope:
                self.found.append(f"no such variable {node.name}{suggestion(node.name, scope)}")
            return scope.get(node.name, _OPEN)
        if isinstance(node, nodes.Const):
            return node.value
        if isinstance(node, nodes.Getattr):
            return self._member(self.value(node.node, scope), node.attr)
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in self._known:
            return self._call(node, node.node.name)
        for child in node.iter_child_nodes():
            self.value(child, scope)
        return _OPEN

    def _member(self, owner: Any, name: str) -> Any:
        if owner is _OPEN or owner is None:
            return _OPEN
        if isinstance(owner, Mapping) and name in owner:
            return owner[name]
        if hasattr(owner, name) and not name.startswith("_"):
            return getattr(owner, name)
        self.found.append(f"no such member {name}{suggestion(name, _members(owner))}")
        return _OPEN

    def _call(self, node: nodes.Call, function: str) -> Any:
        what, results = self._known[function]
        name = named(node)
        if name is None:
            self.found.append(f"expected {function}('...') with the name of one {what} between quotes")
        elif name not in results:
            self.found.append(f"no such {what} {name}{suggestion(name, results)}")
        return results.get(name or "", _OPEN)


def _bound(target: nodes.Node, value: Any) -> dict[str, Any]:
    if isinstance(target, nodes.Name):
        return {target.name: value}
    return {name.name: _OPEN for name in target.find_all(nodes.Name)}


def _members(owner: Any) -> Iterator[str]:
    return iter(owner) if isinstance(owner, Mapping) else (name for name in dir(owner) if not name.startswith("_"))
