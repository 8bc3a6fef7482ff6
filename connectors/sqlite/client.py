"""Connections to a SQLite file: readers that never write, the write lock that holds writers up for a moment, errors."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from contracts import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connectors.sqlite.config import SqliteConfig
    from contracts.errors import IngestionError

_BUSY = ("database is locked", "database table is locked", "database schema is locked")
_SCHEMA = ("no such table", "no such column", "no such view")


class SqliteSession:
    """One connection in autocommit, used by one thread at a time. Every failure is raised as an ``IngestionError``."""

    lost = False
    """A file does not go away."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, doing: str) -> list[tuple[Any, ...]]:
        """A small result."""
        with self.fetch(sql, doing) as fetch:
            return [tuple(row) for row in fetch(-1)]

    @contextmanager
    def fetch(self, sql: str, doing: str) -> Iterator[Callable[[int], Sequence[Sequence[Any]]]]:
        """What fetches the next so many rows (all of them for -1)."""
        try:
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(sql)
                yield lambda wanted: cursor.fetchall() if wanted < 0 else cursor.fetchmany(wanted)
        except sqlite3.Error as error:
            raise translate(error, doing) from error

    def close(self) -> None:
        """Close the connection; an open transaction ends."""
        self._connection.close()


def connect(config: SqliteConfig, *, write: bool = False) -> SqliteSession:
    """A connection to a file that exists; it is never made.

    Args:
        config: Where it is.
        write: May take the write lock. Nothing of the file is changed either way.
    """
    uri = f"file:{quote(str(config.path.absolute()))}?mode={'rw' if write else 'ro'}"
    doing = f"opening {config.path}"
    try:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=config.lock_timeout_s
        )
    except sqlite3.Error as error:
        raise translate(error, doing) from error
    session = SqliteSession(connection)
    try:
        session.rows("PRAGMA query_only = 1", doing)
        session.rows("SELECT count(*) FROM sqlite_master", doing)
    except BaseException:
        session.close()
        raise
    return session


def reader(config: SqliteConfig) -> SqliteSession:
    """A session inside a read transaction, which shows the moment at which this returns."""
    session = connect(config)
    try:
        session.rows("BEGIN", "opening a view")
        session.rows("SELECT count(*) FROM sqlite_master", "opening a view")
    except BaseException:
        session.close()
        raise
    return session


def translate(error: sqlite3.Error, doing: str) -> IngestionError:
    """Our error for a driver error (sqlite.org, "Result and Error Codes")."""
    text = str(error)
    line = f"{doing}: {text}"
    if text.startswith(_SCHEMA):
        return errors.SourceSchemaChangedError(line, "Collect the catalog again and look at its diff; then run again.")
    if text.startswith("unable to open"):
        return errors.SourceUnreachableError(line, "Check the path and that the file may be read.")
    if text.startswith(_BUSY):
        return errors.SourcePageFailedError(line, "Run again when the writer is done, or raise lock_timeout_s.")
    if "UTF-8" in text or "not a database" in text or "malformed" in text:
        return errors.SourceValueError(line.partition(" with text")[0], "Repair the file, or name another one.")
    return errors.SourcePageFailedError(line, "Run again; finished slices are not redone.")
