"""The console's one way to everything: operations of the GraphQL schema, executed in this process.

Answers that many pages poll are kept for a moment and shared: ten open pages ask the control plane as often as one.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
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
STALE_S = 10.0
"""How old it may be while the next one is being read."""
MOST_ANSWERS, READERS = 500, 2


class OperationRefusedError(Exception):
    """An operation was answered with an error; what it holds may be shown."""

    def __init__(self, message: str, code: str, hint: str, *, retryable: bool) -> None:
        self.message, self.code, self.hint, self.retryable = message, code, hint, retryable
        super().__init__(f"{code}: {message}")


class SharedAnswers:
    """Answers for all sessions of one role; safe between threads. Threads that want the same answer wait for one.

    An answer that was asked for a moment ago is given out once more while the next one is read, so that a page that
    polls does not wait for the control plane.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, Any]] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()
        self._changes = 0
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="console")

    def get(self, key: str, keep_s: float, read: Callable[[], Any]) -> Any:
        """The answer: at most ``keep_s`` old, or ``STALE_S`` while a newer one is being read."""
        with self._lock:
            one_reader, held = self._locks.setdefault(key, Lock()), self._held.get(key)
        age_s = float("inf") if held is None else self._clock() - held[0]
        if held is not None and age_s < max(keep_s, STALE_S):
            if age_s >= keep_s and not one_reader.locked():
                self._readers.submit(self._renewed, key, keep_s, read, one_reader)
            return held[1]
        with one_reader:
            return self._read(key, keep_s, read)

    def forget(self) -> None:
        """Ask for everything again: something was changed."""
        with self._lock:
            self._changes += 1
            self._held.clear()

    def _renewed(self, key: str, keep_s: float, read: Callable[[], Any], one_reader: Lock) -> None:
        """Read in the background; whoever asks after a failure asks again, and is told."""
        with one_reader:
            try:
                self._read(key, keep_s, read)
            except Exception:  # noqa: BLE001 - the next one who asks gets the error
                with self._lock:
                    self._held.pop(key, None)

    def _read(self, key: str, keep_s: float, read: Callable[[], Any]) -> Any:
        asked_at, changes, held = self._clock(), self._changes, self._held.get(key)
        if held is not None and asked_at - held[0] < keep_s:
            return held[1]  # another thread has read it meanwhile
        value = read()
        with self._lock:
            if changes == self._changes:
                self._keep(key, asked_at, value)
        return value

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
