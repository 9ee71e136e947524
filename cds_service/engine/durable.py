"""Runs compiled rules in durable-rules inside guards; the only module that imports it.

durable-rules is a C extension with sharp edges: a session that is never deleted ends in MemoryError, deleting
one in which nothing ever fired crashes, a swallowed error looks like a rule that did not fire, and creating
hosts leaks. Hence: a host is never shared by two evaluations at a time and never outlives a fork; every
evaluation uses the same private session, asserts one flat fact and then a sentinel, and deletes the session;
any doubt discards the host.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import durable_rules_engine as native
import msgspec
from durable.engine import Host

from cds_service.engine.compile import SENTINEL, Ruleset
from cds_service.engine.values import Scalar

SID = "evaluation"
"""Constant: durable finds sessions by a 32-bit hash, so an id from a request could meet another patient's."""

_encode = msgspec.json.Encoder().encode
_SENTINEL_FACT = _encode({"sid": SID, "id": SENTINEL, SENTINEL: True}).decode()
_HANDLED = (0, 1)
"""durable's results for a fact that some rule, or no rule, took up."""

_GIVE_UP_AFTER = 8
_RETRY_EVERY = 100


class DurableFailure(Exception):
    """durable-rules did not prove that it evaluated a fact. The text names no fact and no patient."""


class GuardedHost(Host):  # type: ignore[misc]
    """A host for one evaluation at a time. After an exception it must be thrown away."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._handles: dict[str, int] = {}
        self._actions: dict[str, dict[str, Callable[[object], None]]] = {}
        self._fired: list[str] = []
        super().__init__()

    def _run(self) -> None:
        """The stock host starts timer threads here, which would run our actions in the background."""

    def prepare(self, ruleset: Ruleset) -> int:
        """Register the rules and fire one of them; gives the native handle."""
        actions = {name: _append(self._fired, rule_id) for name, rule_id in ruleset.rule_ids.items()}
        actions[SENTINEL] = _append(self._fired, SENTINEL)
        conditions = {**ruleset.conditions, SENTINEL: ({SENTINEL: True},)}
        self.set_rulesets({ruleset.name: _definition(conditions, actions)})
        handle: int = self.get_ruleset(ruleset.name)._handle
        self._actions[ruleset.name] = actions
        # The first session of a ruleset has uninitialised memory until a rule fires: not deleted before that.
        if self._fire(handle, actions, ()) != [SENTINEL]:
            raise DurableFailure("durable-rules: the first firing of a new ruleset did not happen")
        native.delete_state(handle, SID)
        self._handles[ruleset.name] = handle
        return handle

    def run_all(self, rulesets: Iterable[Ruleset], values: Mapping[str, Scalar]) -> set[str]:
        """Ids of the rules that fire on these values, each ruleset by itself."""
        return set().union(*(self.run(ruleset, values) for ruleset in rulesets))

    def run(self, ruleset: Ruleset, values: Mapping[str, Scalar]) -> set[str]:
        """Ids of the rules of one ruleset that fire."""
        handle = self._handles.get(ruleset.name)
        if handle is None:
            handle = self.prepare(ruleset)
        fact = {"sid": SID, "id": "patient", **ruleset.flat_fact(values)}
        try:
            fired = self._fire(handle, self._actions[ruleset.name], (_encode(fact).decode(),))
        finally:
            native.delete_state(handle, SID)
        if fired.count(SENTINEL) != 1:
            raise DurableFailure("durable-rules: the sentinel did not fire exactly once")
        fired.remove(SENTINEL)
        return set(fired)

    def _fire(self, handle: int, actions: Mapping[str, Callable[[object], None]], facts: Iterable[str]) -> list[str]:
        """Assert the facts and the sentinel one by one, then run every action that durable hands out.

        Same steps as `Host.assert_fact` without its promise per firing, which parses the fact again, writes
        the session's state back and swallows exceptions into it: eight times the cost, and weaker guards.
        """
        self._fired.clear()
        state = 0
        for fact in (*facts, _SENTINEL_FACT):
            result, state = native.assert_fact(handle, fact)
            if result not in _HANDLED:
                raise DurableFailure(f"durable-rules: a fact was not evaluated (result {result})")
        started = native.start_action_for_state(handle, state)
        if started is not None and '"exception"' in started[0]:
            raise DurableFailure("durable-rules: the session's state holds an exception")
        firing = started[1] if started is not None else None
        while firing is not None:
            # A firing reads {"<compiled rule>":{...}}; names of rules have no quotes.
            actions[firing[2 : firing.index('"', 2)]](None)
            firing = native.complete_and_start_action(handle, state)
        return self._fired.copy()


def _append(fired: list[str], rule_id: str) -> Callable[[object], None]:
    """An action that only appends. With a second parameter, even a default, durable takes it for async."""

    def action(_context: object) -> None:
        fired.append(rule_id)

    return action


def _definition(
    conditions: Mapping[str, tuple[dict[str, Any], ...]], actions: Mapping[str, Callable[[object], None]]
) -> dict[str, Any]:
    """durable's own form. The host takes the actions out of it, so it is made anew for every host."""
    return {
        name: {"all": [{"m": {"$and": list(expressions)}}], "run": actions[name]}
        for name, expressions in conditions.items()
    }


class AnyHost(Protocol):
    """A `GuardedHost`, here or in a process of its own."""

    pid: int
    """The process that may use it."""

    def run_all(self, rulesets: Iterable[Ruleset], values: Mapping[str, Scalar]) -> set[str]:
        """Ids of the rules that fire on these values, each ruleset by itself."""


class Hosts:
    """Idle hosts of this process: as many are made as evaluations ever ran at the same time.

    They do not belong to threads: a server that starts a thread per request would make a host per request, and
    hosts leak.
    """

    def __init__(self, make: Callable[[], AnyHost] | None = None) -> None:
        """`make`: of a process of its own; without it, hosts are made here."""
        self._make = make
        self._idle: list[AnyHost] = []
        self._failures = 0
        self._refused = 0

    def take(self) -> AnyHost:
        """An idle host of this process, or a new one. Give it back after success, drop it after a failure."""
        while True:
            try:
                host = self._idle.pop()  # atomic: no two threads get the same host
            except IndexError:
                break
            if host.pid == os.getpid():
                return host
        self._restrain()
        return self._make() if self._make else GuardedHost()

    def give(self, host: AnyHost) -> None:
        """Take a host back that worked."""
        self._failures = 0
        self._idle.append(host)

    def drop(self) -> None:
        """Count a host that was thrown away."""
        self._failures += 1

    def _restrain(self) -> None:
        """Hosts leak: when each new one fails, stop making one per evaluation."""
        if self._failures < _GIVE_UP_AFTER:
            return
        self._refused += 1
        if self._refused % _RETRY_EVERY:
            raise DurableFailure(
                f"durable-rules: failed at least {_GIVE_UP_AFTER} times in a row;"
                f" tried again every {_RETRY_EVERY} evaluations"
            )
