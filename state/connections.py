"""A connection pool. It keeps at most as many idle connections as threads ever used it concurrently."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ConnectionT = TypeVar("ConnectionT", bound=Any)


class IdleConnections(Generic[ConnectionT]):
    """Lends each connection to one thread at a time and keeps it for reuse. Not safe across a fork.

    Args:
        open_connection: Opens a connection; its errors are passed on.
        usable: Whether an idle connection still works; if not, it is closed and replaced.
    """

    def __init__(self, open_connection: Callable[[], ConnectionT], usable: Callable[[ConnectionT], bool]) -> None:
        self._open = open_connection
        self._usable = usable
        self._idle: list[ConnectionT] = []
        self._lock = Lock()
        self._generation = 0

    @contextmanager
    def lend(self) -> Iterator[ConnectionT]:
        """A connection for the duration of the context. After an error it is closed, not reused."""
        connection, generation = self._take()
        try:
            yield connection
        except BaseException:
            _close(connection)
            raise
        with self._lock:
            keep = generation == self._generation
            if keep:
                self._idle.append(connection)
        if not keep:
            _close(connection)

    def close(self) -> None:
        """Close idle connections now and lent ones when they are returned. The pool stays usable."""
        with self._lock:
            self._generation += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            _close(connection)

    def _take(self) -> tuple[ConnectionT, int]:
        while True:
            with self._lock:
                generation = self._generation
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._open(), generation
            if self._usable(connection):
                return connection, generation
            _close(connection)


def _close(connection: ConnectionT) -> None:
    with suppress(Exception):  # it is discarded either way
        connection.close()
