"""A session whose COPY is encoded by pgpq; the bytes go through psycopg, in the session's own transaction.

Source: PostgreSQL manual, "Binary Format" of COPY; psycopg's "Using COPY TO and COPY FROM".
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pgpq
import polars as pl
import psycopg

from connectors.postgres.errors import Side, translate
from connectors.postgres.session import SqlSession
from connectors.postgres.sql import ident, qualified
from contracts.errors import SinkWriteFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    import pyarrow as pa

_BYTES_AT_ONCE = 2 * 1024 * 1024
"""What is encoded at once, so that a frame's bytes are not all in memory beside it, nor in libpq's buffer."""


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """The frame as pgpq takes it: strings as polars has them, binary as it was before views."""
    level = pl.CompatLevel.oldest() if pl.Binary in frame.dtypes else pl.CompatLevel.newest()
    # There is no integer of one byte in PostgreSQL.
    return frame.cast({pl.Int8: pl.Int16, pl.UInt8: pl.Int16}).to_arrow(compat_level=level)


def _rows_at_once(frame: pl.DataFrame) -> int:
    return max(1, _BYTES_AT_ONCE * frame.height // max(1, int(frame.estimated_size())))


class PgpqSession(SqlSession):
    """A session that writes; results of any size are read by the driver's."""

    def __init__(self, connection: psycopg.Connection, side: Side) -> None:
        self._connection = connection
        self._side = side

    @classmethod
    def open(cls, conninfo: str, side: Side, doing: str) -> Self:
        """Connect, in autocommit. Statements are not prepared: a pooler in front of the server may not know them."""
        try:
            connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise translate(error, side, doing) from error
        return cls(connection, side)

    @contextmanager
    def _cursor(self, doing: str) -> Iterator[psycopg.Cursor[Any]]:
        try:
            with self._connection.cursor() as cursor:
                yield cursor
        except psycopg.Error as error:
            raise translate(error, self._side, doing) from error

    def execute(self, sql: str, doing: str = "running a statement") -> int:
        """Run a statement; returns affected rows, -1 where the server does not say."""
        with self._cursor(doing) as cursor:
            cursor.execute(sql.encode())
            return cursor.rowcount

    def rows(self, sql: str, doing: str = "running a query") -> list[tuple[Any, ...]]:
        """A small result as Python tuples; cast columns to text, bigint or boolean in the query."""
        with self._cursor(doing) as cursor:
            return cursor.execute(sql.encode()).fetchall()

    def copy_in(self, table: str, frame: pl.DataFrame, *, schema: str | None, doing: str) -> None:
        """Binary ``COPY`` of the frame into a table; into a temporary one when ``schema`` is None.

        Raises:
            SinkWriteFailedError: The server took another number of rows than the frame has.
        """
        arrow = _arrow(frame)
        encoder = pgpq.ArrowToPostgresBinaryEncoder(arrow.schema)
        columns = ", ".join(ident(name) for name in frame.columns)
        sql = f"COPY {qualified(schema or 'pg_temp', table)} ({columns}) FROM STDIN WITH (FORMAT binary)"
        with self._cursor(doing) as cursor:
            with cursor.copy(sql.encode()) as copy:
                copy.write(encoder.write_header())
                for batch in arrow.to_batches(max_chunksize=_rows_at_once(frame)):
                    copy.write(encoder.write_batch(batch))
                copy.write(encoder.finish())
            taken = cursor.rowcount
        if taken != frame.height:
            raise SinkWriteFailedError(
                f"{doing}: {frame.height} rows were sent and {taken} taken", "Run again; report it if it stays."
            )

    def close(self) -> None:
        """Close the connection; a broken one is simply let go."""
        with suppress(Exception):
            self._connection.close()
