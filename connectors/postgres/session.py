"""A conversation with one PostgreSQL server: statements, small results, transactions, rows in and out.

The connection is in autocommit and transactions are plain ``BEGIN``/``COMMIT``: with the driver's own transactions a
failed ``COPY`` leaves no way back to a savepoint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import adbc_driver_postgresql
import polars as pl
from adbc_driver_postgresql import dbapi

from connectors.postgres.arrow_stream import StreamError, frames
from connectors.postgres.errors import Side, translate
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_USE_COPY = adbc_driver_postgresql.StatementOptions.USE_COPY.value
_BATCH_BYTES = adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value


class SqlSession(ABC):
    """One connection, used by one thread. Every failure is raised as an ``IngestionError``."""

    @abstractmethod
    def execute(self, sql: str, doing: str = "running a statement") -> int:
        """Run a statement; returns affected rows, -1 where the server does not say."""

    @abstractmethod
    def rows(self, sql: str, doing: str = "running a query") -> list[tuple[Any, ...]]:
        """A small result as Python tuples; cast columns to text, bigint or boolean in the query."""

    @abstractmethod
    def copy_in(self, table: str, frame: pl.DataFrame, *, schema: str | None, doing: str) -> None:
        """Binary ``COPY`` of the frame into a table; into a temporary one when ``schema`` is None."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection; a broken one is simply let go."""

    def value(self, sql: str, doing: str = "running a query") -> Any:
        """First column of the first row, or None."""
        rows = self.rows(sql, doing)
        return rows[0][0] if rows else None

    @contextmanager
    def transaction(self, how: str = "") -> Iterator[None]:
        """``BEGIN how`` … ``COMMIT``, or ``ROLLBACK`` when the block raises."""
        self.execute(f"BEGIN {how}", "beginning a transaction")
        try:
            yield
        except BaseException:
            with suppress(Exception):
                self.execute("ROLLBACK", "rolling back")
            raise
        self.execute("COMMIT", "committing")

    def alive(self) -> bool:
        """Whether the server still answers on this connection."""
        try:
            self.rows("SELECT true AS here", "asking whether the connection still stands")
        except IngestionError:
            return False
        return True


class Session(SqlSession):
    """A session of the ADBC driver, which reads results of any size."""

    def __init__(self, connection: dbapi.Connection, side: Side) -> None:
        self._connection = connection
        self._side = side

    @contextmanager
    def _cursor(self, doing: str) -> Iterator[dbapi.Cursor]:
        try:
            with closing(self._connection.cursor()) as cursor:
                yield cursor
        except (dbapi.Error, StreamError) as error:
            raise translate(error, self._side, doing) from error

    def execute(self, sql: str, doing: str = "running a statement") -> int:
        """Run a statement; returns affected rows, -1 where the server does not say."""
        with self._cursor(doing) as cursor:
            cursor.execute(sql)
            return int(cursor.rowcount)

    def rows(self, sql: str, doing: str = "running a query") -> list[tuple[Any, ...]]:
        """A small result as Python tuples; cast columns to text, bigint or boolean in the query."""
        with self._cursor(doing) as cursor:
            cursor.adbc_statement.set_options(**{_USE_COPY: "false"})
            cursor.execute(sql)
            return pl.DataFrame(cursor.fetch_arrow()).rows()

    def stream(self, sql: str, batch_bytes: int, doing: str) -> Iterator[pl.DataFrame]:
        """A result of any size in frames of about ``batch_bytes``; at least one frame, maybe without rows."""
        with self._cursor(doing) as cursor:
            cursor.adbc_statement.set_options(**{_BATCH_BYTES: str(batch_bytes)})
            cursor.execute(sql)
            yield from frames(cursor.fetch_arrow())

    def copy_in(self, table: str, frame: pl.DataFrame, *, schema: str | None, doing: str) -> None:
        """Binary ``COPY`` of the frame into a table; into a temporary one when ``schema`` is None."""
        with self._cursor(doing) as cursor:
            if schema is None:
                cursor.adbc_ingest(table, frame, mode="append", temporary=True)
            else:
                cursor.adbc_ingest(table, frame, mode="append", db_schema_name=schema)

    def driver_version(self) -> str:
        """Name and version of the driver, as it says them."""
        said = self._connection.adbc_get_info()
        return f"{said.get('driver_name', 'unknown')} {said.get('driver_version', '')}".strip()

    def close(self) -> None:
        """Close the connection; a broken one is simply let go."""
        with suppress(Exception):
            self._connection.close()
