"""The console's one way to everything: operations of the GraphQL schema, executed in this process.

Answers that many pages poll are kept for a moment and shared: ten open pages ask the control plane as often as one.
"""

from __future__ import annotations

import json
import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from metadata_api.console.documents import DOCUMENTS
from metadata_api.graphql_view import run_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metadata_api.services import ApiServices
    from metadata_api.settings import Role

POLL_S = 2.0
"""How old an answer may be that open pages poll for."""
LISTS_S = 15.0
"""The same of what seldom changes: templates, tables."""
MOST_ANSWERS = 500


class OperationRefusedError(Exception):
    """An operation was answered with an error; what it holds may be shown."""

    def __init__(self, message: str, code: str, hint: str, *, retryable: bool) -> None:
        self.message, self.code, self.hint, self.retryable = message, code, hint, retryable
        super().__init__(f"{code}: {message}")


class SharedAnswers:
    """Answers for all sessions of one role; safe between threads. Threads that want the same answer wait for one.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, Any]] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()
        self._changes = 0

    def get(self, key: str, keep_s: float, read: Callable[[], Any]) -> Any:
        """The answer, at most ``keep_s`` old."""
        with self._lock:
            one_reader = self._locks.setdefault(key, Lock())
        with one_reader:
            asked_at, changes = self._clock(), self._changes
            held = self._held.get(key)
            if held is not None and asked_at - held[0] < keep_s:
                return held[1]
            value = read()
            with self._lock:
                if changes == self._changes:
                    self._keep(key, asked_at, value)
            return value

    def forget(self) -> None:
        """Ask for everything again: something was changed."""
        with self._lock:
            self._changes += 1
            self._held.clear()

    def _keep(self, key: str, asked_at: float, value: Any) -> None:
        if len(self._held) >= MOST_ANSWERS:
            self._held.clear()
            self._locks.clear()
        self._held[key] = (asked_at, value)


class ConsoleClient:
    """Executes the operations of ``operations.graphql`` with the rights of one role.

    Args:
        services: Of the API.
        role: Of the session.
        shared: Answers that sessions share.
    """

    def __init__(self, services: ApiServices, role: Role, shared: SharedAnswers) -> None:
        self._services, self._role, self._shared = services, role, shared

    @property
    def may_change(self) -> bool:
        """True for an admin."""
        return self._role == "admin"

    def ask(self, operation: str, *, keep_s: float = 0.0, **variables: Any) -> dict[str, Any]:
        """The data of a query; with ``keep_s``, an answer that another page got lately will do.

        Raises:
            OperationRefusedError: It was answered with an error.
        """
        if not keep_s:
            return self.execute(DOCUMENTS[operation], variables, operation)
        key = json.dumps([self._role, operation, variables], sort_keys=True)
        answer: dict[str, Any] = self._shared.get(
            key, keep_s, lambda: self.execute(DOCUMENTS[operation], variables, operation)
        )
        return answer

    def change(self, operation: str, **variables: Any) -> Any:
        """The one field of a mutation's data; what was kept is asked for again. Raises OperationRefusedError."""
        try:
            return next(iter(self.execute(DOCUMENTS[operation], variables, operation).values()))
        finally:
            self._shared.forget()

    def execute(self, document: str, variables: Mapping[str, Any], operation: str) -> dict[str, Any]:
        """The data of an operation that every HTTP client could send as well; raises OperationRefusedError."""
        shown, _ = run_operation(self._services, self._role, document, dict(variables), operation)
        if errors := shown.get("errors"):
            facts = errors[0].get("extensions", {})
            raise OperationRefusedError(
                str(errors[0]["message"]),
                str(facts.get("code", "E_FAULT")),
                str(facts.get("hint", "")),
                retryable=bool(facts.get("retryable")),
            )
        return dict(shown["data"])
