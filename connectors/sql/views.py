"""Connections that see one moment together: opened before a run, shared by its readers, ended with it."""

from __future__ import annotations

import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.sql.dialect import TableSession
    from connectors.sql.settled import CursorObservation


class SharedView:
    """Sessions inside one view. Safe between threads: whoever finds none free waits for one.

    Attributes:
        seen: Who was in the middle of a transaction around the view; None when that cannot be known.
        notes: What an operator should know about the view.
    """

    def __init__(
        self, sessions: Sequence[TableSession], seen: CursorObservation | None, notes: tuple[str, ...]
    ) -> None:
        self.seen, self.notes = seen, notes
        self._sessions = tuple(sessions)
        self._free: queue.LifoQueue[TableSession] = queue.LifoQueue()
        for session in sessions:
            self._free.put(session)

    @contextmanager
    def session(self) -> Iterator[TableSession]:
        """One of the sessions, for as long as the context is open."""
        session = self._free.get()
        try:
            yield session
        finally:
            self._free.put(session)

    def close(self) -> None:
        """End the view."""
        for session in self._sessions:
            session.close()
