"""Connections that see one moment together: opened before a run, shared by its readers, ended with it."""

from __future__ import annotations

import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts.errors import SourceViewLostError

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
        """One of the sessions, for as long as the context is open.

        Raises:
            SourceViewLostError: All of them are lost, and the moment they saw with them.
        """
        session = self._next()
        try:
            yield session
        finally:
            self._free.put(session)

    def _next(self) -> TableSession:
        """One that is not lost; a lost one is put aside, but for the last, at which whoever waits learns of it."""
        while True:
            session = self._free.get()
            if not session.lost:
                return session
            if all(each.lost for each in self._sessions):
                self._free.put(session)
                raise SourceViewLostError(
                    "The connections that share the view are gone", "Run again; it resumes under a new one."
                )

    def close(self) -> None:
        """End the view."""
        for session in self._sessions:
            session.close()
