"""The errors that this service raises on purpose; nothing in them may carry a patient's data."""

from __future__ import annotations

from collections.abc import Iterable


class CdsError(Exception):
    """Root of every error that this service raises on purpose."""


class CallError(CdsError):
    """A call that cannot be answered: becomes an HTTP status and an OperationOutcome.

    `status` is an HTTP status (4xx or 5xx), `code` a FHIR IssueType (`invalid`, `structure`, `required`, `too-long`,
    `not-found`, `not-supported`, `processing`, ...). `diagnostics` says where, what was expected and what to do; it is
    sent to the caller, so it names JSON paths of our own vocabulary and never anything read from the call.
    """

    def __init__(self, status: int, code: str, diagnostics: str) -> None:
        super().__init__(f"{status} {code}: {diagnostics}")
        self.status = status
        self.code = code
        self.diagnostics = diagnostics


class KnowledgeError(CdsError):
    """Files under `rules/` or `cards/` that cannot be used.

    `problems` holds one line per problem, each `file:line: key: what was expected`; `str()` joins them with newlines.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class SettingsError(CdsError):
    """A setting (`CDS_*` in the environment, or an option of a command) whose value cannot be used."""


class StoreError(CdsError):
    """The store cannot be used now: what is to be kept waits, or the caller is told to come again."""
