"""Tables in a SQLite file: the default for a single machine."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

from contracts.errors import StateUnavailableError
from state.connections import IdleConnections
from state.layout import KV_LAYOUT

if TYPE_CHECKING:
    from pathlib import Path

    from state.layout import TableLayout


class SqliteTable:
    """A file in write-ahead mode: readers never wait, writers wait for each other for up to ``busy_timeout_s``.

    The file must be on a local disk; several processes of that machine may use it.
    """

    def __init__(self, path: Path, busy_timeout_s: float = 30.0, layout: TableLayout = KV_LAYOUT) -> None:
        self._path = path
        self._layout = layout
        self._busy_timeout_s = busy_timeout_s
        self._connections = IdleConnections(self._open, usable=lambda _: True)

    def create(self) -> None:
        """Create folder, file and tables if they are missing.

        Raises:
            StateUnavailableError: The folder is not writable, or the file is not a SQLite database.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unavailable(error) from error
        for name, columns in self._layout.tables.items():
            self.run(f"CREATE TABLE IF NOT EXISTS {name} ({columns.format(text='TEXT')}) WITHOUT ROWID", ())
        for name, place in self._layout.indexes.items():
            self.run(f"CREATE INDEX IF NOT EXISTS {name} ON {place}", ())

    def run(self, statement: str, values: tuple[str | int | None, ...]) -> list[tuple[Any, ...]]:
        """Execute and commit one statement with parameters ``$1``, ``$2``, …; return its rows.

        Raises:
            StateUnavailableError: The file is locked for too long, damaged or not writable, or the disk is full.
        """
        try:
            with self._connections.lend() as connection:
                return connection.execute(statement.replace("$", "?"), values).fetchall()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            self._write_ahead(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        # Switching to WAL ignores the busy timeout when two processes create the file at the same time.
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _unavailable(self, error: Exception) -> StateUnavailableError:
        return StateUnavailableError(
            f"The state file {self._path} cannot be used: {error}",
            "Check that the folder can be written, the disk has room and no other program locks the file.",
            path=str(self._path),
        )
